#include "forward/dynamic_upstream.h"

#include <gtest/gtest.h>

#include "base/log.h"
#include "forward/testing.h"

namespace sluice {
namespace {

std::shared_ptr<AddressGuard> guard_of(std::vector<AddressRule> its_rules) {
  const std::vector<AddressPolicy> policies{{"lab", std::move(its_rules)}};
  auto rules = AddressRules::compile(policies, {}, {});
  CHECK(rules.has_value());
  return std::make_shared<AddressGuard>(AddressGuard{*std::move(rules), "gateway-proxy", {}});
}

// A forward proxy on one worker that may reach loopback. Its names stand in a hosts file, so that nothing is asked.
struct World {
  World() {
    loop.use_manual_clock(SteadyTime(1000s), WallTime(0s));
    guard = guard_of({{"lab", RuleAction::allow, {"loopback"}}});
  }
  ~World() {
    cluster.reset();
    settle(loop);
  }
  void open() {
    names.names.family = dns::LookupFamily::v4_only;
    cluster->cluster = std::make_shared<Cluster>("c", breakers, 1, metrics);
    cluster->resolver = pool.make(std::move(names));
    service = make_dynamic_upstream(cluster, guard, {.host_rewrite = {}, .host_header = {}, .lists = lists},
                                    std::make_shared<DynamicMetrics>(metrics));
  }
  void name(std::string name, const char* address) { names.hosts[std::move(name)] = {*IpAddress::parse(address)}; }
  std::string at_upstream(std::string_view host) { return fmt::format("{}:{}", host, upstream.address.port()); }

  Loop loop;
  Metrics metrics{1};
  ResolverConfig names;
  kinds::CircuitBreakers breakers;
  TestUpstream upstream{loop};
  Upstreams upstreams{loop};
  OwnedLoops loops{{&loop}};
  ResolverPool pool{loops};
  std::shared_ptr<DynamicCluster> cluster = std::make_shared<DynamicCluster>(loops);
  std::shared_ptr<AddressGuard> guard;
  std::shared_ptr<const Service> service;
  bool lists = false;
};

struct Trip : UpstreamTrip {
  Trip(World& w, std::string to) : UpstreamTrip(w.loop, w.upstreams, w.service, {.authority = std::move(to)}) {}
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

TEST(DynamicUpstream, names_a_refused_destination_by_host_and_port) {
  World world;
  world.name("inner.test", "10.1.2.3");
  world.open();
  log::set_sink([](std::string_view) {});
  struct Row {
    const char* authority;
    const char* destination;
    const char* host;
  };
  const Row rows[] = {{"Inner.Test.", "inner.test:80", "inner.test"},
                      {"inner.test:8080", "inner.test:8080", "inner.test"},
                      {"10.0.0.1", "10.0.0.1:80", "10.0.0.1"},
                      {"[FC00:0::1]", "[fc00::1]:80", "fc00::1"},
                      {"[fc00::1]:443", "[fc00::1]:443", "fc00::1"}};
  for (const Row& row : rows) {
    for (int again = 0; again < 2; ++again) {  // the second time it is known
      SCOPED_TRACE(row.authority);
      Trip trip(world, row.authority);
      ASSERT_TRUE(trip.done());
      EXPECT_EQ(trip.response.status, 403);
      EXPECT_EQ(trip.info.destination, row.destination);
      const auto body = trip.response.body.reader->read().take();
      const std::string_view text(body->bytes.data(), body->bytes.size());
      EXPECT_TRUE(text.starts_with(fmt::format("destination {} is ", row.host))) << text;
    }
  }
  log::set_sink(nullptr);
}

// What a request that the upstream answered said in its Host field.
std::string host_asked(World& world, std::string authority) {
  Trip trip(world, std::move(authority));
  std::string head;
  turn_until(world.loop, [&] {
    for (TestPeer& peer : world.upstream.peers) {
      if (!peer.hears("\r\n\r\n")) continue;
      head = peer.heard();
      peer.forget();
      peer.say("HTTP/1.1 204 No Content\r\n\r\n");
    }
    return !head.empty() || !trip.runner.running();
  });
  CHECK(trip.done());
  const size_t at = head.find("host: ");
  if (at == std::string::npos) return fmt::format("{} {}", trip.response.status, trip.info.details);
  return head.substr(at + 6, head.find('\r', at) - at - 6);
}

TEST(Failover, goes_to_the_first_host_of_a_list_that_can_be_reached) {
  World world;
  log::set_sink([](std::string_view) {});
  TestUpstream gone(world.loop);
  gone.stop();
  world.name("good.test", "127.0.0.1");
  world.name("denied.test", "10.1.2.3");
  world.name("gone.test", "127.0.0.1");
  world.lists = true;
  world.open();
  const std::string good = world.at_upstream("good.test");
  const std::string gone_host = fmt::format("gone.test:{}", gone.address.port());
  EXPECT_EQ(host_asked(world, good + ", " + gone_host), good);
  EXPECT_EQ(host_asked(world, gone_host + "," + good), good) << "that cannot be connected to";
  EXPECT_EQ(host_asked(world, "denied.test , " + good), good) << "each is held against the policies by itself";
  EXPECT_EQ(host_asked(world, "10.0.0.1,denied.test"), "403 destination_ip_prohibited{private,default/private}");
  EXPECT_EQ(host_asked(world, "denied.test, " + gone_host).substr(0, 4), "503 ");
  const std::string nameless = std::string(64, 'a') + ".test";
  EXPECT_EQ(host_asked(world, nameless + ", 10.0.0.1"), "503 dns_resolution_failure{invalid_name}")
      << "the first says why";
  EXPECT_EQ(host_asked(world, "10.0.0.1, " + nameless), "403 destination_ip_prohibited{private,default/private}");
  log::set_sink(nullptr);
}

TEST(Failover, refuses_a_list_that_is_none_as_a_whole) {
  World world;
  world.name("good.test", "127.0.0.1");
  world.lists = true;
  world.open();
  const std::string good = world.at_upstream("good.test");
  for (const std::string& list : {good + ",", good + ", a b", "," + good, good + ",user@x", good + ",x:99999"})
    EXPECT_EQ(host_asked(world, list), "400 invalid_destination") << list;
  std::string many = good;
  for (int i = 0; i < 8; ++i) many += "," + good;
  EXPECT_EQ(host_asked(world, many), "400 invalid_destination");
  EXPECT_TRUE(world.upstream.peers.empty());
}

TEST(DynamicUpstream, says_why_a_name_leads_nowhere) {
  World world;
  world.names.pending_max = 0;
  world.open();
  const std::string label(63, 'a');
  EXPECT_EQ(host_asked(world, label + "a.test"), "503 dns_resolution_failure{invalid_name}");
  EXPECT_EQ(host_asked(world, "h.test"), "503 dynamic_forward_proxy_pending_request_overflow");
}

TEST(Failover, is_for_those_who_asked_for_it) {
  World world;
  world.name("good.test", "127.0.0.1");
  world.open();
  const std::string good = world.at_upstream("good.test");
  EXPECT_EQ(host_asked(world, good + "," + good), "400 invalid_destination");
}

TEST(DynamicUpstream, spreads_requests_over_the_addresses_of_a_name_and_leaves_out_those_that_fail) {
  World world;
  log::set_sink([](std::string_view) {});
  world.names.hosts["two.test"] = {*IpAddress::parse("127.0.0.1"), *IpAddress::parse("127.0.0.2")};
  world.open();
  const std::string two = world.at_upstream("two.test");  // nobody listens on the second
  for (int i = 0; i < 20; ++i) EXPECT_EQ(host_asked(world, two), two);
  EXPECT_LE(world.cluster->cluster->metrics.connect_failures->value(), 1);
  log::set_sink(nullptr);
}

// A request that is under way to an address which is still allowed, when another one of the name no longer is.
TEST(DynamicUpstream, tries_again_at_no_address_that_is_denied_by_now) {
  World world;
  log::set_sink([](std::string_view) {});
  TestUpstream second(world.loop, INADDR_LOOPBACK + 1, world.upstream.address.port());
  world.names.hosts["two.test"] = {*IpAddress::parse("127.0.0.1"), *IpAddress::parse("127.0.0.2")};
  world.open();
  const std::string two = world.at_upstream("two.test");
  // Each takes one request and keeps its connection.
  const auto serve_one = [&] {
    Trip trip(world, two);
    turn_until(world.loop, [&] {
      for (TestUpstream* at : {&world.upstream, &second})
        for (TestPeer& peer : at->peers)
          if (peer.hears("\r\n\r\n")) peer.forget(), peer.say("HTTP/1.1 204 No Content\r\n\r\n");
      return !trip.runner.running();
    });
    EXPECT_EQ(trip.response.status, 204);
  };
  for (int i = 0; i < 10 && (world.upstream.peers.empty() || second.peers.empty()); ++i) serve_one();
  ASSERT_EQ(second.peers.size(), 1U);
  ASSERT_EQ(world.upstream.peers.size(), 1U);

  std::optional<Trip> trip;
  for (int i = 0; i < 10; ++i) {
    trip.emplace(world, two);
    ASSERT_TRUE(turn_until(
        world.loop, [&] { return world.upstream.peers[0].hears("\r\n\r\n") || second.peers[0].hears("\r\n\r\n"); }));
    if (world.upstream.peers[0].hears("\r\n\r\n")) break;
    second.peers[0].forget();
    second.peers[0].say("HTTP/1.1 204 No Content\r\n\r\n");
    ASSERT_TRUE(trip->done());
  }
  ASSERT_TRUE(trip->runner.running());
  const auto now = std::make_shared<EgressNow>();
  now->elsewhere.guard =
      guard_of({{"nope", RuleAction::deny, {"127.0.0.2/32"}}, {"lab", RuleAction::allow, {"loopback"}}});
  world.upstreams.set_egress(now);
  ASSERT_TRUE(trip->runner.running());
  world.upstream.stop();
  world.upstream.peers[0].close();
  ASSERT_TRUE(trip->done());
  EXPECT_EQ(trip->response.status, 503);
  EXPECT_EQ(second.peers.size(), 1U);
  log::set_sink(nullptr);
}

}  // namespace
}  // namespace sluice
