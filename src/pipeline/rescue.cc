#include "pipeline/rescue.h"

#include "base/log.h"

namespace sluice {
namespace {

// Of the client's side: its body broke off, was malformed, too slow or too long.
OutcomeKind downstream_outcome(const Error& error) {
  switch (error.kind) {
    case ErrorKind::invalid: return OutcomeKind::malformed_request;
    case ErrorKind::timeout: return OutcomeKind::client_idle;
    case ErrorKind::limit: return OutcomeKind::request_too_large;
    default: return OutcomeKind::client_gone;
  }
}

// One of gRPC is not in HTTP's words, and says what is wrong with a body.
Response downstream_answer(Request& request, const Error& error) {
  const OutcomeKind kind = downstream_outcome(error);
  if (request.grpc && kind == OutcomeKind::malformed_request)
    return reply(request, kind, request.arena.copy(error.message));
  return reply(request, kind);
}

// Of the upstream's side, behind its head: the response can no longer be trusted.
OutcomeKind upstream_outcome(const StreamInfo& info, const Error& error) {
  switch (error.kind) {
    // Whoever cut it off has said so.
    case ErrorKind::timeout:
      return info.outcome.kind == OutcomeKind::route_timeout ? OutcomeKind::route_timeout : OutcomeKind::upstream_idle;
    case ErrorKind::invalid: return OutcomeKind::response_invalid;
    case ErrorKind::limit: return OutcomeKind::response_expands;
    default: return OutcomeKind::response_ended;
  }
}

// By a policy that changed meanwhile. Whoever cut it off has said which, unless a filter has spoken since.
Outcome denial(const StreamInfo& info) {
  switch (info.outcome.kind) {
    case OutcomeKind::destination_denied:
    case OutcomeKind::tls_prohibited:
    case OutcomeKind::policy_not_in_force: return info.outcome;
    default: return OutcomeKind::destination_denied;
  }
}

// Ours: bounds and bugs.
OutcomeKind own_outcome(const Request& request, const Error& error) {
  if (error.kind == ErrorKind::limit) return OutcomeKind::response_too_large;
  if (error.kind == ErrorKind::overload) return OutcomeKind::body_memory_exhausted;
  static log::Site site{LogLevel::error, "request", "failed inside the gateway"};
  if (site.admits()) site.write({{"path", request.path}, {"error", error.message}});
  return OutcomeKind::internal_error;
}

}  // namespace

Response rescue(Request& request, const Error& error) {
  // Of whoever waited for it.
  if (error.kind == ErrorKind::cancelled) return reply(request, OutcomeKind::client_gone);
  if (error.side == Side::upstream && error.kind == ErrorKind::denied)
    return reply(request, denial(request.info), request.arena.copy(error.message));
  switch (error.side) {
    case Side::downstream: return downstream_answer(request, error);
    case Side::upstream: return reply(request, upstream_outcome(request.info, error));
    case Side::ours: break;
  }
  return reply(request, own_outcome(request, error));
}

}  // namespace sluice
