#include "filters/transformation/response_match.h"

#include <re2/re2.h>

#include "base/strings.h"
#include "config/regex.h"

namespace sluice::transformation {

Result<ResponseMatch> ResponseMatch::compile(const kinds::HeaderMatcher& matcher) {
  ResponseMatch match;
  match.name_ = to_lower(matcher.name);
  match.value_ = matcher.value;
  match.invert_ = matcher.invert_match;
  if (!matcher.regex || matcher.value.empty()) return match;
  match.regex_ = TRY(compile_regex(matcher.value));
  return match;
}

bool ResponseMatch::matches(Request& request, const Response& response) const {
  const bool pseudo = name_.starts_with(':');
  const auto value = pseudo ? response.header(request, name_) : response.headers->joined(name_);
  if (value_.empty()) return value.has_value() != invert_;
  if (!value) return false;
  const bool fits =
      regex_ ? re2::RE2::FullMatch(re2::StringPiece(value->data(), value->size()), *regex_) : *value == value_;
  return fits != invert_;
}

}  // namespace sluice::transformation
