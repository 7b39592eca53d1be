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

// As it stands there.
std::optional<std::string_view> query_value(const Request& request, std::string_view name) {
  const size_t question = request.path.find('?');
  if (question == request.path.npos) return std::nullopt;
  std::optional<std::string_view> found;
  for_each_part(request.path.substr(question + 1), [&found, name](std::string_view part) {
    const Parameter candidate = parameter(part);
    if (!found && candidate.name == name) found = candidate.value;
  });
  return found;
}

std::string_view decoded(const Request& request, std::string_view value) {
  if (!value.contains('%')) return value;
  const auto text = percent_decode(value);
  return text ? request.arena.copy(*text) : value;
}

// The token in a header's value; nothing when it does not begin with the prefix.
std::optional<std::string_view> without_prefix(std::string_view value, std::string_view prefix) {
  if (!value.starts_with(prefix)) return std::nullopt;
  std::string_view token = value.substr(prefix.size());
  // RFC 9110 11.4: one or more spaces stand between the scheme and the token.
  if (prefix.ends_with(' ')) token.remove_prefix(std::min(token.find_first_not_of(' '), token.size()));
  return token;
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
  places.reserve(source.headers.size() + source.query_params.size());
  for (const TokenHeader& header : source.headers) {
    places.push_back({TokenPlace::In::header, header.header, header.prefix});
  }
  for (const std::string& name : source.query_params) places.push_back({TokenPlace::In::query, name, ""});
  return places;
}

void FoundTokens::add(std::string_view text, const TokenPlace& place, const TakenToken* taken) {
  too_many_ |= count_ == kMax;
  if (count_ < kMax) items_[count_++] = {text, &place, taken};
}

namespace {

void find_present(const Request& request, const TokenPlace& place, FoundTokens& found) {
  if (place.in == TokenPlace::In::query) {
    if (const auto value = query_value(request, place.name)) found.add(decoded(request, *value), place);
    return;
  }
  for (const HeaderField& field : request.headers) {
    if (field.name != place.name) continue;
    if (const auto token = without_prefix(field.value, place.prefix)) found.add(*token, place);
  }
}

void find_taken(const Request& request, const TokenPlace& place, FoundTokens& found) {
  const bool in_query = place.in == TokenPlace::In::query;
  for (const TakenToken* taken = request.taken; taken; taken = taken->before) {
    if (taken->name != place.name || taken->in_query != in_query) continue;
    if (in_query)
      found.add(decoded(request, taken->value), place, taken);
    else if (const auto token = without_prefix(taken->value, place.prefix))
      found.add(*token, place, taken);
  }
}

}  // namespace

FoundTokens find_tokens(const Request& request, const std::vector<TokenPlace>& places) {
  FoundTokens found;
  for (const TokenPlace& place : places) {
    const size_t before = found.all().size();
    find_present(request, place, found);
    if (request.rerouting && found.all().size() == before) [[unlikely]]
      find_taken(request, place, found);
  }
  return found;
}

void take_token(Request& request, const TokenPlace& place) {
  const auto note = [&](std::string_view value, bool in_query) {
    request.taken = request.arena.make<TakenToken>(place.name, value, in_query, request.taken);
  };
  if (place.in == TokenPlace::In::header) {
    request.headers.remove_if([&](const HeaderField& field) {
      if (field.name != place.name) return false;
      note(field.value, false);
      return true;
    });
  } else if (const auto value = query_value(request, place.name)) {
    note(*value, true);
    request.path = path_without(request, place.name);
  }
}

void put_back(Request& request, const TakenToken& token) {
  if (!token.in_query) return request.headers.add(token.name, token.value);
  const std::string_view mark = request.path.contains('?') ? "&" : "?";
  request.path = request.arena.concat(request.path, mark, token.name, std::string_view("="), token.value);
}

}  // namespace sluice::jwt
