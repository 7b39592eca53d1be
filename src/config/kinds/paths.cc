#include "config/kinds/paths.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <algorithm>

#include "base/header_names.h"
#include "base/strings.h"

namespace sluice::kinds {
namespace {

// pchar and "/" (RFC 3986 3.3), percent-encodings checked.
bool has_path_characters(std::string_view path) {
  constexpr std::string_view kAllowed = "-._~!$&'()*+,;=:@/";
  for (size_t i = 0; i < path.size(); ++i) {
    if (path[i] == '%') {
      if (i + 2 >= path.size() || hex_value(path[i + 1]) < 0 || hex_value(path[i + 2]) < 0) return false;
      i += 2;
    } else if (!ascii_alpha(path[i]) && !ascii_digit(path[i]) && !kAllowed.contains(path[i])) {
      return false;
    }
  }
  return true;
}

}  // namespace

std::string path_error(std::string_view path) {
  const std::string shown = json_quote(printable(path, 100));
  for (const std::string_view part : {"//", "/./", "/../", "%2f", "%2F", "#"})
    if (path.contains(part)) return fmt::format("the path is invalid: {} contains {}", shown, json_quote(part));
  for (const std::string_view tail : {"/..", "/."})
    if (path.ends_with(tail)) return fmt::format("the path is invalid: {} ends in {}", shown, json_quote(tail));
  if (!has_path_characters(path))
    return fmt::format("the path is invalid: {} has characters that a path cannot hold; write them as %XX", shown);
  return {};
}

bool is_pseudo_header(std::string_view name) {
  return name.starts_with(':') && is_header_name(name.substr(1));
}

bool is_method(std::string_view text) {
  return is_header_name(text);  // a token too
}

bool is_header_value(std::string_view value) {
  return std::ranges::all_of(value,
                             [](char c) { return c == '\t' || (static_cast<unsigned char>(c) >= 0x20 && c != 0x7F); });
}

bool is_ip_literal(std::string_view text) {
  const std::string copy(text);
  in_addr v4;
  in6_addr v6;
  if (copy.size() != std::char_traits<char>::length(copy.c_str())) return false;
  return inet_pton(AF_INET, copy.c_str(), &v4) == 1 || inet_pton(AF_INET6, copy.c_str(), &v6) == 1;
}

bool is_host_name(std::string_view text) {
  if (text.ends_with('.')) text.remove_suffix(1);
  if (text.empty() || text.size() > 253) return false;
  return std::ranges::all_of(split(text, '.'), [](std::string_view label) {
    return !label.empty() && label.size() <= 63 &&
           std::ranges::all_of(label, [](char c) { return ascii_alpha(c) || ascii_digit(c) || c == '-' || c == '_'; });
  });
}

bool is_authority(std::string_view text) {
  std::string_view host = text;
  if (host.starts_with('[')) {
    const size_t end = host.find(']');
    if (end == std::string_view::npos || !host.substr(1, end - 1).contains(':')) return false;
    if (!is_ip_literal(host.substr(1, end - 1))) return false;
    host.remove_prefix(end + 1);
    if (host.empty()) return true;
    if (!host.starts_with(':')) return false;
  } else {
    const size_t colon = std::min(host.find(':'), host.size());
    if (!is_host_name(host.substr(0, colon))) return false;
    host.remove_prefix(colon);
    if (host.empty()) return true;
  }
  const auto port = parse_decimal(host.substr(1));
  return port && *port >= 1 && *port <= 65535;
}

}  // namespace sluice::kinds
