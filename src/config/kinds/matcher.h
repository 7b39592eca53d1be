// Which requests a route, a transformation or a DLP rule is for (reference gloo-core.md 3.3). All that is given must
// match. Regular expressions match whole values.
#pragma once

#include <string>
#include <vector>

#include "config/bind.h"

namespace sluice::kinds {

struct HeaderMatcher {
  std::string name;   // as written; compare without case
  std::string value;  // empty: present at all
  bool regex = false;
  bool invert_match = false;  // a missing header satisfies only the inverted presence test
};
void bind(Fields& f, HeaderMatcher& matcher);

struct QueryParameterMatcher {
  std::string name;
  std::string value;  // empty: present at all
  bool regex = false;
};
void bind(Fields& f, QueryParameterMatcher& matcher);

enum class PathMatch : uint8_t { prefix, exact, regex };

struct Matcher {
  PathMatch path_match = PathMatch::prefix;
  std::string path = "/";      // never empty; a matcher without a path form is refused
  bool case_sensitive = true;  // prefix and exact only
  std::vector<HeaderMatcher> headers;
  std::vector<QueryParameterMatcher> query_parameters;
  std::vector<std::string> methods;  // as written, each a method or a regular expression; empty: any
};
void bind(Fields& f, Matcher& matcher);

}  // namespace sluice::kinds
