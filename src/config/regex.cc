#include "config/regex.h"

#include <fmt/format.h>
#include <re2/re2.h>

#include "base/strings.h"

namespace sluice {

Result<std::shared_ptr<const re2::RE2>> compile_regex(std::string_view pattern) {
  RE2::Options options(RE2::Latin1);
  options.set_log_errors(false);
  auto regex = std::make_shared<const RE2>(re2::StringPiece(pattern.data(), pattern.size()), options);
  const std::string quoted = json_quote(printable(pattern, 100));
  if (!regex->ok()) return invalid(fmt::format("{} is no regular expression (RE2 syntax): {}", quoted, regex->error()));
  if (static_cast<size_t>(regex->ProgramSize()) > kRegexProgramMax)
    return invalid(fmt::format("the regular expression {} compiles to {} instructions, more than the limit of {}",
                               quoted, regex->ProgramSize(), kRegexProgramMax));
  return regex;
}

std::string regex_error(std::string_view pattern) {
  const auto compiled = compile_regex(pattern);
  return compiled ? std::string() : compiled.error().message;
}

}  // namespace sluice
