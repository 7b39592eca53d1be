#include "forward/dynamic_upstream.h"

#include <gtest/gtest.h>

#include "base/log.h"
#include "forward/testing.h"

namespace sluice {
namespace {

// A forward proxy on one worker that may reach loopback. Its names stand in a hosts file, so that nothing is asked.
struct World {
  World() {
    loop.use_manual_clock(SteadyTime(1000s), WallTime(0s));
    const std::vector<AddressPolicy> policies{{"lab", {{"lab", RuleAction::allow, {"loopback"}}}}};
    auto rules = AddressRules::compile(policies, {}, {});
    CHECK(rules.has_value());
    guard = std::make_shared<AddressGuard>(AddressGuard{*std::move(rules), "gateway-proxy", {}});
  }
  ~World() {
    cluster.reset();
    settle(loop);
  }
  void open() {
    names.names.family = dns::LookupFamily::v4_only;
    cluster->cluster = std::make_shared<Cluster>("c", breakers, 1, metrics);
    cluster->resolver = pool.make(std::move(names));
    filter = make_dynamic_upstream(cluster, guard, {}, std::make_shared<DynamicMetrics>(metrics));
  }
  void name(std::string name, const char* address) { names.hosts[std::move(name)] = {*IpAddress::parse(address)}; }
  std::string at_upstream(std::string_view host) { return fmt::format("{}:{}", host, upstream.address.port()); }

  Loop loop;
  Metrics metrics{1};
  ResolverConfig names;
  kinds::CircuitBreakers breakers;
  TestUpstream upstream{loop};
  ResolverPool pool{{&loop}};
  Upstreams upstreams{loop};
  std::shared_ptr<DynamicCluster> cluster = std::make_shared<DynamicCluster>();
  std::shared_ptr<AddressGuard> guard;
  std::shared_ptr<const Filter> filter;
};

struct Trip : UpstreamTrip {
  Trip(World& w, std::string to) : UpstreamTrip(w.loop, w.upstreams, w.filter, {.authority = std::move(to)}) {}
};

int status_of(World& world, std::string authority) {
  Trip trip(world, std::move(authority));
  CHECK(trip.done());
  return trip.response.status;
}

// A request that the upstream answers on its n-th connection.
int answered(World& world, std::string authority, size_t connection = 0) {
  Trip trip(world, std::move(authority));
  auto& peers = world.upstream.peers;
  const bool came =
      turn_until(world.loop, [&] { return peers.size() > connection && peers[connection].hears("\r\n\r\n"); });
  if (!came) return 0;
  peers[connection].forget();
  peers[connection].say("HTTP/1.1 204 No Content\r\n\r\n");
  CHECK(trip.done());
  return trip.response.status;
}

TEST(DynamicUpstream, gives_up_no_destination_for_names_that_do_not_resolve) {
  World world;
  world.name("hot.test", "127.0.0.1");
  for (size_t i = 0; i < DynamicCluster::kDestinationsMax + 10; ++i) world.name(fmt::format("x{}.test", i), "::1");
  world.open();
  EXPECT_EQ(answered(world, world.at_upstream("hot.test")), 204);
  for (size_t i = 0; i < DynamicCluster::kDestinationsMax + 10; ++i)
    ASSERT_EQ(status_of(world, fmt::format("x{}.test", i)), 503);
  EXPECT_EQ(answered(world, world.at_upstream("hot.test")), 204);
  EXPECT_EQ(world.upstream.peers.size(), 1u);
}

TEST(DynamicUpstream, gives_up_destinations_that_came_once_before_those_in_use) {
  World world;
  world.name("hot.test", "127.0.0.1");
  world.open();
  EXPECT_EQ(answered(world, world.at_upstream("hot.test")), 204);
  for (size_t i = 0; i < 3 * DynamicCluster::kDestinationsMax; ++i) {
    ASSERT_EQ(status_of(world, fmt::format("127.{}.{}.3:1", i / 250 + 1, i % 250)), 503);  // nobody listens there
    if (i % 1000 == 0) {
      ASSERT_EQ(answered(world, world.at_upstream("hot.test")), 204);
    }
  }
  EXPECT_EQ(world.upstream.peers.size(), 1u);
}

TEST(DynamicUpstream, gives_up_refused_destinations_first) {
  World world;
  world.name("hot.test", "127.0.0.1");
  world.open();
  log::set_sink([](std::string_view) {});
  EXPECT_EQ(answered(world, world.at_upstream("hot.test")), 204);
  for (size_t i = 0; i < DynamicCluster::kDestinationsMax + 10; ++i)
    ASSERT_EQ(status_of(world, fmt::format("10.0.{}.{}", i / 250, i % 250)), 403);
  EXPECT_EQ(answered(world, world.at_upstream("hot.test")), 204);
  log::set_sink(nullptr);
  EXPECT_EQ(world.upstream.peers.size(), 1u);
}

}  // namespace
}  // namespace sluice
