#include "config/scalar.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <optional>

#include "base/strings.h"

namespace sluice {
namespace {

// A word in lower case, Capitalised or upper case, as YAML 1.1 lists its words.
bool is_word(std::string_view text, std::string_view word) {
  if (!equals_ignoring_case(text, word)) return false;
  const auto lower = [](char c) { return ascii_lower(c) == c; };
  const auto upper = [](char c) { return c < 'a' || c > 'z'; };
  return std::ranges::all_of(text.substr(1), lower) || std::ranges::all_of(text, upper);
}

std::optional<bool> boolean_word(std::string_view text) {
  for (const std::string_view word : {"true", "yes", "on", "y"})
    if (is_word(text, word)) return true;
  for (const std::string_view word : {"false", "no", "off", "n"})
    if (is_word(text, word)) return false;
  return std::nullopt;
}

std::optional<Node> whole_number(std::string_view text) {
  const bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.remove_prefix(1);
  int base = 10;
  if (text.size() > 1 && text[0] == '0') {
    const char mark = ascii_lower(text[1]);
    base = mark == 'x' ? 16 : mark == 'b' ? 2 : 8;
    text.remove_prefix(mark == 'x' || mark == 'b' || mark == 'o' ? 2 : 1);
  }
  uint64_t magnitude = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), magnitude, base);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  if (!negative) return Node(magnitude);
  if (magnitude > uint64_t{1} << 63) return std::nullopt;
  return Node(static_cast<int64_t>(0 - magnitude));
}

// [-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?
bool looks_like_a_number(std::string_view text) {
  const auto digits = [&] {
    const size_t n = std::min(text.find_first_not_of("0123456789"), text.size());
    text.remove_prefix(n);
    return n;
  };
  if (text.starts_with('-') || text.starts_with('+')) text.remove_prefix(1);
  const size_t before = digits();
  if (text.starts_with('.')) {
    text.remove_prefix(1);
    if (digits() == 0 && before == 0) return false;
  } else if (before == 0) {
    return false;
  }
  if (text.starts_with('e') || text.starts_with('E')) {
    text.remove_prefix(1);
    if (text.starts_with('-') || text.starts_with('+')) text.remove_prefix(1);
    if (digits() == 0) return false;
  }
  return text.empty();
}

std::optional<Node> real_number(std::string_view text) {
  if (!looks_like_a_number(text)) return std::nullopt;
  if (text.starts_with('+')) text.remove_prefix(1);
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(value)) return std::nullopt;
  return Node(value);
}

}  // namespace

bool is_yaml_infinity(std::string_view text) {
  if (is_word(text, ".nan") || text == ".NaN") return true;
  if (text.starts_with('+') || text.starts_with('-')) text.remove_prefix(1);
  return text == ".inf" || text == ".Inf" || text == ".INF";
}

Node resolve_plain_scalar(std::string_view text) {
  if (text.empty() || text == "~" || is_word(text, "null")) return Node();
  const char first = text.front();
  if (const auto value = boolean_word(text)) return Node(*value);
  if (first != '-' && first != '+' && first != '.' && !ascii_digit(first)) return Node(text);
  std::string digits(text);
  if (first != '.') std::erase(digits, '_');
  if (first != '.')
    if (auto value = whole_number(digits)) return std::move(*value);
  if (auto value = real_number(digits)) return std::move(*value);
  return Node(text);
}

}  // namespace sluice
