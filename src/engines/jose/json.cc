#include "engines/jose/json.h"

#include <algorithm>

#include "base/strings.h"

namespace sluice::jose {
namespace {

namespace dom = simdjson::dom;

bool names_are_unique(dom::object object) {
  std::array<std::string_view, 16> few;
  size_t count = 0;
  for (const dom::key_value_pair member : object) {
    if (count == few.size()) {
      std::vector<std::string_view> names;
      for (const dom::key_value_pair each : object) names.push_back(each.key);
      std::ranges::sort(names);
      return std::ranges::adjacent_find(names) == names.end();
    }
    for (size_t i = 0; i < count; ++i) {
      if (few[i] == member.key) return false;
    }
    few[count++] = member.key;
  }
  return true;
}

// Recursion is bounded: the parser has refused what nests deeper than depth_max.
bool all_names_are_unique(dom::element element) {
  dom::object object;
  if (element.get(object) == simdjson::SUCCESS) {
    if (!names_are_unique(object)) return false;
    for (const dom::key_value_pair member : object) {
      if (!all_names_are_unique(member.value)) return false;
    }
  }
  dom::array array;
  if (element.get(array) == simdjson::SUCCESS) {
    for (const dom::element item : array) {
      if (!all_names_are_unique(item)) return false;
    }
  }
  return true;
}

bool in_number(char c) {
  return ascii_digit(c) || c == '-' || c == '+' || c == '.' || c == 'e' || c == 'E';
}

// simdjson refuses integers that do not fit 64 bits, with an error that differs from version to version. Written with a
// fraction they are doubles, so ".0" goes behind each number of 19 digits or more that has neither fraction nor
// exponent.
std::string with_large_integers_as_doubles(std::string_view text) {
  std::string out;
  out.reserve(text.size() + 64);
  bool in_string = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    out += c;
    if (in_string) {
      if (c == '\\' && i + 1 < text.size()) out += text[++i];
      in_string = c != '"';
      continue;
    }
    in_string = c == '"';
    if (!ascii_digit(c)) continue;
    const size_t begin = i;
    while (i + 1 < text.size() && in_number(text[i + 1])) out += text[++i];
    const std::string_view number = text.substr(begin, i + 1 - begin);
    if (number.size() >= 19 && std::ranges::all_of(number, ascii_digit)) out += ".0";
  }
  return out;
}

}  // namespace

std::optional<dom::element> parse_object(std::string& text, dom::document& document, dom::parser& parser,
                                         size_t depth_max) {
  if (text.size() + 1 > parser.capacity() || parser.max_depth() != depth_max) {
    if (parser.allocate(text.size() + 1, depth_max) != simdjson::SUCCESS) return std::nullopt;
  }
  const auto parse = [&](std::string& bytes) {
    bytes.reserve(bytes.size() + simdjson::SIMDJSON_PADDING);
    return parser.parse_into_document(document, bytes.data(), bytes.size(), /*realloc_if_needed=*/false);
  };
  dom::element root;
  auto error = parse(text).get(root);
  if (error != simdjson::SUCCESS) {
    std::string widened = with_large_integers_as_doubles(text);
    if (widened.size() == text.size()) return std::nullopt;
    if (widened.size() > parser.capacity() && parser.allocate(widened.size(), depth_max) != simdjson::SUCCESS) {
      return std::nullopt;
    }
    error = parse(widened).get(root);
  }
  if (error != simdjson::SUCCESS || !root.is_object() || !all_names_are_unique(root)) return std::nullopt;
  return root;
}

}  // namespace sluice::jose
