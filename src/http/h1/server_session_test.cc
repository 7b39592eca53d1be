#include "http/h1/server_session.h"

#include <gtest/gtest.h>

#include "io/block.h"
#include "io/testing.h"
#include "net/memory_stream.h"

namespace sluice {
namespace {

struct World final : private ServerStream::Owner {
  World() { session = h1::make_server_session(std::move(ends.downstream)); }
  ~World() {
    runner.cancel();
    stream.reset();
  }
  void say(std::string_view text) {
    const iovec part{const_cast<char*>(text.data()), text.size()};
    ASSERT_TRUE(ends.upstream->try_write(std::span(&part, 1)).has_value());
    settle(loop);
  }
  std::string heard() {
    std::string out;
    char buffer[4096];
    while (const auto got = ends.upstream->try_read(buffer)) {
      if (!*got || **got == 0) break;
      out.append(buffer, **got);
    }
    return out;
  }
  void run(Task<void> task) {
    runner.start(std::move(task));
    settle(loop);
  }
  void next() { run(take()); }
  Task<void> take() {
    stream.reset();
    arena.reset();
    auto coming = session->next(limits, arena);
    auto came = co_await coming;
    if (came) stream = *std::move(came);
    co_return Status{};
  }
  void answer(uint16_t status, bool local = false) { run(say_answer(status, local)); }
  Task<void> say_answer(uint16_t status, bool local) {
    const Headers headers(arena);
    const ServerResponse response{.status = status, .headers = headers, .body = {}, .local = local};
    auto beginning = stream->begin(response, {{}, true});
    CO_TRY(co_await beginning);
    auto finishing = stream->finish();
    co_return co_await finishing;
  }
  void client_gone() override { ++gone; }
  void watch() { stream->watch(this); }

  Loop loop;
  ServerLimits limits;
  StreamPair ends = memory_streams(loop);
  std::unique_ptr<ServerSession> session;
  Arena arena;
  ServerStreamPtr stream;
  int gone = 0;
  Runner runner{this, [](void*, Result<void>) {}};
};

TEST(ServerSession, holds_no_memory_when_it_is_over_whatever_came_behind) {
  World world;
  world.say("GET /1 HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\nrest");
  world.next();
  ASSERT_TRUE(world.stream);
  const char* const at = world.stream->request().target.data() - 4;  // behind "GET "
  world.answer(204);
  world.stream.reset();
  ASSERT_TRUE(world.session->over());
  const auto lingers_without_block = [&] {
    const Block next(Block::kSmall);
    return next.data() == at;  // this thread's next one gets it
  };
  EXPECT_TRUE(lingers_without_block());
  world.run(world.session->linger());
  world.say("more");
  EXPECT_TRUE(world.runner.running());
  EXPECT_TRUE(lingers_without_block());
  world.ends.upstream->end_writing();
  settle(world.loop);
  EXPECT_FALSE(world.runner.running());
}

TEST(ServerSession, waits_for_no_head_while_there_is_no_memory) {
  const std::string large = "x: " + std::string(10'000, 'x') + "\r\n";
  for (const std::string& came : {std::string("G"), "GET /1 HTTP/1.1\r\nhost: h\r\n" + large + large}) {
    World world;
    std::atomic<bool> no_memory{true};
    world.limits.no_memory = &no_memory;
    world.next();
    EXPECT_FALSE(world.stream) << "nothing came, which costs nothing";
    world.say("GET /0 HTTP/1.1\r\nhost: h\r\n\r\n" + came);
    world.next();
    ASSERT_TRUE(world.stream);
    EXPECT_EQ(world.stream->request().refused, HeadFailure::none) << "it is here";
    world.answer(204);
    world.next();
    ASSERT_TRUE(world.stream);
    EXPECT_EQ(world.stream->request().refused, HeadFailure::no_memory);
    world.answer(503);
    EXPECT_TRUE(world.heard().find("HTTP/1.1 503 ") != std::string::npos);
    world.stream.reset();
    EXPECT_TRUE(world.session->over());
  }
}

TEST(ServerSession, waits_on_for_a_head_until_more_comes_of_it_and_there_is_no_memory) {
  for (const bool later : {false, true}) {
    World world;
    std::atomic<bool> no_memory{false};
    world.limits.no_memory = &no_memory;
    world.say("GET /1 HTTP/1.1\r\n");
    world.next();
    EXPECT_FALSE(world.stream);
    no_memory = later;
    world.say("host: h\r\n");
    EXPECT_EQ(world.stream != nullptr, later);
    if (later) EXPECT_EQ(world.stream->request().refused, HeadFailure::no_memory);
  }
}

TEST(ServerSession, takes_requests_that_came_together_one_by_one) {
  World world;
  world.next();
  EXPECT_FALSE(world.stream) << "nothing came";
  EXPECT_FALSE(world.session->over());
  world.say("GET /1 HTTP/1.1\r\nhost: h\r\n\r\nGET /2 HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\nrest");
  for (const std::string_view target : {"/1", "/2"}) {
    ASSERT_TRUE(world.session->has_input());
    world.next();
    ASSERT_TRUE(world.stream);
    EXPECT_EQ(world.stream->request().target, target);
    world.answer(204);
    world.stream.reset();
    EXPECT_EQ(world.session->over(), target == "/2");
  }
  EXPECT_TRUE(world.heard().ends_with("connection: close\r\n\r\n"));
}

TEST(ServerSession, finds_the_next_request_behind_a_body_that_nobody_read) {
  World world;
  world.say("POST /1 HTTP/1.1\r\nhost: h\r\ncontent-length: 5\r\n\r\nabcdeGET /2 HTTP/1.1\r\nhost: h\r\n\r\n");
  world.next();
  ASSERT_TRUE(world.stream);
  world.answer(413, true);
  world.next();
  ASSERT_TRUE(world.stream);
  EXPECT_EQ(world.stream->request().target, "/2");
}

TEST(ServerSession, is_over_when_where_the_next_request_begins_is_not_known) {
  World world;
  world.say("POST /1 HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n5\r\nab");
  world.next();
  ASSERT_TRUE(world.stream);
  world.answer(413, true);
  EXPECT_NE(world.heard().find("connection: close"), std::string::npos);
  world.stream.reset();
  EXPECT_TRUE(world.session->over());
}

TEST(ServerSession, gives_what_is_refused_with_what_could_be_read_of_it) {
  const struct {
    std::string_view head;
    HeadFailure why;
    std::string_view method;
  } rows[] = {
      {"GET /\r\n\r\n", HeadFailure::malformed, ""},
      {"GET / HTTP/1.0\r\nhost: h\r\n\r\n", HeadFailure::old_version, "GET"},
      {"POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n", HeadFailure::malformed,
       "POST"},
  };
  for (const auto& row : rows) {
    World world;
    world.say(row.head);
    world.next();
    ASSERT_TRUE(world.stream) << row.head;
    EXPECT_EQ(world.stream->request().refused, row.why) << row.head;
    EXPECT_EQ(world.stream->request().method, row.method) << row.head;
    world.stream.reset();
    EXPECT_TRUE(world.session->over());
  }
}

TEST(ServerSession, tells_of_a_client_that_has_ended_only_after_a_while) {
  World world;
  world.loop.use_manual_clock(SteadyTime(1000s), WallTime(0s));
  world.say("GET / HTTP/1.1\r\nhost: h\r\n\r\n");
  world.next();
  ASSERT_TRUE(world.stream);
  world.watch();
  world.ends.upstream->end_writing();
  settle(world.loop);
  EXPECT_EQ(world.gone, 0) << "it may be a half-close, which is legal";
  world.loop.advance(6s);
  EXPECT_EQ(world.gone, 1);
}

TEST(ServerSession, does_not_go_on_behind_a_response_that_is_not_whole) {
  World world;
  world.say("GET / HTTP/1.1\r\nhost: h\r\n\r\n");
  world.next();
  ASSERT_TRUE(world.stream);
  world.stream->reset();
  world.stream.reset();
  EXPECT_TRUE(world.session->over());
}

}  // namespace
}  // namespace sluice
