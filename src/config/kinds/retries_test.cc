#include "config/kinds/retries.h"

#include "config/kinds/testing.h"

namespace sluice::kinds {
namespace {

struct ReadRetries {
  Retries retries;
  std::string said;
};

ReadRetries read_retries(std::string_view yaml) {
  const auto documents = parse_documents(yaml);
  EXPECT_TRUE(documents.has_value()) << yaml;
  Diagnostics diagnostics;
  ReadContext context{.file = {}, .object = {}, .diagnostics = &diagnostics, .option_fields = {}};
  ReadRetries out{read<Retries>(documents->empty() ? Node::make_map() : documents->front().node, context), {}};
  for (const Diagnostic& d : diagnostics.all())
    out.said += fmt::format("{}{}: {}{}", out.said.empty() ? "" : "\n", d.path,
                            d.severity == Severity::warning ? "warning: " : "", d.sentence());
  return out;
}

TEST(Retries, reads_all_fields) {
  const auto [r, said] = read_retries(R"(
retryOn: ' 5xx,gateway-error, reset ,reset-before-request,connect-failure,envoy-ratelimited,retriable-4xx,,
  retriable-status-codes'
numRetries: 3
perTryTimeout: 2s
retryBackOff: {baseInterval: 10ms, maxInterval: 1s}
retriable_status_codes: [418, 599]
rateLimitedRetryBackOff: {resetHeaders: [{name: Retry-After}, {name: x, format: UNIX_TIMESTAMP}], maxInterval: 10s}
)");
  EXPECT_EQ(said, "");
  for (const RetryOn each :
       {RetryOn::server_error, RetryOn::gateway_error, RetryOn::reset, RetryOn::reset_before_request,
        RetryOn::connect_failure, RetryOn::envoy_ratelimited, RetryOn::retriable_4xx, RetryOn::retriable_status_codes})
    EXPECT_TRUE(r.retry_on.has(each)) << static_cast<int>(each);
  EXPECT_EQ(r.num_retries, 3u);
  EXPECT_EQ(r.per_try_timeout, 2s);
  EXPECT_EQ(r.retry_back_off.base_interval, 10ms);
  EXPECT_EQ(r.retry_back_off.max_interval, 1s);
  EXPECT_EQ(r.retriable_status_codes, (std::vector<uint16_t>{418, 599}));
  EXPECT_EQ(r.rate_limited_retry_back_off.reset_headers.at(0).name, "Retry-After");
  EXPECT_EQ(r.rate_limited_retry_back_off.reset_headers.at(1).format, ResetHeaderFormat::unix_timestamp);
  EXPECT_EQ(r.rate_limited_retry_back_off.max_interval, 10s);
}

TEST(Retries, has_defaults) {
  const auto [r, said] = read_retries("{}");
  EXPECT_EQ(said, "");
  EXPECT_FALSE(r.retry_on.has(RetryOn::server_error));
  EXPECT_EQ(r.num_retries, 1u);
  EXPECT_EQ(r.per_try_timeout, 0s);
  EXPECT_EQ(r.retry_back_off.base_interval, 25ms);
  EXPECT_EQ(r.retry_back_off.max_interval, std::nullopt);
  EXPECT_EQ(r.rate_limited_retry_back_off.max_interval, 300s);
  EXPECT_EQ(read_retries("retryOn: 5xx\nnumRetries: 0").retries.num_retries, 1u);
}

TEST(Retries, with_a_mistake_are_refused) {
  const std::pair<const char*, const char*> rows[] = {
      {"retryOn: 'unavailable,unavailible'",
       "retryOn: \"unavailible\" is no condition to retry on; did you mean \"unavailable\"?"},
      {"retryOn: http3-post-connect-failure", "retryOn: \"http3-post-connect-failure\" is not supported yet"},
      {"retryOn: retriable-headers", "retryOn: \"retriable-headers\" is not supported yet"},
      {"retryOn: gatway-error",
       "retryOn: \"gatway-error\" is no condition to retry on; did you mean \"gateway-error\"?"},
      {"retryOn: '5XX'", "retryOn: \"5XX\" is no condition to retry on"},
      {"retryOn: [5xx]", "retryOn: expected text"},
      {"numRetries: -1", "numRetries: expected a whole number"},
      {"perTryTimeout: -1s", "perTryTimeout: must not be negative"},
      {"retryBackOff: {maxInterval: 1s}", "retryBackOff.maxInterval: needs baseInterval"},
      {"retryBackOff: {baseInterval: 2s, maxInterval: 1s}", "retryBackOff.maxInterval: must be at least baseInterval"},
      {"retryBackOff: {baseInterval: 0s}", "retryBackOff.baseInterval: must be at least 1ms"},
      {"retryBackOff: {baseInterval: 999us}", "retryBackOff.baseInterval: must be at least 1ms"},
      {"retryOn: retriable-status-codes\nretriableStatusCodes: [500, 99]",
       "retriableStatusCodes[1]: must be from 100 to 599"},
      {"retryOn: retriable-status-codes\nretriableStatusCodes: [600]",
       "retriableStatusCodes[0]: must be from 100 to 599"},
      {"rateLimitedRetryBackOff: {}", "rateLimitedRetryBackOff.resetHeaders: is required"},
      {"rateLimitedRetryBackOff: {resetHeaders: []}",
       "rateLimitedRetryBackOff.resetHeaders: must name at least one header"},
      {"rateLimitedRetryBackOff: {resetHeaders: [{}]}", "rateLimitedRetryBackOff.resetHeaders[0].name: is required"},
      {"rateLimitedRetryBackOff: {resetHeaders: [{name: 'a b'}]}",
       "rateLimitedRetryBackOff.resetHeaders[0].name: is no header name"},
      {"rateLimitedRetryBackOff: {resetHeaders: [{name: a, format: MINUTES}]}",
       "rateLimitedRetryBackOff.resetHeaders[0].format: expected one of SECONDS, UNIX_TIMESTAMP"},
      {"rateLimitedRetryBackOff: {resetHeaders: [{name: a}], maxInterval: 0s}",
       "rateLimitedRetryBackOff.maxInterval: must be more than 0"},
      {"previousPriorities: {updateFrequency: 1}", "previousPriorities: not supported yet"},
      {"retries: 1", "retries: unknown field"},
  };
  for (const auto& [yaml, want] : rows) {
    const std::string said = read_retries(yaml).said;
    EXPECT_TRUE(said.starts_with(want)) << yaml << "\n  got:  " << said << "\n  want: " << want;
  }
}

TEST(Retries, tells_of_what_has_no_effect) {
  EXPECT_EQ(read_retries("retryOn: retriable-status-codes").said,
            "retryOn: warning: retriable-status-codes has no effect without retriableStatusCodes");
  EXPECT_EQ(read_retries("retryOn: 5xx\nretriableStatusCodes: [418]").said,
            "retriableStatusCodes: warning: has no effect unless retryOn has retriable-status-codes");
  EXPECT_EQ(read_retries("numRetries: 3").said,
            "numRetries: warning: has no effect: retryOn names nothing to retry on");
}

}  // namespace
}  // namespace sluice::kinds
