#include "upstream/retry_policy.h"

#include <gtest/gtest.h>

#include <numeric>

#include "base/check.h"
#include "config/documents.h"

namespace sluice {
namespace {

using enum TryEnd;
using What = RetryVerdict::What;

RetryPolicy policy(std::string_view yaml) {
  const auto documents = parse_documents(yaml);
  CHECK(documents.has_value());
  Diagnostics diagnostics;
  ReadContext context{.file = {}, .object = {}, .diagnostics = &diagnostics, .option_fields = {}};
  const auto retries = read<kinds::Retries>(documents->front().node, context);
  EXPECT_TRUE(diagnostics.all().empty()) << diagnostics.all().front().sentence();
  return RetryPolicy(retries);
}

template <class T>
bool contains(const std::vector<T>& list, T value) {
  return std::ranges::find(list, value) != list.end();
}

class Response {
 public:
  Response& with(std::string_view name, std::string_view value) {
    headers.add(name, value);
    return *this;
  }
  Arena arena;
  Headers headers{arena};
};

TEST(RetryPolicy, of_each_condition_retries_the_ends_that_Envoy_retries) {
  struct Row {
    const char* on;
    std::vector<TryEnd> again;
  };
  const std::vector<TryEnd> all{connect_failure,        connect_timeout, reset_before_request, refused, reset,
                                timeout_before_request, timeout};
  const Row rows[] = {
      {"5xx", all},
      {"gateway-error", all},
      {"reset", all},
      {"reset-before-request", {connect_failure, connect_timeout, reset_before_request, timeout_before_request}},
      {"connect-failure", {connect_failure, connect_timeout}},
      {"refused-stream", {refused}},
      {"envoy-ratelimited", {}},
      {"retriable-4xx", {}},
      {"connect-failure, reset-before-request",
       {connect_failure, connect_timeout, reset_before_request, timeout_before_request}},
      {"''", {}},
  };
  for (const Row& row : rows) {
    const RetryPolicy one = policy(fmt::format(
        "retryOn: {}", std::string_view(row.on).starts_with('\'') ? std::string(row.on) : fmt::format("'{}'", row.on)));
    for (const TryEnd end : all)
      EXPECT_EQ(one.again_after(end), contains(row.again, end)) << row.on << static_cast<int>(end);
  }
}

TEST(RetryPolicy, of_each_condition_retries_the_statuses_that_Envoy_retries) {
  std::vector<int> server_errors(100);
  std::iota(server_errors.begin(), server_errors.end(), 500);
  struct Row {
    const char* config;
    std::vector<int> again;
  };
  const Row rows[] = {
      {"retryOn: 5xx", server_errors},
      {"retryOn: gateway-error", {502, 503, 504}},
      {"retryOn: retriable-4xx", {409}},
      {"retryOn: 'retriable-status-codes,retriable-4xx'\nretriableStatusCodes: [100, 418, 500, 599]",
       {100, 409, 418, 500, 599}},
      {"retryOn: 'reset,connect-failure,reset-before-request,envoy-ratelimited'", {}},
  };
  for (const Row& row : rows) {
    const RetryPolicy one = policy(row.config);
    Response response;
    for (uint16_t status = 100; status < 700; ++status)
      EXPECT_EQ(one.again_after(status, response.headers), contains(row.again, int{status}))
          << row.config << " " << status;
  }
}

TEST(RetryPolicy, of_each_condition_of_gRPC_retries_its_status_alone) {
  const std::pair<const char*, int> rows[] = {
      {"cancelled", 1}, {"deadline-exceeded", 4}, {"resource-exhausted", 8}, {"internal", 13}, {"unavailable", 14}};
  for (const auto& [on, again] : rows) {
    const RetryPolicy one = policy(fmt::format("retryOn: '{}'", on));
    for (int status = 0; status < 20; ++status) {
      const std::string text = std::to_string(status);
      Response response;
      response.with("grpc-status", text);
      EXPECT_EQ(one.again_after(200, response.headers), status == again) << on << " " << status;
      EXPECT_FALSE(policy("retryOn: 5xx").again_after(200, response.headers));
    }
    Response none;
    EXPECT_FALSE(one.again_after(503, none.headers));
    EXPECT_FALSE(one.again_after(200, none.with("grpc-status", "14x").headers));
    EXPECT_FALSE(one.again_after(reset));
  }
}

TEST(RetryPolicy, leaves_answers_of_a_rate_limit_alone_unless_it_is_for_them) {
  Response limited;
  limited.with("x-envoy-ratelimited", "true");
  EXPECT_FALSE(policy("retryOn: 5xx").again_after(503, limited.headers));
  EXPECT_TRUE(policy("retryOn: envoy-ratelimited").again_after(429, limited.headers));
  EXPECT_TRUE(policy("retryOn: '5xx,envoy-ratelimited'").again_after(503, limited.headers));
  Response other;
  EXPECT_FALSE(policy("retryOn: envoy-ratelimited").again_after(429, other.headers));
}

TEST(RetryPolicy, waits_at_random_below_an_interval_that_doubles_up_to_its_limit) {
  Random random(1);
  const auto longest = [&](const RetryPolicy& one, uint32_t retry) {
    Nanos most{};
    for (int i = 0; i < 20'000; ++i) {
      const Nanos wait = one.back_off(retry, random);
      EXPECT_GE(wait, 0ms);
      most = std::max(most, wait);
    }
    return most;
  };
  const RetryPolicy usual = policy("retryOn: 5xx");
  EXPECT_EQ(longest(usual, 1), 24ms);
  EXPECT_EQ(longest(usual, 2), 49ms);
  EXPECT_EQ(longest(usual, 4), 199ms);
  EXPECT_EQ(longest(usual, 5), 249ms);
  EXPECT_EQ(longest(usual, UINT32_MAX), 249ms);
  const RetryPolicy own = policy("retryOn: 5xx\nretryBackOff: {baseInterval: 10ms, maxInterval: 15ms}");
  EXPECT_EQ(longest(own, 1), 9ms);
  EXPECT_EQ(longest(own, 2), 14ms);
  EXPECT_EQ(longest(policy("retryOn: 5xx\nretryBackOff: {baseInterval: 1ms}"), 1), 0ms);
  EXPECT_GT(policy("retryOn: 5xx\nretryBackOff: {baseInterval: 2000000h}").back_off(60, random), 0ms);
}

TEST(RetryPolicy, waits_as_long_as_the_response_asks) {
  const RetryPolicy one = policy(R"(
retryOn: retriable-status-codes
retriableStatusCodes: [429]
rateLimitedRetryBackOff:
  maxInterval: 60s
  resetHeaders: [{name: Retry-After}, {name: X-Reset, format: UNIX_TIMESTAMP}]
)");
  Random random(1);
  const WallTime now(1'000'000s);
  struct Row {
    std::vector<std::pair<std::string_view, std::string_view>> headers;
    Nanos wait;  // 0: the response asks for nothing
  };
  const Row rows[] = {
      {{{"retry-after", "7"}}, 7s},
      {{{"retry-after", " 60 "}}, 60s},
      {{{"retry-after", "61"}}, 0s},  // too long
      {{{"retry-after", "0"}}, 0s},
      {{{"retry-after", "-1"}}, 0s},
      {{{"retry-after", "1.5"}}, 0s},
      {{{"retry-after", ""}}, 0s},
      {{{"retry-after", "Fri, 02 Jan 2026 03:04:05 GMT"}}, 0s},
      {{{"retry-after", "18446744073709551615"}}, 0s},
      {{{"retry-after", "99999999999999999999999"}}, 0s},
      {{{"x-reset", "1000005"}}, 5s},
      {{{"x-reset", "999999"}}, 0s},
      {{{"x-reset", "1000061"}}, 0s},
      {{{"x-reset", "18446744073709551615"}}, 0s},
      {{{"x-reset", "1000005"}, {"retry-after", "7"}}, 7s},  // in the order of the configuration
      {{{"retry-after", "soon"}, {"x-reset", "1000005"}}, 5s},
      {{{"retry-after", "61"}, {"x-reset", "1000005"}}, 5s},
      {{}, 0s},
  };
  for (const Row& row : rows) {
    Response response;
    std::string text;
    for (const auto& [name, value] : row.headers) {
      response.with(name, value);
      text += fmt::format("{}: {} ", name, value);
    }
    Nanos least = Nanos::max();
    Nanos most{};
    for (int i = 0; i < 5000; ++i) {
      const auto wait = one.asked_wait(response.headers, now, random);
      ASSERT_EQ(wait.has_value(), row.wait > 0s) << text;
      least = std::min(least, wait.value_or(0s));
      most = std::max(most, wait.value_or(0s));
    }
    if (row.wait == 0s) continue;
    EXPECT_GE(least, row.wait) << text;
    EXPECT_LT(most, row.wait * 3 / 2) << text;
    EXPECT_GT(most, row.wait * 14 / 10) << text;
  }
}

TEST(RetryPolicy, takes_the_longest_waits_there_are) {
  const RetryPolicy one =
      policy("retryOn: 5xx\nrateLimitedRetryBackOff: {maxInterval: 2562047h, resetHeaders: [{name: a}]}");
  Random random(1);
  Response response;
  response.with("a", "9223372036");
  const auto wait = one.asked_wait(response.headers, WallTime(), random);
  EXPECT_FALSE(wait);  // beyond the limit, which is the longest a duration can be
  response.headers.set("a", "9000000000");
  EXPECT_GE(one.asked_wait(response.headers, WallTime(), random).value_or(0s), 9000000000s);
}

TEST(RetryCount, counts_up_to_the_limit_and_says_that_it_was_met) {
  const RetryPolicy two = policy("retryOn: 5xx\nnumRetries: 2");
  Random random(1);
  Response response;
  RetryCount count(&two);
  EXPECT_EQ(count.after(200, response.headers, WallTime(), random).what, What::done);
  EXPECT_EQ(count.after(reset, random).what, What::again);
  EXPECT_EQ(count.after(500, response.headers, WallTime(), random).what, What::again);
  EXPECT_EQ(count.retries(), 2u);
  EXPECT_EQ(count.after(500, response.headers, WallTime(), random).what, What::used_up);
  EXPECT_EQ(count.after(timeout, random).what, What::used_up);
  EXPECT_EQ(count.after(200, response.headers, WallTime(), random).what, What::done);
  EXPECT_EQ(count.retries(), 2u);
}

TEST(RetryCount, without_a_policy_never_retries) {
  Random random(1);
  Response response;
  RetryCount count(nullptr);
  EXPECT_EQ(count.after(connect_failure, random).what, What::done);
  EXPECT_EQ(count.after(503, response.headers, WallTime(), random).what, What::done);
}

TEST(RetryCount, takes_the_wait_of_the_response_where_there_is_one) {
  const RetryPolicy one =
      policy("retryOn: 5xx\nnumRetries: 0\nrateLimitedRetryBackOff: {resetHeaders: [{name: retry-after}]}");
  EXPECT_EQ(one.retries_max(), 1u);
  Random random(1);
  Response response;
  response.with("retry-after", "10");
  const RetryVerdict asked = RetryCount(&one).after(503, response.headers, WallTime(), random);
  EXPECT_TRUE(asked.wait_was_asked);
  EXPECT_GE(asked.wait, 10s);
  response.headers.clear();
  const RetryVerdict usual = RetryCount(&one).after(503, response.headers, WallTime(), random);
  EXPECT_FALSE(usual.wait_was_asked);
  EXPECT_LT(usual.wait, 25ms);
}

}  // namespace
}  // namespace sluice
