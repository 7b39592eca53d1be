#include "filters/health_check/filter.h"

#include <gtest/gtest.h>

#include "pipeline/testing.h"

namespace sluice::health_check {
namespace {

TEST(HealthCheck, answers_its_path_and_nothing_else) {
  FilterHarness gateway(health_check_filter());
  ASSERT_EQ(gateway.listener("healthCheck: {path: /up}"), "");
  for (const char* method : {"GET", "HEAD", "POST", "BREW"}) {
    const auto answer = gateway.send({.method = method, .path = "/up", .authority = "any.test"});
    EXPECT_EQ(answer.status, 200);
    EXPECT_EQ(answer.details, "health_check_ok");
    EXPECT_EQ(answer.body, "");
    EXPECT_FALSE(answer.reached_upstream);
  }
  for (const char* path : {"/up/", "/up?x", "/UP", "/", "*"})
    EXPECT_TRUE(gateway.send({.path = path}).reached_upstream);
}

TEST(HealthCheck, says_that_the_gateway_stops) {
  struct Stopping final : Request::Client {
    void route_is_final() override {}
    void cut_off(const Error&) override {}
    bool draining() const override { return stops; }
    bool stops = true;
  } client;
  Loop loop;
  Arena arena;
  StreamInfo info;
  Request request(arena, loop, info);
  request.client = &client;
  request.path = "/up";
  const HealthCheckFilter filter("/up");
  const Chain chain;
  EXPECT_EQ(filter.handle(request, Next(chain, 0)).take()->status, 503);
  EXPECT_EQ(info.details, "health_check_failed");
  client.stops = false;
  EXPECT_EQ(filter.handle(request, Next(chain, 0)).take()->status, 200);
}

TEST(HealthCheckConfig, refuses_what_is_no_path) {
  FilterHarness harness(health_check_filter());
  EXPECT_TRUE(harness.listener("healthCheck: {}").contains("healthCheck.path: is required"));
  EXPECT_TRUE(
      harness.listener("healthCheck: {path: ''}").contains("healthCheck.path: health check path cannot be \"\""));
  EXPECT_TRUE(harness.listener("healthCheck: {path: up}").contains("healthCheck.path: must begin with \"/\""));
}

}  // namespace
}  // namespace sluice::health_check
