// Regular expressions made at random of parts that overlap, with text made for them.
#pragma once

#include <iterator>
#include <random>
#include <string>
#include <string_view>

namespace sluice::regex::testing {

// `repeats` may be without an end ("*").
inline std::string random_expression(std::mt19937& random, int depth, bool endless) {
  static constexpr std::string_view kAtoms[] = {"a",       "b", "[ab]",      "[^b]",   ".",      R"(\w)",
                                                R"(\b)",   "^", "$",         "(?i:A)", "ab",     "aba",
                                                R"(\x61)", "-", R"(\Qa-\E)", "(?m:^)", "(?m:$)", R"(\B)"};
  static constexpr std::string_view kRepeats[] = {"", "", "", "?", "{2}", "{0,2}", "{1,3}?", "??", "*", "*?", "+"};
  const size_t repeats = std::size(kRepeats) - (endless ? 0 : 3);
  std::string regex;
  const size_t parts = 1 + random() % 3;
  for (size_t i = 0; i < parts; ++i) {
    if (depth > 0 && random() % 3 == 0) {
      regex += (random() % 2 ? "(" : "(?:") + random_expression(random, depth - 1, endless) + "|" +
               random_expression(random, depth - 1, endless) + ")";
      regex += kRepeats[random() % repeats];
    } else {
      regex += kAtoms[random() % std::size(kAtoms)];
      if (regex.back() != '^' && regex.back() != '$')
        regex += random() % 4 == 0 ? (endless && random() % 2 ? "*" : "?") : "";
    }
  }
  return regex;
}

inline std::string random_text(std::mt19937& random, size_t size) {
  std::string text;
  for (size_t i = 0; i < size; ++i) text += "aabbA- \n"[random() % 8];
  return text;
}

}  // namespace sluice::regex::testing
