// Which requests a route, a transformation or a DLP rule is for: a kinds::Matcher, compiled (reference
// gloo-core.md 3.3).
//
// What the matcher does not ask for costs nothing. Regular expressions are RE2 over whole values. Immutable: any
// thread.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "config/kinds/matcher.h"
#include "pipeline/header_condition.h"
#include "pipeline/message.h"
#include "regex/whole.h"

namespace sluice {

class RequestMatcher {
 public:
  RequestMatcher() = default;  // any request whose path begins with "/"

  // The error names the regular expression that does not compile.
  static Result<RequestMatcher> compile(const kinds::Matcher& matcher);

  // too_costly where its expressions would cost more than the request has left (Request::match_effort): the request is
  // to be refused then.
  regex::Found matches(Request& request) const;
  // For people: what of it does not fit first, such as `the path does not begin with "/a"`; "" when it matches.
  std::string mismatch(Request& request) const;

  kinds::PathMatch path_match() const { return path_match_; }
  // Prefix, whole path or pattern, as configured.
  const std::string& path() const { return path_; }
  // How many bytes of this path (query included) the path form covers: what a prefix rewrite replaces. Nothing when the
  // path does not (or no longer) fit.
  std::optional<size_t> matched_bytes(std::string_view path) const;

 private:
  struct QueryTest {
    std::string name;
    std::string value;
    regex::Whole regex;
  };

  regex::Found path_matches(Request& request) const;
  regex::Found method_matches(Request& request) const;
  static regex::Found query_matches(const QueryTest& test, Request& request);
  std::optional<size_t> plain_match(std::string_view plain) const;

  kinds::PathMatch path_match_ = kinds::PathMatch::prefix;
  bool case_sensitive_ = true;
  bool any_path_ = true;   // prefix "/"
  bool path_only_ = true;  // no headers, query parameters, methods
  std::string path_ = "/";
  regex::Whole path_regex_;
  std::vector<std::string> methods_;  // plain names
  regex::Whole method_regex_;         // instead, when one of them is a regular expression
  std::vector<HeaderCondition> headers_;
  std::vector<QueryTest> query_;
};

}  // namespace sluice
