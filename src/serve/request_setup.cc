#include "serve/request_setup.h"

#include <fmt/format.h>
#include <algorithm>
#include <array>

#include "base/header_names.h"
#include "base/random.h"
#include "base/strings.h"
#include "http/grpc.h"
#include "http/path.h"
#include "http/target.h"
#include "io/loop.h"

namespace sluice {
namespace {

// A version 4 UUID. Not a secret: its randomness only has to avoid clashes.
std::string_view make_request_id(Arena& arena, Random& random) {
  static constexpr char kHex[] = "0123456789abcdef";
  std::array<uint64_t, 2> bits{random.next(), random.next()};
  bits[0] = (bits[0] & ~uint64_t{0xF000}) | 0x4000;
  bits[1] = (bits[1] & ~(uint64_t{3} << 62)) | uint64_t{2} << 62;
  char* out = static_cast<char*>(arena.allocate(36, 1));
  size_t at = 0;
  for (size_t nibble = 0; nibble < 32; ++nibble) {
    if (nibble == 8 || nibble == 12 || nibble == 16 || nibble == 20) out[at++] = '-';
    out[at++] = kHex[bits[nibble / 16] >> (60 - 4 * (nibble % 16)) & 15];
  }
  return {out, 36};
}

// The entry of X-Forwarded-For that is `hops` from its right end; empty when the list is shorter.
std::string_view forwarded_entry(std::string_view list, uint32_t hops) {
  for (;; --hops) {
    const size_t comma = list.rfind(',');
    const std::string_view last = trim(comma == std::string_view::npos ? list : list.substr(comma + 1));
    if (hops == 0) return last;
    if (comma == std::string_view::npos) return {};
    list = list.substr(0, comma);
  }
}

// Who the client is, and what the next hop is told of it (gloo-core 2.5).
void set_forwarded_for(const ListenerConfig& config, const SocketAddress& peer, Request& request) {
  const auto list = request.headers.joined(Known::x_forwarded_for);
  if (!config.use_remote_address) {
    if (list)
      if (const auto entry = forwarded_entry(*list, config.trusted_hops); SocketAddress::parse(entry, 0))
        request.info.downstream_remote = entry;
    return;
  }
  if (config.trusted_hops > 0 && list)
    if (const auto entry = forwarded_entry(*list, config.trusted_hops - 1); SocketAddress::parse(entry, 0))
      request.info.downstream_remote = entry;
  if (!config.append_forwarded_for) return;
  const std::string ip = peer.ip();
  request.headers.set(Known::x_forwarded_for,
                      list ? request.arena.concat(*list, std::string_view(","), ip) : request.arena.copy(ip));
}

// The name of a field of ours, or of one that frames the message, with another spelling: to many backends it is the
// same, and it passed by what we make of the true one. Nobody who means well writes so.
bool imitates_ours(const HeaderField& field) {
  if (field.known != Known::other || !field.name.contains('_')) return false;
  return begins_like(field.name, "x-forwarded-") || begins_like(field.name, "x-envoy-") ||
         same_header(field.name, header_name(Known::x_request_id)) || same_header(field.name, "proxy-authorization") ||
         is_message_field(field.name);
}

// leftmostXffAddress: whoever wrote that list is believed, from its first entry on.
void take_leftmost(const ListenerConfig& config, Request& request) {
  if (!config.leftmost_forwarded_for) return;
  const auto list = request.headers.joined(Known::x_forwarded_for);
  if (!list) return;
  const std::string_view first = trim(list->substr(0, list->find(',')));
  if (SocketAddress::parse(first, 0)) request.info.downstream_remote = first;
}

// As Envoy has it: who came through another proxy, so that the list has several entries, is not internal, whatever
// their addresses are. Before anything is appended to the list.
bool is_internal(const ListenerConfig& config, const SocketAddress& peer, const Request& request) {
  if (config.internal.empty()) return false;
  const auto list = request.headers.joined(Known::x_forwarded_for);
  if (config.use_remote_address ? list.has_value() : !list || list->contains(',')) return false;
  const auto address = IpAddress::parse(config.use_remote_address ? peer.ip() : std::string(trim(*list)));
  return address && std::ranges::any_of(config.internal, [&](const Cidr& range) { return range.contains(*address); });
}

void set_forwarded_port(const ListenerConfig& config, Request& request) {
  constexpr std::string_view kName = "x-forwarded-port";
  const bool edge = config.use_remote_address && config.trusted_hops == 0;
  if (!request.info.downstream_address || (!edge && request.headers.get(kName))) return;
  const fmt::format_int port(request.info.downstream_address->port());
  request.headers.set(kName, request.arena.copy({port.data(), port.size()}));
}

void add_gateway_fields(const ListenerConfig& config, const SocketAddress& peer, Request& request) {
  const bool internal = is_internal(config, peer, request);
  set_forwarded_for(config, peer, request);
  take_leftmost(config, request);
  const bool edge = config.use_remote_address && config.trusted_hops == 0 && !internal;
  // What Envoys tell one another (who is internal, timeouts, retries, the path before a rewrite) is believed only of
  // internal addresses. A front proxy that is trusted to name the client (xffNumTrustedHops) passes on what its clients
  // say, so it is none of these.
  request.headers.remove_if([internal](const HeaderField& field) {
    if (imitates_ours(field)) return true;
    return !internal && field.name.starts_with("x-envoy-");
  });
  set_forwarded_client_cert(config.client_cert, request);
  if (internal) request.headers.set("x-envoy-internal", "true");
  if (edge || !request.headers.has(Known::x_forwarded_proto))
    request.headers.set(Known::x_forwarded_proto, request.scheme);
  if (config.append_forwarded_port) set_forwarded_port(config, request);
  if (config.generate_request_id) {
    const bool keep = request.headers.has(Known::x_request_id) && (!edge || config.preserve_external_request_id);
    if (!keep) request.headers.set(Known::x_request_id, make_request_id(request.arena, request.loop.random));
  }
  request.info.request_id = request.headers.get(Known::x_request_id).value_or("");
  if (!config.via.empty()) {
    const auto via = request.headers.joined(Known::via);
    request.headers.set(Known::via, via ? request.arena.concat(*via, std::string_view(", "), config.via)
                                        : std::string_view(config.via));
  }
  if (config.early_change) config.early_change->apply(request);
}

// Those that a backend may read as another field's. They are not looked at where they are allowed.
bool take_off_underscores(const ListenerConfig& config, Request& request) {
  const auto has_one = [](const HeaderField& field) { return field.known == Known::other && field.name.contains('_'); };
  if (config.underscore_names == UnderscoreNames::drop) {
    if (const size_t dropped = request.headers.remove_if(has_one); dropped > 0)
      config.metrics->underscores_dropped->add(static_cast<int64_t>(dropped));
    return true;
  }
  if (std::ranges::none_of(request.headers, has_one)) return true;
  config.metrics->underscores_rejected->add();
  return false;
}

// Envoy's order: first the escapes, then what the path becomes by it is cleaned like any other.
OutcomeKind unescape_path(const ListenerConfig& config, Request& request) {
  const std::string_view unescaped = unescape_slashes(request.path, request.arena);
  if (unescaped.data() == request.path.data()) return OutcomeKind::none;
  if (config.escaped_slashes == EscapedSlashes::reject) {
    config.metrics->paths_rejected->add();
    return OutcomeKind::path_refused;
  }
  request.path = unescaped;
  if (config.escaped_slashes == EscapedSlashes::forward) return OutcomeKind::none;
  clean_path(config, request);
  // A client of gRPC follows no redirect.
  if (request.headers.get(Known::content_type).value_or("").starts_with(grpc::kContentType)) {
    config.metrics->paths_rejected->add();
    return OutcomeKind::path_refused;
  }
  config.metrics->paths_redirected->add();
  return OutcomeKind::path_redirected;
}

std::string_view without_port(std::string_view host) {
  const size_t bracket = host.rfind(']');
  const size_t colon = host.rfind(':');
  if (colon == std::string_view::npos || (bracket != std::string_view::npos && colon < bracket)) return host;
  return host.substr(0, colon);
}

// By an absolute target, or by HTTP/2's scheme where that cannot be the connection's own.
bool asks_for_https(const ServerRequest& came, const RequestTarget& target, const Request& request) {
  return target.scheme == "https" || (!request.info.tls && equals_ignoring_case(came.scheme, "https"));
}

OutcomeKind set_target(const ServerRequest& came, const ListenerConfig& config, Request& request) {
  const auto target = parse_target(came.method, came.target, request.arena);
  if (!target) return OutcomeKind::malformed_request;
  if (came.method == "CONNECT" || came.method == "TRACE") return OutcomeKind::method_not_supported;  // F22
  // Reference 6.2: of a proxy it asks for TLS to the destination. HTTP/2's scheme is often what a proxy in front was
  // asked for, and asks for nothing where nobody has said that it does.
  if (target->scheme == "https" && !request.info.tls && !config.https_targets) return OutcomeKind::https_target;
  request.asks_for_https = config.https_targets && asks_for_https(came, *target, request);
  request.path = request.info.original_path = target->path;
  // RFC 9112 3.2.2: an absolute target's authority stands above Host.
  request.authority = target->authority.empty() ? request.headers.get(Known::host).value_or("") : target->authority;
  if (config.strip_any_host_port) request.authority = without_port(request.authority);
  request.headers.remove(Known::host);
  if (config.escaped_slashes != EscapedSlashes::keep)
    if (const OutcomeKind ended = unescape_path(config, request); ended != OutcomeKind::none) return ended;
  clean_path(config, request);
  return OutcomeKind::none;
}

}  // namespace

OutcomeKind set_up_request(const ServerRequest& came, const ListenerConfig& config, const SocketAddress& peer,
                           Request& request) {
  request.headers = came.headers;
  request.method = request.info.method = came.method;
  request.info.original_path = request.path = came.target;
  request.info.protocol = came.protocol;
  request.scheme = request.info.tls ? "https" : "http";
  request.authority = request.headers.get(Known::host).value_or("");
  request.grpc = grpc::is_grpc(request.headers);
  if (came.refused != HeadFailure::none) return outcome_of(came.refused);
  if (config.underscore_names != UnderscoreNames::allow && !take_off_underscores(config, request))
    return OutcomeKind::underscore_in_name;
  if (const auto refused = set_target(came, config, request); refused != OutcomeKind::none) return refused;
  // F25: a handshake goes on as one.
  if (came.asks_for_websocket) {
    if (!config.websocket || !came.body.empty() || request.method != "GET") return OutcomeKind::upgrade_refused;
    request.upgrade = true;
  }
  request.body = came.body;
  request.expects_continue = came.expects_continue && config.passes_on_continue;
  if (!config.passes_on_continue) request.headers.remove(Known::expect);
  request.written_names = came.written_names;
  request.accepts_trailers = came.accepts_trailers;
  request.body_buffer_bytes_max = config.body_buffer_bytes_max;
  request.stream_idle_timeout = config.stream_idle_timeout;
  if (config.forwarding_headers) add_gateway_fields(config, peer, request);
  return OutcomeKind::none;
}

void clean_path(const ListenerConfig& config, Request& request) {
  if (config.normalize_path) request.path = normalize_path(request.path, request.arena);
  if (config.merge_slashes) request.path = merge_slashes(request.path, request.arena);
}

}  // namespace sluice
