#include "config/kinds/matcher.h"

#include <fmt/format.h>

#include "base/header_names.h"
#include "base/strings.h"
#include "config/kinds/paths.h"
#include "config/regex.h"

namespace sluice::kinds {

void bind(Fields& f, HeaderMatcher& m) {
  f.required("name", m.name, "Name of the header, or a pseudo header such as `:method`.");
  f.optional("value", m.value, "What it must equal; empty: the header is there.");
  f.optional("regex", m.regex, "`value` is a regular expression for the whole value; characters are bytes.");
  f.optional("invertMatch", m.invert_match, "Negates. A missing header satisfies only the inverted test for presence.");
  if (f.present("name")) f.check(is_header_name(m.name) || is_pseudo_header(m.name), "name", "is no header name");
  if (m.regex) f.regex("value", m.value);
}

void bind(Fields& f, QueryParameterMatcher& m) {
  f.required("name", m.name, "Name of the query parameter.");
  f.optional("value", m.value, "What its first value must equal, not percent-decoded; empty: it is there.");
  f.optional("regex", m.regex, "`value` is a regular expression for the whole value; characters are bytes.");
  if (f.present("name")) f.check(!m.name.empty(), "name", "must not be empty");
  if (m.regex) f.regex("value", m.value);
}

void bind(Fields& f, Matcher& m) {
  std::string prefix, exact, regex;
  f.optional("prefix", prefix, "The path begins with this text; the query does not count.");
  f.optional("exact", exact, "The whole path.");
  f.optional("regex", regex, "RE2 expression for the whole path; characters are bytes.");
  f.unsupported("connectMatcher", "CONNECT requests only.");
  f.optional("caseSensitive", m.case_sensitive, "For `prefix` and `exact`.");
  f.optional("headers", m.headers, "Headers that must all match.");
  f.optional("queryParameters", m.query_parameters, "Query parameters that must all match.");
  f.optional("methods", m.methods, "One of these methods; regular expressions for the whole method.");
  f.exactly_one({"prefix", "exact", "regex", "connectMatcher"});
  if (!f.reading()) return;

  if (f.present("exact")) m.path_match = PathMatch::exact;
  if (f.present("regex")) m.path_match = PathMatch::regex;
  m.path = f.present("exact") ? exact : f.present("regex") ? regex : prefix;
  const char* name = f.present("exact") ? "exact" : f.present("regex") ? "regex" : "prefix";
  if (f.present(name)) f.check(!m.path.empty(), name, "no path specifier provided: it must not be empty");
  if (m.path_match == PathMatch::regex)
    f.regex("regex", m.path);
  else if (auto why = path_error(m.path); !why.empty())
    f.check(false, name, why);
  else if (!m.path.empty() && !m.path.starts_with('/') && m.path != "*")
    f.warning(name, fmt::format("no request fits: paths begin with /; did you mean {}?", json_quote("/" + m.path)));
  if (m.path.empty()) m.path = "/";
  for (size_t i = 0; i < m.methods.size(); ++i) {
    if (m.methods[i].empty())
      f.error("methods", i, "must not be empty");
    else if (!is_method(m.methods[i]))
      f.regex("methods", i, m.methods[i]);
  }
}

}  // namespace sluice::kinds
