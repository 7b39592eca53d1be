#include "upstream/retry_policy.h"

#include <algorithm>

#include "base/strings.h"
#include "http/grpc.h"

namespace sluice {
namespace {

using kinds::RetryOn;

constexpr std::string_view kRateLimited = "x-envoy-ratelimited";
constexpr kinds::RetryOnSet kOfGrpc{RetryOn::grpc_cancelled, RetryOn::grpc_deadline_exceeded, RetryOn::grpc_internal,
                                    RetryOn::grpc_resource_exhausted, RetryOn::grpc_unavailable};

bool gateway_error(uint16_t status) {
  return status >= 502 && status <= 504;
}

// As Envoy reads it: a whole number of seconds from now, or the time in seconds since 1970, which must not have passed.
std::optional<Nanos> wait_of(std::string_view value, kinds::ResetHeaderFormat format, WallTime now) {
  const auto number = parse_decimal(trim(value));
  if (!number) return std::nullopt;
  uint64_t seconds = *number;
  if (format == kinds::ResetHeaderFormat::unix_timestamp) {
    const auto today = static_cast<uint64_t>(std::max<int64_t>(unix_seconds(now), 0));
    if (seconds < today) return std::nullopt;
    seconds -= today;
  }
  return seconds > INT64_MAX ? Nanos::max() : times(1s, static_cast<int64_t>(seconds));
}

// Envoy counts milliseconds: so the waits are the same for the same configuration.
Nanos random_below(Nanos limit, Random& random) {
  const auto millis = limit / 1ms;
  return millis > 0 ? Millis(random.below(static_cast<uint64_t>(millis))) : 0ms;
}

}  // namespace

RetryPolicy::RetryPolicy(const kinds::Retries& config)
    : on_(config.retry_on),
      retries_max_(std::max(config.num_retries, 1U)),
      per_try_timeout_(config.per_try_timeout),
      interval_first_(config.retry_back_off.base_interval),
      interval_max_(config.retry_back_off.max_interval.value_or(times(interval_first_, 10))),
      reset_headers_(config.rate_limited_retry_back_off.reset_headers),
      asked_max_(config.rate_limited_retry_back_off.max_interval) {
  if (has(RetryOn::retriable_status_codes))
    for (const uint16_t status : config.retriable_status_codes)
      if (status < statuses_.size()) statuses_.set(status);
  for (kinds::ResetHeader& header : reset_headers_) header.name = to_lower(header.name);
}

bool RetryPolicy::again_after(TryEnd end) const {
  // A try without a response counts as the 5xx that it would be answered with.
  if (has(RetryOn::reset) || has(RetryOn::server_error) || has(RetryOn::gateway_error)) return true;
  switch (end) {
    case TryEnd::connect_failure:
    case TryEnd::connect_timeout: return has(RetryOn::connect_failure) || has(RetryOn::reset_before_request);
    case TryEnd::reset_before_request:
    case TryEnd::timeout_before_request: return has(RetryOn::reset_before_request);
    case TryEnd::refused: return has(RetryOn::refused_stream);
    case TryEnd::reset:
    case TryEnd::timeout: return false;
  }
  return false;
}

// The status of an answer that has nothing else: one behind a body comes too late, as that has begun to go out.
bool RetryPolicy::again_after_grpc(const Headers& headers) const {
  const auto status = grpc::status_in(headers);
  if (!status || *status >= static_cast<uint64_t>(grpc::Status::count)) return false;
  switch (static_cast<grpc::Status>(*status)) {
    case grpc::Status::cancelled: return has(RetryOn::grpc_cancelled);
    case grpc::Status::deadline_exceeded: return has(RetryOn::grpc_deadline_exceeded);
    case grpc::Status::internal: return has(RetryOn::grpc_internal);
    case grpc::Status::resource_exhausted: return has(RetryOn::grpc_resource_exhausted);
    case grpc::Status::unavailable: return has(RetryOn::grpc_unavailable);
    default: return false;
  }
}

bool RetryPolicy::again_after(uint16_t status, const Headers& headers) const {
  const bool by_limit = has(RetryOn::envoy_ratelimited);
  const bool by_status =
      (has(RetryOn::server_error) && status >= 500 && status < 600) ||
      (has(RetryOn::gateway_error) && gateway_error(status)) || (has(RetryOn::retriable_4xx) && status == 409) ||
      (status < statuses_.size() && statuses_.test(status)) || (on_.has_any(kOfGrpc) && again_after_grpc(headers));
  if (!by_status && !by_limit) return false;
  // An Envoy that limits the rate says so, and means it whatever the status is.
  return headers.get(kRateLimited) ? by_limit : by_status;
}

Nanos RetryPolicy::back_off(uint32_t retry, Random& random) const {
  const uint32_t doublings = retry > 0 ? std::min<uint32_t>(retry - 1, 62) : 0;
  return random_below(std::min(times(interval_first_, int64_t{1} << doublings), interval_max_), random);
}

std::optional<Nanos> RetryPolicy::asked_wait(const Headers& headers, WallTime now, Random& random) const {
  for (const kinds::ResetHeader& header : reset_headers_) {
    const auto value = headers.get(header.name);
    const auto wait = value ? wait_of(*value, header.format, now) : std::nullopt;
    if (!wait || *wait > asked_max_) continue;
    if (*wait <= 1ms) return std::nullopt;  // nothing to wait for: the usual back-off
    return *wait + std::min(random_below(*wait / 2, random), Nanos::max() - *wait);
  }
  return std::nullopt;
}

RetryVerdict RetryCount::count(bool again) {
  if (!again) return {};
  if (retries_ >= policy_->retries_max()) return {.what = RetryVerdict::What::used_up};
  ++retries_;
  return {.what = RetryVerdict::What::again};
}

RetryVerdict RetryCount::after(TryEnd end, Random& random) {
  if (!policy_) return {};
  RetryVerdict verdict = count(policy_->again_after(end));
  if (verdict.what == RetryVerdict::What::again) verdict.wait = policy_->back_off(retries_, random);
  return verdict;
}

RetryVerdict RetryCount::after(uint16_t status, const Headers& headers, WallTime now, Random& random) {
  if (!policy_) return {};
  RetryVerdict verdict = count(policy_->again_after(status, headers));
  if (verdict.what != RetryVerdict::What::again) return verdict;
  const auto asked = policy_->asked_wait(headers, now, random);
  verdict.wait_was_asked = asked.has_value();
  verdict.wait = asked ? *asked : policy_->back_off(retries_, random);
  return verdict;
}

}  // namespace sluice
