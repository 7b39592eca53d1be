#include "base/header_names.h"

#include <fmt/format.h>
#include <algorithm>

#include "base/strings.h"

namespace sluice {
namespace {

// Where the body ends, and what was agreed with the neighbour on this connection.
constexpr std::string_view kOwn[] = {"connection", "content-length",   "expect", "http2-settings",
                                     "keep-alive", "proxy-connection", "te",     "trailer",
                                     "upgrade",    "transfer-encoding"};

}  // namespace

bool is_header_name(std::string_view name) {
  return !name.empty() && std::ranges::all_of(name, [](char c) {
    return ascii_alpha(c) || ascii_digit(c) || std::string_view("!#$%&'*+-.^_`|~").contains(c);
  });
}

bool is_message_field(std::string_view name) {
  return std::ranges::any_of(kOwn, [name](std::string_view own) { return same_header(name, own); });
}

std::string header_change_error(std::string_view name) {
  if (!is_header_name(name)) return fmt::format("{} is no header name", json_quote(printable(name, 60)));
  if (!is_message_field(to_lower(name))) return {};
  return fmt::format(
      "'{}' cannot be changed: it frames the message or belongs to one connection, and the gateway writes "
      "it itself",
      name);
}

}  // namespace sluice
