#include "filters/transformation/filter.h"

#include "base/log.h"
#include "filters/transformation/replay_body.h"
#include "pipeline/rescue.h"

namespace sluice::transformation {

using regex::Found;

namespace {

constexpr std::string_view kErrorDetails = "transformation_filter_error";
constexpr std::string_view kTooLarge = "payload too large";
constexpr std::string_view kMatchTooCostly = "transformation too costly: its matchers would take too long";

void set_body(Request& request, Headers& headers, Body& body, std::string_view text) {
  body = text_body(request.arena, text);
  headers.remove(Known::transfer_encoding);
  headers.set(Known::content_length, request.arena.copy(fmt::to_string(text.size())));
}

bool is_empty(const Body& body) {
  return body.empty() || body.length == 0;
}

// A body that may not be sent, whatever a template made of it (RFC 9110 6.4.1).
bool bears_no_body(const Request& request, const Response& response) {
  return request.info.method == "HEAD" || response.status == 204 || response.status == 304 || response.status < 200;
}

Found response_fits(const HeaderCondition& condition, Request& request, const Response& response) {
  const std::string& name = condition.name();
  const auto value = name.starts_with(':') ? response.header(request, name) : response.headers->joined(name);
  return condition.fits(value, request.match_effort);
}

void log_headers(std::string_view what, const Headers& headers) {
  if (!log::enabled(LogLevel::debug)) return;
  std::string text;
  for (const HeaderField& field : headers) text += fmt::format("{}: {}; ", field.name, field.value);
  log::debug("transformation", what, {{"headers", text}});
}

}  // namespace

// --- the request ---

Task<Response> TransformationFilter::handle(Request& request, Next next) const {
  auto rule = rules_.requests.begin();
  for (; rule != rules_.requests.end(); ++rule) {
    const Found fits = rule->match ? rule->match->matches(request) : Found::yes;
    if (fits == Found::yes) break;
    if (fits == Found::too_costly) return refuse(request);
  }
  if (rule == rules_.requests.end()) return pass_on(request, next, nullptr);
  if (!rule->on_request) return pass_on(request, next, rule->on_response.get());
  const bool reads = rule->on_request->needs_body() && !request.body.empty() && !request.upgrade;
  if (reads) return read_and_transform(request, next, *rule);
  if (auto reply = transform(request, *rule, std::nullopt)) return *std::move(reply);
  return pass_on(request, next, rule->on_response.get());
}

Task<Response> TransformationFilter::read_and_transform(Request& request, Next next, const RequestRule& rule) const {
  BodyReader* const original = request.body.reader;
  auto reading = read_all(request.body, request.arena, request.body_buffer_bytes_max, request.body_budget);
  auto read = co_await reading;
  if (!read && read.error().kind == ErrorKind::limit) co_return request_error(request, 413, kTooLarge);
  if (!read) co_return std::unexpected(std::move(read).error());
  request.body.reader = request.arena.make<ReplayBody>(*read, *original);
  if (auto reply = transform(request, rule, *read)) co_return *std::move(reply);
  auto rest = pass_on(request, next, rule.on_response.get());
  auto response = co_await rest;
  co_return response;
}

// Nothing when the request may go on.
std::optional<Response> TransformationFilter::transform(Request& request, const RequestRule& rule,
                                                        std::optional<std::string_view> read) const {
  const Transformation& how = *rule.on_request;
  (read ? counters_.request_body_transformations : counters_.request_header_transformations)->add();
  if (how.logs()) log_headers("request before", request.headers);
  auto body = how.apply(request, read.value_or(""));
  if (!body) {
    const Failure failure = explain(body.error());
    return request_error(request, failure.status, failure.text);
  }
  if (*body && !request.upgrade) set_body(request, request.headers, request.body, **body);
  const bool empty = !*body && read ? read->empty() : is_empty(request.body);
  if (empty && !how.passthrough()) request.headers.remove(Known::content_type);
  if (how.logs()) log_headers("request after", request.headers);

  if (rule.clear_route_cache) request.choose_route_again();
  return std::nullopt;
}

// As Gloo says it; but bounds that only we have, on the work of templates and extractors, are not the client's fault.
TransformationFilter::Failure TransformationFilter::explain(const Error& error) const {
  if (error.kind != ErrorKind::limit) return {400, fmt::format("bad request: {}", error.message)};
  counters_.limit->add();
  return {500, fmt::format("transformation too costly: {}", error.message)};
}

// Nobody can say whether it is one that would have been changed.
Response TransformationFilter::refuse(Request& request) const {
  counters_.limit->add();
  return request_error(request, 500, kMatchTooCostly);
}

Response TransformationFilter::request_error(Request& request, uint16_t status, std::string_view message) const {
  counters_.request_error->add();
  return local_reply(request, status, request.arena.copy(message), kErrorDetails);
}

// --- the response ---

Task<Response> TransformationFilter::pass_on(Request& request, Next next, const Transformation* on_response) const {
  if (!on_response && rules_.responses.empty()) return next(request);
  return pass_on_and_transform(request, next, on_response);
}

Task<Response> TransformationFilter::pass_on_and_transform(Request& request, Next next,
                                                           const Transformation* on_response) const {
  auto rest = next(request);
  auto answer = co_await rest;
  if (!answer && answer.error().kind == ErrorKind::cancelled) co_return std::unexpected(std::move(answer).error());
  Response response = answer ? *std::move(answer) : rescue(request, answer.error());
  const Transformation* how = on_response;
  if (!how) {
    const Choice choice = choose(request, response);
    if (choice.too_costly) {
      counters_.limit->add();
      response_error(request, response, 500, kMatchTooCostly);
    }
    how = choice.how;
  }
  if (!how) co_return response;

  const bool reads = how->needs_body() && !response.body.empty() && !response.tunnel;
  if (!reads) {
    transform(request, response, *how, std::nullopt);
    co_return response;
  }
  BodyReader* const original = response.body.reader;
  auto reading = read_all(response.body, request.arena, request.body_buffer_bytes_max, request.body_budget);
  auto read = co_await reading;
  if (!read && read.error().kind == ErrorKind::limit) {
    response_error(request, response, 413, kTooLarge);
    co_return response;
  }
  if (!read) co_return std::unexpected(std::move(read).error());
  response.body.reader = request.arena.make<ReplayBody>(*read, *original);
  transform(request, response, *how, *read);
  co_return response;
}

TransformationFilter::Choice TransformationFilter::choose(Request& request, const Response& response) const {
  for (const ResponseRule& rule : rules_.responses) {
    if (!rule.details.empty() && rule.details != request.info.details) continue;
    Found fits = Found::yes;
    for (size_t i = 0; i < rule.matches.size() && fits == Found::yes; ++i)
      fits = response_fits(rule.matches[i], request, response);
    if (fits == Found::yes) return {.how = rule.on_response.get()};
    if (fits == Found::too_costly) return {.too_costly = true};
  }
  return {};
}

void TransformationFilter::transform(Request& request, Response& response, const Transformation& how,
                                     std::optional<std::string_view> read) const {
  (read ? counters_.response_body_transformations : counters_.response_header_transformations)->add();
  if (how.logs()) log_headers("response before", *response.headers);
  auto body = how.apply(request, response, read.value_or(""));
  if (!body) {
    const Failure failure = explain(body.error());
    return response_error(request, response, failure.status, failure.text);
  }
  if (*body && !response.tunnel) set_body(request, *response.headers, response.body, **body);
  const bool empty = !*body && read ? read->empty() : is_empty(response.body);
  if (empty && !how.passthrough()) response.headers->remove(Known::content_type);
  if (bears_no_body(request, response)) response.body = {};
  if (how.logs()) log_headers("response after", *response.headers);
}

// The status is changed in place; the upstream's other headers stay.
void TransformationFilter::response_error(Request& request, Response& response, uint16_t status,
                                          std::string_view message) const {
  counters_.response_error->add();
  response.status = status;
  response.headers->remove(Known::content_type);
  response.headers->remove(Known::content_encoding);  // the text is not compressed, whatever the body was
  set_body(request, *response.headers, response.body, request.arena.copy(message));
  if (bears_no_body(request, response)) response.body = {};
}

}  // namespace sluice::transformation
