#include "pipeline/format_operator.h"

#include <fmt/format.h>
#include <unistd.h>
#include <algorithm>
#include <array>
#include <cstdlib>

#include "base/strings.h"
#include "net/tls_info.h"
#include "pipeline/percent.h"

namespace sluice {
namespace {

using Op = FormatOperator;
using Value = FormatValue;
using In = FormatInput;

// ---- Where values come from ----

std::optional<std::string_view> non_empty(std::string_view text) {
  if (text.empty()) return std::nullopt;
  return text;
}

std::optional<std::string_view> field_of(const Headers& headers, const FormatHeader& header) {
  return header.known == Known::other ? headers.get(header.name) : headers.get(header.known);
}

std::optional<std::string_view> request_header(const In& in, const FormatHeader& header) {
  using enum FormatHeader::Source;
  const Request* request = in.request;
  switch (header.source) {
    case original_path:
      // What a rewrite left behind. Not the header, which a client could send; nor the path as it came, which may hold
      // a token that the JWT filter took out.
      return non_empty(in.info.rewritten_path);
    case method: return non_empty(request ? request->method : in.info.method);
    case path: return non_empty(request ? request->path : in.info.original_path);
    case authority: return request ? std::optional(request->authority) : std::nullopt;
    case scheme: return request ? std::optional(request->scheme) : std::nullopt;
    case field: return request ? field_of(request->headers, header) : std::nullopt;
    case status:
    case none: break;
  }
  return std::nullopt;
}

std::optional<std::string_view> response_header(const In& in, const FormatHeader& header) {
  if (!in.response || !in.response->headers) return std::nullopt;
  return field_of(*in.response->headers, header);
}

const Headers* trailers_of(const In& in) {
  if (in.response_trailers) return in.response_trailers;
  return in.response && in.response->body.reader ? in.response->body.reader->trailers() : nullptr;
}

std::optional<std::string_view> trailer(const In& in, const FormatHeader& header) {
  const Headers* trailers = trailers_of(in);
  return trailers ? field_of(*trailers, header) : std::nullopt;
}

// As Envoy: of trailers, head and, where neither says it, the HTTP status, the first.
std::optional<uint64_t> grpc_status_of(const In& in) {
  if (!in.request || !in.request->grpc) return std::nullopt;
  if (in.info.grpc_status) return in.info.grpc_status;
  std::optional<uint64_t> status;
  if (const Headers* trailers = trailers_of(in)) status = grpc::status_in(*trailers);
  if (!status && in.response && in.response->headers) status = grpc::status_in(*in.response->headers);
  if (!status && in.info.code != 0) status = static_cast<uint64_t>(grpc::status_of_http(in.info.code));
  return status;
}

Value grpc_status_number(const Op&, const In& in, std::string&) {
  const auto status = grpc_status_of(in);
  return status ? Value::of_number(*status) : Value{};
}

Value grpc_status(const Op& op, const In& in, std::string& scratch) {
  const auto status = grpc_status_of(in);
  if (!status) return {};
  if (!op.spelling) return Value::of_number(*status);
  const std::string_view name = grpc::status_name(*status, *op.spelling);
  if (!name.empty()) return Value::of(name);
  scratch = std::to_string(*status);
  return Value::of(scratch);
}

template <auto kGet>
Value header_or_alternative(const Op& op, const In& in, std::string&) {
  auto found = kGet(in, op.header);
  if (!found && op.alternative.source != FormatHeader::Source::none) found = kGet(in, op.alternative);
  return Value::of_optional(found);
}

Value without_query(const Op& op, const In& in, std::string& scratch) {
  Value value = header_or_alternative<request_header>(op, in, scratch);
  value.text = value.text.substr(0, value.text.find('?'));
  return value;
}

Value response_field(const Op& op, const In& in, std::string& scratch) {
  if (op.header.source == FormatHeader::Source::status)
    return in.response ? Value::of_number(in.response->status) : Value{};
  return header_or_alternative<response_header>(op, in, scratch);
}

Value millis_between(std::optional<SteadyTime> from, std::optional<SteadyTime> to) {
  if (!from || !to) return {};
  return Value::of_number(
      static_cast<uint64_t>(std::max(Millis::zero(), std::chrono::duration_cast<Millis>(*to - *from)).count()));
}

Value details(const Op&, const In& in, std::string& scratch) {
  if (in.info.details.find(' ') == std::string_view::npos) return Value::of(in.info.details);
  scratch = in.info.details;
  std::ranges::replace(scratch, ' ', '_');  // as Envoy, so that the field stays one word
  return Value::of(scratch);
}

Value flags(const Op&, const In& in, std::string& scratch) {
  if (in.info.flags == 0) return Value::of("-");
  scratch = in.info.flags_text();
  return Value::of(scratch);
}

// ---- Addresses ----

enum class Part : uint8_t { all, ip, port };

template <Part kPart>
Value address(const SocketAddress* address, std::string& scratch) {
  if (!address) return {};
  if (kPart == Part::port) return Value::of_number(address->port());
  scratch = kPart == Part::ip ? address->ip() : address->to_string();
  return Value::of(scratch);
}

const SocketAddress* direct_peer(const In& in) {
  return in.info.downstream_direct_peer ? in.info.downstream_direct_peer : in.info.downstream_peer;
}

// The trusted client: where it is not the peer, its port is not known; Envoy shows 0.
template <Part kPart>
Value client(const Op&, const In& in, std::string& scratch) {
  const std::string_view remote = in.info.downstream_remote;
  if (remote.empty()) return address<kPart>(in.info.downstream_peer, scratch);
  if (kPart == Part::port) return Value::of_number(0);
  if (kPart == Part::ip) return Value::of(remote);
  const bool v6 = remote.find(':') != std::string_view::npos;
  fmt::format_to(std::back_inserter(scratch), "{}{}{}:0", v6 ? "[" : "", remote, v6 ? "]" : "");
  return Value::of(scratch);
}

// Of a "host:port" or "[v6]:port" that is text already.
template <Part kPart>
Value text_address(std::string_view text) {
  if (kPart == Part::all || text.empty()) return Value::of(text);
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return kPart == Part::ip ? Value::of(text) : Value{};
  if (kPart == Part::port) {
    const auto port = parse_decimal(text.substr(colon + 1));
    return port ? Value::of_number(*port) : Value{};
  }
  const std::string_view host = text.substr(0, colon);
  const bool v6 = host.starts_with('[') && host.ends_with(']');
  return Value::of(v6 ? host.substr(1, host.size() - 2) : host);
}

Value fixed(const Op& op, const In&, std::string&) {
  return op.fixed ? Value::of(*op.fixed) : Value{};
}

// ---- TLS with the client ----

const PeerCertificate* peer_of(const In& in) {
  return in.info.tls ? in.info.tls->peer.get() : nullptr;
}

// Of the client's certificate, or of the one it was shown.
enum class Whose : uint8_t { peer, own };

template <Whose kWhose>
const CertificateInfo* certificate_of(const In& in) {
  if (kWhose == Whose::own) return in.info.tls ? in.info.tls->own.get() : nullptr;
  const PeerCertificate* peer = peer_of(in);
  return peer ? &peer->info : nullptr;
}

template <Whose kWhose, auto kMember>
Value certificate_text(const Op&, const In& in, std::string&) {
  const CertificateInfo* certificate = certificate_of<kWhose>(in);
  return certificate ? Value::of(certificate->*kMember) : Value{};
}

template <Whose kWhose, auto kMember>
Value certificate_names(const Op&, const In& in, std::string& scratch) {
  const CertificateInfo* certificate = certificate_of<kWhose>(in);
  if (!certificate) return {};
  scratch = join(certificate->*kMember, ",");
  return Value::of(scratch);
}

template <auto kMember>
Value certificate_time(const Op& op, const In& in, std::string& scratch) {
  const PeerCertificate* peer = peer_of(in);
  if (!peer) return {};
  op.time.append(scratch, peer->info.*kMember);
  return Value::of(scratch);
}

Value peer_pem(const Op&, const In& in, std::string& scratch) {
  const PeerCertificate* peer = peer_of(in);
  if (!peer) return {};
  scratch = percent_encoded_pem(peer->pem);
  return Value::of(scratch);
}

template <auto kMember>
Value tls_text(const Op&, const In& in, std::string&) {
  return in.info.tls ? Value::of(in.info.tls->*kMember) : Value{};
}

// ---- The table ----

enum class Arguments : uint8_t { none, header, time, variable, metadata, typed_metadata, filter_state, spelling };

struct Row {
  std::string_view name;
  Arguments arguments;
  Op::Evaluate evaluate;
};

#define SLUICE_VALUE(expression) [](const Op&, const In& in, std::string&) -> Value { return expression; }
#define SLUICE_SCRATCH(expression) [](const Op&, const In& in, std::string& scratch) -> Value { return expression; }

constexpr Row kRows[] = {
    {"START_TIME", Arguments::time,
     [](const Op& op, const In& in, std::string& scratch) {
       op.time.append(scratch, in.info.start_wall);
       return Value::of(scratch);
     }},
    {"REQ", Arguments::header, header_or_alternative<request_header>},
    {"REQ_WITHOUT_QUERY", Arguments::header, without_query},
    {"RESP", Arguments::header, response_field},
    {"TRAILER", Arguments::header, header_or_alternative<trailer>},
    {"PROTOCOL", Arguments::none, SLUICE_VALUE(Value::of(in.info.protocol))},
    {"RESPONSE_CODE", Arguments::none, SLUICE_VALUE(Value::of_number(in.info.code))},
    {"RESPONSE_CODE_DETAILS", Arguments::none, details},
    {"RESPONSE_FLAGS", Arguments::none, flags},
    {"GRPC_STATUS", Arguments::spelling, grpc_status},
    {"GRPC_STATUS_NUMBER", Arguments::none, grpc_status_number},
    {"BYTES_RECEIVED", Arguments::none, SLUICE_VALUE(Value::of_number(in.info.bytes_received))},
    {"BYTES_SENT", Arguments::none, SLUICE_VALUE(Value::of_number(in.info.bytes_sent))},
    {"DURATION", Arguments::none, SLUICE_VALUE(millis_between(in.info.start, in.now))},
    {"REQUEST_DURATION", Arguments::none, SLUICE_VALUE(millis_between(in.info.start, in.info.request_end))},
    {"RESPONSE_DURATION", Arguments::none, SLUICE_VALUE(millis_between(in.info.start, in.info.upstream_first_byte))},
    {"RESPONSE_TX_DURATION", Arguments::none, SLUICE_VALUE(millis_between(in.info.upstream_first_byte, in.now))},
    {"UPSTREAM_HOST", Arguments::none, SLUICE_VALUE(Value::of(in.info.upstream_host))},
    {"UPSTREAM_PROTOCOL", Arguments::none, SLUICE_VALUE(Value::of(in.info.upstream_protocol))},
    {"UPSTREAM_REMOTE_ADDRESS", Arguments::none, SLUICE_VALUE(text_address<Part::all>(in.info.upstream_host))},
    {"UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT", Arguments::none,
     SLUICE_VALUE(text_address<Part::ip>(in.info.upstream_host))},
    {"UPSTREAM_REMOTE_PORT", Arguments::none, SLUICE_VALUE(text_address<Part::port>(in.info.upstream_host))},
    {"UPSTREAM_CLUSTER", Arguments::none, SLUICE_VALUE(Value::of(in.info.upstream_cluster))},
    {"UPSTREAM_LOCAL_ADDRESS", Arguments::none, SLUICE_VALUE(text_address<Part::all>(in.info.upstream_local_address))},
    {"UPSTREAM_LOCAL_ADDRESS_WITHOUT_PORT", Arguments::none,
     SLUICE_VALUE(text_address<Part::ip>(in.info.upstream_local_address))},
    {"UPSTREAM_LOCAL_PORT", Arguments::none, SLUICE_VALUE(text_address<Part::port>(in.info.upstream_local_address))},
    {"UPSTREAM_TRANSPORT_FAILURE_REASON", Arguments::none, SLUICE_VALUE(Value::of(in.info.upstream_transport_failure))},
    {"UPSTREAM_REQUEST_ATTEMPT_COUNT", Arguments::none, SLUICE_VALUE(Value::of_number(in.info.attempts))},
    {"DOWNSTREAM_REMOTE_ADDRESS", Arguments::none, client<Part::all>},
    {"DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT", Arguments::none, client<Part::ip>},
    {"DOWNSTREAM_REMOTE_PORT", Arguments::none, client<Part::port>},
    {"DOWNSTREAM_DIRECT_REMOTE_ADDRESS", Arguments::none, SLUICE_SCRATCH(address<Part::all>(direct_peer(in), scratch))},
    {"DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT", Arguments::none,
     SLUICE_SCRATCH(address<Part::ip>(direct_peer(in), scratch))},
    {"DOWNSTREAM_DIRECT_REMOTE_PORT", Arguments::none, SLUICE_SCRATCH(address<Part::port>(direct_peer(in), scratch))},
    {"DOWNSTREAM_LOCAL_ADDRESS", Arguments::none,
     SLUICE_SCRATCH(address<Part::all>(in.info.downstream_address, scratch))},
    {"DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT", Arguments::none,
     SLUICE_SCRATCH(address<Part::ip>(in.info.downstream_address, scratch))},
    {"DOWNSTREAM_LOCAL_PORT", Arguments::none,
     SLUICE_SCRATCH(address<Part::port>(in.info.downstream_address, scratch))},
    {"DOWNSTREAM_TLS_VERSION", Arguments::none, tls_text<&TlsInfo::version>},
    {"DOWNSTREAM_TLS_CIPHER", Arguments::none, tls_text<&TlsInfo::cipher>},
    {"DOWNSTREAM_TLS_SESSION_ID", Arguments::none, tls_text<&TlsInfo::session_id>},
    {"REQUESTED_SERVER_NAME", Arguments::none, SLUICE_VALUE(Value::of(in.info.requested_server_name))},
    {"DOWNSTREAM_PEER_SUBJECT", Arguments::none, certificate_text<Whose::peer, &CertificateInfo::subject>},
    {"DOWNSTREAM_PEER_ISSUER", Arguments::none, certificate_text<Whose::peer, &CertificateInfo::issuer>},
    {"DOWNSTREAM_PEER_SERIAL", Arguments::none, certificate_text<Whose::peer, &CertificateInfo::serial>},
    {"DOWNSTREAM_PEER_FINGERPRINT_256", Arguments::none,
     certificate_text<Whose::peer, &CertificateInfo::fingerprint_sha256>},
    {"DOWNSTREAM_PEER_FINGERPRINT_1", Arguments::none,
     certificate_text<Whose::peer, &CertificateInfo::fingerprint_sha1>},
    {"DOWNSTREAM_PEER_CERT", Arguments::none, peer_pem},
    {"DOWNSTREAM_PEER_CERT_V_START", Arguments::time, certificate_time<&CertificateInfo::not_before>},
    {"DOWNSTREAM_PEER_CERT_V_END", Arguments::time, certificate_time<&CertificateInfo::not_after>},
    {"DOWNSTREAM_PEER_URI_SAN", Arguments::none, certificate_names<Whose::peer, &CertificateInfo::uri_names>},
    {"DOWNSTREAM_PEER_DNS_SAN", Arguments::none, certificate_names<Whose::peer, &CertificateInfo::dns_names>},
    {"DOWNSTREAM_PEER_IP_SAN", Arguments::none, certificate_names<Whose::peer, &CertificateInfo::ip_names>},
    {"DOWNSTREAM_PEER_EMAIL_SAN", Arguments::none, certificate_names<Whose::peer, &CertificateInfo::email_names>},
    {"DOWNSTREAM_LOCAL_SUBJECT", Arguments::none, certificate_text<Whose::own, &CertificateInfo::subject>},
    {"DOWNSTREAM_LOCAL_URI_SAN", Arguments::none, certificate_names<Whose::own, &CertificateInfo::uri_names>},
    {"DOWNSTREAM_LOCAL_DNS_SAN", Arguments::none, certificate_names<Whose::own, &CertificateInfo::dns_names>},
    {"DOWNSTREAM_LOCAL_IP_SAN", Arguments::none, certificate_names<Whose::own, &CertificateInfo::ip_names>},
    {"DOWNSTREAM_LOCAL_EMAIL_SAN", Arguments::none, certificate_names<Whose::own, &CertificateInfo::email_names>},
    {"ROUTE_NAME", Arguments::none, SLUICE_VALUE(Value::of(in.info.route_name))},
    {"HOSTNAME", Arguments::none, fixed},
    {"ENVIRONMENT", Arguments::variable, fixed},
    {"CONNECTION_ID", Arguments::none, SLUICE_VALUE(Value::of_number(in.info.connection_id))},
    {"DYNAMIC_METADATA", Arguments::metadata,
     [](const Op& op, const In& in, std::string& scratch) { return metadata_value(in.info, op.path, scratch); }},
    {"FILTER_STATE", Arguments::filter_state,
     SLUICE_VALUE(in.info.upstream_address_saved ? text_address<Part::all>(in.info.upstream_host) : Value{})},
    {"METADATA", Arguments::typed_metadata,
     [](const Op& op, const In& in, std::string& scratch) { return metadata_value(in.info, op.path, scratch); }},
};

#undef SLUICE_VALUE
#undef SLUICE_SCRATCH

// Envoy has these; we do not have what they tell, yet.
constexpr std::string_view kNotYet[] = {
    "ACCESS_LOG_TYPE",
    "BYTES_RETRANSMITTED",
    "CEL",
    "CLUSTER_METADATA",
    "COMMON_DURATION",
    "CONNECTION_TERMINATION_DETAILS",
    "CUSTOM_FLAGS",
    "DOWNSTREAM_HANDSHAKE_DURATION",
    "DOWNSTREAM_HEADER_BYTES_RECEIVED",
    "DOWNSTREAM_HEADER_BYTES_SENT",
    "DOWNSTREAM_TRANSPORT_FAILURE_REASON",
    "DOWNSTREAM_WIRE_BYTES_RECEIVED",
    "DOWNSTREAM_WIRE_BYTES_SENT",
    "EMIT_TIME",
    "EMIT_TIME_LOCAL",
    "FILTER_CHAIN_NAME",
    "LOCAL_REPLY_BODY",
    "PACKETS_RETRANSMITTED",
    "PATH",
    "PER_REQUEST_STATE",
    "QUERY_PARAM",
    "REQUEST_HEADERS_BYTES",
    "REQUEST_TX_DURATION",
    "RESPONSE_FLAGS_LONG",
    "RESPONSE_HEADERS_BYTES",
    "RESPONSE_TRAILERS_BYTES",
    "ROUNDTRIP_DURATION",
    "START_TIME_LOCAL",
    "STREAM_ID",
    "TLS_JA3_FINGERPRINT",
    "TRACE_ID",
    "UNIQUE_ID",
    "UPSTREAM_CLUSTER_RAW",
    "UPSTREAM_CONNECTION_ID",
    "UPSTREAM_CONNECTION_POOL_READY_DURATION",
    "UPSTREAM_FILTER_STATE",
    "UPSTREAM_HEADER_BYTES_RECEIVED",
    "UPSTREAM_HEADER_BYTES_SENT",
    "UPSTREAM_HOSTS_ATTEMPTED",
    "UPSTREAM_HOST_NAME",
    "UPSTREAM_LOCAL_SUBJECT",
    "UPSTREAM_METADATA",
    "UPSTREAM_PEER_CERT",
    "UPSTREAM_PEER_ISSUER",
    "UPSTREAM_PEER_SUBJECT",
    "UPSTREAM_TLS_CIPHER",
    "UPSTREAM_TLS_SESSION_ID",
    "UPSTREAM_TLS_VERSION",
    "UPSTREAM_WIRE_BYTES_RECEIVED",
    "UPSTREAM_WIRE_BYTES_SENT",
    "VIRTUAL_CLUSTER",
    "VIRTUAL_CLUSTER_NAME",
};

std::unexpected<Error> not_supported(std::string_view what) {
  return fail(ErrorKind::unsupported, fmt::format("operator %{}% is not supported yet", what));
}

Result<const Row*> find_row(std::string_view name) {
  const std::string upper = to_upper(name);
  for (const Row& row : kRows)
    if (row.name == name) return &row;
  if (std::ranges::find(kNotYet, name) != std::end(kNotYet)) return not_supported(name);
  const auto candidates = supported_format_operators();
  std::string message = fmt::format("unknown operator %{}%", printable(name, 60));
  if (const auto near = nearest(upper, candidates)) message += fmt::format("; did you mean %{}%?", *near);
  return invalid(std::move(message));
}

std::unexpected<Error> bad_arguments(std::string_view name, std::string_view remedy) {
  return invalid(fmt::format("operator %{}%: {}", name, remedy));
}

// ---- Arguments ----

bool header_or_pseudo(std::string_view name) {
  return valid_header_name(name.starts_with(':') ? name.substr(1) : name);
}

Status read_headers(std::string_view name, std::string_view text, Op& op) {
  const size_t mark = text.find('?');
  const std::string_view header = text.substr(0, mark);
  const bool two = mark != std::string_view::npos;
  const std::string_view alternative = two ? text.substr(mark + 1) : std::string_view();
  if (!header_or_pseudo(header) || (two && !header_or_pseudo(alternative)))
    return bad_arguments(name, fmt::format("{} names no header; write %{}(NAME)% or %{}(NAME?OTHER)%",
                                           json_quote(printable(text, 60)), name, name));
  op.header = FormatHeader::of(header);
  if (two) op.alternative = FormatHeader::of(alternative);
  return {};
}

Status read_path(std::string_view name, std::string_view text, Op& op) {
  for (const std::string_view part : split(text, ':')) op.path.emplace_back(part);
  if (std::ranges::any_of(op.path, [](const std::string& part) { return part.empty(); }))
    return bad_arguments(name, "write the namespace and keys as in %DYNAMIC_METADATA(namespace:key:key)%");
  return {};
}

Status read_typed_path(std::string_view name, std::string_view text, Op& op) {
  const size_t colon = text.find(':');
  const std::string_view type = text.substr(0, colon);
  if (type != "DYNAMIC") return not_supported(fmt::format("{}({})", name, printable(type, 40)));
  if (colon == std::string_view::npos) return bad_arguments(name, "write %METADATA(DYNAMIC:namespace:key)%");
  return read_path(name, text.substr(colon + 1), op);
}

// The one key there is: the address that saveUpstreamAddress of a dynamic forward proxy keeps.
Status read_state_key(std::string_view name, std::string_view text) {
  const size_t colon = text.find(':');
  const std::string_view form = colon == std::string_view::npos ? "" : text.substr(colon + 1);
  if (text.substr(0, colon) != "envoy.stream.upstream_address")
    return not_supported(fmt::format("{}({})", name, printable(text, 60)));
  if (colon != std::string_view::npos && form != "PLAIN" && form != "TYPED")
    return bad_arguments(name, "write PLAIN or TYPED behind the key");
  return {};
}

Status read_spelling(std::string_view name, std::string_view text, Op& op) {
  if (text == "CAMEL_STRING")
    op.spelling = grpc::Spelling::camel;
  else if (text == "SNAKE_STRING")
    op.spelling = grpc::Spelling::snake;
  else if (text == "NUMBER")
    op.spelling.reset();
  else
    return bad_arguments(name, "write CAMEL_STRING, SNAKE_STRING or NUMBER");
  return {};
}

Status read_arguments(const Row& row, const std::optional<std::string_view>& text, Op& op) {
  switch (row.arguments) {
    case Arguments::none:
      if (text) return bad_arguments(row.name, "takes nothing in parentheses");
      return {};
    case Arguments::time: op.time = TRY(TimeFormat::compile(text.value_or(""))); return {};
    case Arguments::header:
      if (!text) return bad_arguments(row.name, fmt::format("needs a header's name: %{}(NAME)%", row.name));
      return read_headers(row.name, *text, op);
    case Arguments::variable:
      if (!text || text->empty()) return bad_arguments(row.name, "needs a variable's name: %ENVIRONMENT(NAME)%");
      if (const char* value = std::getenv(std::string(*text).c_str())) op.fixed = value;
      return {};
    case Arguments::metadata:
      if (!text) return bad_arguments(row.name, "needs a namespace: %DYNAMIC_METADATA(namespace:key)%");
      return read_path(row.name, *text, op);
    case Arguments::typed_metadata:
      if (!text) return bad_arguments(row.name, "needs a type: %METADATA(DYNAMIC:namespace:key)%");
      return read_typed_path(row.name, *text, op);
    case Arguments::filter_state:
      if (!text) return bad_arguments(row.name, "needs a key: %FILTER_STATE(envoy.stream.upstream_address)%");
      return read_state_key(row.name, *text);
    case Arguments::spelling: return read_spelling(row.name, text.value_or("CAMEL_STRING"), op);
  }
  return {};
}

std::string host_name() {
  std::array<char, 256> name{};
  if (gethostname(name.data(), name.size() - 1) != 0) return {};
  return name.data();
}

}  // namespace

FormatHeader FormatHeader::of(std::string_view name) {
  constexpr std::pair<std::string_view, Source> kSources[] = {{":method", Source::method},
                                                              {":path", Source::path},
                                                              {":authority", Source::authority},
                                                              {"host", Source::authority},
                                                              {":scheme", Source::scheme},
                                                              {":status", Source::status},
                                                              {"x-envoy-original-path", Source::original_path}};
  FormatHeader out{Source::field, Known::other, to_lower(name)};
  out.known = known_header(out.name);
  for (const auto& [source_name, source] : kSources)
    if (out.name == source_name) out.source = source;
  return out;
}

Result<FormatOperator> FormatOperator::compile(const Parts& parts) {
  const Row* row = TRY(find_row(parts.name));
  FormatOperator out;
  TRY(read_arguments(*row, parts.arguments, out));
  if (row->name == "HOSTNAME") out.fixed = host_name();
  out.evaluate_ = row->evaluate;
  out.bytes_max_ = parts.bytes_max.value_or(SIZE_MAX);
  return out;
}

FormatValue FormatOperator::value(const FormatInput& input, std::string& scratch) const {
  FormatValue value = evaluate_(*this, input, scratch);
  if (value.text.size() > bytes_max_) {
    value.text = value.text.substr(0, bytes_max_);
    value.kind = FormatValue::Kind::text;  // JSON that was cut is JSON no more
  }
  return value;
}

std::vector<std::string_view> supported_format_operators() {
  std::vector<std::string_view> out;
  for (const Row& row : kRows) out.push_back(row.name);
  return out;
}

}  // namespace sluice
