// Which responses a transformation is for: conditions on their headers and `:status`.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "config/kinds/matcher.h"
#include "pipeline/message.h"

namespace re2 {
class RE2;
}

namespace sluice::transformation {

// Repeated values are joined with ","; a missing header satisfies only the inverted test for presence.
class ResponseMatch {
 public:
  static Result<ResponseMatch> compile(const kinds::HeaderMatcher& matcher);
  bool matches(Request& request, const Response& response) const;

 private:
  std::string name_;   // lower-case, or ":status"
  std::string value_;  // empty and no expression: presence
  std::shared_ptr<const re2::RE2> regex_;
  bool invert_ = false;
};

}  // namespace sluice::transformation
