#include "forward/introduction.h"

#include <gtest/gtest.h>

#include "forward/static_upstream.h"
#include "forward/testing.h"

namespace sluice {
namespace {

const SocketAddress kGateway = *SocketAddress::parse("192.0.2.1", 80);

// A client's connection to the gateway.
struct Client final : Request::Client {
  Client(std::string_view ip, uint16_t port) : address(*SocketAddress::parse(ip, port)) {}
  void route_is_final() override {}
  void cut_off(const Error&) override {}
  bool draining() const override { return false; }
  std::optional<SocketAddress> local_address() const override { return kGateway; }
  const SocketAddress address;
};

struct World {
  explicit World(ProxyProtocol version = ProxyProtocol::v1, const kinds::CircuitBreakers& breakers = {}) {
    loop.use_manual_clock(SteadyTime(1000s), WallTime(0s));
    auto made = std::make_shared<Cluster>("c", breakers, 1, metrics);
    made->proxy_protocol = version;
    cluster->cluster = std::move(made);
    cluster->hosts = {
        {.name = "", .address = IpAddress::v4(127, 0, 0, 1), .port = upstream.address.port(), .weight = 1}};
  }
  ~World() {
    cluster.reset();
    settle(loop);
  }
  Loop loop;
  Metrics metrics{1};
  TestUpstream upstream{loop};
  Upstreams upstreams{loop};
  OwnedLoops loops{{&loop}};
  std::shared_ptr<StaticCluster> cluster = std::make_shared<StaticCluster>(loops);
};

// One request of a client; null: of the gateway's own.
struct Trip {
  Trip(World& w, Client* client) : world(w), service(make_static_upstream(w.cluster)) {
    request.method = "GET";
    request.path = "/";
    request.authority = "h";
    request.upstreams = &w.upstreams;
    request.background = &background;
    request.client = client;
    info.protocol = "HTTP/1.1";
    info.start = w.loop.now();
    if (client) info.downstream_peer = &client->address;
    runner.start(run());
  }
  ~Trip() {
    runner.cancel();
    background.cancel();
    CHECK(done() && background.empty());
    response.body = {};
    arena.reset();
  }
  Task<void> run() {
    auto handling = service->handle(request);
    response = CO_TRY(co_await handling);
    co_return Status{};
  }
  bool done() {
    return turn_until(world.loop, [&] { return !runner.running(); });
  }
  // The number of the connection that it came on, and is answered on.
  size_t answered() {
    size_t on = SIZE_MAX;
    CHECK(turn_until(world.loop, [&] {
      for (size_t i = 0; i < world.upstream.peers.size(); ++i)
        if (world.upstream.peers[i].heard().ends_with("\r\n\r\n")) on = i;
      return on != SIZE_MAX;
    }));
    heard = world.upstream.peers[on].heard();
    world.upstream.peers[on].forget();
    world.upstream.peers[on].say("HTTP/1.1 204 No Content\r\n\r\n");
    CHECK(done());
    EXPECT_EQ(response.status, 204);
    return on;
  }

  World& world;
  std::shared_ptr<const Service> service;
  Arena arena;
  StreamInfo info;
  TaskGroup background;
  Request request{arena, world.loop, info};
  Response response;
  std::string heard;
  Runner runner{this, [](void*, Result<void>) {}};
};

size_t send(World& world, Client* client) {
  return Trip(world, client).answered();
}

TEST(Introduction, says_whose_connection_it_is_before_anything_else) {
  World world;
  Client client("198.51.100.7", 4711);
  Trip trip(world, &client);
  trip.answered();
  EXPECT_TRUE(trip.heard.starts_with("PROXY TCP4 198.51.100.7 192.0.2.1 4711 80\r\nGET / HTTP/1.1\r\n")) << trip.heard;
}

TEST(Introduction, says_it_in_version_2) {
  World world(ProxyProtocol::v2);
  Client client("198.51.100.7", 4711);
  Trip trip(world, &client);
  trip.answered();
  const auto read = read_proxy_header(trip.heard);
  ASSERT_TRUE(read && *read);
  EXPECT_EQ((*read)->version, 2);
  EXPECT_EQ((*read)->proxied->source.to_string(), "198.51.100.7:4711");
  EXPECT_EQ((*read)->proxied->destination.to_string(), "192.0.2.1:80");
}

TEST(Introduction, is_of_the_gateway_itself_where_nobody_asks_through_it) {
  World world;
  Trip trip(world, nullptr);
  trip.answered();
  EXPECT_TRUE(trip.heard.starts_with("PROXY UNKNOWN\r\nGET / HTTP/1.1\r\n")) << trip.heard;
}

TEST(Introduction, is_said_once_and_its_connection_serves_that_client_alone) {
  World world;
  Client one("198.51.100.7", 4711), other("198.51.100.7", 4712);
  EXPECT_EQ(send(world, &one), 0U);
  EXPECT_EQ(send(world, &one), 0U);
  EXPECT_EQ(send(world, &other), 1U);
  EXPECT_EQ(send(world, nullptr), 2U);
  EXPECT_EQ(send(world, &one), 0U);
  Trip again(world, &other);
  EXPECT_EQ(again.answered(), 1U);
  EXPECT_TRUE(again.heard.starts_with("GET / ")) << again.heard;
}

TEST(Introduction, an_idle_connection_of_another_client_goes_where_there_may_be_no_more) {
  kinds::CircuitBreakers breakers;
  breakers.max_connections = 2;
  World world(ProxyProtocol::v1, breakers);
  Client one("198.51.100.7", 1), two("198.51.100.7", 2), three("198.51.100.7", 3);
  EXPECT_EQ(send(world, &one), 0U);
  EXPECT_EQ(send(world, &two), 1U);
  EXPECT_EQ(send(world, &three), 2U);
  EXPECT_TRUE(world.upstream.peers[0].ended()) << "the one that was idle for longest";
  EXPECT_FALSE(world.upstream.peers[1].ended());

  // All are busy: it waits for one to become free, which is closed for it.
  std::optional<Trip> busy_two(std::in_place, world, &two);
  Trip busy_three(world, &three);
  CHECK(turn_until(world.loop, [&] {
    return world.upstream.peers[1].heard().ends_with("\r\n\r\n") &&
           world.upstream.peers[2].heard().ends_with("\r\n\r\n");
  }));
  Trip waits(world, &one);
  settle(world.loop);
  EXPECT_EQ(world.upstream.peers.size(), 3U);
  world.upstream.peers[1].forget();
  world.upstream.peers[1].say("HTTP/1.1 204 No Content\r\n\r\n");
  ASSERT_TRUE(busy_two->done());
  busy_two.reset();
  ASSERT_TRUE(turn_until(world.loop, [&] { return world.upstream.peers.size() == 4; }));
  world.upstream.peers[2].forget();
  EXPECT_EQ(waits.answered(), 3U);
  world.upstream.peers[2].say("HTTP/1.1 204 No Content\r\n\r\n");
  EXPECT_TRUE(busy_three.done());
}

}  // namespace
}  // namespace sluice
