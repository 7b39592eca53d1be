#include "serve/tunnel.h"

#include <gtest/gtest.h>

#include "net/dialer.h"
#include "net/testing.h"

namespace sluice {
namespace {

// Two raw ends with a tunnel between them.
struct World final : TunnelCounts {
  explicit World(Nanos idle = 5min) : idle_max(idle) {
    loop.use_manual_clock(SteadyTime(1000s), WallTime(0s));
    runner.start(run());
    CHECK(turn_until(loop, [&] { return far_client.peers.size() == 1 && far_upstream.peers.size() == 1; }));
  }
  ~World() {
    runner.cancel();
    CHECK(over());
  }
  Task<void> run() {
    const auto client = CO_TRY(socket_dialer().dial(loop, far_client.address));
    const auto upstream = CO_TRY(socket_dialer().dial(loop, far_upstream.address));
    for (Stream* stream : {client.get(), upstream.get()}) {
      auto establishing = stream->established(loop.now() + 1s);
      CO_TRY(co_await establishing);
    }
    UpstreamTunnel far{*upstream, "from upstream ", {}};
    end = &far;
    Tunnel tunnel(*client, far, idle_max, *this);
    auto relaying = tunnel.run("from client ");
    co_return co_await relaying;
  }
  void to_upstream(uint64_t bytes) override { sent += bytes; }
  void to_client(uint64_t bytes) override { received += bytes; }
  bool over() {
    return turn_until(loop, [&] { return !runner.running(); });
  }
  bool hears(TestPeer& peer, std::string_view text) {
    return turn_until(loop, [&] { return peer.hears(text); });
  }
  TestPeer& client() { return far_client.peers[0]; }
  TestPeer& upstream() { return far_upstream.peers[0]; }

  Loop loop;
  const Nanos idle_max;
  UpstreamTunnel* end = nullptr;
  TestUpstream far_client{loop}, far_upstream{loop};
  uint64_t sent = 0, received = 0;  // by the client
  Result<void> result;
  Runner runner{this, [](void* self, Result<void> r) { static_cast<World*>(self)->result = std::move(r); }};
};

TEST(Tunnel, carries_bytes_both_ways_and_passes_ends_on) {
  World world;
  EXPECT_TRUE(world.hears(world.client(), "from upstream "));
  world.client().say("ping");
  EXPECT_TRUE(world.hears(world.upstream(), "from client ping"));
  world.client().end_sending();
  EXPECT_TRUE(turn_until(world.loop, [&] { return world.upstream().ended(); }));
  world.upstream().say("pong");  // half a close leaves the other way open
  EXPECT_TRUE(world.hears(world.client(), "from upstream pong"));
  world.upstream().close();
  EXPECT_TRUE(world.over());
  EXPECT_EQ(world.sent, 16U);
  EXPECT_EQ(world.received, 18U);
}

TEST(Tunnel, ends_whole_when_one_side_breaks) {
  for (const bool client : {true, false}) {
    World world;
    settle(world.loop);
    (client ? world.client() : world.upstream()).reset();
    EXPECT_TRUE(world.over());
    EXPECT_TRUE((client ? world.upstream() : world.client()).ended());
    ASSERT_FALSE(world.result.has_value());
    EXPECT_EQ(world.result.error().kind, ErrorKind::reset);
  }
}

TEST(Tunnel, ends_at_once_when_it_is_cut_also_while_a_side_does_not_read) {
  World world;
  EXPECT_TRUE(world.hears(world.client(), "from upstream "));
  for (int i = 0; i < 200; ++i) {  // until neither socket takes more
    world.upstream().say(std::string(64 * 1024, 'x'));
    world.loop.turn(0ms);
  }
  world.end->cut.emplace(ErrorKind::denied, "a policy says no", Side::upstream);
  world.end->cutter->wake();
  EXPECT_TRUE(world.over());
  ASSERT_FALSE(world.result);
  EXPECT_EQ(world.result.error().kind, ErrorKind::denied);
}

TEST(Tunnel, ends_when_nothing_moved_for_too_long) {
  World world(10s);
  settle(world.loop);
  for (int i = 0; i < 5; ++i) {
    world.loop.advance(8s);
    world.upstream().say("x");  // one way is enough
    settle(world.loop);
    EXPECT_TRUE(world.runner.running()) << i;
  }
  world.loop.advance(8s);
  EXPECT_TRUE(world.runner.running());
  world.loop.advance(2s);
  EXPECT_TRUE(world.over());
  ASSERT_FALSE(world.result.has_value());
  EXPECT_EQ(world.result.error().kind, ErrorKind::timeout);
}

TEST(Tunnel, takes_no_more_from_one_side_than_the_other_takes) {
  World world;
  const std::string piece(64 << 10, 'x');
  size_t taken = 0;
  for (int i = 0; i < 1000; ++i) {
    taken += world.client().say(piece);
    if (i % 10 == 0) world.loop.turn(0ms);
  }
  EXPECT_LT(taken, 32U << 20);
  EXPECT_TRUE(turn_until(world.loop, [&] { return world.upstream().heard().size() == taken + 12; }));
}

TEST(Tunnel, moves_a_part_of_much_in_one_turn_so_that_others_have_theirs) {
  World world;
  world.loop.pipes.set_max(0);  // through memory
  settle(world.loop);
  const size_t before = world.upstream().heard().size();
  size_t taken = 0;
  for (size_t put = 1; put > 0; taken += put) put = world.client().say(std::string(64 << 10, 'x'));
  ASSERT_GT(taken, 1U << 20);
  const uint64_t first = world.loop.turns();
  world.loop.turn(0ms);
  EXPECT_LE(world.upstream().heard().size() - before, 320U << 10);
  EXPECT_TRUE(turn_until(world.loop, [&] { return world.upstream().heard().size() == before + taken; }));
  EXPECT_GE(world.loop.turns() - first, taken / (320 << 10));
}

TEST(Tunnel, carries_much_as_it_is_with_and_without_a_pipe) {
  for (const size_t pipes : {0, 2}) {
    World world;
    world.loop.pipes.set_max(pipes);
    settle(world.loop);
    std::string all;
    for (int i = 0; all.size() < 3U << 20; ++i) all += std::to_string(i) + " ";
    size_t said = 0;
    ASSERT_TRUE(turn_until(world.loop, [&] {
      said += world.client().say(std::string_view(all).substr(said));
      return said == all.size();
    }));
    world.client().end_sending();
    ASSERT_TRUE(turn_until(world.loop, [&] { return world.upstream().ended(); }));
    EXPECT_EQ(world.upstream().heard(), "from client " + all);
    world.upstream().say("last words");
    world.upstream().close();
    EXPECT_TRUE(world.over());
    EXPECT_TRUE(world.hears(world.client(), "last words"));
    EXPECT_EQ(world.sent, all.size() + 12);
    EXPECT_TRUE(world.result.has_value());
  }
}

}  // namespace
}  // namespace sluice
