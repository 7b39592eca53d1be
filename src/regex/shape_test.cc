#include "regex/shape.h"

#include <gtest/gtest.h>
#include <re2/re2.h>

namespace sluice::regex {
namespace {

constexpr size_t kNoBound = static_cast<size_t>(-1);

struct Row {
  std::string_view regex;
  size_t width;
};

TEST(Shape, knows_the_widest_match) {
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
      {R"(\d\Q\E+)", kNoBound},
      {"a(?i)+", kNoBound},
      {"a(?i){3}", kNoBound},
      {"[[:]-?-?-?[0-9]{4}", 8},
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
    EXPECT_EQ(shape_of(row.regex).width_max.value_or(kNoBound), row.width) << row.regex;
  }
}

TEST(Shape, beginnings_are_those_of_a_match_and_no_more) {
  RE2::Options options(RE2::Latin1);
  const RE2 regex(shape_of(R"(a(b|cd){2}\d?)").beginnings_reversed, options);
  const auto begins = [&regex](std::string text) {
    std::ranges::reverse(text);
    return RE2::FullMatch(text, regex);
  };
  for (const char* good : {"", "a", "ab", "abb", "ac", "acd", "acdc", "abcd", "abb1", "acdcd1"}) {
    EXPECT_TRUE(begins(good)) << good;
  }
  for (const char* bad : {"b", "ad", "abbb", "acc", "abb12", "a1"}) EXPECT_FALSE(begins(bad)) << bad;
}

TEST(Shape, gives_up_on_beginnings_that_get_too_long_but_knows_the_width) {
  std::string deep = "a";
  for (int i = 0; i < 30; ++i) deep = "(?:" + deep + "b|c" + ")d";
  EXPECT_TRUE(shape_of(deep).width_max);
  EXPECT_TRUE(shape_of(std::string(150, '(') + "a" + std::string(150, ')')).width_max);
  EXPECT_FALSE(shape_of(std::string(300, '(') + "a" + std::string(300, ')')).width_max);
}

}  // namespace
}  // namespace sluice::regex
