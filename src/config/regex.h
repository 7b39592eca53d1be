// RE2 regular expressions as the configuration may hold them, over bytes.
//
// In UTF-8 mode RE2 matches no text that is not UTF-8: `admin.*` would not match `admin` with 0xFF behind it, and a
// client could step out of any expression by one such byte. In Latin-1 mode `.` is a byte and every text can match;
// letters beyond ASCII match themselves byte by byte, though not as part of a class (`[é]`).
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

namespace re2 {
class RE2;
}

namespace sluice {

// The bound on the compiled size (RE2's program size); Gloo's installation sets the same.
inline constexpr size_t kRegexProgramMax = 1024;

// The same for all expressions of one object, those of bodies too: some tenths of a second to compile.
inline constexpr size_t kObjectProgramMax = size_t{1} << 18;

// Instructions the pattern compiles to, or why it is refused.
Result<size_t> regex_program(std::string_view pattern);

// For expressions of matchers and rewrites. What has bounds of its own (extractors, masking) compiles by
// regex::compile() too.
Result<std::shared_ptr<const re2::RE2>> compile_regex(std::string_view pattern);

}  // namespace sluice
