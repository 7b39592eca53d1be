// The elements of a JSON array that comes in pieces, one by one: what a client streams. Looks at brackets and quotes
// alone; an element is for whoever reads it to understand.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/result.h"

namespace sluice::transcoding {

class JsonArray {
 public:
  // The bytes that one element may have.
  explicit JsonArray(size_t element_bytes_max) : element_bytes_max_(element_bytes_max) {}

  struct Step {
    size_t read = 0;
    bool element = false;  // element() is whole
  };
  // As far as the end of an element. ErrorKind::invalid: it is no array; limit: an element is too long.
  Result<Step> take(std::string_view in);
  // Until the next take().
  const std::string& element() const { return element_; }
  // All of the array has been read. Only white space may follow.
  bool ended() const { return where_ == Where::behind; }

 private:
  enum class Where : uint8_t { before, first, between, element, behind };
  Result<bool> take(char c);  // whether an element ends with it

  const size_t element_bytes_max_;
  Where where_ = Where::before;
  std::string element_;
  size_t depth_ = 0;
  char quote_ = 0;  // of the string that it is in
  bool escaped_ = false;
};

}  // namespace sluice::transcoding
