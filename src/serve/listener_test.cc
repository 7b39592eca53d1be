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
  explicit World(size_t most = 2) : limit(most, "gateways", metrics) {
    auto metrics_of_it = std::make_shared<ListenerMetrics>(metrics, "127.0.0.1_80");
    counts = metrics_of_it;
    listener.count_into(std::move(metrics_of_it));
    CHECK(listener.start(*ListenSocket::open(SocketAddress::v4(INADDR_LOOPBACK, 0), false)).has_value());
  }
  ~World() { handler.arrivals.clear(); }
  Loop loop;
  Metrics metrics{1};
  std::shared_ptr<const ListenerMetrics> counts;
  ConnectionLimit limit;
  Keeps handler;
  TurnedAway turned_away{loop, &limit};
  Listener listener{loop, handler, &limit, &turned_away};
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

// The listeners of two workers on one address; what comes, comes to the first.
struct Balanced {
  explicit Balanced(bool exact) {
    for (Worker& worker : workers) {
      worker.listener.count_into(counts);
      worker.listener.spread_by(exact ? balance : nullptr);
    }
    const int fd = *ListenSocket::open(SocketAddress::v4(INADDR_LOOPBACK, 0), true);
    CHECK(workers[0].listener.start(fd).has_value());
    CHECK(workers[1].listener.start(*ListenSocket::open(SocketAddress::v4(INADDR_LOOPBACK, 0), true)).has_value());
  }
  ~Balanced() {
    for (Worker& worker : workers) worker.handler.arrivals.clear();
  }
  void connect(int count) {
    const size_t wanted = connections() + static_cast<size_t>(count);
    for (int i = 0; i < count; ++i) clients.emplace_back(workers[0].listener.address());
    CHECK(turn_until(workers[0].loop, [&] {
      workers[1].loop.turn(0s);
      return connections() == wanted;
    }));
  }
  size_t connections() const { return workers[0].handler.arrivals.size() + workers[1].handler.arrivals.size(); }
  std::vector<size_t> spread() const {
    return {workers[0].handler.arrivals.size(), workers[1].handler.arrivals.size()};
  }

  struct Worker {
    Loop loop;
    Keeps handler;
    Listener listener{loop, handler, nullptr};
  };
  Metrics metrics{1};
  std::shared_ptr<const ListenerMetrics> counts = std::make_shared<ListenerMetrics>(metrics, "127.0.0.1_80");
  std::shared_ptr<ConnectionBalance> balance = std::make_shared<ConnectionBalance>(metrics, "127.0.0.1_80");
  std::array<Worker, 2> workers;
  std::deque<TestPeer> clients;
};

TEST(ConnectionBalance, gives_each_connection_to_the_worker_with_the_fewest) {
  Balanced world(true);
  world.connect(10);
  EXPECT_EQ(world.spread(), (std::vector<size_t>{5, 5}));
  Arrival& arrival = world.workers[1].handler.arrivals.front();
  EXPECT_EQ(&arrival.stream->loop(), &world.workers[1].loop);
  EXPECT_EQ(&arrival.seat.listener(), &world.workers[1].listener);
  for (int i = 0; i < 3; ++i) world.workers[1].handler.arrivals.pop_front();
  world.connect(3);
  EXPECT_EQ(world.spread(), (std::vector<size_t>{5, 5}));
  EXPECT_EQ(world.counts->connections_active->value(), 10);
  for (const auto& family : world.metrics.collect())
    if (family.name == "envoy_listener_worker_downstream_cx_active") EXPECT_EQ(family.samples.front().value, 10);
}

TEST(ConnectionBalance, counts_a_listener_once_that_begins_anew) {
  Balanced world(true);
  world.connect(2);
  world.workers[1].loop.limit_watches(0);
  const auto other = [] { return *ListenSocket::open(SocketAddress::v4(INADDR_LOOPBACK, 0), true); };
  EXPECT_FALSE(world.workers[1].listener.replace(other()));
  world.workers[1].loop.limit_watches(SIZE_MAX);
  ASSERT_TRUE(world.workers[1].listener.start(other()));
  world.workers[1].handler.arrivals.clear();
  world.connect(3);
  EXPECT_EQ(world.spread(), (std::vector<size_t>{2, 2}));
}

TEST(ConnectionBalance, is_not_there_unless_it_is_asked_for) {
  Balanced world(false);
  world.connect(4);
  EXPECT_EQ(world.spread(), (std::vector<size_t>{4, 0}));
  for (Balanced::Worker& worker : world.workers) worker.listener.spread_by(world.balance);
  world.connect(2);
  EXPECT_EQ(world.spread(), (std::vector<size_t>{4, 2})) << "those of before count";
}

TEST(ConnectionBalance, a_connection_on_its_way_comes_where_it_is_switched_off_and_ends_where_the_port_closes) {
  for (const bool closes : {false, true}) {
    Balanced world(true);
    world.connect(1);
    world.clients.emplace_back(world.workers[0].listener.address());
    settle(world.workers[0].loop);  // it is handed over
    if (closes)
      world.workers[1].listener.close();
    else
      for (Balanced::Worker& worker : world.workers) worker.listener.spread_by(nullptr);
    settle(world.workers[1].loop);
    EXPECT_EQ(world.spread(), (std::vector<size_t>{1, closes ? 0U : 1U}));
    EXPECT_EQ(world.clients.back().ended(), closes);
    world.connect(2);
    EXPECT_EQ(world.spread(), (std::vector<size_t>{3, closes ? 0U : 1U}));
  }
}

TEST(ConnectionBalance, a_connection_on_its_way_ends_where_the_port_has_been_closed_and_opened_again) {
  Balanced world(true);
  world.connect(1);
  world.clients.emplace_back(world.workers[0].listener.address());
  settle(world.workers[0].loop);  // it is handed over
  Listener& listener = world.workers[1].listener;
  listener.close();
  listener.spread_by(world.balance);
  ASSERT_TRUE(listener.start(*ListenSocket::open(SocketAddress::v4(INADDR_LOOPBACK, 0), true)));
  settle(world.workers[1].loop);
  EXPECT_EQ(world.spread(), (std::vector<size_t>{1, 0}));
  EXPECT_TRUE(world.clients.back().ended());
  world.connect(3);
  EXPECT_EQ(world.spread(), (std::vector<size_t>{2, 2}));
}

TEST(Listener, counts_what_the_kernel_knows_of_a_connection_at_its_end) {
  World world;
  world.listener.observe_tcp(std::make_shared<TcpStats>(world.metrics, "127.0.0.1_80"));
  TestPeer client(world.listener.address());
  client.say("hello");
  ASSERT_TRUE(turn_until(world.loop, [&] {
    return world.handler.arrivals.size() == 1 && world.handler.arrivals.front().stream->buffered_bytes() == 5;
  }));
  iovec said{const_cast<char*>("good day"), 8};
  EXPECT_EQ(world.handler.arrivals.front().stream->try_write({&said, 1})->value(), 8U);
  ASSERT_TRUE(turn_until(world.loop, [&] { return client.hears("good day"); }));
  const auto count = [&world](std::string_view name) -> int64_t {
    for (const auto& family : world.metrics.collect())
      if (family.name == fmt::format("envoy_listener_tcp_stats_cx_{}", name)) return family.samples.front().value;
    return -1;
  };
  EXPECT_EQ(count("rx_bytes_received"), 0);
  world.handler.arrivals.clear();
  EXPECT_EQ(count("rx_bytes_received"), 5);
  EXPECT_EQ(count("tx_bytes_sent"), 8);
  EXPECT_EQ(count("rx_data_segments"), 1);
  EXPECT_EQ(count("tx_data_segments"), 1);
  EXPECT_GE(count("tx_segments"), 2);
  EXPECT_EQ(count("tx_retransmitted_segments"), 0);

  world.listener.observe_tcp(nullptr);
  TestPeer other(world.listener.address());
  ASSERT_TRUE(turn_until(world.loop, [&] { return world.handler.arrivals.size() == 1; }));
  world.handler.arrivals.clear();
  EXPECT_EQ(count("tx_data_segments"), 1);
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

TEST(Listener, closes_newcomers_while_there_is_more_memory_in_use_than_there_may_be) {
  World world;
  Overload overload(world.metrics);
  const auto memory_of_1000 = [&](size_t bytes, SteadyTime now) {
    overload.update({.connections_max = 20, .memory = bytes, .memory_max = 1000}, now);
  };
  world.listener.look_at(&overload);
  TestPeer early(world.listener.address());
  ASSERT_TRUE(turn_until(world.loop, [&] { return world.listener.connections() == 1; }));
  memory_of_1000(1000, SteadyTime(1000s));
  TestPeer late(world.listener.address());
  ASSERT_TRUE(turn_until(world.loop, [&] { return late.ended(); }));
  EXPECT_FALSE(early.ended());
  EXPECT_EQ(world.counts->connections_unwanted->value(), 1);
  EXPECT_EQ(world.limit.open(), 1U);
  memory_of_1000(900, SteadyTime(1002s));
  TestPeer later(world.listener.address());
  EXPECT_TRUE(turn_until(world.loop, [&] { return world.listener.connections() == 2; }));
  EXPECT_EQ(world.counts->connections_unwanted->value(), 1);
}

TEST(Listener, closes_what_its_gateway_does_not_allow) {
  World world;
  world.listener.limit(1, 0s);
  TestPeer first(world.listener.address()), second(world.listener.address());
  ASSERT_TRUE(turn_until(world.loop, [&] { return second.ended(); }));
  EXPECT_EQ(world.listener.connections(), 1U);
  EXPECT_EQ(world.counts->connections_over_limit->value(), 1);
  EXPECT_EQ(world.counts->limited_connections->value(), 1);
  EXPECT_EQ(world.counts->limited_connections_active->value(), 1);
  EXPECT_EQ(world.counts->connections->value(), 1) << "that one alone was served";
  EXPECT_EQ(world.limit.open(), 1U);
  // A limit that goes lets more in, and one that comes counts those that are there.
  world.listener.limit(ListenerMetrics::kNoLimit, 0s);
  EXPECT_EQ(world.counts->limited_connections_active->value(), 0);
  TestPeer third(world.listener.address());
  ASSERT_TRUE(turn_until(world.loop, [&] { return world.listener.connections() == 2; }));
  world.listener.limit(2, 0s);
  EXPECT_EQ(world.counts->limited_connections_active->value(), 2);
  world.handler.arrivals.pop_front();
  TestPeer fourth(world.listener.address());
  EXPECT_TRUE(turn_until(world.loop, [&] { return world.listener.connections() == 2; }));
  world.handler.arrivals.clear();
  EXPECT_EQ(world.counts->limited_connections_active->value(), 0);
}

TEST(Listener, keeps_one_too_many_unread_as_long_as_it_was_told) {
  World world;
  world.loop.use_manual_clock(SteadyTime(1'000'000s), WallTime(0s));
  world.listener.limit(1, 5s);
  TestPeer first(world.listener.address()), second(world.listener.address());
  second.say("GET / HTTP/1.1\r\n");
  ASSERT_TRUE(turn_until(world.loop, [&] { return world.counts->connections_over_limit->value() == 1; }));
  world.loop.advance(4999ms);
  settle(world.loop);
  EXPECT_FALSE(second.ended());
  EXPECT_EQ(world.limit.open(), 2U) << "it holds a place of the process";
  world.loop.advance(2ms);
  ASSERT_TRUE(turn_until(world.loop, [&] { return second.ended(); }));
  EXPECT_EQ(world.limit.open(), 1U);
  // It goes before its time when its client does, when another needs its place, and when the port closes.
  TestPeer gone(world.listener.address());
  ASSERT_TRUE(turn_until(world.loop, [&] { return world.limit.open() == 2; }));
  gone.close();
  ASSERT_TRUE(turn_until(world.loop, [&] { return world.limit.open() == 1; }));
  TestPeer older(world.listener.address());
  ASSERT_TRUE(turn_until(world.loop, [&] { return world.limit.open() == 2; }));
  TestPeer newer(world.listener.address());
  ASSERT_TRUE(turn_until(world.loop, [&] { return older.ended(); }));
  EXPECT_FALSE(newer.ended());
  world.listener.close();
  EXPECT_TRUE(turn_until(world.loop, [&] { return newer.ended(); }));
  EXPECT_EQ(world.limit.open(), 1U);
}

TEST(Listener, gives_the_place_of_one_it_turned_away_to_a_client_of_another) {
  World limited;
  limited.loop.use_manual_clock(SteadyTime(1'000'000s), WallTime(0s));
  limited.listener.limit(1, 3600s);
  Keeps other;
  Listener second(limited.loop, other, &limited.limit, &limited.turned_away);
  CHECK(second.start(*ListenSocket::open(SocketAddress::v4(INADDR_LOOPBACK, 0), false)).has_value());
  TestPeer served(limited.listener.address()), turned_away(limited.listener.address());
  ASSERT_TRUE(turn_until(limited.loop, [&] { return limited.turned_away.size() == 1; }));
  TestPeer innocent(second.address());
  ASSERT_TRUE(turn_until(limited.loop, [&] { return other.arrivals.size() == 1 || innocent.ended(); }));
  EXPECT_EQ(other.arrivals.size(), 1U) << "refused for the sake of one that is turned away anyway";
  EXPECT_TRUE(turn_until(limited.loop, [&] { return turned_away.ended(); }));
  EXPECT_FALSE(served.ended());
  other.arrivals.clear();
}

// Another worker, on a loop that turns when it is told to, with a listener of another Gateway.
struct OtherWorker {
  explicit OtherWorker(World& w) : limit(w.limit), turned_away(loop, &w.limit) {
    TurnedAway* const all[] = {&w.turned_away, &turned_away};
    for (TurnedAway* one : all) one->share_with(all);
    CHECK(listener.start(*ListenSocket::open(SocketAddress::v4(INADDR_LOOPBACK, 0), false)).has_value());
  }
  ~OtherWorker() { handler.arrivals.clear(); }
  bool serves(TestPeer& client) {
    const size_t before = handler.arrivals.size();
    CHECK(turn_until(loop, [&] { return handler.arrivals.size() > before || client.ended(); }));
    return handler.arrivals.size() > before;
  }
  ConnectionLimit& limit;
  Loop loop;
  Keeps handler;
  TurnedAway turned_away;
  Listener listener{loop, handler, &limit, &turned_away};
};

TEST(Listener, gives_the_place_of_one_that_another_worker_turned_away_to_a_client) {
  World world(3);
  world.loop.use_manual_clock(SteadyTime(1'000'000s), WallTime(0s));
  world.listener.limit(1, 3600s);
  OtherWorker other(world);
  TestPeer served(world.listener.address()), older(world.listener.address()), newer(world.listener.address());
  ASSERT_TRUE(turn_until(world.loop, [&] { return world.turned_away.size() == 2; }));
  TestPeer first(other.listener.address());
  EXPECT_TRUE(other.serves(first)) << "refused for the sake of one that is turned away anyway";
  EXPECT_EQ(world.limit.open(), 3U);
  ASSERT_TRUE(turn_until(world.loop, [&] { return older.ended(); }));
  settle(world.loop);
  EXPECT_FALSE(newer.ended());
  EXPECT_FALSE(served.ended());
  EXPECT_EQ(world.limit.open(), 3U) << "its place is another's";
  // One that leaves meanwhile has no place any more to give back, and nobody goes in its stead.
  TestPeer second(other.listener.address());
  EXPECT_TRUE(other.serves(second));
  newer.close();
  TestPeer third(other.listener.address());
  EXPECT_FALSE(other.serves(third)) << "all three places are taken by those who are served";
  ASSERT_TRUE(turn_until(world.loop, [&] { return world.turned_away.size() == 0; }));
  settle(world.loop);
  EXPECT_EQ(world.limit.open(), 3U);
  EXPECT_FALSE(served.ended());
  other.handler.arrivals.clear();
  EXPECT_EQ(world.limit.open(), 1U);
}

TEST(Listener, gives_places_back_once_when_the_port_closes_whose_clients_go_for_others) {
  World world(3);
  world.loop.use_manual_clock(SteadyTime(1'000'000s), WallTime(0s));
  world.listener.limit(0, 3600s);
  OtherWorker other(world);
  TestPeer a(world.listener.address()), b(world.listener.address()), c(world.listener.address());
  ASSERT_TRUE(turn_until(world.loop, [&] { return world.turned_away.size() == 3; }));
  TestPeer client(other.listener.address());
  EXPECT_TRUE(other.serves(client));
  world.listener.close();
  EXPECT_EQ(world.limit.open(), 1U);
  settle(world.loop);
  EXPECT_EQ(world.limit.open(), 1U);
}

TEST(Listener, lets_no_idle_client_go_for_one_that_it_turns_away) {
  World world(1);
  world.listener.limit(1, 3600s);
  world.handler.idle = 1;
  TestPeer served(world.listener.address());
  ASSERT_TRUE(turn_until(world.loop, [&] { return world.handler.arrivals.size() == 1; }));
  TestPeer turned_away(world.listener.address());
  ASSERT_TRUE(turn_until(world.loop, [&] { return turned_away.ended(); }));
  EXPECT_FALSE(served.ended());
  EXPECT_EQ(world.handler.idle, 1);
  EXPECT_EQ(world.counts->connections_over_limit->value(), 1);
  EXPECT_EQ(world.counts->connections_overflow->value(), 0);
}

TEST(Listener, keeps_so_many_that_it_turned_away_and_no_more) {
  World world(1000);
  world.loop.use_manual_clock(SteadyTime(1'000'000s), WallTime(0s));
  world.listener.limit(0, 3600s);
  std::deque<TestPeer> clients;
  for (size_t i = 0; i <= TurnedAway::kMost; ++i) clients.emplace_back(world.listener.address());
  ASSERT_TRUE(turn_until(world.loop, [&] { return clients[0].ended(); }));
  settle(world.loop);
  EXPECT_EQ(world.turned_away.size(), TurnedAway::kMost);
  EXPECT_EQ(world.limit.open(), TurnedAway::kMost);
  EXPECT_FALSE(clients[1].ended());
}

TEST(Listener, gives_its_own_place_back_where_the_process_has_none) {
  World world(1);
  world.listener.limit(2, 0s);
  TestPeer first(world.listener.address()), second(world.listener.address());
  ASSERT_TRUE(turn_until(world.loop, [&] { return second.ended(); }));
  EXPECT_EQ(world.counts->connections_overflow->value(), 1);
  world.handler.arrivals.clear();
  TestPeer third(world.listener.address());
  ASSERT_TRUE(turn_until(world.loop, [&] { return world.handler.arrivals.size() == 1; }));
  EXPECT_EQ(world.counts->connections_over_limit->value(), 0);
  EXPECT_EQ(world.limit.open(), 1U);
  EXPECT_TRUE(world.counts->open->take(2)) << "one of its two places is free";
  world.counts->open->give();
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
