#include "regex/whole.h"

#include <gtest/gtest.h>

#include "regex/testing.h"

namespace sluice::regex {
namespace {

constexpr size_t kEnough = 9U << 20;

Whole whole(const std::string& expression) {
  return Whole(std::make_shared<const RE2>(expression, byte_options()));
}

// Leads RE2 into 2^n states.
std::string of_many_states(int n) {
  return fmt::format("(?:a|b)*a(?:a|b){{{}}}", n);
}

std::string random_ab(size_t bytes) {
  std::mt19937 random(7);
  std::string text(bytes, 'a');
  for (char& c : text)
    if (random() % 2) c = 'b';
  return text;
}

TEST(Whole, says_whether_all_of_a_text_matches) {
  size_t effort = kEnough;
  EXPECT_EQ(whole("a.*").matches("abc", effort), Found::yes);
  EXPECT_EQ(whole("b").matches("abc", effort), Found::no);
  EXPECT_EQ(whole("").matches("", effort), Found::yes);
  EXPECT_EQ(whole("admin.*").matches("admin\xff", effort), Found::yes);
  EXPECT_FALSE(Whole());
}

TEST(Whole, takes_a_step_a_byte_for_nothing) {
  size_t effort = kEnough;
  const Whole regex = whole("(?:[a-z]+/)*x");
  const std::string text(100'000, 'a');
  for (int i = 0; i < 100; ++i) EXPECT_EQ(regex.matches(text, effort), Found::no);
  EXPECT_EQ(effort, kEnough);
}

TEST(Whole, answers_any_one_question_and_then_no_more_that_are_costly) {
  const Whole regex = whole(of_many_states(480));
  const std::string text = random_ab(16'000);
  size_t effort = kEnough;
  EXPECT_NE(regex.matches(text, effort), Found::too_costly);
  ASSERT_LT(effort, kEnough);
  int asked = 1;
  while (asked < 100 && regex.matches(text, effort) != Found::too_costly) ++asked;
  EXPECT_LT(asked, 20);
  EXPECT_EQ(whole("a.*").matches("ab", effort), Found::yes);  // what is not costly goes on
}

}  // namespace
}  // namespace sluice::regex
