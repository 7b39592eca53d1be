// RE2 regular expressions as the configuration may hold them.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace sluice {

// The bound on the compiled size (RE2's program size); Gloo's installation sets the same.
inline constexpr size_t kRegexProgramMax = 1024;

// Why the pattern is refused, or "" when it is good.
std::string regex_error(std::string_view pattern);

}  // namespace sluice
