#include "regex/compile.h"

#include <fmt/format.h>

#include "base/strings.h"

namespace sluice::regex {
namespace {

// What RE2 wants to have before it makes an instruction, with what it optimizes away later.
constexpr size_t kMemoryPerInstruction = 96;
constexpr size_t kUnicodeClassesMax = 32;
constexpr size_t kMemoryStart = size_t{64} << 10;

size_t count_of(std::string_view text, std::string_view what) {
  size_t count = 0;
  for (size_t at = text.find(what); at != std::string_view::npos; at = text.find(what, at + what.size())) ++count;
  return count;
}

std::unexpected<Error> too_large(std::string_view pattern, size_t program_max) {
  return fail(ErrorKind::limit,
              fmt::format("the regular expression {} compiles to more than {} instructions: a{{1000}} "
                          "has a thousand of them, and a copy of the group for (..){{1000}}",
                          json_quote(printable(pattern, 100)), program_max));
}

}  // namespace

re2::RE2::Options byte_options() {
  re2::RE2::Options options(re2::RE2::Latin1);
  options.set_log_errors(false);
  return options;
}

Result<std::shared_ptr<const re2::RE2>> compile(std::string_view pattern, size_t program_max) {
  if (pattern.size() > kPatternBytesMax)
    return fail(ErrorKind::limit, fmt::format("the regular expression {} has {} bytes, more than the limit of {}",
                                              json_quote(printable(pattern, 100)), pattern.size(), kPatternBytesMax));
  if (count_of(pattern, "\\p") + count_of(pattern, "\\P") > kUnicodeClassesMax)
    return fail(ErrorKind::limit,
                fmt::format("the regular expression {} has more than {} classes such as \\p{{L}}: they "
                            "take long to compile, and of a byte they say little",
                            json_quote(printable(pattern, 100)), kUnicodeClassesMax));
  const re2::StringPiece text(pattern.data(), pattern.size());
  // Only a counted repetition makes more of it than its text; RE2 notices by its memory, which searches need, too.
  if (pattern.contains('{')) {
    re2::RE2::Options small = byte_options();
    small.set_max_mem(static_cast<int64_t>(kMemoryStart + kMemoryPerInstruction * program_max));
    if (re2::RE2(text, small).error_code() == re2::RE2::ErrorPatternTooLarge) return too_large(pattern, program_max);
  }
  auto compiled = std::make_shared<const re2::RE2>(text, byte_options());
  if (compiled->ok() && static_cast<size_t>(compiled->ProgramSize()) > program_max)
    return too_large(pattern, program_max);
  return compiled;
}

}  // namespace sluice::regex
