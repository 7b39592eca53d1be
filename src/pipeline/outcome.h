// What ended a request: one value, and one table of what the client and the log see of it.
//
// Whoever ends a request says which kind it is: reply(request, OutcomeKind::no_cluster) (message.h). Status, body,
// response flag, details, Proxy-Status and whether the connection goes on follow from the kind, by its row in
// outcome.cc. Who must decide by what happened asks for the kind, never for a text.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/arena.h"
#include "base/result.h"
#include "http/grpc.h"
#include "http/head_limits.h"
#include "pipeline/response_flag.h"

namespace sluice {

enum class OutcomeKind : uint8_t {
  none,  // nothing: an upstream's response

  // The client's head is no request that anybody looks at.
  malformed_request,  // or, later, its body
  unknown_transfer_coding,
  no_host,
  request_line_too_long,
  request_head_too_large,
  request_head_timeout,
  old_version,
  unknown_expectation,
  method_not_supported,
  https_target,
  upgrade_refused,
  underscore_in_name,  // of a field: headersWithUnderscoresAction
  path_refused,        // pathWithEscapedSlashesAction
  path_redirected,     // the same; that it ends so is no failure

  // The client did not go on as it should.
  client_idle,        // nothing came, or nothing could be sent, for streamIdleTimeout
  request_too_large,  // its body
  request_timeout,    // requestTimeout, over all of it
  exchange_timeout,   // maxStreamDuration, over request and response; perhaps after the response began
  client_gone,

  // The gateway says no, or cannot.
  no_route,
  route_too_costly,
  route_changed_too_often,
  empty_host,
  invalid_rewrite,
  redirect_too_costly,
  invalid_destination,
  destination_denied,     // rule: the class of the address and the rule
  tls_prohibited,         // to the destination, or nothing else: rule: that says so
  policy_not_in_force,    // rule: the policy
  service_not_in_force,   // rule: the VirtualService
  dns_timeout,            // rule of the three: what came of it
  dns_no_such_name,       // no name that anybody could resolve
  dns_failure,            // any other
  dns_table_full,         // too many names
  dns_too_many_pending,   // too many requests wait for names
  response_too_large,     // for a filter that needs all of it
  response_coding,        // a filter cannot read it. Status, body and details are the filter's
  body_memory_exhausted,  // of all requests together
  overload,               // too little memory for any request
  internal_error,
  own_answer,       // of a filter: status, body and details are its own
  direct_response,  // of the configuration, as are redirects: it is no failure

  // No response of an upstream.
  connect_failure,  // rule: what the system said
  connect_timeout,
  tls_failure,          // rule: what went wrong in the handshake
  certificate_refused,  // rule: which name, which check, which issuer
  upstream_ended,       // closed or reset before a whole head
  upstream_protocol,    // what came is no HTTP
  upstream_overflow,    // a circuit breaker
  route_timeout,        // perhaps after the response began: then it is cut off
  per_try_timeout,
  upstream_idle,  // nothing came for streamIdleTimeout
  no_healthy_upstream,
  no_cluster,

  // Its response broke, but nothing of it has gone out.
  response_ended,
  response_invalid,
  response_expands,  // to more than a decoder may make of it

  // Its response broke in the middle: nobody can be answered any more.
  cut_ended,
  cut_invalid,

  count,
};

// ProxySettings.localAnswers `proxy`: status and error type of RFC 9209 2.3.
struct ProxyAnswer {
  uint16_t status = 0;     // 0: stays
  std::string_view error;  // empty: the status says
};

// What follows from a kind.
struct OutcomeTerms {
  OutcomeKind kind;
  Side side;        // whose doing it was
  uint16_t status;  // 0: whoever answers has one of its own, or nobody can be answered
  std::string_view body;
  std::optional<ResponseFlag> flag;
  std::string_view details;          // %RESPONSE_CODE_DETAILS%; a rule is put in braces behind it
  std::optional<ProxyAnswer> proxy;  // nothing: no failure
  bool closes = false;               // the connection to the client
  // To a request of gRPC, where that of its status among those of HTTP says too little.
  std::optional<grpc::Status> grpc_status = {};
  std::string_view details_of_http2 = {};  // where `details` are HTTP/1's; empty: the same
};
const OutcomeTerms& terms_of(OutcomeKind kind);

struct Outcome {
  Outcome() = default;
  Outcome(OutcomeKind k) : kind(k) {}  // NOLINT(google-explicit-constructor): most have no rule
  Outcome(OutcomeKind k, std::string_view r) : kind(k), rule(r) {}

  const OutcomeTerms& terms() const { return terms_of(kind); }
  Side side() const { return terms().side; }

  OutcomeKind kind = OutcomeKind::none;
  std::string_view rule;  // which of its kind: in words of the log
};

// `details{rule}`; `details{reason|rule}` for some that have a reason already. One word, as logs are split at spaces.
std::string_view details_with(std::string_view details, std::string_view rule, Arena& arena);

// Of a head that a session refused.
OutcomeKind outcome_of(HeadFailure failure);

}  // namespace sluice
