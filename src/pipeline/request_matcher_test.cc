#include "pipeline/request_matcher.h"

#include <gtest/gtest.h>

#include <fmt/format.h>

#include "base/strings.h"
#include "io/loop.h"

namespace sluice {
namespace {

class RequestMatchers : public testing::Test {
 protected:
  RequestMatchers() {
    request.method = "GET";
    request.path = "/foo/bar?a=1&b&c=&a=2&d=x%20y";
    request.authority = "Api.test:8080";
    request.headers.add("x-one", "1");
    request.headers.add("x-empty", "");
    request.headers.add("x-list", "a");
    request.headers.add("x-list", "b");
  }

  bool matches(const kinds::Matcher& matcher) {
    auto compiled = RequestMatcher::compile(matcher);
    EXPECT_TRUE(compiled) << compiled.error().message;
    return compiled && compiled->matches(request) == regex::Found::yes;
  }

  Loop loop;
  Arena arena;
  StreamInfo info;
  Request request{arena, loop, info};
};

using enum kinds::PathMatch;

TEST_F(RequestMatchers, compare_the_path_without_its_query) {
  struct Row {
    kinds::PathMatch form;
    std::string path;
    bool case_sensitive;
    std::string_view asked;
    bool expected;
  };
  const Row rows[] = {
      {prefix, "/", true, "/", true},
      {prefix, "/", true, "/x?y", true},
      {prefix, "/", true, "*", true},
      {prefix, "/foo", true, "/foo", true},
      {prefix, "/foo", true, "/foobar", true},
      {prefix, "/foo", true, "/foo?x", true},
      {prefix, "/foo", true, "/fo", false},
      {prefix, "/foo", true, "/FOO", false},
      {prefix, "/foo", false, "/FOO/x", true},
      {prefix, "/foo", false, "/fo?o", false},
      {prefix, "/foo?", true, "/foo?", false},
      {exact, "/foo", true, "/foo", true},
      {exact, "/foo", true, "/foo?x=/foo", true},
      {exact, "/foo", true, "/foo/", false},
      {exact, "/foo", true, "/Foo", false},
      {exact, "/foo", false, "/Foo", true},
      {exact, "/foo", false, "/Foo/", false},
      {regex, "/v[0-9]+/x", true, "/v12/x?y", true},
      {regex, "/v[0-9]+", true, "/v12/x", false},
      {regex, "v[0-9]+", true, "/v12", false},
      {regex, "/a|/b", true, "/b", true},
      {regex, "/.*\\?x", true, "/a?x", false},
      {regex, "/.*", true, "", false},
  };
  for (const Row& row : rows) {
    request.path = row.asked;
    EXPECT_EQ(matches({.path_match = row.form, .path = row.path, .case_sensitive = row.case_sensitive}), row.expected)
        << row.path << " " << row.asked;
  }
}

// A byte that is no UTF-8 must not lead out of an expression.
TEST_F(RequestMatchers, match_bytes_that_are_no_text) {
  for (const std::string_view value : {"admin\xff", "admin\xc3", "admin\xe2\x82", "admin\xc3\xa9", "admin"}) {
    request.headers.set("x-role", value);
    const kinds::HeaderMatcher admin{.name = "x-role", .value = "admin.*", .regex = true};
    EXPECT_TRUE(matches({.headers = {admin}})) << printable(value);
    kinds::HeaderMatcher others = admin;
    others.invert_match = true;
    EXPECT_FALSE(matches({.headers = {others}})) << printable(value);

    // Bytes over 0x7F are no part of a target that a client may send, but a transformation may have put them there.
    request.path = arena.copy(fmt::format("/{}?role={}", value, value));
    EXPECT_TRUE(matches({.path_match = regex, .path = "/admin.*"})) << printable(value);
    EXPECT_TRUE(matches({.query_parameters = {{.name = "role", .value = "admin.*", .regex = true}}}))
        << printable(value);
  }
  request.headers.set("x-role", "Zo\xc3\xab");
  EXPECT_TRUE(matches({.headers = {{.name = "x-role", .value = "Zo\xc3\xab|Jos\xc3\xa9", .regex = true}}}));
}

TEST_F(RequestMatchers, know_how_much_of_the_path_they_cover) {
  const auto covered = [](kinds::PathMatch form, std::string path, std::string_view asked) {
    return RequestMatcher::compile({.path_match = form, .path = std::move(path)})->matched_bytes(asked);
  };
  EXPECT_EQ(covered(prefix, "/foo", "/foobar?x"), 4);
  EXPECT_EQ(covered(exact, "/foo", "/foo?x"), 4);
  EXPECT_EQ(covered(regex, "/f.*", "/foobar?x"), 7);
  EXPECT_EQ(covered(prefix, "/foo", "/bar"), std::nullopt);
}

TEST_F(RequestMatchers, test_headers_as_envoy_does) {
  struct Row {
    kinds::HeaderMatcher test;
    bool expected;
  };
  const Row rows[] = {
      {{"x-one", "1"}, true},
      {{"X-One", "1"}, true},
      {{"x-one", ""}, true},
      {{"x-one", "2"}, false},
      {{"x-one", "11"}, false},
      {{"x-empty", ""}, true},
      {{"x-none", ""}, false},
      {{"x-list", "a,b"}, true},
      {{"x-list", "a"}, false},
      {{"x-one", "[0-9]", true}, true},
      {{"x-one", "", true}, true},
      {{"x-list", "a.*", true}, true},
      {{"x-list", "a", true}, false},
      {{":authority", "Api.test:8080"}, true},
      {{":authority", "api.test:8080"}, false},
      {{"host", "Api.*", true}, true},
      {{":method", "GET"}, true},
      {{"x-one", "1", false, true}, false},
      {{"x-one", "2", false, true}, true},
      {{"x-one", "", false, true}, false},
      {{"x-none", "", false, true}, true},
      // Envoy: of what is missing only the presence can be denied.
      {{"x-none", "1", false, true}, false},
      {{"x-none", "1.*", true, true}, false},
      {{"x-one", "2.*", true, true}, true},
  };
  for (const Row& row : rows)
    EXPECT_EQ(matches({.headers = {row.test}}), row.expected) << row.test.name << "=" << row.test.value;
}

TEST_F(RequestMatchers, look_at_the_first_raw_value_of_a_query_parameter) {
  struct Row {
    kinds::QueryParameterMatcher test;
    bool expected;
  };
  const Row rows[] = {
      {{"a", "1"}, true},      {{"a", "2"}, false},       {{"A", "1"}, false},        {{"a", ""}, true},
      {{"b", ""}, true},       {{"c", ""}, true},         {{"b", "x"}, false},        {{"e", ""}, false},
      {{"", ""}, false},       {{"d", "x%20y"}, true},    {{"d", "x y"}, false},      {{"a", "[12]", true}, true},
      {{"a", "", true}, true}, {{"d", "x", true}, false}, {{"b", ".+", true}, false}, {{"b", ".*", true}, true},
  };
  for (const Row& row : rows)
    EXPECT_EQ(matches({.query_parameters = {row.test}}), row.expected) << row.test.name << "=" << row.test.value;
  request.path = "/foo";
  EXPECT_FALSE(matches({.query_parameters = {{"a", ""}}}));
  request.path = "/foo?";
  EXPECT_FALSE(matches({.query_parameters = {{"a", ""}}}));
}

TEST_F(RequestMatchers, take_methods_as_names_or_regular_expressions) {
  struct Row {
    std::vector<std::string> methods;
    bool expected;
  };
  const Row rows[] = {
      {{}, true},
      {{"GET"}, true},
      {{"POST", "GET"}, true},
      {{"POST"}, false},
      {{"get"}, false},
      {{"GE"}, false},
      {{"G.T"}, true},
      {{"POST", "G.*"}, true},
      {{"P.*", "D.*"}, false},
      {{"GET", "P.*"}, true},
      {{"GET|PUT"}, true},
      {{"PUT|POST"}, false},
  };
  for (const Row& row : rows) EXPECT_EQ(matches({.methods = row.methods}), row.expected) << row.methods.size();
}

TEST_F(RequestMatchers, want_everything_they_name) {
  kinds::Matcher all{.path = "/foo", .headers = {{"x-one", "1"}}, .query_parameters = {{"a", "1"}}, .methods = {"GET"}};
  EXPECT_TRUE(matches(all));
  kinds::Matcher other = all;
  other.path = "/fox";
  EXPECT_FALSE(matches(other));
  other = all;
  other.headers.push_back({"x-none", ""});
  EXPECT_FALSE(matches(other));
  other = all;
  other.query_parameters.push_back({"zz", ""});
  EXPECT_FALSE(matches(other));
  other = all;
  other.methods = {"PUT"};
  EXPECT_FALSE(matches(other));
}

TEST_F(RequestMatchers, refuse_regular_expressions_that_do_not_compile) {
  EXPECT_FALSE(RequestMatcher::compile({.path_match = regex, .path = "/("}));
  EXPECT_FALSE(RequestMatcher::compile({.path_match = regex, .path = "/(?=x)"}));
  EXPECT_FALSE(RequestMatcher::compile({.headers = {{"a", "[", true}}}));
  EXPECT_FALSE(RequestMatcher::compile({.query_parameters = {{"a", "[", true}}}));
  EXPECT_FALSE(RequestMatcher::compile({.methods = {"("}}));
}

// An inverted condition too is undecided, and neither yes nor no.
TEST_F(RequestMatchers, say_that_they_would_take_too_long_rather_than_no) {
  request.headers.set("x-long", arena.copy(std::string(15'000, 'a')));
  request.match_effort = 1000;
  for (const bool invert : {false, true}) {
    auto compiled = RequestMatcher::compile(
        {.headers = {{.name = "x-long", .value = "(?:a|b)*a(?:a|b){200}", .regex = true, .invert_match = invert}}});
    ASSERT_TRUE(compiled);
    EXPECT_EQ(compiled->matches(request), regex::Found::too_costly);
    EXPECT_EQ(compiled->mismatch(request), "the header \"x-long\" takes too long to compare");
  }
}

}  // namespace
}  // namespace sluice
