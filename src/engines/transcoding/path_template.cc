#include "engines/transcoding/path_template.h"

#include <algorithm>

#include "base/encoding.h"
#include "base/strings.h"

namespace sluice::transcoding {
namespace {

class Parser {
 public:
  explicit Parser(std::string_view text) : rest_(text) {}

  Result<PathTemplate> parse() {
    if (!eat('/')) return invalid("it must begin with /");
    if (rest_.empty()) return std::move(out_);
    TRY(parse_segments());
    if (eat(':')) {
      out_.verb = take_until("/:}{*");
      if (out_.verb.empty()) return invalid("a verb must stand behind ':'");
    }
    if (!rest_.empty()) return invalid("'" + std::string(rest_) + "' is too much");
    return std::move(out_);
  }

 private:
  bool eat(char c) {
    if (!rest_.starts_with(c)) return false;
    rest_.remove_prefix(1);
    return true;
  }
  std::string take_until(std::string_view ends) {
    const std::string_view taken = rest_.substr(0, rest_.find_first_of(ends));
    rest_.remove_prefix(taken.size());
    return std::string(taken);
  }

  Status parse_segments() {
    do {
      TRY(parse_segment());
    } while (eat('/'));
    return {};
  }

  Status parse_segment() {
    if (eat('{')) return parse_variable();
    std::string segment;
    if (eat('*'))
      segment = eat('*') ? "**" : "*";
    else
      segment = take_until("/:}{*");
    if (segment.empty()) return invalid("a segment is empty");
    if (any_length_ && segment.front() == '*') return invalid("only literal segments may stand behind **");
    if (segment == "**") any_length_ = true;
    out_.segments.push_back(std::move(segment));
    return {};
  }

  Status parse_variable() {
    if (in_variable_) return invalid("a variable stands within another");
    in_variable_ = true;
    TemplateVariable variable{.begin = out_.segments.size()};
    const bool was_any_length = any_length_;
    do {
      variable.field_path.push_back(take_until(".=}{/*:"));
      if (variable.field_path.back().empty()) return invalid("a variable has no name");
    } while (eat('.'));
    if (eat('=')) {
      TRY(parse_segments());
    } else {
      if (any_length_) return invalid("only literal segments may stand behind **");
      out_.segments.emplace_back("*");
    }
    if (!eat('}')) return invalid("a variable does not end");
    variable.behind = out_.segments.size();
    variable.any_length = any_length_ && !was_any_length;
    out_.variables.push_back(std::move(variable));
    in_variable_ = false;
    return {};
  }

  std::string_view rest_;
  PathTemplate out_;
  bool in_variable_ = false;
  bool any_length_ = false;
};

constexpr std::string_view kReserved = "!#$&'()*+,/:;=?@[]";  // RFC 3986 2.2

}  // namespace

Result<PathTemplate> PathTemplate::parse(std::string_view text) {
  auto parsed = Parser(text).parse();
  if (!parsed) return invalid("the path " + json_quote(text) + ": " + parsed.error().message);
  return parsed;
}

std::string value_of(const TemplateVariable& variable, const PathTemplate& path, std::span<const std::string_view> in) {
  // Segments behind "**" are as many as in the template.
  const size_t behind = variable.any_length ? in.size() - (path.segments.size() - variable.behind) : variable.behind;
  std::string out;
  for (size_t i = variable.begin; i < behind; ++i) {
    if (i > variable.begin) out += '/';
    out += percent_decode_some(in[i], variable.one_segment() ? "" : kReserved);
  }
  return out;
}

}  // namespace sluice::transcoding
