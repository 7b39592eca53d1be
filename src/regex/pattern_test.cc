#include "regex/pattern.h"

#include <gtest/gtest.h>

#include "regex/testing.h"

namespace sluice::regex {
namespace {

Pattern pattern(const std::string& expression) {
  return Pattern(std::make_shared<const RE2>(expression, byte_options()));
}

// Every match as "[from,to)", then what ended it.
std::string all_matches(const Pattern& pattern, const std::string& text, Budget budget) {
  std::string matches;
  re2::StringPiece groups[2];
  for (size_t from = 0; from <= text.size();) {
    const Found found = pattern.find(text, from, std::span(groups).first(1), budget);
    if (found == Found::too_costly) return matches + "too costly";
    if (found == Found::no) break;
    const size_t start = static_cast<size_t>(groups[0].data() - text.data());
    matches += fmt::format("[{},{})", start, start + groups[0].size());
    from = start + std::max<size_t>(groups[0].size(), 1);
  }
  return matches;
}

constexpr Budget kAllMeasured{.unmeasured = 0, .measured = size_t{1} << 40};

// The same by RE2 alone.
std::string expected_matches(const std::string& expression, const std::string& text) {
  const RE2 regex(expression, byte_options());
  std::string matches;
  re2::StringPiece group;
  for (size_t from = 0; from <= text.size();) {
    if (!regex.Match(text, from, text.size(), RE2::UNANCHORED, &group, 1)) break;
    const size_t start = static_cast<size_t>(group.data() - text.data());
    matches += fmt::format("[{},{})", start, start + group.size());
    from = start + std::max<size_t>(group.size(), 1);
  }
  return matches;
}

TEST(Pattern, finds_the_same_in_growing_windows_as_in_the_whole_text) {
  std::mt19937 random(5);
  int tried = 0;
  for (int round = 0; round < 6000; ++round) {
    const std::string expression = testing::random_expression(random, 2, true);
    if (!RE2(expression, byte_options()).ok()) continue;
    ++tried;
    const std::string text = testing::random_text(random, random() % 200);
    const Pattern made = pattern(expression);
    ASSERT_EQ(all_matches(made, text, kAllMeasured), expected_matches(expression, text))
        << expression << " on " << text;
  }
  EXPECT_GT(tried, 4000);
}

TEST(Pattern, pays_for_what_it_looks_at) {
  const std::string text(100'000, 'a');
  const auto cost = [&text](const std::string& expression) {
    Budget budget = kAllMeasured;
    re2::StringPiece group;
    pattern(expression).find(text, 50'000, {&group, 1}, budget);
    return kAllMeasured.measured - budget.measured;
  };
  // The match, and what of the window may be the beginning of one.
  EXPECT_EQ(cost("a"), 8u + 1);
  EXPECT_LE(cost("[ab]{7}b|a"), 16u * 2);
  EXPECT_LE(cost("a{3}(?:b.*)?"), 16u * 2);
  EXPECT_LE(cost("a{20}"), 128u);
  EXPECT_GE(cost("a(?:.*b)?"), 50'000u);
  EXPECT_LE(cost("a(?:.*b)?"), 3 * 150'000u);
  EXPECT_LE(cost("b"), 150'000u) << "passing over text costs its length";
}

TEST(Pattern, gives_up_at_the_budget_only_where_matches_look_far) {
  const std::string text(200'000, 'a');
  const Budget budget = Budget::for_text(text.size());
  EXPECT_TRUE(all_matches(pattern("a(?:.*b)?"), text, budget).ends_with("too costly"));
  EXPECT_TRUE(all_matches(pattern("a(?:.{0,1000}b)?"), text, budget).ends_with("too costly"));
  for (const char* good : {"a", "a*", "a{1,100}", "x*", "a(?:ab)?", "(?:a|aa|aaa)b?", "^a", "b", "a$"}) {
    EXPECT_FALSE(all_matches(pattern(good), text, budget).ends_with("too costly")) << good;
  }
}

// As long as the text leaves RE2 its states, a search is cheap however large the expression; a hostile one makes it
// follow each place.
TEST(Pattern, gives_up_at_the_budget_where_a_text_leads_it_everywhere) {
  std::string hostile;
  std::mt19937 random(3);
  for (int i = 0; i < 1'000'000; ++i) hostile += "ab"[random() & 1];
  re2::StringPiece group;
  for (const char* large : {"a[ab]{900}c", "a[ab]{225}c", "(a)(b)?([ab]{80})(c)"}) {
    Budget budget = Budget::for_text(hostile.size());
    EXPECT_EQ(pattern(large).find(hostile, 0, {&group, 1}, budget), Found::too_costly) << large;
    budget = Budget::for_text(hostile.size());
    EXPECT_EQ(pattern(large).find(std::string(hostile.size(), 'a'), 0, {&group, 1}, budget), Found::no) << large;
  }
}

// Ordinary texts do not.
TEST(Pattern, takes_ordinary_expressions_of_any_size) {
  std::string text;
  std::mt19937 random(4);
  while (text.size() < 1'000'000)
    text += fmt::format(
        "{{\"id\": {}, \"name\": \"user {}\", \"mail\": \"u{}@mail{}.example.com\", \"password\": \"{:x}\", "
        "\"note\": \"the quick brown fox, and some prose besides: word{}\"}},\n",
        random() % 100000, random() % 1000, random() % 1000, random() % 10, random(), random() % 200);
  std::string words = "\\b(?:none";
  for (int i = 0; i < 100; ++i) words += fmt::format("|word{}", i);
  for (const std::string& ordinary :
       {std::string(R"x("password"\s*:\s*"([^"]{1,1000})")x"),
        std::string(R"x("password"\s*:\s*"((?:[^"\\]|\\.){0,200})")x"),
        std::string(R"x("password"\s*:\s*"([^"]{1,256})")x"),
        std::string(R"x([A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9.-]{1,255}\.[A-Za-z]{2,24})x"), words + ")\\b",
        std::string(R"x(\{"id": "[0-9a-f-]{36}"[^}]*\})x"), std::string("[A-Za-z0-9+/]{40,}={0,2}"),
        std::string(R"x((?i)(?:api[_-]?key|token|secret|password)["']?\s*[:=]\s*["']?([A-Za-z0-9_\-]{1,64}))x")})
    EXPECT_FALSE(all_matches(pattern(ordinary), text, Budget::for_text(text.size())).ends_with("too costly"))
        << ordinary;
}

TEST(Pattern, passes_over_a_text_with_a_list_of_many_words) {
  re2::StringPiece group;
  std::string words = "\\b(?:none";
  for (int i = 0; i < 600; ++i) words += fmt::format("|word{}", i);
  std::string text;
  for (int i = 0; i < 100'000; ++i) text += "a weird text ";
  text += "of word599";
  Budget budget = Budget::for_text(text.size());
  EXPECT_EQ(pattern(words + ")\\b").find(text, 0, {&group, 1}, budget), Found::yes);
}

TEST(Pattern, matches_once_unless_the_text_is_too_long_for_the_size_of_the_expression) {
  re2::StringPiece groups[2];
  const RE2 large("(a{1000})+b?", byte_options());
  EXPECT_EQ(match_once(large, std::string(100'000, 'a'), RE2::ANCHOR_BOTH, groups), Found::yes);
  EXPECT_EQ(groups[1].size(), 1000u);
  EXPECT_EQ(match_once(large, std::string(100'001, 'a'), RE2::ANCHOR_BOTH, groups), Found::no);
  EXPECT_EQ(match_once(large, std::string(400'000, 'a'), RE2::ANCHOR_BOTH, groups), Found::too_costly);
  const std::string nested = std::string(80, '(') + "a" + std::string(80, ')') + "*";
  re2::StringPiece many[80];
  EXPECT_EQ(match_once(RE2(nested, byte_options()), std::string(400'000, 'a'), RE2::ANCHOR_BOTH, many),
            Found::too_costly)
      << "each way carries its groups";
  const RE2 small(".*\"tenant\": *\"([a-z]{1,60})\".*", byte_options());
  ASSERT_LT(small.ProgramSize(), 256);
  const std::string text = std::string(4'000'000, ' ') + "\"tenant\": \"acme\"";
  EXPECT_EQ(match_once(small, text, RE2::ANCHOR_BOTH, groups), Found::yes);
  EXPECT_EQ(groups[1], "acme");
}

TEST(Pattern, replaces_all_as_re2_does_and_gives_up_at_the_budget) {
  std::mt19937 random(7);
  for (int round = 0; round < 3000; ++round) {
    const std::string expression = "(" + testing::random_expression(random, 1, true) + ")";
    if (!RE2(expression, byte_options()).ok()) continue;
    const std::string text = testing::random_text(random, random() % 30);
    std::string expected = text;
    RE2::GlobalReplace(&expected, RE2(expression, byte_options()), "<\\1|\\0>");
    ASSERT_EQ(replace_all(pattern(expression), text, "<\\1|\\0>"), expected) << expression << " on " << text;
  }
  const auto costly = replace_all(pattern("a(?:.*b)?"), std::string(60'000, 'a'), "x");
  ASSERT_FALSE(costly);
  EXPECT_EQ(costly.error().kind, ErrorKind::limit);
}

// A run cannot be stopped: where no window may be left behind, the text is refused before it is one.
TEST(Pattern, runs_over_no_more_of_a_text_at_once_than_the_budget_pays_for) {
  std::string hostile;
  std::mt19937 random(3);
  for (int i = 0; i < 1'000'000; ++i) hostile += "ab"[random() & 1];
  std::string huge = "(?:(?:a[ab]{900}){2}c|(?:b[ab]{900}){2}d|(?:aa[ab]{900}){2}e";
  for (int i = 0; i < 600; ++i) huge += fmt::format("|word{}", i);  // no text of its beginnings
  const Pattern made = pattern(huge + ")+");
  Budget budget = Budget::for_text(hostile.size());
  re2::StringPiece group;
  EXPECT_EQ(made.find(hostile, 0, {&group, 1}, budget), Found::too_costly);
  EXPECT_GT(budget.measured, 0u) << "before it was looked at";
}

// Where the text of its beginnings gets too long, nothing is known but the width: it is charged with the most.
TEST(Pattern, knows_no_less_of_an_expression_that_is_too_long_to_be_measured) {
  std::string words = "(?:x";
  for (int i = 0; i < 600; ++i) words += fmt::format("|word{}", i);
  std::string text;
  for (int i = 0; i < 20'000; ++i) text += fmt::format("a word{} ", i % 600);
  const Budget budget = Budget::for_text(text.size());
  EXPECT_FALSE(all_matches(pattern(words + ")"), text, budget).ends_with("too costly"));
  EXPECT_TRUE(all_matches(pattern(words + ")+"), text, budget).ends_with("too costly"));
  EXPECT_TRUE(all_matches(pattern(words + "|a(?:.*b)?)"), std::string(200'000, 'a'), budget).ends_with("too costly"));
}

}  // namespace
}  // namespace sluice::regex
