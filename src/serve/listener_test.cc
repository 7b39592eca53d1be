#include "serve/listener.h"

#include <gtest/gtest.h>

#include "net/testing.h"

namespace sluice {
namespace {

// A protocol that is not HTTP: it keeps what comes.
class Keeps final : public StreamHandler {
 public:
  void take(Arrival arrival) override { arrivals.push_back(std::move(arrival)); }
  bool make_room() override {
    if (idle == 0) return false;
    --idle;
    arrivals.pop_front();
    return true;
  }
  int idle = 0;  // of those that came first
  std::deque<Arrival> arrivals;
};

struct World {
  World() {
    auto metrics_of_it = std::make_shared<ListenerMetrics>(metrics, "127.0.0.1_80");
    counts = metrics_of_it;
    listener.count_into(std::move(metrics_of_it));
    CHECK(listener.start(*ListenSocket::open(SocketAddress::v4(INADDR_LOOPBACK, 0), false)).has_value());
  }
  ~World() { handler.arrivals.clear(); }
  Loop loop;
  Metrics metrics{1};
  std::shared_ptr<const ListenerMetrics> counts;
  ConnectionLimit limit{2, "gateways", metrics};
  Keeps handler;
  Listener listener{loop, handler, &limit};
};

TEST(Listener, hands_connections_to_whoever_speaks_their_protocol) {
  World world;
  TestPeer client(world.listener.address());
  client.say("hello");
  ASSERT_TRUE(turn_until(world.loop, [&] { return world.handler.arrivals.size() == 1; }));
  Arrival& arrival = world.handler.arrivals.front();
  EXPECT_EQ(arrival.peer.ip(), "127.0.0.1");
  EXPECT_EQ(&arrival.seat.listener(), &world.listener);
  std::array<char, 16> into;
  ASSERT_TRUE(turn_until(world.loop, [&] { return arrival.stream->buffered_bytes() == 5; }));
  EXPECT_EQ((*arrival.stream->try_read(into)).value(), 5U);
}

TEST(Listener, counts_a_connection_as_long_as_its_seat_is_taken) {
  World world;
  std::deque<TestPeer> clients;
  for (int i = 0; i < 3; ++i) clients.emplace_back(world.listener.address());
  ASSERT_TRUE(turn_until(world.loop, [&] { return clients[2].ended(); })) << "the third is one too many";
  EXPECT_EQ(world.listener.connections(), 2U);
  EXPECT_EQ(world.counts->connections_overflow->value(), 1);
  EXPECT_EQ(world.counts->connections_active->value(), 2);
  world.handler.arrivals.pop_front();
  EXPECT_EQ(world.listener.connections(), 1U);
  EXPECT_EQ(world.counts->connections_active->value(), 1);
  EXPECT_EQ(world.counts->connections_ended->value(), 1);
  clients.emplace_back(world.listener.address());
  EXPECT_TRUE(turn_until(world.loop, [&] { return world.listener.connections() == 2; }));
}

TEST(Listener, has_its_protocol_make_room_before_it_refuses) {
  World world;
  world.handler.idle = 1;
  std::deque<TestPeer> clients;
  for (int i = 0; i < 3; ++i) clients.emplace_back(world.listener.address());
  ASSERT_TRUE(turn_until(world.loop, [&] { return clients[0].ended(); }));
  EXPECT_EQ(world.listener.connections(), 2U);
  EXPECT_EQ(world.counts->connections_overflow->value(), 0);
  clients.emplace_back(world.listener.address());
  ASSERT_TRUE(turn_until(world.loop, [&] { return clients[3].ended(); })) << "nobody waits any more";
  EXPECT_EQ(world.counts->connections_overflow->value(), 1);
  EXPECT_FALSE(clients[1].ended() || clients[2].ended());
}

TEST(Listener, gives_a_seat_back_that_no_stream_could_take) {
  World world;
  world.loop.limit_watches(2);  // the loop's own, and the listening socket's
  TestPeer client(world.listener.address());
  EXPECT_TRUE(turn_until(world.loop, [&] { return client.ended(); }));
  EXPECT_EQ(world.listener.connections(), 0U);
  EXPECT_TRUE(world.limit.take() && world.limit.take()) << "both places are free";
}

}  // namespace
}  // namespace sluice
