#include "http/h1/client_session.h"

#include <gtest/gtest.h>

#include "io/testing.h"
#include "net/memory_stream.h"

namespace sluice {
namespace {

// A session with its far end, and one request at a time on it.
struct World final : private ClientStream::Owner {
  World() { session = h1::make_client_session(std::move(ends.upstream)); }
  void open(Body body = {}) {
    stream = session->open(
        {.method = "GET", .target = "/x", .authority = "h", .headers = headers, .body = body, .idle_max = 10s}, *this,
        arena, background);
    runner.start(go());
  }
  Task<void> go() {
    auto sending = stream->send();
    auto written = co_await sending;
    auto receiving = stream->receive();
    auto received = co_await receiving;
    if (received)
      answer = *received;
    else
      error = received.error();
    co_return Status{};
  }
  bool answered() {
    return turn_until(loop, [&] { return !runner.running(); });
  }
  std::optional<Result<Chunk>> read() {
    auto reading = answer.body.reader->read();
    if (!reading.ready()) return std::nullopt;
    return reading.take();
  }
  void say(std::string_view text) {
    const iovec part{const_cast<char*>(text.data()), text.size()};
    ASSERT_TRUE(ends.downstream->try_write(std::span(&part, 1)).has_value());
  }
  void request_sent() override { ++sent; }
  void request_broke(Error why) override { broke = std::move(why); }

  Loop loop;
  StreamPair ends = memory_streams(loop);
  std::unique_ptr<ClientSession> session;
  Arena arena;
  TaskGroup background;
  Headers headers{arena};
  ClientStreamPtr stream;
  ClientResponse answer;
  std::optional<Error> error;
  std::optional<Error> broke;
  int sent = 0;
  Runner runner{this, [](void*, Result<void>) {}};
};

TEST(ClientSession, carries_one_request_after_the_other) {
  World world;
  for (int turn = 0; turn < 3; ++turn) {
    ASSERT_EQ(world.session->capacity(), 1U);
    world.open();
    EXPECT_EQ(world.session->capacity(), 0U) << "HTTP/1 has one at a time";
    EXPECT_EQ(world.sent, turn + 1);
    EXPECT_FALSE(world.stream->heard());
    world.say("HTTP/1.1 204 No Content\r\n\r\n");
    ASSERT_TRUE(world.answered());
    EXPECT_EQ(world.answer.status, 204);
    EXPECT_TRUE(world.stream->complete());
    EXPECT_EQ(world.stream->bytes_received(), 27U);
    EXPECT_GT(world.stream->bytes_sent(), 20U);
    world.stream.reset();
  }
}

// Whose next piece is always at hand.
class EndlessBody final : public BodyReader {
 public:
  Task<Chunk> read() override { return Chunk{bytes_, false}; }

 private:
  char bytes_[16] = {};
};

TEST(ClientSession, sends_a_part_of_an_endless_body_in_one_turn) {
  World world;
  EndlessBody endless;
  world.open({&endless, std::nullopt});
  for (int i = 0; i < 5; ++i) {
    const size_t before = world.ends.downstream->buffered_bytes();
    world.loop.turn(0ms);
    const size_t more = world.ends.downstream->buffered_bytes() - before;
    EXPECT_GT(more, 0U);
    EXPECT_LE(more, 33U * (16 + 6)) << "32 chunks, and the one it waited with";
  }
  world.stream->reset(cancelled_error().error());
  world.runner.cancel();
  world.background.cancel();
  EXPECT_TRUE(turn_until(world.loop, [&] { return !world.runner.running() && world.background.empty(); }));
}

TEST(ClientSession, is_of_no_use_once_a_stream_was_left_in_the_middle) {
  World world;
  world.open();
  world.say("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nab");
  ASSERT_TRUE(world.answered());
  EXPECT_FALSE(world.stream->complete());
  EXPECT_TRUE(world.read().has_value());
  world.stream.reset();
  EXPECT_EQ(world.session->capacity(), 0U);
}

TEST(ClientSession, gives_whoever_waits_the_reason_of_a_reset) {
  const Error why{.kind = ErrorKind::denied, .message = "not any more", .side = Side::upstream};
  {
    World world;
    world.open();
    world.stream->reset(why);
    ASSERT_TRUE(world.answered());
    ASSERT_TRUE(world.error);
    EXPECT_EQ(world.error->message, why.message);
  }
  World world;
  world.open();
  world.say("HTTP/1.1 200 OK\r\n\r\nuntil the end");
  ASSERT_TRUE(world.answered());
  EXPECT_TRUE(world.read().has_value());
  world.stream->reset(why);
  const auto got = world.read();
  ASSERT_TRUE(got.has_value());
  ASSERT_FALSE(got->has_value()) << "what lasts until the end must not look whole";
  EXPECT_EQ(got->error().message, why.message);
  world.stream.reset();
  EXPECT_EQ(world.session->capacity(), 0U);
}

TEST(ClientSession, passes_informational_answers_over_but_has_heard_them) {
  World world;
  world.open();
  world.say("HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n");
  settle(world.loop);
  EXPECT_TRUE(world.runner.running());
  EXPECT_TRUE(world.stream->heard());
  world.say("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
  ASSERT_TRUE(world.answered());
  EXPECT_EQ(world.answer.status, 200);
  EXPECT_FALSE(world.answer.headers->get("link").has_value());
}

}  // namespace
}  // namespace sluice
