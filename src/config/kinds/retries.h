// `retries` of a route or a virtual host: when a request is tried again (reference gloo-core.md 5.1).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/enum_set.h"
#include "base/time.h"
#include "config/bind.h"

namespace sluice::kinds {

// Envoy's conditions. Those of gRPC: grpc-status in the head of an answer that has nothing else.
enum class RetryOn : uint8_t {
  server_error,             // `5xx`
  gateway_error,            // `gateway-error`: 502, 503, 504
  reset,                    // `reset`
  reset_before_request,     // `reset-before-request`
  connect_failure,          // `connect-failure`
  refused_stream,           // `refused-stream`: in HTTP/2
  envoy_ratelimited,        // `envoy-ratelimited`: the answer has x-envoy-ratelimited
  retriable_4xx,            // `retriable-4xx`: 409
  retriable_status_codes,   // `retriable-status-codes`
  grpc_cancelled,           // `cancelled`
  grpc_deadline_exceeded,   // `deadline-exceeded`
  grpc_internal,            // `internal`
  grpc_resource_exhausted,  // `resource-exhausted`
  grpc_unavailable,         // `unavailable`
  count,
};
using RetryOnSet = EnumSet<RetryOn, static_cast<size_t>(RetryOn::count)>;

struct RetryBackOff {
  Nanos base_interval = 25ms;
  std::optional<Nanos> max_interval;  // nothing: ten times the base
};
void bind(Fields& f, RetryBackOff& back_off);

enum class ResetHeaderFormat : uint8_t { seconds, unix_timestamp };
std::span<const EnumName> enum_names(ResetHeaderFormat);

struct ResetHeader {
  std::string name;  // as written; compare without case
  ResetHeaderFormat format = ResetHeaderFormat::seconds;
};
void bind(Fields& f, ResetHeader& header);

struct RateLimitedRetryBackOff {
  std::vector<ResetHeader> reset_headers;  // at least one; the first that has a usable value counts
  Nanos max_interval = 300s;               // a header that says more is passed over
};
void bind(Fields& f, RateLimitedRetryBackOff& back_off);

struct Retries {
  RetryOnSet retry_on;
  uint32_t num_retries = 1;  // never 0 once read
  Nanos per_try_timeout{};   // 0: only the route's timeout
  RetryBackOff retry_back_off;
  std::vector<uint16_t> retriable_status_codes;
  RateLimitedRetryBackOff rate_limited_retry_back_off;  // without headers: not set
};
void bind(Fields& f, Retries& retries);

}  // namespace sluice::kinds
