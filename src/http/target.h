// What a request is for: authority, scheme and path.
#pragma once

#include <optional>
#include <string_view>

#include "base/arena.h"

namespace sluice {

// The parts of a request target (RFC 9112 3.2).
struct RequestTarget {
  std::string_view authority;  // of absolute-form and authority-form
  std::string_view scheme;     // of absolute-form
  std::string_view path;       // "/x?y", "*"; empty for authority-form
};
// Nothing when it is no target of this method's forms, or has another scheme than http and https.
std::optional<RequestTarget> parse_target(std::string_view method, std::string_view target, Arena& arena);

// Whether a target has visible ASCII alone, without spaces: what it may be made of before it is looked at closely.
bool has_target_bytes(std::string_view target);

// Whether the bytes may stand in a Host field (RFC 3986 authority without user information).
bool valid_host(std::string_view host);

}  // namespace sluice
