// Compiling an expression within bounds of time and memory: `[ab]{1000}` is ten characters and a thousand instructions.
#pragma once

#include <re2/re2.h>

#include <cstddef>
#include <memory>
#include <string_view>

#include "base/result.h"

namespace sluice::regex {

inline constexpr size_t kProgramMax = 8192;  // instructions, for expressions of bodies
inline constexpr size_t kPatternBytesMax = 16U << 10;

// A character is a byte, nothing is printed.
re2::RE2::Options byte_options();

// With byte_options(). Fails with ErrorKind::limit where it is too long or compiles to more than `program_max`
// instructions, after about the time that so many take; else ask whether it is ok().
Result<std::shared_ptr<const re2::RE2>> compile(std::string_view pattern, size_t program_max);

}  // namespace sluice::regex
