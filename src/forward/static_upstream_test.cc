#include "forward/static_upstream.h"

#include <gtest/gtest.h>

#include "forward/dns/testing.h"
#include "io/testing.h"

namespace sluice {
namespace {

// An Upstream with one host that is a name, on one worker.
struct World {
  World() {
    loop.use_manual_clock(SteadyTime(1000s), WallTime(0s));
    ResolverConfig names;
    names.servers.list = {{server.endpoint()}};
    cluster->cluster = std::make_shared<Cluster>("c", kinds::CircuitBreakers{}, 1, metrics);
    cluster->hosts = {{.name = "a.test", .address = {}, .port = upstream.address.port(), .weight = 1}};
    cluster->resolver = pool.make(std::move(names));
  }
  ~World() {
    cluster.reset();
    settle(loop);
  }

  Loop loop;
  Metrics metrics{1};
  FakeDns server{loop};
  TestUpstream upstream{loop};
  ResolverPool pool{{&loop}};
  Upstreams upstreams{loop};
  std::shared_ptr<StaticCluster> cluster = std::make_shared<StaticCluster>();
};

struct Trip {
  explicit Trip(World& w) : world(w) {
    request.method = "GET";
    request.path = "/";
    request.authority = "h";
    request.upstreams = &w.upstreams;
    request.background = &background;
    info.start = w.loop.now();
    runner.start(run());
  }
  ~Trip() {
    runner.cancel();
    CHECK(done());
    arena.reset();
  }
  Task<void> run() {
    const Chain chain;
    auto handling = filter->handle(request, Next(chain, 0));
    response = CO_TRY(co_await handling);
    co_return Status{};
  }
  bool done() {
    return turn_until(world.loop, [&] { return !runner.running(); });
  }

  World& world;
  std::shared_ptr<const Filter> filter = make_static_upstream(world.cluster);
  Arena arena;
  StreamInfo info;
  TaskGroup background;
  Request request{arena, world.loop, info};
  Response response;
  Runner runner{this, [](void*, Result<void>) {}};
};

TEST(StaticUpstream, keeps_its_pools_while_a_name_is_looked_up) {
  World world;
  Trip trip(world);
  ASSERT_TRUE(turn_until(world.loop, [&] { return !world.server.seen.empty(); }));
  world.server.handler = [](const DnsQuestion& q) { return std::vector{q.addresses({"127.0.0.1"})}; };
  world.upstreams.sweep({});  // a snapshot came that does not have the cluster
  for (int i = 0; i < 10 && world.upstream.peers.empty(); ++i) {
    world.loop.advance(1s);  // the question is asked again
    settle(world.loop);
  }
  ASSERT_FALSE(world.upstream.peers.empty());
  ASSERT_TRUE(turn_until(world.loop, [&] { return world.upstream.peers[0].hears("\r\n\r\n"); }));
  world.upstream.peers[0].say("HTTP/1.1 204 No Content\r\n\r\n");
  EXPECT_TRUE(trip.done());
  EXPECT_EQ(trip.response.status, 204);
}

TEST(StaticUpstream, has_no_host_when_its_name_is_unknown) {
  World world;
  world.server.handler = [](const DnsQuestion& q) { return std::vector{q.failure(dns::Rcode::name_does_not_exist)}; };
  Trip trip(world);
  ASSERT_TRUE(trip.done());
  EXPECT_EQ(trip.response.status, 503);
  EXPECT_EQ(trip.info.flags_text(), "UH");
}

}  // namespace
}  // namespace sluice
