#include "http/h2/client_session.h"

#include <gtest/gtest.h>

#include "http/h2/client_testing.h"
#include "io/testing.h"
#include "net/memory_stream.h"

namespace sluice {
namespace {

using h2::TestFields;
using h2::TestHost;

// One request, as whoever forwards it would hold it.
struct Trip final : private ClientStream::Owner {
  struct Ask {
    std::string_view method = "GET";
    Body body = {};
    bool expects_continue = false;
    bool accepts_trailers = false;
  };
  Trip(Loop& on, ClientSession& session, const Ask& ask) : loop(on) {
    stream = session.open({.method = ask.method,
                           .target = "/x?y",
                           .authority = "h",
                           .headers = headers,
                           .body = ask.body,
                           .expects_continue = ask.expects_continue,
                           .accepts_trailers = ask.accepts_trailers,
                           .idle_max = 10s},
                          *this, arena, background);
    runner.start(go());
  }
  Trip(Loop& on, ClientSession& session) : Trip(on, session, Ask{}) {}
  ~Trip() {
    background.cancel();
    runner.cancel();
    stream.reset();
  }
  Task<void> go() {
    auto sending = stream->send();
    co_await sending;
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
  // The answer's body to its end, or until it breaks.
  std::string read() {
    std::string text;
    runner.start(read_into(text));
    EXPECT_TRUE(answered());
    return text;
  }
  Task<void> read_into(std::string& text) {
    for (bool last = answer.body.empty(); !last;) {
      auto reading = answer.body.reader->read();
      auto chunk = co_await reading;
      if (!chunk) {
        error = chunk.error();
        co_return Status{};
      }
      text.append(chunk->bytes.data(), chunk->bytes.size());
      last = chunk->last;
    }
    co_return Status{};
  }
  void request_sent() override { ++sent; }
  void request_broke(Error why) override { broke = std::move(why); }

  Loop& loop;
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

struct World {
  explicit World(TestHost::Options host_options = {}, const h2::ClientOptions& options = {},
                 size_t capacity = 64U << 10)
      : ends(memory_streams(loop, capacity)) {
    loop.use_manual_clock(SteadyTime(1'000'000s), WallTime(0s));
    host.emplace(std::move(ends.downstream), std::move(host_options));
    session = h2::make_client_session(std::move(ends.upstream), options);
    settle_in_memory(loop);
  }
  ~World() { session.reset(); }
  bool hears(size_t requests) {
    return turn_until(loop, [&] { return host->asked.size() >= requests && host->asked.back().head_came; });
  }

  Loop loop;
  StreamPair ends;
  std::optional<TestHost> host;
  std::unique_ptr<ClientSession> session;
};

TEST(Http2Client, carries_many_requests_at_a_time) {
  World world;
  std::deque<Trip> trips;
  for (int i = 0; i < 3; ++i) trips.emplace_back(world.loop, *world.session);
  ASSERT_TRUE(world.hears(3));
  const TestFields head = {{":method", "GET"}, {":scheme", "http"}, {":authority", "h"}, {":path", "/x?y"}};
  EXPECT_EQ(world.host->asked[0].fields, head);
  EXPECT_TRUE(world.host->asked[0].ended);
  for (int i = 2; i >= 0; --i)
    world.host->answer(world.host->asked[size_t(i)].id, "200", std::string(size_t(i) + 1, 'a'));
  for (int i = 0; i < 3; ++i) {
    Trip& trip = trips[size_t(i)];
    ASSERT_TRUE(trip.answered());
    EXPECT_EQ(trip.answer.status, 200);
    EXPECT_EQ(trip.read(), std::string(size_t(i) + 1, 'a'));
    EXPECT_TRUE(trip.stream->complete());
    EXPECT_GT(trip.stream->bytes_received(), 0U);
    EXPECT_GT(trip.stream->bytes_sent(), 0U);
  }
  trips.clear();
  settle_in_memory(world.loop);
  EXPECT_EQ(world.host->resets, 0U);
}

TEST(Http2Client, opens_no_more_streams_than_both_sides_allow) {
  World world({.settings = {{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 2}}});
  EXPECT_EQ(world.session->capacity(), 2U);
  {
    const Trip one(world.loop, *world.session), other(world.loop, *world.session);
    EXPECT_EQ(world.session->capacity(), 0U);
    ASSERT_TRUE(world.hears(2));
  }
  settle_in_memory(world.loop);
  EXPECT_EQ(world.session->capacity(), 2U);
  EXPECT_EQ(world.host->resets, 2U) << "nobody wanted their answers any more";
  world.host->settings({{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 0}});
  settle_in_memory(world.loop);
  EXPECT_EQ(world.session->capacity(), 0U);
  World own({}, {.streams_max = 3});
  EXPECT_EQ(own.session->capacity(), 3U);
}

}  // namespace
}  // namespace sluice
