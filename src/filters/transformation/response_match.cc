#include "filters/transformation/response_match.h"

#include "base/strings.h"
#include "config/regex.h"

namespace sluice::transformation {

using regex::Found;

Result<ResponseMatch> ResponseMatch::compile(const kinds::HeaderMatcher& matcher) {
  ResponseMatch match;
  match.name_ = to_lower(matcher.name);
  match.value_ = matcher.value;
  match.invert_ = matcher.invert_match;
  if (!matcher.regex || matcher.value.empty()) return match;
  match.regex_ = regex::Whole(TRY(compile_regex(matcher.value)));
  return match;
}

Found ResponseMatch::matches(Request& request, const Response& response) const {
  const auto found = [](bool fits) { return fits ? Found::yes : Found::no; };
  const bool pseudo = name_.starts_with(':');
  const auto value = pseudo ? response.header(request, name_) : response.headers->joined(name_);
  if (value_.empty()) return found(value.has_value() != invert_);
  if (!value) return Found::no;
  if (!regex_) return found((*value == value_) != invert_);
  const Found fits = regex_.matches(*value, request.match_effort);
  return fits == Found::too_costly ? fits : found((fits == Found::yes) != invert_);
}

}  // namespace sluice::transformation
