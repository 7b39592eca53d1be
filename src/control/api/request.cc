#include "control/api/request.h"

#include <algorithm>

#include "base/encoding.h"
#include "base/strings.h"

namespace sluice {
namespace {

Result<std::string> decode_parameter(std::string_view text) {
  std::string spaced(text);
  std::ranges::replace(spaced, '+', ' ');
  auto decoded = percent_decode(spaced);
  if (!decoded) return invalid(fmt::format("bad percent-encoding in the query near \"{}\"", printable(text, 80)));
  if (!valid_utf8(*decoded)) return invalid("the query is not UTF-8");
  return std::move(*decoded);
}

Result<std::string> decode_segment(std::string_view text) {
  auto decoded = percent_decode(text);
  if (!decoded || decoded->empty() || *decoded == "." || *decoded == ".." || decoded->contains('/') ||
      !valid_utf8(*decoded))
    return invalid(fmt::format("bad path segment \"{}\"", printable(text, 80)));
  return std::move(*decoded);
}

}  // namespace

std::string_view ApiRequest::header(std::string_view name) const {
  for (const auto& [field, value] : headers)
    if (equals_ignoring_case(field, name)) return value;
  return {};
}

bool ApiRequest::has_header(std::string_view name) const {
  return std::ranges::any_of(headers, [name](const auto& field) { return equals_ignoring_case(field.first, name); });
}

Result<Query> Query::parse(std::string_view text) {
  Query query;
  for (const auto part : split(text, '&')) {
    if (part.empty()) continue;
    if (query.parameters_.size() == kParametersMax)
      return fail(ErrorKind::limit, fmt::format("more than {} query parameters", kParametersMax));
    const auto equals = std::min(part.find('='), part.size());
    auto name = TRY(decode_parameter(part.substr(0, equals)));
    auto value = TRY(decode_parameter(part.substr(std::min(equals + 1, part.size()))));
    query.parameters_.emplace_back(std::move(name), std::move(value));
  }
  return query;
}

std::string_view Query::get(std::string_view name) const {
  for (const auto& [key, value] : parameters_)
    if (key == name) return value;
  return {};
}

bool Query::has(std::string_view name) const {
  return std::ranges::any_of(parameters_, [name](const auto& parameter) { return parameter.first == name; });
}

std::vector<std::string_view> Query::all(std::string_view name) const {
  std::vector<std::string_view> values;
  for (const auto& [key, value] : parameters_)
    if (key == name) values.push_back(value);
  return values;
}

std::optional<bool> Query::boolean(std::string_view name) const {
  const auto text = get(name);
  for (const auto word : {"1", "t", "T", "true", "TRUE", "True"})
    if (text == word) return true;
  for (const auto word : {"", "0", "f", "F", "false", "FALSE", "False"})
    if (text == word) return false;
  return std::nullopt;
}

Result<Target> Target::parse(std::string_view text) {
  Target target;
  if (!text.starts_with('/')) return invalid("expected a path that begins with /");
  const auto question = std::min(text.find('?'), text.size());
  auto path = text.substr(1, question - 1);
  target.ends_with_slash = path.ends_with('/');
  if (target.ends_with_slash) path.remove_suffix(1);
  if (!path.empty()) {
    for (const auto segment : split(path, '/')) target.path.push_back(TRY(decode_segment(segment)));
  }
  target.query = TRY(Query::parse(text.substr(std::min(question + 1, text.size()))));
  return target;
}

}  // namespace sluice
