#include "pipeline/request_matcher.h"

#include <fmt/format.h>
#include <re2/re2.h>
#include <algorithm>

#include "base/strings.h"
#include "config/regex.h"

namespace sluice {
namespace {

bool matches_whole(const re2::RE2& regex, std::string_view text) {
  return re2::RE2::FullMatch(re2::StringPiece(text.data(), text.size()), regex);
}

bool starts_with_ignoring_case(std::string_view text, std::string_view prefix) {
  return text.size() >= prefix.size() && equals_ignoring_case(text.substr(0, prefix.size()), prefix);
}

// Letters, digits and what else of a token means nothing in a regular expression.
bool plain_method(std::string_view method) {
  return !method.empty() &&
         std::ranges::all_of(method, [](char c) { return ascii_alpha(c) || ascii_digit(c) || c == '-' || c == '_'; });
}

// All values of a header, joined; pseudo headers and "host" as they are.
std::optional<std::string_view> header_value(const Request& request, std::string_view name) {
  if (name.starts_with(':') || name == "host") return request.header(name);
  return request.headers.joined(name);
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
  if (matcher.path_match == kinds::PathMatch::regex) out.path_regex_ = TRY(compile_regex(matcher.path));
  if (std::ranges::all_of(matcher.methods, plain_method))
    out.methods_ = matcher.methods;
  else
    out.method_regex_ = TRY(compile_regex(join(matcher.methods, "|")));
  for (const kinds::HeaderMatcher& header : matcher.headers) {
    HeaderTest& test = out.headers_.emplace_back();
    test = {to_lower(header.name), header.value, nullptr, header.invert_match};
    if (header.regex && !header.value.empty()) test.regex = TRY(compile_regex(header.value));
  }
  for (const kinds::QueryParameterMatcher& parameter : matcher.query_parameters) {
    QueryTest& test = out.query_.emplace_back();
    test = {parameter.name, parameter.value, nullptr};
    if (parameter.regex && !parameter.value.empty()) test.regex = TRY(compile_regex(parameter.value));
  }
  out.path_only_ = out.headers_.empty() && out.query_.empty() && matcher.methods.empty();
  return out;
}

bool RequestMatcher::matches(const Request& request) const {
  if (!path_matches(request.path)) return false;
  if (path_only_) return true;
  return method_matches(request.method) &&
         std::ranges::all_of(headers_, [&](const HeaderTest& test) { return header_matches(test, request); }) &&
         std::ranges::all_of(query_, [&](const QueryTest& test) { return query_matches(test, request.path); });
}

std::string RequestMatcher::mismatch(const Request& request) const {
  if (!path_matches(request.path)) {
    static constexpr std::string_view kForms[] = {"begin with", "equal", "match the expression"};
    return fmt::format("the path does not {} {}", kForms[static_cast<size_t>(path_match_)], json_quote(path_));
  }
  if (!method_matches(request.method)) return fmt::format("the method {} is not among its methods", request.method);
  for (const HeaderTest& test : headers_)
    if (!header_matches(test, request)) return fmt::format("the header {} does not fit", json_quote(test.name));
  for (const QueryTest& test : query_)
    if (!query_matches(test, request.path))
      return fmt::format("the query parameter {} does not fit", json_quote(test.name));
  return {};
}

bool RequestMatcher::path_matches(std::string_view path) const {
  if (any_path_) return path.starts_with('/') || path == "*";  // "/" is every path, OPTIONS * too
  return matched_bytes(path).has_value();
}

std::optional<size_t> RequestMatcher::matched_bytes(std::string_view path) const {
  const std::string_view plain = path.substr(0, path.find('?'));
  bool fits = false;
  size_t bytes = plain.size();
  switch (path_match_) {
    case kinds::PathMatch::prefix:
      fits = case_sensitive_ ? plain.starts_with(path_) : starts_with_ignoring_case(plain, path_);
      bytes = path_.size();
      break;
    case kinds::PathMatch::exact: fits = case_sensitive_ ? plain == path_ : equals_ignoring_case(plain, path_); break;
    case kinds::PathMatch::regex: fits = matches_whole(*path_regex_, plain); break;
  }
  if (!fits) return std::nullopt;
  return bytes;
}

bool RequestMatcher::method_matches(std::string_view method) const {
  if (method_regex_) return matches_whole(*method_regex_, method);
  return methods_.empty() || std::ranges::find(methods_, method) != methods_.end();
}

bool RequestMatcher::header_matches(const HeaderTest& test, const Request& request) {
  const auto value = header_value(request, test.name);
  if (test.value.empty()) return value.has_value() != test.invert;
  if (!value) return false;  // as Envoy, also when inverted
  return (test.regex ? matches_whole(*test.regex, *value) : *value == test.value) != test.invert;
}

bool RequestMatcher::query_matches(const QueryTest& test, std::string_view path) {
  const auto value = query_value(path, test.name);
  if (!value) return false;
  if (test.value.empty()) return true;
  return test.regex ? matches_whole(*test.regex, *value) : *value == test.value;
}

}  // namespace sluice
