#include "control/api/failure.h"

#include "base/strings.h"

namespace sluice {
namespace {

std::unexpected<Failure> about(const Kind& kind, std::string_view name, int code, std::string_view reason,
                               std::string message) {
  return std::unexpected(Failure{.code = code,
                                 .reason = std::string(reason),
                                 .message = std::move(message),
                                 .group = std::string(kind.group),
                                 .kind = std::string(kind.plural),
                                 .name = std::string(name)});
}

// "upstreams.gloo.solo.io "a"", or the kind alone where many are meant.
std::string subject(const Kind& kind, std::string_view name) {
  return name.empty() ? group_resource(kind) : fmt::format("{} \"{}\"", group_resource(kind), name);
}

std::string_view cause_reason(std::string_view message) {
  if (message.starts_with("required")) return "FieldValueRequired";
  if (message.contains("not supported yet")) return "FieldValueNotSupported";
  return "FieldValueInvalid";
}

Node details_of(const Failure& failure) {
  Node details = Node::make_map();
  if (!failure.name.empty()) details.set("name", failure.name);
  if (!failure.group.empty()) details.set("group", failure.group);
  if (!failure.kind.empty()) details.set("kind", failure.kind);
  if (!failure.causes.empty()) {
    Node::List causes;
    for (const Cause& cause : failure.causes)
      causes.push_back(Node::make_map({{"reason", cause.reason}, {"message", cause.message}, {"field", cause.field}}));
    details.set("causes", std::move(causes));
  }
  if (failure.retry_after_seconds > 0) details.set("retryAfterSeconds", failure.retry_after_seconds);
  return details;
}

}  // namespace

std::unexpected<Failure> bad_request(std::string message) {
  return std::unexpected(Failure{.code = 400, .reason = "BadRequest", .message = std::move(message)});
}

std::unexpected<Failure> not_found(std::string_view path) {
  return std::unexpected(
      Failure{.code = 404,
              .reason = "NotFound",
              .message = fmt::format("the server could not find the requested resource ({})", printable(path, 200))});
}

std::unexpected<Failure> not_found(const Kind& kind, std::string_view name) {
  return about(kind, name, 404, "NotFound", fmt::format("{} \"{}\" not found", group_resource(kind), name));
}

std::unexpected<Failure> method_not_allowed(std::string_view what) {
  return std::unexpected(Failure{.code = 405, .reason = "MethodNotAllowed", .message = std::string(what)});
}

std::unexpected<Failure> already_exists(const Kind& kind, std::string_view name) {
  return about(kind, name, 409, "AlreadyExists", fmt::format("{} \"{}\" already exists", group_resource(kind), name));
}

std::unexpected<Failure> conflict(const Kind& kind, std::string_view name, std::string_view why) {
  return about(kind, name, 409, "Conflict",
               fmt::format("Operation cannot be fulfilled on {}: {}", subject(kind, name), why));
}

std::unexpected<Failure> gone(std::string message) {
  return std::unexpected(Failure{.code = 410, .reason = "Expired", .message = std::move(message)});
}

std::unexpected<Failure> entity_too_large(std::string message) {
  return std::unexpected(Failure{.code = 413, .reason = "RequestEntityTooLarge", .message = std::move(message)});
}

std::unexpected<Failure> too_many_requests(std::string message) {
  return std::unexpected(
      Failure{.code = 429, .reason = "TooManyRequests", .message = std::move(message), .retry_after_seconds = 1});
}

std::unexpected<Failure> unsupported_media_type(std::string_view got, std::string_view accepted) {
  return std::unexpected(Failure{
      .code = 415,
      .reason = "UnsupportedMediaType",
      .message = fmt::format("the body of the request was in an unknown format ({}) - accepted media types include: {}",
                             got.empty() ? "no content type" : printable(got, 80), accepted)});
}

std::unexpected<Failure> invalid_object(const Kind& kind, std::string_view name, std::vector<Cause> causes) {
  std::string text;
  for (const Cause& cause : causes) {
    if (!text.empty()) text += ", ";
    text += cause.field.empty() ? cause.message : cause.field + ": " + cause.message;
  }
  if (causes.size() > 1) text = "[" + text + "]";
  Failure failure{.code = 422,
                  .reason = "Invalid",
                  .message = fmt::format("{}{}{} \"{}\" is invalid: {}", kind.kind, is_core(kind) ? "" : ".",
                                         kind.group, name, text),
                  .group = std::string(kind.group),
                  .kind = std::string(kind.kind),
                  .name = std::string(name),
                  .causes = std::move(causes)};
  return std::unexpected(std::move(failure));
}

std::unexpected<Failure> invalid_object(const Kind& kind, std::string_view name, const Diagnostics& diagnostics) {
  std::vector<Cause> causes;
  for (const Diagnostic& one : diagnostics.all()) {
    if (one.severity == Severity::error)
      causes.push_back({std::string(cause_reason(one.message)), one.sentence(), one.path});
  }
  return invalid_object(kind, name, std::move(causes));
}

std::unexpected<Failure> write_failed(const Kind& kind, std::string_view name, const Error& error) {
  switch (error.kind) {
    case ErrorKind::conflict: return conflict(kind, name, error.message);
    case ErrorKind::not_found:
      return about(kind, name, 404, "NotFound", fmt::format("{} not found: {}", subject(kind, name), error.message));
    case ErrorKind::denied:
      return about(kind, name, 403, "Forbidden",
                   fmt::format("{} is forbidden: {}", subject(kind, name), error.message));
    case ErrorKind::limit: return about(kind, name, 507, "InsufficientStorage", error.message);
    default: return about(kind, name, 500, "InternalError", error.message);
  }
}

Node status_node(const Failure& failure) {
  return Node::make_map({{"kind", "Status"},
                         {"apiVersion", "v1"},
                         {"metadata", Node::make_map()},
                         {"status", "Failure"},
                         {"message", failure.message},
                         {"reason", failure.reason},
                         {"details", details_of(failure)},
                         {"code", failure.code}});
}

ApiResponse to_response(const Failure& failure) {
  ApiResponse response{.status = failure.code, .body = to_json(status_node(failure)) + "\n"};
  if (failure.retry_after_seconds > 0)
    response.headers.emplace_back("retry-after", fmt::to_string(failure.retry_after_seconds));
  return response;
}

Node success_status(const Kind& kind, std::string_view name, std::string_view uid) {
  Node details = Node::make_map({{"name", name}});
  if (!is_core(kind)) details.set("group", kind.group);
  details.set("kind", kind.plural);
  details.set("uid", uid);
  return Node::make_map({{"kind", "Status"},
                         {"apiVersion", "v1"},
                         {"metadata", Node::make_map()},
                         {"status", "Success"},
                         {"details", std::move(details)}});
}

}  // namespace sluice
