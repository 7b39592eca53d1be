#include "pipeline/message.h"

#include <fmt/format.h>
#include <algorithm>

#include "base/check.h"
#include "base/header_names.h"
#include "config/kinds/max_stream_duration.h"
#include "http/grpc.h"

namespace sluice {

namespace {

// "Trailers-Only": a client of gRPC looks for the status there, and perhaps at nothing else.
void say_status(Request& request, Response& response, grpc::Status status, std::string_view message) {
  response.status_before_grpc = std::exchange(response.status, 200);
  Headers& headers = *response.headers;
  headers.add(Known::content_type, request.grpc_type);
  headers.add(grpc::kStatusField, request.arena.copy(fmt::to_string(static_cast<unsigned>(status))));
  if (!message.empty()) headers.add(grpc::kMessageField, grpc::encode_message(message, request.arena));
}

Response own_response(Request& request, uint16_t status, std::string_view body) {
  Response response;
  response.status = status;
  response.local = true;
  response.headers = request.arena.make<Headers>(request.arena);
  if (request.grpc) {
    const auto said = request.info.outcome.terms().grpc_status;
    say_status(request, response, said.value_or(grpc::status_of_http(status)), body);
    return response;
  }
  response.body = text_body(request.arena, body);
  if (!body.empty()) response.headers->add(Known::content_type, "text/plain");
  return response;
}

}  // namespace

void Request::choose_route_again() {
  if (rerouter) rerouter->choose_again(*this);
}

void Request::own_bytes() {
  for (std::string_view* text : {&method, &path, &authority, &scheme}) *text = arena.copy(*text);
  headers.own_bytes();
  info.own_bytes(arena);
  for (auto* names : {&kept_from_trailers, &kept_from_response_trailers})
    for (std::string_view& name : *names) name = arena.copy(name);
  if (forwarder) forwarder->own_bytes();
  route = {};
  rerouter = nullptr;
  rerouting = nullptr;
  taken = nullptr;
}

std::optional<SteadyTime> Request::stream_deadline() const {
  if (!route.rules || !route.rules->stream_duration) [[likely]]
    return std::nullopt;
  const kinds::MaxStreamDuration& limit = *route.rules->stream_duration;
  const auto asked = headers.get(grpc::kTimeoutField);
  const auto timeout = asked ? grpc::parse_timeout(*asked) : std::nullopt;
  if (timeout && limit.grpc_timeout_header_max) return later(info.start, limit.for_grpc_timeout(*timeout));
  if (!limit.max_stream_duration) return std::nullopt;
  return deadline_after(info.start, *limit.max_stream_duration);
}

std::optional<std::string_view> Request::header(std::string_view lower_name) const {
  if (lower_name == "host") return authority;
  if (!lower_name.starts_with(':')) return headers.get(lower_name);
  if (lower_name == ":path") return path;
  if (lower_name == ":method") return method;
  if (lower_name == ":authority") return authority;
  if (lower_name == ":scheme") return scheme;
  return std::nullopt;
}

void Request::set_header(std::string_view lower_name, std::string_view value) {
  const std::string_view copy = arena.copy(value);
  if (lower_name == "host" || lower_name == ":authority")
    authority = copy;
  else if (lower_name == ":path")
    path = copy;
  else if (lower_name == ":method")
    method = copy;
  else if (lower_name == ":scheme")
    scheme = copy;
  else
    headers.set(lower_name, copy);
}

std::optional<std::string_view> Response::header(Request& request, std::string_view lower_name) const {
  if (lower_name == ":status") return request.arena.copy(fmt::to_string(status));
  return headers->get(lower_name);
}

Response reply(Request& request, Outcome outcome) {
  return reply(request, outcome, outcome.terms().body);
}

Response reply(Request& request, Outcome outcome, std::string_view body) {
  const OutcomeTerms& terms = outcome.terms();
  CHECK(terms.status != 0);
  request.info.end(outcome, request.arena);
  Response response = own_response(request, terms.status, body);
  response.close = terms.closes;
  return response;
}

Response local_reply(Request& request, uint16_t status, std::string_view body, std::string_view details,
                     OutcomeKind kind) {
  CHECK(terms_of(kind).status == 0);
  request.info.outcome = kind;
  request.info.details = details;
  return own_response(request, status, body);
}

}  // namespace sluice
