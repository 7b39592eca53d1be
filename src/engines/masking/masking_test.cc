#include <gtest/gtest.h>

#include "engines/masking/find_digit.h"
#include "engines/masking/masker.h"
#include "engines/masking/reference_test.h"
#include "engines/masking/test_kit.h"
#include "regex/testing.h"

namespace sluice::masking {
namespace {

using namespace test_kit;

std::shared_ptr<const Rules> compile(std::vector<Action> actions) {
  auto rules = Rules::compile(actions);
  EXPECT_TRUE(rules) << (rules ? "" : rules.error().message);
  return rules ? *rules : nullptr;
}

Action custom(std::string regex, size_t subgroup = 0, std::string mask_char = "", double percent = 75) {
  return {Custom{.name = "c", .regexes = {{std::move(regex), subgroup}}, .mask_char = mask_char, .percent = percent}};
}

std::string masked(std::vector<Action> actions, std::string_view text) {
  return mask_whole(compile(std::move(actions)), text).text;
}

struct BuiltinRow {
  Builtin type;
  std::string_view in;
  std::string_view out;  // empty: unchanged
};

constexpr BuiltinRow kBuiltinRows[] = {
    {Builtin::ssn, "123-45-6789", "XXX-XX-X789"},
    {Builtin::ssn, "123 45 6789", "XXX XX X789"},
    {Builtin::ssn, "123456789", "XXXXXXX89"},
    {Builtin::ssn, "x123456789y", "xXXXXXXX89y"},
    {Builtin::ssn, "a:123-45-6789.", "a:XXX-XX-X789."},
    {Builtin::ssn,
     "\xff"
     "123-45-6789\xfe",
     "\xffXXX-XX-X789\xfe"},
    {Builtin::ssn, "-123-45-6789-", "-XXX-XX-X789-"},
    {Builtin::ssn, "12-123-45-6789", "12-XXX-XX-X789"},
    {Builtin::ssn, "123-45-6789-1", "XXX-XX-X789-1"},
    {Builtin::ssn, "1234567890", ""},
    {Builtin::ssn, "0123-45-6789", ""},
    {Builtin::ssn, "123-45-67890", ""},
    {Builtin::ssn, "123-45 6789", ""},
    {Builtin::ssn, "123 45-6789", ""},
    {Builtin::ssn, "12345-6789", ""},
    {Builtin::ssn, "123-456789", ""},
    {Builtin::ssn, "123--45-6789", ""},
    {Builtin::ssn, "123.45.6789", ""},
    {Builtin::ssn, "12-345-6789", ""},
    {Builtin::ssn, "12345678", ""},
    {Builtin::ssn, "", ""},

    {Builtin::visa, "4111111111111111", "XXXXXXXXXXXX1111"},
    {Builtin::visa, "4111-1111-1111-1111", "XXXX-XXXX-XXXX-1111"},
    {Builtin::visa, "4111 1111-11111111", "XXXX XXXX-XXXX1111"},
    {Builtin::visa, "a4111111111111111b", "aXXXXXXXXXXXX1111b"},
    {Builtin::visa, "41111111 1111 1111,", "XXXXXXXX XXXX 1111,"},
    {Builtin::visa, "411111111111111", ""},
    {Builtin::visa, "41111111111111111", ""},
    {Builtin::visa, "14111111111111111", ""},
    {Builtin::visa, "4111--1111-1111-1111", ""},
    {Builtin::visa, "4111_1111_1111_1111", ""},
    {Builtin::visa, "5111111111111111", ""},
    {Builtin::visa, "411-1111-1111-11111", ""},

    {Builtin::mastercard, "5500-0000-0000-0004", "XXXX-XXXX-XXXX-0004"},
    {Builtin::mastercard, "5100000000000000", "XXXXXXXXXXXX0000"},
    {Builtin::mastercard, "5600-0000-0000-0004", ""},
    {Builtin::mastercard, "5000-0000-0000-0004", ""},
    {Builtin::mastercard, "5500-0000-0000-00045", ""},

    {Builtin::amex, "3400-000000-00009", "XXXX-XXXXXX-X0009"},
    {Builtin::amex, "371449635398431", "XXXXXXXXXXX8431"},
    {Builtin::amex, "3714 496353 98431", "XXXX XXXXXX X8431"},
    {Builtin::amex, "3500-000000-00009", ""},
    {Builtin::amex, "3400-0000-0000-009", ""},
    {Builtin::amex, "37144963539843", ""},

    {Builtin::discover, "6011-0000-0000-0004", "XXXX-XXXX-XXXX-0004"},
    {Builtin::discover, "6012-0000-0000-0004", ""},
    {Builtin::discover, "6011-0000-0000-000", ""},

    {Builtin::jcb, "3088-0000-0000-0009", "XXXX-XXXX-XXXX-0009"},
    {Builtin::jcb, "213112345678901", "XXXXXXXXXXX8901"},
    {Builtin::jcb, "180012345678901", "XXXXXXXXXXX8901"},
    {Builtin::jcb, "2131-12345678901", ""},
    {Builtin::jcb, "180112345678901", ""},
    {Builtin::jcb, "1800123456789012", ""},

    {Builtin::diners_club, "3056-930902-5904", "XXXX-XXXXXX-5904"},
    {Builtin::diners_club, "30569309025904", "XXXXXXXXXXX904"},
    {Builtin::diners_club, "36000000000008", "XXXXXXXXXXX008"},
    {Builtin::diners_club, "3800 000000 0008", "XXXX XXXXXX 0008"},
    {Builtin::diners_club, "3066-930902-5904", ""},
    {Builtin::diners_club, "3700-000000-0008", ""},
    {Builtin::diners_club, "360000000000089", ""},

    {Builtin::credit_card_trackers, "123-45-6789^1", "XXX-XX-XXX9^1"},
    {Builtin::credit_card_trackers, "99123-45-6789^12", "99XXX-XX-XXX9^12"},
    {Builtin::credit_card_trackers, "023-45-6789^1", ""},
    {Builtin::credit_card_trackers, "123-45-6789", ""},
    {Builtin::credit_card_trackers, "123-45-6789^", ""},
    {Builtin::credit_card_trackers, "%B1234567890123^DOE/JOHN^2512101", "%XXXXXXXXXXXXXX^XXX/XXXX^2512101"},
    {Builtin::credit_card_trackers, "b1234567890123456789^A B^2502101x", "XXXXXXXXXXXXXXXXXXXX^X X^2502101x"},
    {Builtin::credit_card_trackers, "1B1234567890123^DOE^2512101", ""},
    {Builtin::credit_card_trackers, "%B123456789012^DOE/JOHN^2512101", ""},
    {Builtin::credit_card_trackers, "%B12345678901234567890^DOE^2512101", ""},
    {Builtin::credit_card_trackers, "%B1234567890123^D^2512101", ""},
    {Builtin::credit_card_trackers, "%B1234567890123^ABCDEFGHIJKLMNOPQRSTUVWXYZA^2512101", ""},
    {Builtin::credit_card_trackers, "%B1234567890123^DOE,JOHN^2512101", ""},
    {Builtin::credit_card_trackers, "%B1234567890123^DOE^2522101", ""},
    {Builtin::credit_card_trackers, "%B1234567890123^DOE^251210", ""},
    {Builtin::credit_card_trackers, "%C1234567890123^DOE^2512101", ""},
    {Builtin::credit_card_trackers, ";1234567890123=1234567", ";XXXXXXXXXXXXX=XX34567"},
    {Builtin::credit_card_trackers, ";1234567890123=1234", ";XXXXXXXXXXXXX=1234"},
    {Builtin::credit_card_trackers, ";1234567890123=123=", ";XXXXXXXXXXXXX=123="},
    {Builtin::credit_card_trackers, ";1234567890123==", ";XXXXXXXXXXX23=="},
    {Builtin::credit_card_trackers, ";1234567890123=12", ""},
    {Builtin::credit_card_trackers, ";1234567890123=12=", ""},
    {Builtin::credit_card_trackers, ";123456789012=1234", ""},
    {Builtin::credit_card_trackers, "1;1234567890123=1234", ""},
};

TEST(Builtins, mask_their_numbers_and_leave_look_alikes) {
  for (const BuiltinRow& row : kBuiltinRows) {
    const std::string_view expected = row.out.empty() ? row.in : row.out;
    const auto rules = compile({{row.type}});
    const Outcome outcome = mask_whole(rules, row.in);
    EXPECT_EQ(outcome.text, reference::mask(row.in, std::vector<Action>{{row.type}}).text) << row.in;
    EXPECT_EQ(outcome.text, expected) << row.in;
    EXPECT_EQ(sum(outcome.counts), outcome.text == row.in ? 0u : 1u) << row.in;
  }
}

TEST(Builtins, all_credit_cards_masks_every_brand_and_no_social_security_number) {
  const std::string_view text =
      "4111-1111-1111-1111 5500 0000 0000 0004,371449635398431;6011000000000004/3088000000000009|30569309025904 "
      "123-45-6789 ;1234567890123=1234";
  const std::string_view expected =
      "XXXX-XXXX-XXXX-1111 XXXX XXXX XXXX 0004,XXXXXXXXXXX8431;XXXXXXXXXXXX0004/XXXXXXXXXXXX0009|XXXXXXXXXXX904 "
      "123-45-6789 ;XXXXXXXXXXXXX=1234";
  EXPECT_EQ(masked({{Builtin::all_credit_cards}}, text), expected);
  EXPECT_EQ(masked({{Builtin::all_credit_cards_combined}}, text), expected);
}

TEST(Builtins, adjacent_numbers_are_all_masked) {
  EXPECT_EQ(masked({{Builtin::ssn}}, "123-45-6789 123-45-6789,123456789"), "XXX-XX-X789 XXX-XX-X789,XXXXXXX89");
  EXPECT_EQ(masked({{Builtin::ssn}}, "123-45-6789-123-45-6789"), "XXX-XX-X789-XXX-XX-X789");
  EXPECT_EQ(masked({{Builtin::visa}}, "4111111111111111 4111111111111111 4111111111111111"),
            "XXXXXXXXXXXX1111 XXXXXXXXXXXX1111 XXXXXXXXXXXX1111");
  EXPECT_EQ(masked({{Builtin::visa}}, "4111 1111 1111 1111 4111 1111 1111 1111"),
            "XXXX XXXX XXXX 1111 XXXX XXXX XXXX 1111");
}

TEST(Builtins, a_later_action_sees_what_the_former_left) {
  // Overlapping: the Visa match ends where a Discover number begins.
  const std::string_view text = "4111-1111-1111-6011-0000-0000-0004";
  EXPECT_EQ(masked({{Builtin::visa}, {Builtin::discover}}, text), "XXXX-XXXX-XXXX-XXXX-XXXX-XXXX-0004");
  EXPECT_EQ(masked({{Builtin::discover}, {Builtin::visa}}, text), "4111-1111-1111-XXXX-XXXX-XXXX-0004");
}

TEST(Builtins, the_demo_body_comes_out_as_documented) {
  EXPECT_EQ(
      masked({{Builtin::ssn}, {Builtin::all_credit_cards}}, R"({"ssn":"123-45-6789","card":"4111-1111-1111-1111"})"),
      R"({"ssn":"XXX-XX-X789","card":"XXXX-XXXX-XXXX-1111"})");
}

TEST(Custom, masks_as_the_documented_examples) {
  EXPECT_EQ(masked({custom("Dog", 0, "", 60)}, "Dog"), "XXg");
  const auto two = [](std::string mask_char, double percent) {
    return Action{Custom{"c", {{"hello", 0}, {"world", 0}}, std::move(mask_char), percent}};
  };
  EXPECT_EQ(masked({two("Y", 60)}, "hello world"), "YYYlo YYYld");
  EXPECT_EQ(masked({two("", 75)}, "hello world"), "XXXXo XXXXd");
  EXPECT_EQ(masked({custom(R"re("acct":"(\w+)")re", 1, "", 50)}, R"("acct":"AB12CD34")"), R"("acct":"XXXXCD34")");
  EXPECT_EQ(masked({custom("test-value", 0, "*", 100)}, "test-value"), "****-*****");
}

TEST(Custom, rounds_half_away_from_zero_and_takes_zero_and_hundred_percent) {
  EXPECT_EQ(masked({custom("ab", 0, "", 75)}, "ab"), "XX");    // 1.5
  EXPECT_EQ(masked({custom("ab", 0, "", 25)}, "ab"), "Xb");    // 0.5
  EXPECT_EQ(masked({custom("ab", 0, "", 24.9)}, "ab"), "ab");  // 0.498
  EXPECT_EQ(masked({custom("abc", 0, "", 0)}, "abc"), "abc");
  EXPECT_EQ(masked({custom("abc", 0, "", 100)}, "abc"), "XXX");
  EXPECT_EQ(masked({custom("a.c", 0, "", 100)},
                   "a\xe9"
                   "c a.c"),
            "X\xe9X X.X");
}

TEST(Custom, anchors_and_word_boundaries_see_the_text_as_it_came) {
  EXPECT_EQ(masked({custom("^ab", 0, "*", 100)}, "abab ab"), "**ab ab");
  EXPECT_EQ(masked({custom("ab$", 0, "*", 100)}, "ab abab"), "ab ab**");
  EXPECT_EQ(masked({custom(R"(\bab)", 0, "*", 100)}, "abab ab-ab"), "**ab **-**");
  EXPECT_EQ(masked({custom("(?m)^a", 0, "*", 100)}, "aa\naa"), "*a\n*a");
}

TEST(Custom, a_group_that_took_no_part_and_an_empty_match_mask_nothing) {
  const auto rules = compile({custom("a(b)?", 1), custom("x*")});
  const Outcome outcome = mask_whole(rules, "a ab xx");
  EXPECT_EQ(outcome.text, "a aX XX");
  EXPECT_EQ(outcome.counts, std::vector<uint64_t>{2});
}

TEST(Custom, a_digit_as_mask_character_can_make_a_number_for_the_next_action) {
  EXPECT_EQ(masked({custom("abc", 0, "1", 100), {Builtin::ssn}}, "abc-45-6789"), "XXX-XX-X789");
  EXPECT_EQ(masked({{Builtin::ssn}, custom("abc", 0, "1", 100)}, "abc-45-6789"), "111-45-6789");
}

TEST(Custom, random_bounded_expressions_stream_as_they_mask_in_one_piece) {
  std::mt19937 random(3);
  int bounded = 0;
  for (int round = 0; round < 1500; ++round) {
    const std::string expression = regex::testing::random_expression(random, 2, false);
    if (!RE2(expression, RE2::Latin1).ok()) continue;
    const std::vector<Action> actions = {{Custom{"c", {{expression, 0}}, "*", 60}}};
    const auto rules = Rules::compile(actions);
    ASSERT_TRUE(rules) << rules.error().message;
    ASSERT_FALSE((*rules)->needs_whole_body()) << expression;
    ++bounded;
    const std::string text = regex::testing::random_text(random, random() % 60);
    const reference::Masked expected = reference::mask(text, actions);
    const auto whole = test_kit::mask_whole(*rules, text);
    ASSERT_EQ(whole.text, expected.text) << expression << " on " << text;
    for (const size_t most : {size_t{1}, size_t{9}}) {
      const auto pieces = test_kit::mask_in_pieces(*rules, text, [&] { return 1 + random() % most; });
      ASSERT_EQ(pieces.text, expected.text) << expression << " on " << text;
      ASSERT_EQ(pieces.counts, whole.counts) << expression << " on " << text;
    }
  }
  EXPECT_GT(bounded, 1000);
}

// Bounded, so the body streams; the expression decides near its matches, or it does not.
TEST(Custom, gives_up_where_each_match_looks_far_and_lets_no_byte_behind_it_leave) {
  const std::string text(1'000'000, 'a');
  for (const char* expression : {"a(?:.*b)?", "a(?:.{0,1000}b)?"}) {
    const auto rules = compile({custom(expression, 0, "*", 100)});
    EXPECT_TRUE(mask_whole(rules, text).failed) << expression;
    const Outcome pieces = mask_in_pieces(rules, text, [] { return 16'000; });
    EXPECT_TRUE(pieces.failed) << expression;
    EXPECT_EQ(pieces.text, std::string(pieces.text.size(), '*')) << expression;
    EXPECT_FALSE(mask_whole(rules, text.substr(0, 200)).failed) << expression;
  }
}

TEST(Custom, masks_many_matches_in_a_long_text) {
  std::string text, expected;
  for (int i = 0; i < 40'000; ++i) {
    text += "key: 12, ";
    expected += "key: **, ";
  }
  for (const char* expression : {"[0-9]+", "[0-9]{1,100}", R"([0-9]+\b)", "[0-9]+(?:x.*)?", "(?:1|12|121)"}) {
    const auto rules = compile({custom(expression, 0, "*", 100)});
    const Outcome whole = mask_whole(rules, text);
    EXPECT_FALSE(whole.failed) << expression;
    const Outcome pieces = mask_in_pieces(rules, text, [] { return 1000; });
    EXPECT_EQ(pieces.text, whole.text) << expression;
    if (expression[0] == '[') EXPECT_EQ(whole.text, expected) << expression;
  }
}

TEST(Shadow, counts_and_changes_nothing) {
  std::vector<Action> actions = {{Builtin::ssn, true}, custom("cat"), {Builtin::visa}};
  actions[1].shadow = true;
  const auto rules = compile(actions);
  const Outcome outcome = mask_whole(rules, "123-45-6789 cat cat 4111111111111111");
  EXPECT_EQ(outcome.text, "123-45-6789 cat cat XXXXXXXXXXXX1111");
  EXPECT_EQ(rules->counter_names(), (std::vector<std::string>{"SSN", "c", "VISA"}));
  EXPECT_EQ(outcome.counts, (std::vector<uint64_t>{1, 2, 1}));
  EXPECT_FALSE(rules->only_counts());
  EXPECT_TRUE(compile({{Builtin::ssn, true}})->only_counts());
}

TEST(Counters, all_credit_cards_counts_under_each_name_and_combined_under_one) {
  EXPECT_EQ(compile({{Builtin::all_credit_cards}, {Builtin::visa}})->counter_names(),
            (std::vector<std::string>{"MASTERCARD", "VISA", "AMEX", "DISCOVER", "JCB", "DINERS_CLUB",
                                      "CREDIT_CARD_TRACKERS"}));
  const auto rules = compile({{Builtin::all_credit_cards_combined}});
  EXPECT_EQ(rules->counter_names(), std::vector<std::string>{"ALL_CREDIT_CARDS_COMBINED"});
  EXPECT_EQ(mask_whole(rules, "4111111111111111 5500000000000004").counts, std::vector<uint64_t>{2});
}

struct BadRow {
  Action action;
  std::string_view says;
};

TEST(Compile, refuses_what_it_cannot_do_and_says_why) {
  const BadRow rows[] = {
      {custom("a(?=b)"), "look-ahead (?= is not supported"},
      {custom("a(?!b)"), "look-ahead (?! is not supported"},
      {custom("(?<=a)b"), "look-behind (?<= is not supported"},
      {custom("(?<!a)b"), "look-behind (?<! is not supported"},
      {custom("(?>a)b"), "atomic groups (?>"},
      {custom(R"((a)\1)"), R"(back reference \1 is not supported)"},
      {custom("a("), "missing )"},
      {custom("[a"), "missing ]"},
      {custom("a{1001}"), "1001"},
      {custom("(?:(?:a{1000}){1000}){1000}"), "a{1000}"},
      {custom(""), "empty"},
      {custom(std::string(5000, 'a')), "5000 bytes"},
      {custom("a(b)", 2), "has 1 groups; there is no subgroup 2"},
      {custom("a", 1), "has 0 groups"},
      {custom("a", 0, "XY"), "maskChar `XY` has 2 bytes"},
      {custom("a", 0, "\xc3\xa9"), "single byte"},
      {custom("a", 0, "", 100.5), "percent 100.5 is out of range"},
      {custom("a", 0, "", -1), "percent -1 is out of range"},
      {custom("a", 0, "", std::nan("")), "out of range"},
      {{Custom{"", {{"a"}}}}, "needs a name"},
      {{Custom{"n", {}}}, "at least one regex"},
  };
  for (const BadRow& row : rows) {
    const auto rules = Rules::compile(std::vector<Action>{{Builtin::ssn}, row.action});
    ASSERT_FALSE(rules) << row.says;
    EXPECT_NE(rules.error().message.find(row.says), std::string::npos) << rules.error().message;
    EXPECT_TRUE(rules.error().message.starts_with("action 1 `")) << rules.error().message;
  }
  EXPECT_FALSE(Rules::compile(std::vector<Action>(Rules::kActionsMax + 1, Action{Builtin::ssn})));
  const std::vector<Action> crowd(Rules::kActionsMax, Action{Custom{"n", {{"a"}, {"b"}}}});
  EXPECT_FALSE(Rules::compile(crowd));
}

// Cuts

const std::vector<std::vector<Action>>& action_sets() {
  static const std::vector<std::vector<Action>> sets = [] {
    std::vector<std::vector<Action>> all = {
        {{Builtin::ssn}, {Builtin::all_credit_cards}},
        {{Builtin::all_credit_cards_combined}, {Builtin::ssn, true}, {Builtin::credit_card_trackers}},
        {custom(R"(\d{4}-\d{4})"), {Builtin::ssn}, custom(R"(hello (w\w{2,9}))", 1, "1", 100), {Builtin::visa}},
        {{Builtin::visa}, custom(R"(\b\w{3}\b)", 0, "*", 100), custom("(?m)^[^\n]{1,5}$", 0, "#", 100)},
        {custom("(?:ab|a)(?:1|11|111)x?", 0, "4", 100), {Builtin::all_credit_cards}},
        {custom(R"((?i)doe/\w*|\d+$)"), {Builtin::jcb}},
    };
    for (const Builtin type : {Builtin::ssn, Builtin::mastercard, Builtin::visa, Builtin::amex, Builtin::discover,
                               Builtin::jcb, Builtin::diners_club, Builtin::credit_card_trackers}) {
      all.push_back({{type}});
    }
    return all;
  }();
  return sets;
}

TEST(Masker, gives_the_same_however_a_text_is_cut_in_two_or_into_single_bytes) {
  std::string all;
  for (const BuiltinRow& row : kBuiltinRows) all.append(row.in).append("\n");
  for (const auto& actions : action_sets()) {
    const auto rules = compile(actions);
    const reference::Masked expected = reference::mask(all, actions);
    const Outcome whole = mask_whole(rules, all);
    ASSERT_EQ(whole.text, expected.text);
    ASSERT_EQ(sum(whole.counts), expected.matches);
    for (size_t cut = 0; cut <= all.size(); ++cut) {
      const Outcome cut_once = mask_in_pieces(rules, all, [&, first = true]() mutable {
        return std::exchange(first, false) && cut != 0 ? cut : all.size();
      });
      ASSERT_EQ(cut_once.text, whole.text) << "cut at " << cut;
      ASSERT_EQ(cut_once.counts, whole.counts) << "cut at " << cut;
    }
    const Outcome bytes = mask_in_pieces(rules, all, [] { return 1; });
    EXPECT_EQ(bytes.text, whole.text);
    EXPECT_EQ(bytes.counts, whole.counts);
  }
}

TEST(Masker, agrees_with_plain_regular_expressions_on_random_texts_and_cuts) {
  std::mt19937 random(20261123);
  for (int round = 0; round < 400; ++round) {
    const auto& actions = action_sets()[random() % action_sets().size()];
    const auto rules = compile(actions);
    const std::string text = random_text(random, 1 + random() % 60);
    const reference::Masked expected = reference::mask(text, actions);
    const Outcome whole = mask_whole(rules, text);
    ASSERT_EQ(whole.text, expected.text) << "text " << text;
    ASSERT_EQ(sum(whole.counts), expected.matches) << "text " << text;
    const size_t most = 1 + random() % 40;
    const Outcome pieces = mask_in_pieces(rules, text, [&] { return 1 + random() % most; });
    ASSERT_EQ(pieces.text, expected.text) << "text " << text;
    ASSERT_EQ(pieces.counts, whole.counts) << "text " << text;
  }
}

TEST(Masker, joins_long_pieces_behind_what_was_held_back) {
  std::mt19937 random(7);
  for (const auto& actions : action_sets()) {
    const auto rules = compile(actions);
    const std::string text = random_text(random, 3000);
    const Outcome whole = mask_whole(rules, text);
    const Outcome pieces = mask_in_pieces(rules, text, [&] { return 1000 + random() % 2000; });
    EXPECT_EQ(pieces.text, whole.text);
    EXPECT_EQ(pieces.counts, whole.counts);
  }
}

TEST(Masker, lets_bytes_that_cannot_begin_a_match_leave_at_once) {
  struct Row {
    std::string_view fed;
    size_t held;
  };
  constexpr Row kRows[] = {
      {"data: hello\n\n", 0},
      {"data: 42\n\n", 0},
      {"", 0},
      {"x 42", 2},
      {"x 42-", 3},
      {"x 42 -", 0},
      {"B", 1},
      {"%B", 2},
      {"%", 1},
      {";", 1},
      {"abB", 1},
      {"100%", 1},
      {"a 1 2 3 4", 7},
      {"12345678901", 3},
      {"411111111111111", 15},
      {"41111111111111111", 3},
      {"B1234567890123^D", 16},
      {"B1234567890123^,", 0},
  };
  const auto rules = compile({{Builtin::ssn}, {Builtin::all_credit_cards}});
  for (const Row& row : kRows) {
    std::vector<uint64_t> counts(rules->counter_names().size());
    Masker masker(rules, 0, counts);
    std::string fed(row.fed);
    const auto output = masker.feed(fed);
    ASSERT_TRUE(output);
    EXPECT_EQ(fed.size() - output->size(), row.held) << row.fed;
    EXPECT_EQ(text_of(*masker.feed({}, End::final)), row.fed.substr(output->size())) << row.fed;
  }
}

TEST(Masker, holds_back_a_few_dozen_bytes_at_most_with_the_predefined_actions) {
  const auto rules = compile({{Builtin::ssn}, {Builtin::all_credit_cards}});
  std::mt19937 random(11);
  for (int round = 0; round < 50; ++round) {
    const Outcome outcome = mask_in_pieces(rules, random_text(random, 200), [] { return 1; });
    EXPECT_LE(outcome.held_most, 60u);
  }
}

TEST(Masker, a_bounded_regex_holds_back_only_what_may_begin_a_match) {
  const auto rules = compile({custom(R"re("acct":"(\w{1,30})")re", 1)});
  std::vector<uint64_t> counts(1);
  Masker masker(rules, 0, counts);
  std::string one = R"(data: {"balance": 12}
)";
  EXPECT_EQ(masker.feed(one)->size(), one.size());
  std::string two = R"({"acct":"AB12)";
  EXPECT_EQ(text_of(*masker.feed(two)), "{");
  std::string three = "CD34\"}\n\n";
  EXPECT_EQ(text_of(*masker.feed(three)), "\"acct\":\"XXXXXX34\"}\n\n");
  EXPECT_EQ(text_of(*masker.feed({}, End::final)), "");
  EXPECT_EQ(counts[0], 1u);
}

TEST(Masker, an_unbounded_regex_waits_for_the_whole_body_and_fails_over_the_limit) {
  const auto rules = compile({custom("a+b")});
  EXPECT_TRUE(rules->needs_whole_body());
  std::vector<uint64_t> counts(1);
  Masker masker(rules, 10, counts);
  std::string piece = "xaaab";
  EXPECT_EQ(masker.feed(piece)->size(), 0u);
  EXPECT_EQ(masker.feed(piece)->size(), 0u);
  const auto over = masker.feed(piece);
  ASSERT_FALSE(over);
  EXPECT_EQ(over.error().kind, ErrorKind::limit);

  Masker enough(rules, 10, counts);
  EXPECT_TRUE(enough.feed(piece));
  EXPECT_TRUE(enough.feed(piece));
  EXPECT_EQ(text_of(*enough.feed({}, End::final)), "xXXXbxXXXb");
}

TEST(Masker, works_in_place_where_nothing_was_held_back) {
  const auto rules = compile({{Builtin::ssn}});
  std::vector<uint64_t> counts(1);
  Masker masker(rules, 0, counts);
  std::string body = "a 123-45-6789 b";
  const auto output = masker.feed(body);
  EXPECT_EQ(output->fresh.data(), body.data());
  EXPECT_EQ(body, "a XXX-XX-X789 b");
  EXPECT_TRUE(output->held.empty());
}

TEST(Masker, without_actions_everything_passes) {
  const auto rules = compile({});
  const Outcome outcome = mask_in_pieces(rules, "123-45-6789", [] { return 3; });
  EXPECT_EQ(outcome.text, "123-45-6789");
  EXPECT_EQ(outcome.held_most, 0u);
}

TEST(SkipShortNumbers, never_passes_over_a_long_one_and_passes_over_short_ones) {
  for (const std::string_view number : {"123456789", "123-45-6789", "4111 1111 1111 1111", "371449635398431"}) {
    for (size_t before = 0; before < 140; ++before) {
      std::string text;
      while (text.size() < before) text += "12 a2026-1"[text.size() % 10];
      if (!text.empty()) text.back() = 'x';
      text += number;
      text += std::string(100, '.');
      const char* found = skip_short_numbers(text.data(), text.data() + text.size());
      ASSERT_LE(found, text.data() + before) << number << " behind " << before;
    }
  }
  const std::string text(64 * 10, '7');
  EXPECT_EQ(skip_short_numbers(text.data(), text.data() + text.size()), text.data());
  std::string shorts;
  while (shorts.size() < 640) shorts += "12345678,1-2-3-4;";
  EXPECT_GT(skip_short_numbers(shorts.data(), shorts.data() + shorts.size()), shorts.data() + shorts.size() - 64);
}

TEST(FindDigit, finds_the_first_digit_at_every_offset_and_no_neighbour_of_the_digits) {
  for (size_t size = 0; size < 150; ++size) {
    std::string text(size, 'x');
    for (size_t i = 0; i < size; ++i) text[i] = "/:\xb0\xff z"[i % 6];
    EXPECT_EQ(find_digit(text.data(), text.data() + size), text.data() + size);
    for (size_t at = 0; at < size; ++at) {
      std::string with = text;
      with[at] = static_cast<char>('0' + at % 10);
      ASSERT_EQ(find_digit(with.data(), with.data() + size), with.data() + at);
    }
  }
}

}  // namespace
}  // namespace sluice::masking
