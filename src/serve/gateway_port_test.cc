#include "serve/gateway_port.h"

#include <gtest/gtest.h>

#include "net/memory_stream.h"
#include "net/testing.h"

namespace sluice {

// Of this program nobody forwards.
class Upstreams {};

namespace {

struct FakeConnection final : TcpConnection {
  explicit FakeConnection(std::unique_ptr<Stream> s) : made(std::move(s)) {}
  Stream& stream() override { return *made; }
  void sent(uint64_t) override {}
  void received(uint64_t) override {}
  std::unique_ptr<Stream> made;
};

// Connects at once; the far ends are kept.
struct FakeDestination final : TcpService {
  Task<std::unique_ptr<TcpConnection>> connect(TcpClient& client, unsigned) const override {
    StreamPair pair = memory_streams(client.loop);
    far.push_back(std::move(pair.downstream));
    co_return std::make_unique<FakeConnection>(std::move(pair.upstream));
  }
  std::string_view cluster_name() const override { return "fake"; }
  mutable std::vector<std::unique_ptr<Stream>> far;
};

struct Lines final : ExchangeObserver {
  void finished(const Request&, const Response&, SteadyTime) const override {}
  void tcp_finished(const StreamInfo& info, SteadyTime now) const override {
    bytes.push_back(info.bytes_received);
    ages.push_back(now - info.start);
  }
  mutable std::vector<uint64_t> bytes;
  mutable std::vector<Nanos> ages;
};

class GatewayPortTest : public testing::Test {
 protected:
  GatewayPortTest() {
    loop.use_manual_clock(SteadyTime(1'000'000s), WallTime(0s));
    common.listener = std::make_shared<ListenerMetrics>(metrics, "127.0.0.1_1");
    tcp.destinations.push_back({destination, 1});
    tcp.metrics = std::make_shared<TcpMetrics>(metrics);
    tcp.observer = lines;
  }
  ~GatewayPortTest() override {
    port.drain();
    port.abort();
    CHECK(turn_until(loop, [&] { return port.connections() == 0; }));
  }

  void serve(std::vector<PortChain> chains, std::vector<ChainMatch> matches = {{}}) {
    config = {.listener = &common,
              .chains = std::move(chains),
              .table = std::make_shared<const ChainTable>(*ChainTable::create(matches))};
    port.configure(nullptr, config, 10s);
    if (!std::exchange(started, true))
      CHECK(port.start(*ListenSocket::open(SocketAddress::v4(INADDR_LOOPBACK, 0), false)).has_value());
  }
  // True: it got through to the destination.
  bool gets_through(TestPeer& client) {
    const size_t before = destination->far.size();
    CHECK(turn_until(loop, [&] { return destination->far.size() > before || client.ended(); }));
    return destination->far.size() > before;
  }

  Loop loop;
  Metrics metrics{1};
  Upstreams upstreams;
  ConnectionLimit limit{8, "gateways", metrics};
  std::shared_ptr<FakeDestination> destination = std::make_shared<FakeDestination>();
  std::shared_ptr<Lines> lines = std::make_shared<Lines>();
  ListenerConfig common;
  TcpConfig tcp;
  PortConfig config;
  GatewayPort port{loop, upstreams, &limit, nullptr, nullptr};
  bool started = false;
};

TEST_F(GatewayPortTest, ends_the_connections_of_a_chain_that_nobody_serves) {
  serve({{.name = "gone"}});
  TestPeer client(port.address());
  EXPECT_FALSE(gets_through(client));
  EXPECT_EQ(common.listener->tls_no_chain->value(), 1);
  serve({{.name = "there", .tcp = &tcp}});
  TestPeer another(port.address());
  EXPECT_TRUE(gets_through(another));
}

TEST_F(GatewayPortTest, chooses_by_where_a_client_comes_from) {
  serve({{.name = "near", .tcp = &tcp}, {.name = "gone"}}, {{{}, {*Cidr::parse("127.0.0.0/8")}}, {}});
  TestPeer client(port.address());
  EXPECT_TRUE(gets_through(client));
  serve({{.name = "far", .tcp = &tcp}, {.name = "gone"}}, {{{}, {*Cidr::parse("10.0.0.0/8")}}, {}});
  TestPeer another(port.address());
  EXPECT_FALSE(gets_through(another));
}

TEST_F(GatewayPortTest, keeps_one_over_the_limit_of_its_chain_for_a_while_and_serves_it_never) {
  const auto open = std::make_shared<OpenConnections>();
  serve({{.name = "a", .tcp = &tcp, .limit = {.open = open, .most = 1, .delay_before_close = 2s}}});
  auto first = std::make_unique<TestPeer>(port.address());
  EXPECT_TRUE(gets_through(*first));
  EXPECT_EQ(common.listener->limited_connections_active->value(), 1);
  TestPeer second(port.address());
  ASSERT_TRUE(turn_until(loop, [&] { return port.connections() == 2; }));
  loop.advance(1999ms);
  settle(loop);
  EXPECT_FALSE(second.ended());
  loop.advance(2ms);
  EXPECT_TRUE(turn_until(loop, [&] { return second.ended(); }));
  EXPECT_EQ(common.listener->connections_over_limit->value(), 1);
  first.reset();
  destination->far.clear();
  ASSERT_TRUE(turn_until(loop, [&] { return port.connections() == 0; }));
  EXPECT_EQ(common.listener->limited_connections_active->value(), 0);
  TestPeer third(port.address());
  EXPECT_TRUE(gets_through(third));
}

TEST_F(GatewayPortTest, lets_nobody_wait_over_a_limit_when_it_drains) {
  const auto open = std::make_shared<OpenConnections>();
  serve({{.name = "a", .tcp = &tcp, .limit = {.open = open, .most = 0, .delay_before_close = 1h}}});
  TestPeer client(port.address());
  ASSERT_TRUE(turn_until(loop, [&] { return port.connections() == 1; }));
  port.drain();
  EXPECT_TRUE(turn_until(loop, [&] { return client.ended(); }));
}

TEST_F(GatewayPortTest, keeps_the_connections_of_a_chain_that_goes_until_its_time_is_over) {
  serve({{.name = "a", .tcp = &tcp}});
  TestPeer client(port.address());
  ASSERT_TRUE(gets_through(client));
  serve({{.name = "b", .tcp = &tcp}});
  port.look_after_leaving();
  settle(loop);
  EXPECT_FALSE(client.ended());
  loop.advance(10s);
  port.look_after_leaving();
  EXPECT_TRUE(turn_until(loop, [&] { return client.ended(); }));
  EXPECT_EQ(tcp.metrics->forced->value(), 1);
}

TEST_F(GatewayPortTest, logs_a_connection_each_time_that_its_interval_has_passed_and_at_its_end) {
  tcp.log_interval = 10s;
  serve({{.name = "a", .tcp = &tcp}});
  auto client = std::make_unique<TestPeer>(port.address());
  ASSERT_TRUE(gets_through(*client));
  loop.advance(9s);
  EXPECT_TRUE(lines->bytes.empty());
  loop.advance(1100ms);
  EXPECT_EQ(lines->bytes, std::vector<uint64_t>{0});
  client->say("hello");
  ASSERT_TRUE(turn_until(loop, [&] { return destination->far[0]->has_buffered(); }));
  loop.advance(10s);
  EXPECT_EQ(lines->bytes, (std::vector<uint64_t>{0, 5}));
  client.reset();
  destination->far.clear();
  ASSERT_TRUE(turn_until(loop, [&] { return port.connections() == 0; }));
  EXPECT_EQ(lines->bytes, (std::vector<uint64_t>{0, 5, 5}));
  EXPECT_GE(lines->ages[1], 20s);
  loop.advance(1min);
  EXPECT_EQ(lines->bytes.size(), 3U);
}

}  // namespace
}  // namespace sluice
