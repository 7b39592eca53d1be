// Whether an expression matches a whole text: for the conditions of routes and filters on what a client sent.
#pragma once

#include <re2/re2.h>

#include <cstddef>
#include <memory>
#include <string_view>

#include "regex/pattern.h"

namespace sluice::regex {

// Never changes; any thread may use it.
class Whole {
 public:
  Whole() = default;  // matches nothing; is not set
  // An expression that RE2 has accepted, compiled with byte_options().
  explicit Whole(std::shared_ptr<const re2::RE2> regex);

  explicit operator bool() const { return regex_ != nullptr; }
  // A step a byte is free. Where a text leads RE2 into more states than it has memory for there is more to pay, from
  // `effort`, in the units of Budget. too_costly, without a search, where that has not enough for the worst of texts of
  // this size: the caller refuses what it decides about.
  Found matches(std::string_view text, size_t& effort) const;

 private:
  std::shared_ptr<const re2::RE2> regex_;
  size_t places_ = 0;
};

}  // namespace sluice::regex
