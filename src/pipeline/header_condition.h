// One condition on a header of a request or a response: a kinds::HeaderMatcher, compiled (reference gloo-core.md 3.3).
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "config/kinds/matcher.h"
#include "regex/whole.h"

namespace sluice {

// Immutable: any thread.
class HeaderCondition {
 public:
  // The error names the regular expression that does not compile.
  static Result<HeaderCondition> compile(const kinds::HeaderMatcher& matcher);

  const std::string& name() const { return name_; }  // lower case
  // `value`: all values of the header, joined by ","; nothing where it is missing, which satisfies only the inverted
  // condition for its presence. Pays from `effort` (regex/whole.h); too_costly where that has not enough, inverted or
  // not.
  regex::Found fits(std::optional<std::string_view> value, size_t& effort) const;

 private:
  std::string name_;
  std::string value_;  // exact; presence when empty and no expression
  regex::Whole regex_;
  bool invert_ = false;
};

}  // namespace sluice
