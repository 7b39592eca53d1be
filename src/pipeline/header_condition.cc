#include "pipeline/header_condition.h"

#include "base/strings.h"
#include "config/regex.h"

namespace sluice {

using regex::Found;

Result<HeaderCondition> HeaderCondition::compile(const kinds::HeaderMatcher& matcher) {
  HeaderCondition out;
  out.name_ = to_lower(matcher.name);
  out.value_ = matcher.value;
  out.invert_ = matcher.invert_match;
  if (matcher.regex && !matcher.value.empty()) out.regex_ = regex::Whole(TRY(compile_regex(matcher.value)));
  return out;
}

Found HeaderCondition::fits(std::optional<std::string_view> value, size_t& effort) const {
  if (value_.empty()) return regex::found_if(value.has_value() != invert_);
  if (!value) return Found::no;  // as Envoy, also when inverted
  const Found found = regex_ ? regex_.matches(*value, effort) : regex::found_if(*value == value_);
  return found == Found::too_costly ? found : regex::found_if((found == Found::yes) != invert_);
}

}  // namespace sluice
