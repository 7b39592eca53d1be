#include "engines/templates/extractor.h"

#include <gtest/gtest.h>

namespace sluice::templates {
namespace {

using enum ExtractionMode;

std::string run(Extraction extraction, std::string_view source) {
  const auto extractor = Extractor::compile(std::move(extraction));
  if (!extractor) return "compile: " + extractor.error().message;
  std::string scratch;
  const auto result = extractor->apply(source, scratch);
  return result ? std::string(*result) : "error: " + result.error().message;
}

TEST(Extractor, takes_a_group_when_all_of_the_source_matches) {
  struct Row {
    std::string regex;
    unsigned subgroup;
    std::string_view source, expected;
  };
  const Row rows[] = {
      {".*[?&]foo=([^&]*).*", 1, "/pets?foo=9&bar=x", "9"},
      {".*[?&]tenant=([^&]+).*", 1, "/shop/a?tenant=t1", "t1"},
      {"/shop(.*)", 1, "/shop/a?tenant=t1", "/a?tenant=t1"},
      {".*", 0, "ann", "ann"},
      {"a|ab", 0, "ab", "ab"},
      {"a", 0, "ab", ""},
      {"(a)|(b)", 2, "a", ""},
      {"(a*?)(a*)", 2, "aaa", "aaa"},
      {".*", 0, "a\nb", ""},
      {".*", 0, "a\rb", ""},
      {R"([\s\S]*)", 0, "a\nb", "a\nb"},
      {"[.]", 0, ".", "."},
      {"[.]", 0, "x", ""},
      {R"(\.)", 0, "x", ""},
      {"..", 0, "\xC3\xA4", "\xC3\xA4"},
      {".", 0, "\xFF", "\xFF"},
      {"", 0, "anything", ""},
      {R"(\d{3}-\w+)", 0, "123-ab", "123-ab"},
      {"(?:a)(b)", 1, "ab", "b"},
      {"^a$", 0, "a", "a"},
  };
  for (const Row& row : rows) {
    EXPECT_EQ(run({.regex = row.regex, .subgroup = row.subgroup, .replacement = {}}, row.source), row.expected)
        << row.regex;
  }
}

TEST(Extractor, replaces_one_group_when_the_first_match_is_all_of_the_source) {
  const auto replace = [](std::string regex, unsigned subgroup, std::string_view source) {
    return run({.regex = std::move(regex), .subgroup = subgroup, .mode = single_replace, .replacement = "$1Token "},
               source);
  };
  EXPECT_EQ(replace("(Bearer )(.*)", 1, "Bearer abc"), "$1Token abc");
  EXPECT_EQ(replace("(a)(b)", 2, "ab"), "a$1Token ");
  EXPECT_EQ(replace("a+", 0, "aaa"), "$1Token ");
  EXPECT_EQ(replace("a|ab", 0, "ab"), "ab");  // the first hit is "a"
  EXPECT_EQ(replace("b", 0, "abc"), "abc");
  EXPECT_EQ(replace("x", 0, "abc"), "abc");
  EXPECT_EQ(replace("(a)|(b)", 2, "a"), "a");
}

TEST(Extractor, replaces_every_match) {
  const auto replace = [](std::string regex, std::string replacement, std::string_view source) {
    return run({.regex = std::move(regex), .mode = replace_all, .replacement = std::move(replacement)}, source);
  };
  EXPECT_EQ(replace("[0-9]", "#", "a1b22"), "a#b##");
  EXPECT_EQ(replace("(\\w)-(\\w)", "$2-$1", "a-b c-d"), "b-a d-c");
  EXPECT_EQ(replace("b", "[$&]", "abc"), "a[b]c");
  EXPECT_EQ(replace("b", "[$`|$']", "abc"), "a[a|c]c");
  EXPECT_EQ(replace("b", "$$1$", "abc"), "a$1$c");
  EXPECT_EQ(replace("b", "$9", "abc"), "ac");
  EXPECT_EQ(replace("x", "y", "abc"), "abc");
  EXPECT_EQ(replace("x*", "y", "abc"), "abc");  // empty matches do not count
  EXPECT_EQ(replace("x*", "y", "axxb"), "ayb");
  EXPECT_EQ(replace("^a", "y", "aa"), "ya");
  EXPECT_EQ(replace("a", "", "banana"), "bnn");
  EXPECT_EQ(replace("a", "b", ""), "");
}

TEST(Extractor, bounds_what_replacing_makes) {
  const auto replace = [](std::string replacement) {
    return run({.regex = "a", .mode = replace_all, .replacement = std::move(replacement), .bytes_max = 1000},
               std::string(200, 'a'));
  };
  EXPECT_EQ(replace("bb"), std::string(400, 'b'));
  EXPECT_EQ(replace("$'"), "error: an extractor's replacement makes more than 1000 bytes");
  EXPECT_EQ(replace(std::string(100, 'c')), "error: an extractor's replacement makes more than 1000 bytes");
}

// At each of the letters RE2 looks to the end of the text for a "b": without a bound this is 5 * 10^9 steps.
TEST(Extractor, gives_up_where_each_match_looks_to_the_end_of_the_text) {
  const std::string text(100'000, 'a');
  const auto made = run({.regex = "a(?:.*b)?", .mode = replace_all, .replacement = "x"}, text);
  EXPECT_TRUE(made.starts_with("error: regex `a(?:.*b)?` may read this text over 32 times: it looks far"))
      << made.substr(0, 200);
  // Short texts are replaced whatever it costs.
  EXPECT_EQ(run({.regex = "a(?:.*b)?", .mode = replace_all, .replacement = "x"}, text.substr(0, 300)),
            std::string(300, 'x'));
}

TEST(Extractor, leaves_dots_in_classes_alone) {
  for (const std::string regex : {"(?:[[:alpha:].]+)", "(?:[a-z.]+)", "(?:[].a-z]+)", "(?:[^]0-9]+)"})
    EXPECT_EQ(run({.regex = regex, .replacement = {}}, "abc.def"), "abc.def") << regex;
  EXPECT_EQ(run({.regex = "[[:digit:].]+|.", .mode = replace_all, .replacement = "n"}, "1.2"), "n");
}

TEST(Extractor, gives_up_where_a_text_is_too_long_for_so_large_an_expression) {
  const std::string text(1'000'000, 'a');
  const std::string large = "a{1000}a{1000}a{1000}a{1000}b";
  for (const auto& [regex, mode] : {std::pair(".*" + large, extract), std::pair(large, single_replace)}) {
    const auto made = run(
        {.regex = regex, .mode = mode, .replacement = mode == extract ? std::nullopt : std::optional<std::string>("x")},
        text);
    EXPECT_TRUE(made.contains("may read this text over 32 times")) << made.substr(0, 200);
  }
}

// Usual expressions find all that is there, whatever is looked at.
TEST(Extractor, replaces_many_matches_in_a_long_text) {
  std::string text, replaced;
  for (int i = 0; i < 40'000; ++i) {
    text += "key: 12, ";
    replaced += "key: #, ";
  }
  EXPECT_EQ(run({.regex = "[0-9]+", .mode = replace_all, .replacement = "#"}, text), replaced);
  EXPECT_EQ(run({.regex = "[0-9]+(?:x.*)?", .mode = replace_all, .replacement = "#"}, text), replaced);
  EXPECT_EQ(run({.regex = "(?:[a-z]*: )*?[0-9]+", .mode = replace_all, .replacement = "key: #"}, text), replaced);
}

TEST(Extractor, refuses_what_it_cannot_do) {
  struct Row {
    Extraction extraction;
    std::string_view expected;
  };
  const Row rows[] = {
      {{.regex = "a(?=b)", .replacement = {}}, "look-ahead `(?=` is not supported"},
      {{.regex = "a(?!b)", .replacement = {}}, "look-ahead `(?!` is not supported"},
      {{.regex = "(?<=a)b", .replacement = {}}, "look-behind `(?<=` is not supported"},
      {{.regex = "(?<!a)b", .replacement = {}}, "look-behind `(?<!` is not supported"},
      {{.regex = R"((a)\1)", .replacement = {}}, R"(back reference `\1` is not supported)"},
      {{.regex = "(", .replacement = {}}, "regex `(`: missing )"},
      {{.regex = "[a", .replacement = {}}, "regex `[a`: missing ]"},
      {{.regex = "a**", .replacement = {}}, "bad repetition operator"},
      {{.regex = "a{100000}", .replacement = {}}, "invalid repetition size"},
      {{.regex = "((a{1000}){1000}){1000}", .replacement = {}}, "regex `"},
      {{.regex = "(a)", .subgroup = 2, .replacement = {}},
       "subgroup 2 is asked for, but regex `(a)` has only 1 groups"},
      {{.regex = "", .subgroup = 1, .replacement = {}}, "has only 0 groups"},
      {{.regex = "a", .mode = single_replace, .replacement = {}}, "replacementText is needed"},
      {{.regex = "a", .mode = replace_all, .replacement = {}}, "replacementText is needed"},
      {{.regex = "(a)", .subgroup = 1, .mode = replace_all, .replacement = "x"}, "subgroup must be 0"},
      {{.regex = "a", .replacement = "x"}, "has no meaning in the mode EXTRACT"},
  };
  for (const Row& row : rows) {
    const std::string got = run(row.extraction, "a");
    EXPECT_TRUE(got.starts_with("compile: ") && got.contains(row.expected)) << row.extraction.regex << "\n" << got;
  }
  EXPECT_EQ(run({.regex = "a", .replacement = ""}, "a"), "a");
  EXPECT_EQ(run({.regex = R"([\\1](\\2))", .replacement = {}}, R"(1\2)"), R"(1\2)");  // an escaped backslash is none
}

}  // namespace
}  // namespace sluice::templates
