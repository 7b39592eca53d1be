// Takes a piece out of a header or a body by a regular expression, or replaces pieces of it.
//
// Expressions are ECMAScript's as far as RE2 can run them in linear time: look-around and back references are refused.
// They work on bytes; "." matches any but a line break. Source: reference of Gloo's `extractors`.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace re2 {
class RE2;
}
namespace sluice::regex {
class Pattern;
enum class Found : uint8_t;
}  // namespace sluice::regex

namespace sluice::templates {

enum class ExtractionMode : uint8_t {
  extract,         // the expression must match all of the source; the result is the group's text, or ""
  single_replace,  // if the first match is all of the source, the group's part is replaced, literally; else the source
  replace_all,     // every match that is not empty is replaced; $1, $& and the like are known
};

struct Extraction {
  std::string regex;  // empty: the value is always ""
  unsigned subgroup = 0;
  ExtractionMode mode = ExtractionMode::extract;
  std::optional<std::string> replacement;  // needed for both kinds of replacing
  size_t bytes_max = 4U << 20;             // of a result that replacing makes
};

// Never changes once compiled; any thread may use it.
class Extractor {
 public:
  static Result<Extractor> compile(Extraction extraction);

  Extractor(Extractor&&) noexcept;
  Extractor& operator=(Extractor&&) noexcept;
  ~Extractor();

  // Instructions its expression compiled to (RE2's program size).
  size_t program_size() const;

  // A view into `source`, or into `scratch` where something was replaced. Without a source (a header that is not
  // there) ask nothing: the value is "" in every mode. Fails with ErrorKind::limit, when the result is too long or the
  // expression is too costly for such a source (regex/pattern.h).
  Result<std::string_view> apply(std::string_view source, std::string& scratch) const;

 private:
  Extractor(Extraction extraction, std::shared_ptr<const re2::RE2> regex);

  Result<bool> matched(regex::Found found) const;
  Result<std::string_view> extract(std::string_view source) const;
  Result<std::string_view> replace_one(std::string_view source, std::string& scratch) const;
  Result<std::string_view> replace_all(std::string_view source, std::string& scratch) const;

  Extraction extraction_;
  std::shared_ptr<const re2::RE2> regex_;          // null: no expression was given
  std::unique_ptr<const regex::Pattern> matches_;  // where every match is replaced
  size_t groups_wanted_ = 1;                       // then: with the match itself
};

}  // namespace sluice::templates
