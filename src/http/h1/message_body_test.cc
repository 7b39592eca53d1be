#include "http/h1/message_body.h"

#include <gtest/gtest.h>

#include "net/memory_stream.h"
#include "net/testing.h"

namespace sluice {
namespace {

TEST(MessageBody, tells_when_its_words_have_gone_out_whole) {
  Loop loop;
  StreamAndPeer ends(loop);
  TestPeer& client = *ends.peer;
  std::string filler(1024, 'x');
  const iovec piece{filler.data(), filler.size()};
  while (ends.stream->try_write(std::span(&piece, 1))) {
  }
  Arena arena;
  Block block(Block::kSmall);
  MessageBody body({.stream = *ends.stream, .block = block, .arena = arena}, BodyKind::length, 3);
  body.say_first("go on");
  std::string got;
  bool told = false;
  const auto read = [&]() -> Task<void> {
    auto reading = body.read();
    const Chunk chunk = CO_TRY(co_await reading);
    got = std::string(chunk.bytes.data(), chunk.bytes.size());
    co_return Status{};
  };
  const auto wait = [&]() -> Task<void> {
    auto saying = body.said();
    CO_TRY(co_await saying);
    told = true;
    co_return Status{};
  };
  TaskGroup tasks;
  tasks.spawn(read());
  tasks.spawn(wait());
  settle(loop);
  EXPECT_FALSE(told);
  EXPECT_FALSE(body.say_nothing()) << "it has begun";
  EXPECT_TRUE(turn_until(loop, [&] { return client.hears("go on"); }));
  EXPECT_TRUE(turn_until(loop, [&] { return told; }));
  client.say("abc");
  EXPECT_TRUE(turn_until(loop, [&] { return got == "abc"; }));
}

TEST(MessageBody, holds_no_large_block_while_it_waits) {
  Loop loop;
  Arena arena;
  StreamPair ends = memory_streams(loop);
  Block block(Block::kSmall);
  MessageBody body({.stream = *ends.downstream, .block = block, .arena = arena}, BodyKind::length, 1 << 20);
  const auto say = [&](size_t bytes) {
    std::string text(bytes, 'x');
    const iovec part{text.data(), text.size()};
    ASSERT_TRUE(ends.upstream->try_write(std::span(&part, 1)).has_value());
  };
  Chunk chunk;
  const auto read = [&]() -> Task<void> {
    auto reading = body.read();
    chunk = CO_TRY(co_await reading);
    co_return Status{};
  };
  Runner runner(nullptr, [](void*, Result<void>) {});
  say(Block::kSmall + 1000);
  runner.start(read());
  ASSERT_EQ(chunk.bytes.size(), Block::kSmall) << "so the next are likely to be large";
  runner.start(read());
  ASSERT_EQ(chunk.bytes.size(), 1000U);
  const char* const at = chunk.bytes.data();
  EXPECT_NE(at, block.data());
  runner.start(read());
  settle(loop);
  ASSERT_TRUE(runner.running());
  {
    const Block next(Block::kLarge);
    EXPECT_EQ(next.data(), at) << "this thread's next one gets it";
  }
  say(2000);
  settle(loop);
  EXPECT_FALSE(runner.running());
  EXPECT_EQ(chunk.bytes.size(), 2000U);
}

// What came with the head filled its block, so there is more than that holds: it comes in as few pieces as it can.
TEST(MessageBody, reads_on_in_large_pieces_where_the_block_of_the_head_was_filled) {
  constexpr size_t kRest = 3 * Block::kSmall;
  Loop loop;
  StreamAndPeer ends(loop);
  ends.peer->say(std::string(Block::kSmall, 'a') + std::string(kRest, 'b'));
  settle(loop);
  Arena arena;
  Block block(Block::kSmall);
  const auto got = ends.stream->try_read(block.span());
  ASSERT_TRUE(got && *got);
  ASSERT_EQ(**got, Block::kSmall);
  MessageBody body({.stream = *ends.stream, .block = block, .early = block.span(), .arena = arena}, BodyKind::length,
                   Block::kSmall + kRest);
  EXPECT_EQ(body.read().take()->bytes.size(), Block::kSmall);
  auto reading = body.read();
  ASSERT_TRUE(reading.ready());
  const Chunk rest = *reading.take();
  EXPECT_EQ(std::string(rest.bytes.data(), rest.bytes.size()), std::string(kRest, 'b'));
  EXPECT_TRUE(rest.last);
}

}  // namespace
}  // namespace sluice
