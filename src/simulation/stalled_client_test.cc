// What is cut off must end although its client does not read: it holds a place of the upstream's. Over real sockets, as
// bytes that nobody looks at never come into memory there.
#include <gtest/gtest.h>
#include <csignal>
#include <functional>

#include "forward/exchange.h"
#include "net/testing.h"
#include "serve/http_server.h"

namespace sluice {
namespace {

struct Rules final : RouteRules {
  void rewrite_request(Request&) const override {}
  void finish_response(Request&, Response& response) const override { response.finished = true; }
};

// A gateway of one route to one upstream, whose response is under way to a client that reads nothing of it.
struct Stalled {
  struct Forwards final : Service {
    explicit Forwards(Stalled& w) : world(w) {}
    Task<Response> handle(Request& request) const override {
      request.route.rules = &world.rules;
      EndpointSet::Endpoint& endpoint = *world.endpoints.find(world.upstream.address, 0);
      return forward(request, {world.pool, EndpointSet::Use(world.endpoints, endpoint)});
    }
    Stalled& world;
  };
  struct Log final : ExchangeObserver {
    explicit Log(Stalled& w) : world(w) {}
    void finished(const Request& request, const Response&, SteadyTime) const override {
      world.log = fmt::format("{} {} {}", request.info.code, request.info.flags_text(), request.info.details);
    }
    Stalled& world;
  };

  // `head`: of the response, whose body has no end.
  explicit Stalled(std::string_view head, const std::function<void(Rules&, ListenerConfig&)>& change) {
    std::signal(SIGPIPE, SIG_IGN);
    loop.use_manual_clock(SteadyTime(1'000'000s), WallTime(0s));
    loop.pipes.set_max(1);
    const EndpointSet::Member member{.address = upstream.address};
    endpoints.change({&member, 1});
    config.service = std::make_shared<Forwards>(*this);
    config.observer = std::make_shared<Log>(*this);
    config.metrics = std::make_shared<ServerMetrics>(metrics, "test");
    change(rules, config);
    listener.configure(nullptr, &config);
    auto fd = ListenSocket::open(SocketAddress::v4(INADDR_LOOPBACK, 0), false);
    CHECK(fd.has_value() && listener.start(*fd).has_value());
    client.emplace(listener.address());
    client->say("GET /1 HTTP/1.1\r\nHost: h\r\n\r\n");
    CHECK(turn_until(loop, [&] { return !upstream.peers.empty() && upstream.peers[0].hears("\r\n\r\n"); }));
    upstream.peers[0].say(head);
    const std::string piece(1 << 20, 'x');
    for (int full = 0; full < 20; ++full) {
      if (upstream.peers[0].say(piece) > 0) full = 0;
      loop.turn(1ms);
    }
  }
  ~Stalled() {
    listener.drain();
    listener.abort();
    CHECK(turn_until(loop, [&] { return listener.connections() == 0; }));
  }

  bool is_under_way() const {
    return cluster->metrics.requests_active->value() + cluster->metrics.connections_active->value() > 0;
  }
  // The response goes from socket to socket.
  bool splices() { return !loop.pipes.take(); }
  // Within a second.
  bool client_is_let_go() {
    loop.advance(1s);
    return turn_until(loop, [&] { return listener.connections() == 0; });
  }

  Loop loop;
  Metrics metrics{1};
  Rules rules;
  std::shared_ptr<Cluster> cluster = std::make_shared<Cluster>("c", kinds::CircuitBreakers{}, 1, metrics);
  ConnectionBudget budget;
  ClusterConnections connections{budget, cluster, HostsBy::operator_};
  ConnectionPool pool{loop, connections};
  EndpointSet::Options options = cluster->endpoint_options();
  EndpointSet endpoints{options, 1};
  TestUpstream upstream{loop};
  ListenerConfig config;
  ConnectionLimit limit{20, "test", metrics};
  IdleConnections idle{limit};
  HttpListener listener{loop, nullptr, &limit, &idle};
  std::optional<TestPeer> client;
  std::string log;
};

// A body that goes from socket to socket, and one that goes through memory.
constexpr std::string_view kHeads[] = {"HTTP/1.1 200 OK\r\nContent-Length: 10000000000\r\n\r\n",
                                       "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"};

TEST(StalledClient, does_not_outlast_the_routes_timeout) {
  for (const std::string_view head : kHeads) {
    Stalled world(head, [](Rules& rules, ListenerConfig& config) {
      rules.timeout = 10s;
      config.stream_idle_timeout = 0s;
    });
    EXPECT_EQ(world.splices(), head == kHeads[0]);
    world.loop.advance(9s);
    settle(world.loop);
    EXPECT_TRUE(world.is_under_way());
    world.loop.advance(1s);
    settle(world.loop);
    EXPECT_FALSE(world.is_under_way()) << head;
    EXPECT_EQ(world.log, "200 UT response_timeout");
    EXPECT_TRUE(world.client_is_let_go());
    EXPECT_TRUE(world.client->ended()) << "in the middle of the response";
  }
}

TEST(StalledClient, does_not_outlast_the_routes_idle_timeout) {
  for (const std::string_view head : kHeads) {
    Stalled world(head, [](Rules& rules, ListenerConfig&) {
      rules.timeout = 0s;
      rules.idle_timeout = 2s;  // the listener's is 5 min
    });
    world.loop.advance(1s);
    settle(world.loop);
    EXPECT_TRUE(world.is_under_way());
    world.loop.advance(1s);
    settle(world.loop);
    EXPECT_FALSE(world.is_under_way()) << head;
    EXPECT_EQ(world.log, "200 SI stream_idle_timeout");
    EXPECT_TRUE(world.client_is_let_go());
  }
}

TEST(StalledClient, has_as_long_as_its_route_says_where_the_listener_says_less) {
  for (const std::string_view head : kHeads) {
    Stalled world(head, [](Rules& rules, ListenerConfig& config) {
      rules.timeout = 0s;
      rules.idle_timeout = 10min;
      config.stream_idle_timeout = 2s;
    });
    world.loop.advance(9min);
    settle(world.loop);
    EXPECT_TRUE(world.is_under_way()) << head;
    world.loop.advance(1min);
    settle(world.loop);
    EXPECT_FALSE(world.is_under_way()) << head;
  }
}

TEST(StalledClient, does_not_keep_what_is_denied) {
  for (const std::string_view head : kHeads) {
    Stalled world(head, [](Rules& rules, ListenerConfig& config) {
      rules.timeout = 0s;
      config.stream_idle_timeout = 0s;
    });
    size_t ended = 0;
    world.pool.each_under_way([&](ConnectionPool::UnderWay& one) { ended += one.end({.rule = "r", .text = "no"}); });
    EXPECT_EQ(ended, 1U);
    settle(world.loop);
    EXPECT_FALSE(world.is_under_way()) << head;
    EXPECT_EQ(world.log, "200 - destination_ip_prohibited{r}");
    EXPECT_TRUE(world.client_is_let_go());
    EXPECT_TRUE(world.client->ended());
  }
}

}  // namespace
}  // namespace sluice
