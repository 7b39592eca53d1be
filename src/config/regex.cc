#include "config/regex.h"

#include <fmt/format.h>
#include <re2/re2.h>

#include "base/strings.h"

namespace sluice {

std::string regex_error(std::string_view pattern) {
  RE2::Options options;
  options.set_log_errors(false);
  const RE2 regex(re2::StringPiece(pattern.data(), pattern.size()), options);
  const std::string quoted = json_quote(printable(pattern, 100));
  if (!regex.ok()) return fmt::format("{} is no regular expression (RE2 syntax): {}", quoted, regex.error());
  if (static_cast<size_t>(regex.ProgramSize()) > kRegexProgramMax)
    return fmt::format("the regular expression {} compiles to {} instructions, more than the limit of {}", quoted,
                       regex.ProgramSize(), kRegexProgramMax);
  return {};
}

}  // namespace sluice
