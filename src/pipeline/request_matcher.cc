#include "pipeline/request_matcher.h"

#include <fmt/format.h>
#include <algorithm>

#include "base/strings.h"
#include "config/regex.h"

namespace sluice {

using regex::Found;
using regex::found_if;

namespace {

bool starts_with_ignoring_case(std::string_view text, std::string_view prefix) {
  return text.size() >= prefix.size() && equals_ignoring_case(text.substr(0, prefix.size()), prefix);
}

// Letters, digits and what else of a token means nothing in a regular expression.
bool plain_method(std::string_view method) {
  return !method.empty() &&
         std::ranges::all_of(method, [](char c) { return ascii_alpha(c) || ascii_digit(c) || c == '-' || c == '_'; });
}

Found header_fits(const HeaderCondition& condition, Request& request) {
  const std::string& name = condition.name();
  const bool is_one = name.starts_with(':') || name == "host";
  return condition.fits(is_one ? request.header(name) : request.headers.joined(name), request.match_effort);
}

// The first value of a key, as it stands; "" when it has no "=".
std::optional<std::string_view> query_value(std::string_view path, std::string_view key) {
  const size_t mark = path.find('?');
  if (mark == std::string_view::npos) return std::nullopt;
  std::string_view query = path.substr(mark + 1);
  for (;;) {
    const size_t end = query.find('&');
    const std::string_view pair = query.substr(0, end);
    const size_t equals = pair.find('=');
    if (pair.substr(0, equals) == key)
      return equals == std::string_view::npos ? std::string_view() : pair.substr(equals + 1);
    if (end == std::string_view::npos) return std::nullopt;
    query.remove_prefix(end + 1);
  }
}

}  // namespace

Result<RequestMatcher> RequestMatcher::compile(const kinds::Matcher& matcher) {
  RequestMatcher out;
  out.path_match_ = matcher.path_match;
  out.case_sensitive_ = matcher.case_sensitive;
  out.path_ = matcher.path;
  out.any_path_ = matcher.path_match == kinds::PathMatch::prefix && matcher.path == "/";
  if (matcher.path_match == kinds::PathMatch::regex) out.path_regex_ = regex::Whole(TRY(compile_regex(matcher.path)));
  if (std::ranges::all_of(matcher.methods, plain_method))
    out.methods_ = matcher.methods;
  else
    out.method_regex_ = regex::Whole(TRY(compile_regex(join(matcher.methods, "|"))));
  for (const kinds::HeaderMatcher& header : matcher.headers)
    out.headers_.push_back(TRY(HeaderCondition::compile(header)));
  for (const kinds::QueryParameterMatcher& parameter : matcher.query_parameters) {
    QueryTest& test = out.query_.emplace_back();
    test = {parameter.name, parameter.value, {}};
    if (parameter.regex && !parameter.value.empty()) test.regex = regex::Whole(TRY(compile_regex(parameter.value)));
  }
  out.path_only_ = out.headers_.empty() && out.query_.empty() && matcher.methods.empty();
  return out;
}

Found RequestMatcher::matches(Request& request) const {
  Found fits = path_matches(request);
  if (path_only_ || fits != Found::yes) return fits;
  fits = method_matches(request);
  for (size_t i = 0; i < headers_.size() && fits == Found::yes; ++i) fits = header_fits(headers_[i], request);
  for (size_t i = 0; i < query_.size() && fits == Found::yes; ++i) fits = query_matches(query_[i], request);
  return fits;
}

std::string RequestMatcher::mismatch(Request& request) const {
  static constexpr std::string_view kForms[] = {"begin with", "equal", "match the expression"};
  const auto told = [](Found fits, const std::string& what, const std::string& misfit) {
    return what + (fits == Found::too_costly ? " takes too long to compare" : misfit);
  };
  if (const Found fits = path_matches(request); fits != Found::yes)
    return told(fits, "the path",
                fmt::format(" does not {} {}", kForms[static_cast<size_t>(path_match_)], json_quote(path_)));
  if (const Found fits = method_matches(request); fits != Found::yes)
    return told(fits, fmt::format("the method {}", request.method), " is not among its methods");
  for (const HeaderCondition& header : headers_)
    if (const Found fits = header_fits(header, request); fits != Found::yes)
      return told(fits, fmt::format("the header {}", json_quote(header.name())), " does not fit");
  for (const QueryTest& test : query_)
    if (const Found fits = query_matches(test, request); fits != Found::yes)
      return told(fits, fmt::format("the query parameter {}", json_quote(test.name)), " does not fit");
  return {};
}

Found RequestMatcher::path_matches(Request& request) const {
  const std::string_view path = request.path;
  if (any_path_) return found_if(path.starts_with('/') || path == "*");  // "/" is every path, OPTIONS * too
  if (path_regex_) return path_regex_.matches(request.path_without_query(), request.match_effort);
  return found_if(plain_match(request.path_without_query()).has_value());
}

std::optional<size_t> RequestMatcher::matched_bytes(std::string_view path) const {
  const std::string_view plain = path.substr(0, path.find('?'));
  if (!path_regex_) return plain_match(plain);
  size_t effort = SIZE_MAX;  // once for a rewrite
  if (path_regex_.matches(plain, effort) != Found::yes) return std::nullopt;
  return plain.size();
}

std::optional<size_t> RequestMatcher::plain_match(std::string_view plain) const {
  if (path_match_ == kinds::PathMatch::exact)
    return (case_sensitive_ ? plain == path_ : equals_ignoring_case(plain, path_)) ? std::optional(plain.size())
                                                                                   : std::nullopt;
  return (case_sensitive_ ? plain.starts_with(path_) : starts_with_ignoring_case(plain, path_))
             ? std::optional(path_.size())
             : std::nullopt;
}

Found RequestMatcher::method_matches(Request& request) const {
  if (method_regex_) return method_regex_.matches(request.method, request.match_effort);
  return found_if(methods_.empty() || std::ranges::find(methods_, request.method) != methods_.end());
}

Found RequestMatcher::query_matches(const QueryTest& test, Request& request) {
  const auto value = query_value(request.path, test.name);
  if (!value) return Found::no;
  if (test.value.empty()) return Found::yes;
  return test.regex ? test.regex.matches(*value, request.match_effort) : found_if(*value == test.value);
}

}  // namespace sluice
