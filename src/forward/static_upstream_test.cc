#include "forward/static_upstream.h"

#include <gtest/gtest.h>

#include "forward/dns/testing.h"
#include "forward/testing.h"

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

  int64_t clusters() { return metrics.metric({"sluice_clusters", "", MetricType::gauge})->value(); }

  Loop loop;
  Metrics metrics{1};
  FakeDns server{loop};
  TestUpstream upstream{loop};
  Upstreams upstreams{loop};
  OwnedLoops loops{{&loop}};
  ResolverPool pool{loops};
  std::shared_ptr<StaticCluster> cluster = std::make_shared<StaticCluster>(loops);
};

struct Trip : UpstreamTrip {
  explicit Trip(World& w, std::string_view method = "GET", const EndpointWish* wish = nullptr)
      : UpstreamTrip(w.loop, w.upstreams, make_static_upstream(w.cluster), {.method = method, .wish = wish}) {}
};

TEST(StaticUpstream, keeps_its_pools_while_a_name_is_looked_up) {
  World world;
  Trip trip(world);
  ASSERT_TRUE(turn_until(world.loop, [&] { return !world.server.seen.empty(); }));
  world.server.handler = [](const DnsQuestion& q) { return std::vector{q.addresses({"127.0.0.1"})}; };
  world.cluster.reset();  // a snapshot came that does not have it
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

TEST(StaticUpstream, may_go_while_a_body_comes_whose_pools_end_with_it) {
  World world;
  world.server.handler = [](const DnsQuestion& q) { return std::vector{q.addresses({"127.0.0.1"})}; };
  {
    Trip trip(world);
    ASSERT_TRUE(turn_until(world.loop, [&] { return !world.upstream.peers.empty(); }));
    TestPeer& peer = world.upstream.peers[0];
    ASSERT_TRUE(turn_until(world.loop, [&] { return peer.hears("\r\n\r\n"); }));
    peer.say("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n12345");
    ASSERT_TRUE(trip.done());
    const std::weak_ptr<const StaticCluster> cluster = world.cluster;
    world.cluster.reset();
    trip.service.reset();
    EXPECT_TRUE(cluster.expired());
    settle(world.loop);
    EXPECT_EQ(world.clusters(), 1);
    peer.say("67890");
    EXPECT_EQ(trip.read(), "1234567890");
    EXPECT_FALSE(peer.ended());
  }
  settle(world.loop);
  EXPECT_TRUE(world.upstream.peers[0].ended());
  EXPECT_EQ(world.clusters(), 0);
}

TEST(StaticUpstream, has_no_host_when_its_name_is_unknown) {
  World world;
  world.server.handler = [](const DnsQuestion& q) { return std::vector{q.failure(dns::Rcode::name_does_not_exist)}; };
  Trip trip(world);
  ASSERT_TRUE(trip.done());
  EXPECT_EQ(trip.response.status, 503);
  EXPECT_EQ(trip.info.flags_text(), "UH");
}

// Two hosts that are literals: one that answers, and a port nobody listens on.
struct TwoHosts : World {
  TwoHosts() {
    gone.stop();
    cluster->hosts = {host(gone.address), host(upstream.address)};
  }
  static StaticCluster::Host host(const SocketAddress& at) {
    return {.name = "", .address = IpAddress::v4(127, 0, 0, 1), .port = at.port(), .weight = 1};
  }
  TestUpstream gone{loop};
};

// Answered by the host that is there, on its n-th connection.
int answered(TwoHosts& world, Trip& trip, size_t connection) {
  auto& peers = world.upstream.peers;
  if (!turn_until(world.loop, [&] { return peers.size() > connection && peers[connection].hears("\r\n\r\n"); }))
    return 0;
  peers[connection].forget();
  peers[connection].say("HTTP/1.1 204 No Content\r\n\r\n");
  CHECK(trip.done());
  return trip.response.status;
}

TEST(StaticUpstream, goes_to_another_host_at_once_when_one_cannot_be_connected_to) {
  TwoHosts world;
  for (int i = 0; i < 20; ++i) {
    Trip trip(world);
    EXPECT_EQ(answered(world, trip, 0), 204);
  }
  EXPECT_EQ(world.upstream.peers.size(), 1U);
  EXPECT_EQ(world.cluster->cluster->metrics.connect_failures->value(), 1);  // then it was left out
  EXPECT_EQ(world.cluster->cluster->metrics.requests->value(), 20);
  world.loop.advance(Ejections::kPauseFirst);
  for (int i = 0; i < 20; ++i) {
    Trip trip(world);
    EXPECT_EQ(answered(world, trip, 0), 204);
  }
  EXPECT_EQ(world.cluster->cluster->metrics.connect_failures->value(), 2);
}

TEST(StaticUpstream, serves_requests_that_may_not_be_repeated_as_well) {
  TwoHosts world;
  for (int i = 0; i < 4; ++i) {
    Trip trip(world, "POST");
    EXPECT_EQ(answered(world, trip, 0), 204);
    world.loop.advance(Ejections::kPauseMax / 2);
  }
}

TEST(StaticUpstream, tries_all_hosts_when_all_are_left_out) {
  TwoHosts world;
  world.cluster->hosts[1].port = world.cluster->hosts[0].port;
  for (int i = 0; i < 3; ++i) {
    Trip trip(world);
    ASSERT_TRUE(trip.done());
    EXPECT_EQ(trip.response.status, 503);
    EXPECT_EQ(trip.info.flags_text(), "UF");
  }
  EXPECT_EQ(world.cluster->cluster->metrics.connect_failures->value(), 6);
}

TEST(StaticUpstream, goes_to_another_host_when_the_name_of_one_is_nothing) {
  TwoHosts world;
  world.server.handler = [](const DnsQuestion& q) { return std::vector{q.failure(dns::Rcode::name_does_not_exist)}; };
  world.cluster->hosts[0] = {.name = "gone.test", .address = {}, .port = 1, .weight = 1};
  for (int i = 0; i < 4; ++i) {
    Trip trip(world);
    EXPECT_EQ(answered(world, trip, 0), 204);
  }
}

TEST(StaticUpstream, is_no_stranger_to_the_resolver) {
  World world;
  ResolverConfig names;
  names.servers.list = {{world.server.endpoint()}};
  names.names.hosts_max = 1;
  world.cluster->resolver = world.pool.make(std::move(names));
  auto stranger = world.cluster->resolver->here().resolve("x.test");  // silent, in the only place for strangers
  Runner waits{nullptr, [](void*, Result<void>) {}};
  waits.start([](Task<NameState> task) -> Task<void> {
    CO_TRY(co_await task);
    co_return Status{};
  }(std::move(stranger)));
  Trip trip(world);
  EXPECT_TRUE(turn_until(world.loop, [&] { return world.server.count("a.test A") == 1; }));
  waits.cancel();
}

TEST(StaticUpstream, connects_no_longer_than_the_timeout_of_the_route_whether_a_body_waits_or_not) {
  struct Rules final : RouteRules {
    void rewrite_request(Request&) const override {}
    void finish_response(Request&, Response& response) const override { response.finished = true; }
  };
  for (const std::string body : {"", "x"}) {
    World world;
    SilentDialer silent;
    Rules rules;
    rules.timeout = 12s;
    Upstreams upstreams(world.loop, silent);
    auto cluster = std::make_shared<StaticCluster>(world.loops);
    cluster->cluster = std::make_shared<Cluster>("d", kinds::CircuitBreakers{}, 1, world.metrics);
    for (uint8_t i = 1; i <= 20; ++i)
      cluster->hosts.push_back({.name = "", .address = IpAddress::v4(127, 0, 9, i), .port = 80, .weight = 1});
    {
      UpstreamTrip trip(world.loop, upstreams, make_static_upstream(cluster),
                        {.method = "POST", .rules = &rules, .body = body});
      const auto advance = [&](Nanos by) {
        settle(world.loop);
        world.loop.advance(by);
        settle(world.loop);
      };
      for (int i = 0; i < 11; ++i) advance(1s);
      EXPECT_TRUE(trip.runner.running());
      EXPECT_EQ(silent.calls.size(), 3U) << "each has the cluster's connectTimeout of 5 s";
      advance(1s);
      EXPECT_FALSE(trip.runner.running()) << "with the body `" << body << "`";
      EXPECT_EQ(trip.response.status, 504);
      EXPECT_EQ(trip.info.outcome.kind, OutcomeKind::route_timeout);
      EXPECT_EQ(cluster->cluster->metrics.request_timeouts->value(), 1);
    }
    cluster.reset();
    settle(world.loop);
  }
}

TEST(StaticUpstream, goes_to_the_endpoint_that_is_wished_for) {
  TwoHosts world;
  TestUpstream other(world.loop);
  world.cluster->hosts[0] = TwoHosts::host(other.address);
  for (const bool strict : {false, true}) {
    const EndpointWish wish{world.upstream.address, strict};
    for (int i = 0; i < 10; ++i) {
      Trip trip(world, "GET", &wish);
      EXPECT_EQ(answered(world, trip, 0), 204);
      EXPECT_EQ(trip.info.upstream_host, wish.address.to_string());
    }
  }
  EXPECT_TRUE(other.peers.empty());
}

TEST(StaticUpstream, goes_elsewhere_where_a_wish_cannot_be_fulfilled) {
  TwoHosts world;
  for (const SocketAddress& address : {world.gone.address, SocketAddress::v4(0x7f000909, 9)}) {
    const EndpointWish wish{address, false};
    for (int i = 0; i < 3; ++i) {
      Trip trip(world, "GET", &wish);
      EXPECT_EQ(answered(world, trip, 0), 204);
    }
  }
  EXPECT_EQ(world.cluster->cluster->metrics.connect_failures->value(), 1);  // then it was left out
}

TEST(StaticUpstream, goes_nowhere_else_where_a_wish_is_strict) {
  TwoHosts world;
  const auto ask = [&](const SocketAddress& address) {
    const EndpointWish wish{address, true};
    Trip trip(world, "GET", &wish);
    CHECK(trip.done());
    return fmt::format("{} {}", trip.response.status, trip.info.flags_text());
  };
  EXPECT_EQ(ask(world.gone.address), "503 UF");
  EXPECT_EQ(ask(world.gone.address), "503 UH");  // it is left out
  EXPECT_EQ(ask(SocketAddress::v4(0x7f000909, 9)), "503 UH");
}

// Where there is nothing to choose from, too.
TEST(StaticUpstream, of_one_host_is_no_other_than_that) {
  World world;
  world.cluster->hosts = {TwoHosts::host(world.upstream.address)};
  const EndpointWish strict{SocketAddress::v4(0x7f000909, 9), true};
  Trip trip(world, "GET", &strict);
  ASSERT_TRUE(trip.done());
  EXPECT_EQ(trip.response.status, 503);
  EXPECT_EQ(trip.info.upstream_cluster, "c");
}

TEST(StaticUpstream, asks_for_names_that_may_have_the_endpoint_that_is_wished_for) {
  World world;
  world.server.handler = [](const DnsQuestion& q) {
    return std::vector{q.addresses({q.name.starts_with('a') ? "127.0.0.1" : "127.0.0.2"})};
  };
  for (const char* name : {"b.test", "c.test"})
    world.cluster->hosts.insert(world.cluster->hosts.begin(),
                                {.name = name, .address = {}, .port = world.upstream.address.port(), .weight = 1});
  const EndpointWish wish{world.upstream.address, true};
  Trip trip(world, "GET", &wish);
  ASSERT_TRUE(turn_until(world.loop, [&] { return !world.upstream.peers.empty(); }));
  TestPeer& peer = world.upstream.peers[0];
  ASSERT_TRUE(turn_until(world.loop, [&] { return peer.hears("\r\n\r\n"); }));
  peer.say("HTTP/1.1 204 No Content\r\n\r\n");
  ASSERT_TRUE(trip.done());
  EXPECT_EQ(trip.response.status, 204);
}

// Nor is its connection taken for an other's.
TEST(StaticUpstream, races_no_other_address_against_the_one_that_is_wished_for) {
  World world;
  world.server.handler = [](const DnsQuestion& q) {
    return std::vector{q.addresses({"127.0.9.1", "127.0.9.2", "127.0.9.3"})};
  };
  SilentDialer silent;
  Upstreams upstreams(world.loop, silent);
  for (const bool wishes : {false, true}) {
    auto cluster = std::make_shared<StaticCluster>(world.loops);
    cluster->cluster = std::make_shared<Cluster>("d", kinds::CircuitBreakers{}, 1, world.metrics);
    cluster->hosts = {{.name = "a.test", .address = {}, .port = 80, .weight = 1}};
    cluster->resolver = world.cluster->resolver;
    const EndpointWish wish{SocketAddress::v4(0x7f000902, 80), true};
    silent.calls.clear();
    {
      UpstreamTrip trip(world.loop, upstreams, make_static_upstream(cluster), {.wish = wishes ? &wish : nullptr});
      ASSERT_TRUE(turn_until(world.loop, [&] { return !silent.calls.empty(); }));
      for (int i = 0; i < 4; ++i) {
        world.loop.advance(1s);
        settle(world.loop);
      }
      EXPECT_EQ(silent.calls.size(), wishes ? 1U : 3U);
      if (wishes) EXPECT_EQ(trip.info.upstream_host, "127.0.9.2:80");
    }
    cluster.reset();
    settle(world.loop);
  }
}

}  // namespace
}  // namespace sluice
