#include "config/kinds/retries.h"

#include <fmt/format.h>
#include <algorithm>

#include "base/header_names.h"
#include "base/strings.h"

namespace sluice::kinds {
namespace {

struct Condition {
  std::string_view name;
  std::optional<RetryOn> value;  // nothing: not supported yet
};
constexpr Condition kConditions[] = {
    {"5xx", RetryOn::server_error},
    {"gateway-error", RetryOn::gateway_error},
    {"reset", RetryOn::reset},
    {"reset-before-request", RetryOn::reset_before_request},
    {"connect-failure", RetryOn::connect_failure},
    {"refused-stream", RetryOn::refused_stream},
    {"envoy-ratelimited", RetryOn::envoy_ratelimited},
    {"retriable-4xx", RetryOn::retriable_4xx},
    {"retriable-status-codes", RetryOn::retriable_status_codes},
    // Its headers are named by a request header of other Envoys; no field names them.
    {"retriable-headers", {}},
    // HTTP/3 to upstreams.
    {"http3-post-connect-failure", {}},
    {"cancelled", RetryOn::grpc_cancelled},
    {"deadline-exceeded", RetryOn::grpc_deadline_exceeded},
    {"internal", RetryOn::grpc_internal},
    {"resource-exhausted", RetryOn::grpc_resource_exhausted},
    {"unavailable", RetryOn::grpc_unavailable},
};
constexpr EnumName kFormats[] = {{"SECONDS", 0}, {"UNIX_TIMESTAMP", 1}};

std::string unknown_condition(std::string_view word) {
  std::vector<std::string_view> names;
  for (const Condition& one : kConditions) names.push_back(one.name);
  std::string out = fmt::format("{} is no condition to retry on", json_quote(printable(word, 100)));
  if (const auto near = nearest(word, names)) out += fmt::format("; did you mean \"{}\"?", *near);
  return out;
}

RetryOnSet read_conditions(Fields& f, std::string_view list) {
  RetryOnSet out;
  for (const std::string_view part : split(list, ',')) {
    const std::string_view word = trim(part);
    if (word.empty()) continue;
    const auto known = std::ranges::find(kConditions, word, &Condition::name);
    if (known == std::end(kConditions))
      f.check(false, "retryOn", unknown_condition(word));
    else if (!known->value)
      f.check(false, "retryOn", fmt::format("\"{}\" is not supported yet", word));
    else
      out.add(*known->value);
  }
  return out;
}

}  // namespace

std::span<const EnumName> enum_names(ResetHeaderFormat) {
  return kFormats;
}

void bind(Fields& f, RetryBackOff& b) {
  f.optional("baseInterval", b.base_interval, "Longest wait before the first retry; doubles with each.");
  f.optional("maxInterval", b.max_interval, "Longest wait of all (10 times the base when absent).");
  f.check(b.base_interval >= 1ms, "baseInterval", "must be at least 1ms");
  if (!f.present("maxInterval")) return;
  f.check(f.present("baseInterval"), "maxInterval", "needs baseInterval");
  f.check(b.max_interval >= b.base_interval, "maxInterval", "must be at least baseInterval");
}

void bind(Fields& f, ResetHeader& h) {
  f.required("name", h.name, "Header of the answer.");
  f.optional("format", h.format, "What it holds: seconds to wait, or the time at which to go on.");
  if (f.present("name")) f.check(is_header_name(h.name), "name", "is no header name");
}

void bind(Fields& f, RateLimitedRetryBackOff& b) {
  f.required("resetHeaders", b.reset_headers,
             "Headers that say how long to wait; the first with a usable value counts.");
  f.optional("maxInterval", b.max_interval, "A header that says more is passed over.");
  if (f.present("resetHeaders")) f.check(!b.reset_headers.empty(), "resetHeaders", "must name at least one header");
  f.positive("maxInterval", b.max_interval);
}

void bind(Fields& f, Retries& r) {
  std::string retry_on;
  f.optional(
      "retryOn", retry_on,
      "When a request is tried again, a comma list: 5xx, gateway-error, reset, reset-before-request, "
      "connect-failure, refused-stream, envoy-ratelimited, retriable-4xx, retriable-status-codes; by grpc-status "
      "cancelled, deadline-exceeded, internal, resource-exhausted, unavailable.");
  f.optional("numRetries", r.num_retries, "How often at most; 0 is taken as 1.");
  f.optional("perTryTimeout", r.per_try_timeout, "Longest time for one try; 0 or absent: only the route's timeout.");
  f.optional("retryBackOff", r.retry_back_off, "Waits before retries: random, up to an interval that doubles.");
  f.optional("retriableStatusCodes", r.retriable_status_codes, "Statuses for retriable-status-codes.");
  f.optional("rateLimitedRetryBackOff", r.rate_limited_retry_back_off, "Waits that headers of the answer ask for.");
  f.unsupported("previousPriorities", "Retries in other priorities of a failover.");
  if (f.good("retryOn")) r.retry_on = read_conditions(f, retry_on);
  r.num_retries = std::max(r.num_retries, 1U);
  f.not_negative("perTryTimeout", r.per_try_timeout);
  for (size_t i = 0; i < r.retriable_status_codes.size(); ++i)
    if (const uint16_t code = r.retriable_status_codes[i]; f.reading() && (code < 100 || code > 599))
      f.error("retriableStatusCodes", i, "must be from 100 to 599");
  if (!f.reading() || !f.good("retryOn")) return;
  const bool by_status = r.retry_on.has(RetryOn::retriable_status_codes);
  if (by_status && r.retriable_status_codes.empty())
    f.warning("retryOn", "retriable-status-codes has no effect without retriableStatusCodes");
  if (!by_status && !r.retriable_status_codes.empty())
    f.warning("retriableStatusCodes", "has no effect unless retryOn has retriable-status-codes");
  if (trim(retry_on).empty() && f.present("numRetries"))
    f.warning("numRetries", "has no effect: retryOn names nothing to retry on");
}

}  // namespace sluice::kinds
