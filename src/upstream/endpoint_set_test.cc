#include "upstream/endpoint_set.h"

#include <gtest/gtest.h>

namespace sluice {
namespace {

constexpr SteadyTime kNow(1000s);

EndpointSet::Member member(uint16_t port) {
  return {.address = SocketAddress::v4(INADDR_LOOPBACK, port)};
}

TEST(EndpointSet, gives_none_that_has_been_tried) {
  const EndpointSet::Options options;
  EndpointSet set(options, 1);
  set.change(std::vector{member(1), member(2)});
  std::vector<EndpointSet::Id> tried{set.pick({}, kNow)->id()};
  EndpointSet::Endpoint* second = set.pick(tried, kNow);
  ASSERT_TRUE(second);
  EXPECT_NE(second->id(), tried[0]);
  std::vector<SocketAddress> good;
  set.others(*second, tried, kNow, good, good);
  EXPECT_TRUE(good.empty());
  tried.push_back(second->id());
  EXPECT_FALSE(set.pick(tried, kNow));
  set.change(std::vector{member(second->address().port())});
  EXPECT_FALSE(set.pick(std::vector{second->id()}, kNow)) << "one that stays is the same";
}

// A new one may lie in memory where one lay that was tried and is gone.
TEST(EndpointSet, has_not_tried_what_came_later) {
  const EndpointSet::Options options;
  EndpointSet set(options, 1);
  std::vector<EndpointSet::Id> tried;
  for (uint16_t port = 1; port <= 100; ++port) {
    set.change(std::vector{member(port)});
    const EndpointSet::Endpoint* endpoint = set.pick(tried, kNow);
    ASSERT_TRUE(endpoint) << port;
    tried.push_back(endpoint->id());
    set.change({});
  }
}

}  // namespace
}  // namespace sluice
