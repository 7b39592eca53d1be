// Which header names are the gateway's own. Here, below configuration and messages, so that every feature that changes
// headers asks the same function: header manipulation, header secrets, transformations, claims in headers.
#pragma once

#include <string>
#include <string_view>

namespace sluice {

// Whether a lenient backend takes the two for one: CGI and what follows it (RFC 3875 4.1.18) make "_" of "-".
constexpr bool same_header(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    if (a[i] == b[i]) continue;
    const bool dashes = (a[i] == '-' || a[i] == '_') && (b[i] == '-' || b[i] == '_');
    if (!dashes) return false;
  }
  return true;
}
constexpr bool begins_like(std::string_view name, std::string_view prefix) {
  return name.size() >= prefix.size() && same_header(name.substr(0, prefix.size()), prefix);
}

// Whether it is a field name: a token (RFC 9110 5.1, 5.6.2).
bool is_header_name(std::string_view name);

// Whether it is a field, in either spelling, that frames the message or belongs to one connection (RFC 9110 7.6.1, RFC
// 9112 6). A lower-case name.
bool is_message_field(std::string_view name);

// Why configuration may not add, set or remove this field of a message, or "": it is no name, or a message
// field, which the gateway writes itself. Any case. What holds
// for `host` and pseudo headers differs from feature to feature: they are judged there, before.
std::string header_change_error(std::string_view name);

}  // namespace sluice
