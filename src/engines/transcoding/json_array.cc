#include "engines/transcoding/json_array.h"

namespace sluice::transcoding {
namespace {

bool is_space(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

std::unexpected<Error> no_array() {
  return invalid("the body must be one JSON array of messages");
}

}  // namespace

Result<JsonArray::Step> JsonArray::take(std::string_view in) {
  Step step;
  if (where_ != Where::element) element_.clear();
  while (step.read < in.size() && !step.element) step.element = TRY(take(in[step.read++]));
  return step;
}

Result<bool> JsonArray::take(char c) {
  if (where_ != Where::element) {
    if (is_space(c)) return false;
    switch (where_) {
      case Where::before:
        if (c != '[') return no_array();
        where_ = Where::first;
        return false;
      case Where::behind: return no_array();
      case Where::first:
        if (c == ']') {
          where_ = Where::behind;
          return false;
        }
        [[fallthrough]];
      default: where_ = Where::element;
    }
  }
  if (quote_ != 0) {
    if (escaped_)
      escaped_ = false;
    else if (c == '\\')
      escaped_ = true;
    else if (c == quote_)
      quote_ = 0;
  } else if (depth_ == 0 && (c == ',' || c == ']')) {
    if (element_.empty()) return no_array();
    where_ = c == ',' ? Where::between : Where::behind;
    return true;
  } else if (c == '"' || c == '\'') {  // protobuf's JSON knows both
    quote_ = c;
  } else if (c == '{' || c == '[') {
    ++depth_;
  } else if (c == '}' || c == ']') {
    if (depth_-- == 0) return no_array();
  }
  if (element_.size() == element_bytes_max_) return fail(ErrorKind::limit, "a message of the body is too long");
  element_ += c;
  return false;
}

}  // namespace sluice::transcoding
