#include "config/regex.h"

#include <fmt/format.h>
#include <re2/re2.h>

#include "base/strings.h"
#include "regex/pattern.h"

namespace sluice {

Result<std::shared_ptr<const re2::RE2>> compile_regex(std::string_view pattern) {
  auto compiled = std::make_shared<const RE2>(re2::StringPiece(pattern.data(), pattern.size()), regex::byte_options());
  const std::string quoted = json_quote(printable(pattern, 100));
  if (!compiled->ok())
    return invalid(fmt::format("{} is no regular expression (RE2 syntax): {}", quoted, compiled->error()));
  if (static_cast<size_t>(compiled->ProgramSize()) > kRegexProgramMax)
    return invalid(fmt::format("the regular expression {} compiles to {} instructions, more than the limit of {}",
                               quoted, compiled->ProgramSize(), kRegexProgramMax));
  return compiled;
}

std::string regex_error(std::string_view pattern) {
  const auto compiled = compile_regex(pattern);
  return compiled ? std::string() : compiled.error().message;
}

}  // namespace sluice
