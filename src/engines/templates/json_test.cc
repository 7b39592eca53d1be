#include "engines/templates/json.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace sluice::templates {
namespace {

std::string round_trip(std::string_view text) {
  const auto value = parse_json(text);
  if (!value) return value.error().message;
  const auto printed = print_json(*value);
  return printed ? *printed : printed.error().message;
}

TEST(Json, prints_as_gloo_does) {
  const std::pair<std::string_view, std::string_view> rows[] = {
      {R"({ "b" : 1, "a" : [ ] })", R"({"a":[],"b":1})"},
      {R"({"a":1,"a":2})", R"({"a":2})"},
      {"3.0", "3.0"},
      {"1e2", "100.0"},
      {"0.1", "0.1"},
      {"18446744073709551615", "18446744073709551615"},
      {"18446744073709551616", "1.8446744073709552e+19"},
      {"-9223372036854775809", "-9.223372036854776e+18"},
      {R"({"a":[12345678901234567890123]})", R"({"a":[1.2345678901234568e+22]})"},
      {R"("\u00e4\/")", "\"ä/\""},
      {R"("\u0001\n")", R"("\u0001\n")"},
      {"",
       "[json.exception.parse_error.101] parse error at line 1, column 1: syntax error while parsing value - "
       "unexpected end of "
       "input; expected '[', '{', or a literal"},
      {"x",
       "[json.exception.parse_error.101] parse error at line 1, column 1: syntax error while parsing value - invalid "
       "literal; last read: 'x'"},
  };
  for (const auto& [text, expected] : rows)
    EXPECT_TRUE(round_trip(text).starts_with(expected)) << text << "\n" << round_trip(text);
  for (const std::string_view bad :
       {"{", "[1,]", "{\"a\"}", "\"\xFF\"", "01", "nul", "1 2", "'a'", "\"a", "[1}", "\"\\ud800\""}) {
    EXPECT_TRUE(round_trip(bad).starts_with("[json.exception.parse_error.101] parse error at line 1, column "))
        << bad << "\n"
        << round_trip(bad);
  }
}

TEST(Json, refuses_documents_that_are_too_deep) {
  EXPECT_TRUE(parse_json(std::string(200, '[') + std::string(200, ']')));
  EXPECT_EQ(parse_json(std::string(201, '[') + std::string(201, ']')).error().kind, ErrorKind::limit);
  EXPECT_TRUE(parse_json('"' + std::string(500, '[') + '"'));
  EXPECT_FALSE(parse_json(std::string(1'000'000, '[')));
}

TEST(Json, finds_places_by_dots_or_slashes) {
  const Json root = Json::parse(R"({"a":{"b":[10,20]},"x/y":1,"x~y":2,"d.t":3,"":{"":4}})");
  const auto at = [&root](const Result<Path>& path) {
    if (!path) return std::string("error");
    const Json* found = find(root, *path);
    return found ? found->dump() : "none";
  };
  EXPECT_EQ(at(dotted_path("a.b.1")), "20");
  EXPECT_EQ(at(dotted_path("a/b/1")), "20");
  EXPECT_EQ(at(dotted_path("a.b.2")), "none");
  EXPECT_EQ(at(dotted_path("a.b.01")), "none");
  EXPECT_EQ(at(dotted_path("a.b.-")), "none");
  EXPECT_EQ(at(dotted_path("a.b.99999999999999999999")), "none");
  EXPECT_EQ(at(dotted_path("a.b.x")), "none");
  EXPECT_EQ(at(dotted_path("a.b.1.x")), "none");
  EXPECT_EQ(at(slashed_path("x~1y")), "1");
  EXPECT_EQ(at(slashed_path("x~0y")), "2");
  EXPECT_EQ(at(slashed_path("d.t")), "3");
  EXPECT_EQ(at(slashed_path("x~2")), "error");
  EXPECT_EQ(at(slashed_path("x~")), "error");
}

}  // namespace
}  // namespace sluice::templates
