// What goes wrong with an API request, and the Kubernetes Status object that says so.
#pragma once

#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "config/diagnostics.h"
#include "config/node.h"
#include "control/api/request.h"
#include "control/store/kinds.h"

namespace sluice {

struct Cause {
  std::string reason;  // "FieldValueInvalid"
  std::string message;
  std::string field;
};

struct Failure {
  int code = 500;
  std::string reason;  // Kubernetes' StatusReason: "NotFound", "Conflict", ...
  std::string message;
  std::string group;  // of the object it is about, where there is one
  std::string kind;   // its plural; for Invalid its kind
  std::string name;
  std::vector<Cause> causes;
  int retry_after_seconds = 0;
};

template <class T>
using ApiOutcome = std::expected<T, Failure>;

std::unexpected<Failure> bad_request(std::string message);
std::unexpected<Failure> not_found(std::string_view path);  // no such resource or path
std::unexpected<Failure> not_found(const Kind& kind, std::string_view name);
std::unexpected<Failure> method_not_allowed(std::string_view what);
std::unexpected<Failure> already_exists(const Kind& kind, std::string_view name);
std::unexpected<Failure> conflict(const Kind& kind, std::string_view name, std::string_view why);
std::unexpected<Failure> gone(std::string message);               // 410 Expired
std::unexpected<Failure> entity_too_large(std::string message);   // 413
std::unexpected<Failure> too_many_requests(std::string message);  // 429, with the advice to try again in a second
std::unexpected<Failure> unsupported_media_type(std::string_view got, std::string_view accepted);
std::unexpected<Failure> invalid_object(const Kind& kind, std::string_view name, std::vector<Cause> causes);
std::unexpected<Failure> invalid_object(const Kind& kind, std::string_view name, const Diagnostics& diagnostics);
// What the database said to a write.
std::unexpected<Failure> write_failed(const Kind& kind, std::string_view name, const Error& error);

Node status_node(const Failure& failure);
ApiResponse to_response(const Failure& failure);
// A Status with "Success", as DELETE answers.
Node success_status(const Kind& kind, std::string_view name, std::string_view uid);

}  // namespace sluice
