#include "engines/masking/regex_shape.h"

#include <gtest/gtest.h>
#include <re2/re2.h>

#include <random>

#include "engines/masking/reference_test.h"
#include "engines/masking/test_kit.h"

namespace sluice::masking {
namespace {

constexpr size_t kNoBound = static_cast<size_t>(-1);

struct Row {
  std::string_view regex;
  size_t width;
};

TEST(RegexShape, knows_the_widest_match) {
  constexpr Row kRows[] = {
      {"a", 1},
      {"abc", 3},
      {"", 0},
      {"^a$", 1},
      {R"(\bab\B\A\z)", 2},
      {"a|bcd|ef", 3},
      {"(a|bc)d", 3},
      {"(?:ab){3}", 6},
      {"a{2,5}b?", 6},
      {"a{0}b", 1},
      {"(?:a{3}){2}", 6},
      {"a*", kNoBound},
      {"a+?", kNoBound},
      {"a{2,}", kNoBound},
      {"(?:^)*a", 1},
      {"(?:a|b*)c", kNoBound},
      {R"([a-z]{2}\d\s.)", 5},
      {"[]a]b", 2},
      {"[^]a]b", 2},
      {R"([\]a]b)", 2},
      {"[[:alpha:]]]", 2},
      {"[a[:^digit:]-z]", 1},
      {R"(\pN\p{Greek}\PL)", 3},
      {R"(\x{ff}\x41\101\n\.)", 5},
      {R"(\Qa.b*\E?)", 4},
      {R"(\Qab)", 2},
      {"a{,5}", 5},
      {"a{b}", 4},
      {"x{", 2},
      {"(?i)ab(?s:.)", 3},
      {"(?P<name>ab)c", 3},
      {"(?i:a)(?-i)b", 2},
      {"é", 2},
      {R"(\C)", 1},
      {"(?:a{100}){10}b{4}", 1004},
  };
  for (const Row& row : kRows) {
    RE2::Options options(RE2::Latin1);
    ASSERT_TRUE(RE2(std::string(row.regex), options).ok()) << row.regex;
    EXPECT_EQ(shape_of_regex(row.regex).width_max.value_or(kNoBound), row.width) << row.regex;
  }
}

TEST(RegexShape, beginnings_are_those_of_a_match_and_no_more) {
  const std::string beginnings = "(?:" + shape_of_regex(R"(a(b|cd){2}\d?)").beginnings + ")";
  RE2::Options options(RE2::Latin1);
  const RE2 regex(beginnings, options);
  for (const char* good : {"", "a", "ab", "abb", "ac", "acd", "acdc", "abcd", "abb1", "acdcd1"}) {
    EXPECT_TRUE(RE2::FullMatch(good, regex)) << good;
  }
  for (const char* bad : {"b", "ad", "abbb", "acc", "abb12", "a1"}) EXPECT_FALSE(RE2::FullMatch(bad, regex)) << bad;
}

TEST(RegexShape, gives_up_on_beginnings_that_get_too_long_but_knows_the_width) {
  std::string deep = "a";
  for (int i = 0; i < 30; ++i) deep = "(?:" + deep + "b|c" + ")d";
  EXPECT_TRUE(shape_of_regex(deep).width_max);
  EXPECT_TRUE(shape_of_regex(std::string(150, '(') + "a" + std::string(150, ')')).width_max);
  EXPECT_FALSE(shape_of_regex(std::string(300, '(') + "a" + std::string(300, ')')).width_max);
}

// A regular expression made at random of parts that overlap, with text made for it.
std::string random_regex(std::mt19937& random, int depth) {
  static constexpr std::string_view kAtoms[] = {"a",       "b", "[ab]",      "[^b]",   ".",      R"(\w)",
                                                R"(\b)",   "^", "$",         "(?i:A)", "ab",     "aba",
                                                R"(\x61)", "-", R"(\Qa-\E)", "(?m:^)", "(?m:$)", R"(\B)"};
  static constexpr std::string_view kRepeats[] = {"", "", "", "?", "{2}", "{0,2}", "{1,3}?", "??"};
  std::string regex;
  const size_t parts = 1 + random() % 3;
  for (size_t i = 0; i < parts; ++i) {
    if (depth > 0 && random() % 3 == 0) {
      regex +=
          (random() % 2 ? "(" : "(?:") + random_regex(random, depth - 1) + "|" + random_regex(random, depth - 1) + ")";
      regex += kRepeats[random() % std::size(kRepeats)];
    } else {
      regex += kAtoms[random() % std::size(kAtoms)];
      if (regex.back() != '^' && regex.back() != '$') regex += random() % 4 == 0 ? "?" : "";
    }
  }
  return regex;
}

TEST(RegexShape, random_bounded_expressions_stream_as_they_mask_in_one_piece) {
  std::mt19937 random(3);
  int bounded = 0;
  for (int round = 0; round < 1500; ++round) {
    const std::string regex = random_regex(random, 2);
    if (!RE2(regex, RE2::Latin1).ok()) continue;
    const std::vector<Action> actions = {{Custom{"c", {{regex, 0}}, "*", 60}}};
    const auto rules = Rules::compile(actions);
    ASSERT_TRUE(rules) << rules.error().message;
    ASSERT_FALSE((*rules)->needs_whole_body()) << regex;
    ++bounded;
    std::string text;
    for (size_t i = random() % 60; i > 0; --i) text += "aabbA- \n"[random() % 8];
    const reference::Masked expected = reference::mask(text, actions);
    const auto whole = test_kit::mask_whole(*rules, text);
    ASSERT_EQ(whole.text, expected.text) << regex << " on " << text;
    for (const size_t most : {size_t{1}, size_t{9}}) {
      const auto pieces = test_kit::mask_in_pieces(*rules, text, [&] { return 1 + random() % most; });
      ASSERT_EQ(pieces.text, expected.text) << regex << " on " << text;
      ASSERT_EQ(pieces.counts, whole.counts) << regex << " on " << text;
    }
  }
  EXPECT_GT(bounded, 1000);
}

}  // namespace
}  // namespace sluice::masking
