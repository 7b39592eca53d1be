#include "net/splice.h"

#include <gtest/gtest.h>
#include <csignal>

#include "net/memory_stream.h"
#include "net/testing.h"

namespace sluice {
namespace {

// Bytes on their way from one raw end to the other, through two streams.
struct World {
  World() : World(own_loop) {}
  explicit World(Loop& l) : loop(l) { std::signal(SIGPIPE, SIG_IGN); }
  bool begin(uint64_t count) {
    auto task = splice(*from.stream, *to.stream, count, idle, moved);
    if (!task) return false;
    runner.start(*std::move(task));
    return true;
  }
  SpliceIdle idle{10s, 10s};
  Loop own_loop;
  Loop& loop;
  StreamAndPeer from{loop, Side::upstream};
  StreamAndPeer to{loop, Side::downstream};
  uint64_t moved = 0;
  std::optional<Result<void>> ended;
  Runner runner{this, [](void* self, Result<void> result) { static_cast<World*>(self)->ended = std::move(result); }};
};

TEST(Splice, moves_all_of_it_and_nothing_behind_it) {
  World world;
  const std::string text = std::string(3'000'000, 'x') + "the end";
  ASSERT_TRUE(world.begin(text.size()));
  size_t said = 0;
  ASSERT_TRUE(turn_until(world.loop, [&] {
    if (said < text.size()) said += world.from.peer->say(std::string_view(text).substr(said));
    if (said == text.size()) said += world.from.peer->say("next");
    world.to.peer->heard();
    return world.ended.has_value();
  }));
  EXPECT_TRUE(world.ended->has_value());
  EXPECT_TRUE(turn_until(world.loop, [&] { return world.to.peer->heard().size() == text.size(); }));
  EXPECT_EQ(world.to.peer->heard(), text);
  EXPECT_EQ(world.moved, text.size());
  char rest[8];
  const auto got = world.from.stream->try_read(rest);
  ASSERT_TRUE(got && *got);
  EXPECT_EQ(std::string_view(rest, **got), "next");
}

TEST(Splice, moves_a_part_of_much_in_one_turn_so_that_others_have_theirs) {
  Loop loop;
  std::deque<std::unique_ptr<Stream>> streams;
  ListenSocket listener;
  ASSERT_TRUE(listener.start(loop, *ListenSocket::open(SocketAddress::v4(INADDR_LOOPBACK, 0), false),
                             [&](Incoming& in) { streams.push_back(*in.take()); }));
  TestPeer sender(listener.local()), receiver(listener.local());
  ASSERT_TRUE(turn_until(loop, [&] { return streams.size() == 2; }));
  size_t said = 0;
  for (size_t put = 1; put > 0; said += put) put = sender.say(std::string(64 << 10, 'x'));
  ASSERT_GT(said, 5U << 19);
  uint64_t moved = 0;
  auto task = splice(*streams[0], *streams[1], said, {10s, 10s}, moved);
  ASSERT_TRUE(task);
  Runner runner(nullptr, [](void*, Result<void>) {});
  runner.start(*std::move(task));
  constexpr uint64_t kATurn = (8 + 1) * (256U << 10);  // and what it waited with
  EXPECT_LE(moved, kATurn);
  while (moved < said) {
    const uint64_t before = moved;
    receiver.heard();
    loop.turn(100ms);
    EXPECT_LE(moved - before, kATurn);
  }
  EXPECT_TRUE(turn_until(loop, [&] { return receiver.heard().size() == said && !runner.running(); }));
}

TEST(Splice, tells_whose_fault_an_end_is) {
  {
    World world;
    ASSERT_TRUE(world.begin(100));
    world.from.peer->say("half");
    world.from.peer->close();
    ASSERT_TRUE(turn_until(world.loop, [&] { return world.ended.has_value(); }));
    ASSERT_FALSE(world.ended->has_value());
    EXPECT_EQ(world.ended->error().side, Side::upstream);
    EXPECT_EQ(world.to.peer->heard(), "half");
  }
  World world;
  ASSERT_TRUE(world.begin(1U << 30));
  world.to.peer->close();
  const std::string piece(100'000, 'x');
  ASSERT_TRUE(turn_until(world.loop, [&] {
    world.from.peer->say(piece);
    return world.ended.has_value();
  }));
  ASSERT_FALSE(world.ended->has_value());
  EXPECT_EQ(world.ended->error().side, Side::downstream);
}

TEST(Splice, waits_for_each_side_no_longer_than_it_was_told) {
  for (const Side side : {Side::upstream, Side::downstream}) {
    World world;
    world.loop.use_manual_clock(SteadyTime(1000s), WallTime(0s));
    world.idle = {.from = 10s, .to = 20s};
    ASSERT_TRUE(world.begin(1U << 30));
    const bool slow_reader = side == Side::downstream;
    const std::string piece(64 << 10, 'x');
    if (slow_reader) {
      for (int full = 0; full < 3; settle(world.loop)) full = world.from.peer->say(piece) == 0 ? full + 1 : 0;
    }
    settle(world.loop);
    world.loop.advance(10s);
    settle(world.loop);
    EXPECT_EQ(world.ended.has_value(), !slow_reader);
    world.loop.advance(10s);
    settle(world.loop);
    ASSERT_TRUE(world.ended.has_value());
    ASSERT_FALSE(world.ended->has_value());
    EXPECT_EQ(world.ended->error().kind, ErrorKind::timeout);
    EXPECT_EQ(world.ended->error().side, side);
  }
}

TEST(Splice, ends_when_a_stream_is_aborted_or_the_task_cancelled) {
  for (const bool cancel : {false, true}) {
    World world;
    ASSERT_TRUE(world.begin(100));
    settle(world.loop);
    if (cancel)
      world.runner.cancel();
    else
      world.from.stream->abort();
    ASSERT_TRUE(turn_until(world.loop, [&] { return world.ended.has_value(); }));
    EXPECT_FALSE(world.ended->has_value());
  }
}

TEST(Splice, is_for_sockets_and_as_many_at_once_as_there_may_be_pipes) {
  World first;
  World second(first.loop), third(first.loop);
  StreamPair memory = memory_streams(first.loop);
  uint64_t moved = 0;
  EXPECT_FALSE(splice(*memory.downstream, *first.to.stream, 10, {1s, 1s}, moved));
  first.loop.pipes.set_max(2);
  ASSERT_TRUE(first.begin(4));
  ASSERT_TRUE(second.begin(4));
  EXPECT_FALSE(third.begin(4)) << "they have to be read";
  first.from.peer->say("done");
  ASSERT_TRUE(turn_until(first.loop, [&] { return first.ended.has_value(); }));
  EXPECT_TRUE(third.begin(4));
  for (World* world : {&second, &third}) {
    world->runner.cancel();
    EXPECT_TRUE(world->ended.has_value());
  }
}

}  // namespace
}  // namespace sluice
