#include "config/regex.h"

#include <fmt/format.h>
#include <re2/re2.h>

#include "base/strings.h"
#include "regex/compile.h"

namespace sluice {

Result<std::shared_ptr<const re2::RE2>> compile_regex(std::string_view pattern) {
  auto compiled = TRY(regex::compile(pattern, kRegexProgramMax));
  if (!compiled->ok())
    return invalid(fmt::format("{} is no regular expression (RE2 syntax): {}", json_quote(printable(pattern, 100)),
                               compiled->error()));
  return compiled;
}

Result<size_t> regex_program(std::string_view pattern) {
  const auto compiled = TRY(compile_regex(pattern));
  return static_cast<size_t>(compiled->ProgramSize());
}

}  // namespace sluice
