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
constexpr Budget kNoneMeasured{.unmeasured = size_t{1} << 40, .measured = 0};

TEST(Pattern, finds_the_same_in_growing_windows_as_in_the_whole_text) {
  std::mt19937 random(5);
  int tried = 0;
  for (int round = 0; round < 6000; ++round) {
    const std::string expression = testing::random_expression(random, 2, true);
    if (!RE2(expression, byte_options()).ok()) continue;
    ++tried;
    const std::string text = testing::random_text(random, random() % 200);
    const Pattern made = pattern(expression);
    ASSERT_EQ(all_matches(made, text, kAllMeasured), all_matches(made, text, kNoneMeasured))
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
  EXPECT_EQ(cost("a"), 16u);
  EXPECT_EQ(cost("[ab]{7}b|a"), 16u * 2);
  EXPECT_EQ(cost("a{3}(?:b.*)?"), 16u * 2);
  EXPECT_EQ(cost("a{20}"), 16u * 3 + 32u * 4);
  EXPECT_GE(cost("a(?:.*b)?"), 50'000u);
  EXPECT_LE(cost("a(?:.*b)?"), 2 * 150'000u);
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

// Where the text of its beginnings gets too long, nothing is known but the width: it is charged with the most.
TEST(Pattern, knows_no_less_of_an_expression_that_is_too_long_to_be_measured) {
  std::string words = "(?:x";
  for (int i = 0; i < 600; ++i) words += fmt::format("|word{}", i);
  std::string text;
  for (int i = 0; i < 20'000; ++i) text += fmt::format("a word{} ", i % 600);
  const Budget budget = Budget::for_text(text.size());
  EXPECT_FALSE(all_matches(pattern(words + ")"), text, budget).ends_with("too costly"));
  EXPECT_TRUE(all_matches(pattern(words + ")+"), text, budget).ends_with("too costly"));
}

}  // namespace
}  // namespace sluice::regex
