#include "serve/proxy_protocol_reader.h"

#include <gtest/gtest.h>

#include "net/testing.h"

namespace sluice {
namespace {

using namespace std::string_literals;

struct Keeps final : StreamHandler {
  void take(Arrival arrival) override { arrivals.push_back(std::move(arrival)); }
  bool make_room() override { return false; }
  std::deque<Arrival> arrivals;
};

struct World {
  explicit World(bool optional = false) {
    loop.use_manual_clock(SteadyTime(1'000'000s), WallTime(0s));
    auto options = std::make_shared<ProxyProtocolOptions>();
    options->rules = {{0xEA, "ns", "vpce"}, {0x02, "ns", "name"}};
    options->optional = optional;
    options->metrics = counts;
    reader.configure(options);
    reader.count_into(listener_counts.get());
    listener.count_into(listener_counts);
    CHECK(listener.start(*ListenSocket::open(SocketAddress::v4(INADDR_LOOPBACK, 0), false)).has_value());
  }
  ~World() {
    reader.end_waiting();
    handler.arrivals.clear();
  }
  // Says it, and gives the arrival once there is one.
  Arrival* arrival(TestPeer& client, std::string_view bytes) {
    client.say(bytes);
    const size_t before = handler.arrivals.size();
    CHECK(turn_until(loop, [&] { return handler.arrivals.size() > before || client.ended(); }));
    return handler.arrivals.size() > before ? &handler.arrivals.back() : nullptr;
  }
  std::string rest(Arrival& arrival) {
    std::string into(64, '\0');
    const auto got = arrival.stream->try_read(into);
    return got && *got ? into.substr(0, **got) : "";
  }
  Loop loop;
  Metrics metrics{1};
  std::shared_ptr<const ListenerMetrics> listener_counts = std::make_shared<ListenerMetrics>(metrics, "127.0.0.1_80");
  std::shared_ptr<const ProxyProtocolMetrics> counts = std::make_shared<ProxyProtocolMetrics>(metrics);
  Keeps handler;
  ConnectionLimit limit{4, "gateways", metrics};
  ProxyProtocolReader reader{loop, handler};
  Listener listener{loop, reader, &limit};
};

const std::string kV1 = "PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\n";
const std::string kV2 = "\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xC0\0\x02\x01\xC0\0\x02\x02\xDC\x04\x01\xBB"s;

TEST(ProxyProtocolReader, makes_the_client_that_a_proxy_names_the_peer) {
  World world;
  for (const std::string& header : {kV1, kV2}) {
    TestPeer client(world.listener.address());
    Arrival* arrival = world.arrival(client, header + "GET /");
    ASSERT_TRUE(arrival);
    EXPECT_EQ(arrival->peer.to_string(), "192.0.2.1:56324");
    ASSERT_TRUE(arrival->introduction);
    EXPECT_EQ(arrival->introduction->direct_peer.ip(), "127.0.0.1");
    EXPECT_EQ(arrival->introduction->local_address.to_string(), "192.0.2.2:443");
    EXPECT_EQ(world.rest(*arrival), "GET /");
  }
  EXPECT_EQ(world.counts->found[0]->value(), 1);
  EXPECT_EQ(world.counts->found[1]->value(), 1);
}

TEST(ProxyProtocolReader, takes_a_header_that_comes_byte_by_byte) {
  for (const std::string& header : {kV1, kV2}) {
    World world;
    TestPeer client(world.listener.address());
    ASSERT_TRUE(turn_until(world.loop, [&] { return world.reader.waiting() == 1; }));
    EXPECT_EQ(world.listener_counts->waiting->value(), 1);
    for (size_t i = 0; i + 1 < header.size(); ++i) {
      client.say(header.substr(i, 1));
      world.loop.turn(1ms);
      EXPECT_EQ(world.reader.waiting(), 1U);
    }
    EXPECT_TRUE(world.arrival(client, header.substr(header.size() - 1)));
    EXPECT_EQ(world.listener_counts->waiting->value(), 0);
  }
}

TEST(ProxyProtocolReader, leaves_a_connection_of_the_proxys_own_as_it_is) {
  World world;
  for (const std::string& header : {"PROXY UNKNOWN\r\n"s, "\r\n\r\n\0\r\nQUIT\n\x20\0\0\0"s}) {
    TestPeer client(world.listener.address());
    Arrival* arrival = world.arrival(client, header);
    ASSERT_TRUE(arrival);
    EXPECT_EQ(arrival->peer.ip(), "127.0.0.1");
    EXPECT_FALSE(arrival->introduction);
  }
}

TEST(ProxyProtocolReader, keeps_tlvs_that_a_rule_asks_for) {
  World world;
  TestPeer client(world.listener.address());
  std::string header = kV2 + "\xEA\0\x05\x01vpce"s + "\x04\0\x01x"s + "\x02\0\x03"s + "\xff\"n";
  header[15] = static_cast<char>(header.size() - 16);
  Arrival* arrival = world.arrival(client, header);
  ASSERT_TRUE(arrival && arrival->introduction);
  std::string text;
  for (const MetadataEntry& entry : arrival->introduction->metadata)
    text += fmt::format("{}:{}={};", entry.filter_namespace, entry.key, entry.json);
  EXPECT_EQ(text, R"(ns:vpce="\u0001vpce";ns:name="!\"n";)");
}

TEST(ProxyProtocolReader, closes_what_has_no_header_or_a_broken_one) {
  World world;
  TestPeer without(world.listener.address()), broken(world.listener.address()), broken2(world.listener.address());
  EXPECT_FALSE(world.arrival(without, "GET / HTTP/1.1\r\n\r\n"));
  EXPECT_FALSE(world.arrival(broken, "PROXY TCP4 localhost localhost 1 2\r\n"));
  EXPECT_FALSE(world.arrival(broken2, "\r\n\r\n\0\r\nQUIT\n\x11\x11\0\0"s));
  EXPECT_EQ(world.counts->not_found_disallowed->value(), 1);
  EXPECT_EQ(world.counts->broken[0]->value(), 1);
  EXPECT_EQ(world.counts->broken[1]->value(), 1);
  EXPECT_EQ(world.listener.connections(), 0U);
}

TEST(ProxyProtocolReader, serves_those_without_one_where_that_is_allowed_and_loses_none_of_their_bytes) {
  World world(true);
  TestPeer client(world.listener.address());
  Arrival* arrival = world.arrival(client, "GET / HTTP/1.1\r\n\r\n");
  ASSERT_TRUE(arrival);
  EXPECT_EQ(arrival->peer.ip(), "127.0.0.1");
  settle(world.loop);
  EXPECT_EQ(world.rest(*arrival) + world.rest(*arrival), "GET / HTTP/1.1\r\n\r\n");
  EXPECT_EQ(world.counts->not_found_allowed->value(), 1);
  TestPeer broken(world.listener.address());
  EXPECT_FALSE(world.arrival(broken, "PROXY x\r\n"));
}

TEST(ProxyProtocolReader, waits_so_long_and_no_longer) {
  World world;
  TestPeer silent(world.listener.address()), slow(world.listener.address()), gone(world.listener.address());
  ASSERT_TRUE(turn_until(world.loop, [&] { return world.reader.waiting() == 3; }));
  gone.close();
  ASSERT_TRUE(turn_until(world.loop, [&] { return world.reader.waiting() == 2; }));
  EXPECT_EQ(world.listener_counts->waiting_closed->value(), 1);
  world.loop.advance(14s);
  slow.say("PROXY ");  // which does not begin the time anew
  settle(world.loop);
  EXPECT_EQ(world.reader.waiting(), 2U);
  world.loop.advance(2s);
  ASSERT_TRUE(turn_until(world.loop, [&] { return silent.ended() && slow.ended(); }));
  EXPECT_EQ(world.listener_counts->waiting_timeouts->value(), 2);
}

TEST(ProxyProtocolReader, lets_the_one_that_waited_longest_go_for_another) {
  World world;
  std::deque<TestPeer> clients;
  for (int i = 0; i < 4; ++i) {
    clients.emplace_back(world.listener.address());
    ASSERT_TRUE(turn_until(world.loop, [&] { return world.reader.waiting() == clients.size(); }));
  }
  clients.emplace_back(world.listener.address());
  ASSERT_TRUE(turn_until(world.loop, [&] { return clients[4].ended(); })) << "the others came just now";
  world.loop.advance(1s);
  clients.emplace_back(world.listener.address());
  ASSERT_TRUE(turn_until(world.loop, [&] { return clients[0].ended(); }));
  settle(world.loop);
  EXPECT_EQ(world.reader.waiting(), 4U);
  EXPECT_FALSE(clients[1].ended());
}

TEST(ProxyProtocolReader, passes_connections_unread_when_it_is_not_asked_to_read) {
  World world;
  world.reader.configure(nullptr);
  TestPeer client(world.listener.address());
  Arrival* arrival = world.arrival(client, "");
  ASSERT_TRUE(arrival);
  client.say(kV1);
  ASSERT_TRUE(turn_until(world.loop, [&] { return arrival->stream->buffered_bytes() == kV1.size(); }));
}

}  // namespace
}  // namespace sluice
