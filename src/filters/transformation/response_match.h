// Which responses a transformation is for: conditions on their headers and `:status`.
#pragma once

#include <string>

#include "base/result.h"
#include "config/kinds/matcher.h"
#include "pipeline/message.h"
#include "regex/whole.h"

namespace sluice::transformation {

// Repeated values are joined with ","; a missing header satisfies only the inverted test for presence.
class ResponseMatch {
 public:
  static Result<ResponseMatch> compile(const kinds::HeaderMatcher& matcher);
  // too_costly where its expression would cost more than the request has left (Request::match_effort).
  regex::Found matches(Request& request, const Response& response) const;

 private:
  std::string name_;   // lower-case, or ":status"
  std::string value_;  // empty and no expression: presence
  regex::Whole regex_;
  bool invert_ = false;
};

}  // namespace sluice::transformation
