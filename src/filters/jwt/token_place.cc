#include "filters/jwt/token_place.h"

#include <optional>

#include "base/encoding.h"

namespace sluice::jwt {
namespace {

struct Parameter {
  std::string_view name;
  std::string_view value;
};

Parameter parameter(std::string_view text) {
  const size_t equals = text.find('=');
  if (equals == text.npos) return {text, {}};
  return {text.substr(0, equals), text.substr(equals + 1)};
}

// Calls `each(std::string_view)` for the parts of the query between & signs.
template <class Function>
void for_each_part(std::string_view query, Function&& each) {
  for (;;) {
    const size_t end = query.find('&');
    each(query.substr(0, end));
    if (end == query.npos) return;
    query.remove_prefix(end + 1);
  }
}

std::optional<std::string_view> query_value(const Request& request, std::string_view name) {
  const size_t question = request.path.find('?');
  if (question == request.path.npos) return std::nullopt;
  std::optional<std::string_view> found;
  for_each_part(request.path.substr(question + 1), [&found, name](std::string_view part) {
    const Parameter candidate = parameter(part);
    if (!found && candidate.name == name) found = candidate.value;
  });
  if (!found || !found->contains('%')) return found;
  const auto decoded = percent_decode(*found);
  return decoded ? request.arena.copy(*decoded) : *found;
}

std::string_view path_without(const Request& request, std::string_view name) {
  const size_t question = request.path.find('?');
  if (question == request.path.npos) return request.path;
  std::string rest;
  for_each_part(request.path.substr(question + 1), [&rest, name](std::string_view part) {
    if (parameter(part).name == name) return;
    rest += rest.empty() ? '?' : '&';
    rest += part;
  });
  return request.arena.concat(request.path.substr(0, question), rest);
}

}  // namespace

std::vector<TokenPlace> token_places(const TokenSource& source) {
  if (source.headers.empty() && source.query_params.empty()) {
    return {{TokenPlace::In::header, "authorization", "Bearer "}, {TokenPlace::In::query, "access_token", ""}};
  }
  std::vector<TokenPlace> places;
  for (const TokenHeader& header : source.headers) {
    places.push_back({TokenPlace::In::header, header.header, header.prefix});
  }
  for (const std::string& name : source.query_params) places.push_back({TokenPlace::In::query, name, ""});
  return places;
}

void FoundTokens::add(std::string_view text, const TokenPlace& place) {
  too_many_ |= count_ == kMax;
  if (count_ < kMax) items_[count_++] = {text, &place};
}

FoundTokens find_tokens(const Request& request, const std::vector<TokenPlace>& places) {
  FoundTokens found;
  for (const TokenPlace& place : places) {
    if (place.in == TokenPlace::In::query) {
      if (const auto value = query_value(request, place.name)) found.add(*value, place);
      continue;
    }
    for (const HeaderField& field : request.headers) {
      if (field.name != place.name || !field.value.starts_with(place.prefix)) continue;
      std::string_view token = field.value.substr(place.prefix.size());
      // RFC 9110 11.4: one or more spaces stand between the scheme and the token.
      if (place.prefix.ends_with(' ')) token.remove_prefix(std::min(token.find_first_not_of(' '), token.size()));
      found.add(token, place);
    }
  }
  return found;
}

void remove_token(Request& request, const TokenPlace& place) {
  if (place.in == TokenPlace::In::header) {
    request.headers.remove(place.name);
  } else {
    request.path = path_without(request, place.name);
  }
}

}  // namespace sluice::jwt
