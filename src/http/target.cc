#include "http/target.h"

#include <array>

#include "base/strings.h"

namespace sluice {
namespace {

// RFC 3986 3.2.2 reg-name; the comma is left out: what has one is a list, and a list is no host.
constexpr std::array<bool, 256> name_bytes() {
  std::array<bool, 256> out{};
  for (int c = 'a'; c <= 'z'; ++c) out[static_cast<size_t>(c)] = out[static_cast<size_t>(c - 32)] = true;
  for (int c = '0'; c <= '9'; ++c) out[static_cast<size_t>(c)] = true;
  for (const char c : std::string_view("-._~%!$&'()*+;=")) out[static_cast<unsigned char>(c)] = true;
  return out;
}
constexpr auto kNameBytes = name_bytes();

bool valid_port(std::string_view port) {
  if (port.empty()) return true;  // "a:" is legal, if odd
  const auto number = parse_decimal(port);
  return number && *number <= 65535;
}

}  // namespace

bool valid_host(std::string_view host) {
  if (host.starts_with('[')) {
    const size_t end = host.find(']');
    if (end == std::string_view::npos || end == 1) return false;
    for (const char c : host.substr(1, end - 1))
      if (!ascii_digit(c) && !ascii_alpha(c) && c != ':' && c != '.') return false;
    const std::string_view rest = host.substr(end + 1);
    return rest.empty() || (rest.front() == ':' && valid_port(rest.substr(1)));
  }
  size_t at = 0;
  while (at < host.size() && kNameBytes[static_cast<unsigned char>(host[at])]) ++at;
  return at == host.size() || (at > 0 && host[at] == ':' && valid_port(host.substr(at + 1)));
}

bool has_target_bytes(std::string_view target) {
  unsigned bad = target.empty();
  for (const char byte : target) {
    const auto c = static_cast<unsigned char>(byte);
    bad |= static_cast<unsigned>(c <= 0x20) | static_cast<unsigned>(c >= 0x7F);
  }
  return bad == 0;
}

std::optional<RequestTarget> parse_target(std::string_view method, std::string_view target, Arena& arena) {
  if (method == "CONNECT") {
    // RFC 9110 9.3.6: a host and a port, and there is no port to fall back on.
    const size_t colon = target.rfind(':');
    if (!valid_host(target) || colon == std::string_view::npos || !ascii_digit(target.back())) return std::nullopt;
    if (colon == 0 || (target.front() == '[' && target[colon - 1] != ']')) return std::nullopt;
    return RequestTarget{.authority = target, .scheme = {}, .path = {}};
  }
  if (target.starts_with('/'))
    return RequestTarget{.authority = {}, .scheme = {}, .path = target.substr(0, target.find('#'))};
  if (target == "*")
    return method == "OPTIONS" ? std::optional(RequestTarget{.authority = {}, .scheme = {}, .path = target})
                               : std::nullopt;

  const size_t colon = target.find("://");
  if (colon == std::string_view::npos) return std::nullopt;
  RequestTarget out;
  const std::string_view scheme = target.substr(0, colon);
  if (equals_ignoring_case(scheme, "http"))
    out.scheme = "http";
  else if (equals_ignoring_case(scheme, "https"))
    out.scheme = "https";
  else
    return std::nullopt;
  std::string_view rest = target.substr(colon + 3);
  rest = rest.substr(0, rest.find('#'));
  const size_t end = std::min(rest.find_first_of("/?"), rest.size());
  out.authority = rest.substr(0, end);
  if (out.authority.empty() || !valid_host(out.authority)) return std::nullopt;
  out.path = rest.substr(end);
  // RFC 9112 3.2.4: OPTIONS of a whole server; elsewhere an empty path is "/".
  if (out.path.empty())
    out.path = method == "OPTIONS" ? "*" : "/";
  else if (out.path.front() == '?')
    out.path = arena.concat(std::string_view("/"), out.path);
  return out;
}

}  // namespace sluice
