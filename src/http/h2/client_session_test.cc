#include "http/h2/client_session.h"

#include <gtest/gtest.h>

#include "http/h2/client_testing.h"
#include "io/block.h"
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
    const Headers* fields = nullptr;
    bool upgrade = false;
    bool connects = false;
  };
  Trip(Loop& on, ClientSession& session, const Ask& ask) : loop(on) {
    stream = session.open({.method = ask.method,
                           .target = ask.connects ? "" : "/x?y",
                           .authority = "h",
                           .headers = ask.fields ? *ask.fields : headers,
                           .body = ask.body,
                           .expects_continue = ask.expects_continue,
                           .upgrade = ask.upgrade,
                           .accepts_trailers = ask.accepts_trailers,
                           .connects = ask.connects,
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
  size_t arena_bytes() const { return arena.bytes_used(); }
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

// nghttp2 makes the frames of all of a thread in one buffer, the first bytes of a client too.
TEST(Http2Client, keeps_what_it_says_apart_from_what_others_say_on_its_thread) {
  World world;
  Trip busy(world.loop, *world.session);
  std::deque<TestHost> hosts;
  std::deque<std::unique_ptr<ClientSession>> sessions;
  std::deque<Trip> trips;
  for (int i = 0; i < 3; ++i) {
    StreamPair ends = memory_streams(world.loop);
    hosts.emplace_back(std::move(ends.downstream));
    sessions.push_back(h2::make_client_session(std::move(ends.upstream), {}));
    trips.emplace_back(world.loop, *sessions.back());
  }
  settle_in_memory(world.loop);
  for (TestHost& host : hosts) {
    EXPECT_FALSE(host.ended);
    ASSERT_EQ(host.asked.size(), 1U);
    host.answer(1, "200", "ok");
  }
  for (Trip& trip : trips) {
    ASSERT_TRUE(trip.answered());
    EXPECT_EQ(trip.read(), "ok");
  }
  trips.clear();
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

// Whose pieces the test gives, so that it can stop in the middle.
class GivenBody final : public BodyReader {
 public:
  explicit GivenBody(Loop& loop) : loop_(loop) {}
  void give(std::string piece, bool last = false) {
    pieces_.push_back({std::move(piece), last});
    came_.notify(loop_);
  }
  void break_off(Error error) {
    error_ = std::move(error);
    came_.notify(loop_);
  }
  Task<Chunk> read() override {
    ++asked;
    while (pieces_.empty() && !error_) {
      auto waiting = came_.wait(loop_);
      CO_TRY(co_await waiting);
    }
    if (error_) co_return std::unexpected(*error_);
    now_ = std::move(pieces_.front());
    pieces_.pop_front();
    co_return Chunk{{now_.first.data(), now_.first.size()}, now_.second};
  }
  const Headers* trailers() const override { return trailing; }
  int asked = 0;
  const Headers* trailing = nullptr;

 private:
  Loop& loop_;
  Event came_;
  std::deque<std::pair<std::string, bool>> pieces_;
  std::pair<std::string, bool> now_;
  std::optional<Error> error_;
};

// Whose next piece is always at hand.
class EndlessBody final : public BodyReader {
 public:
  Task<Chunk> read() override {
    ++asked;
    return Chunk{bytes_, false};
  }
  size_t asked = 0;

 private:
  char bytes_[16] = {};
};

Counter& counter(Metrics& metrics) {
  static constexpr MetricFamily kFamily{"test_total", "For a test."};
  return *metrics.metric(kFamily);
}

TEST(Http2Client, tells_the_body_by_what_it_is) {
  World world;
  char bytes[] = "12345";
  TextBody text({bytes, 5});
  Trip known(world.loop, *world.session, {.method = "POST", .body = {&text, 5}});
  ASSERT_TRUE(world.hears(1));
  settle_in_memory(world.loop);
  EXPECT_EQ(world.host->asked[0].field("content-length"), "5");
  EXPECT_EQ(world.host->asked[0].body, "12345");
  EXPECT_TRUE(world.host->asked[0].ended);
  EXPECT_EQ(known.sent, 1);
  GivenBody given(world.loop);
  Trip unknown(world.loop, *world.session, {.method = "POST", .body = {&given, {}}});
  settle_in_memory(world.loop);
  given.give("abc");
  settle_in_memory(world.loop);
  EXPECT_EQ(world.host->asked[1].field("content-length"), "");
  EXPECT_EQ(world.host->asked[1].body, "abc");
  EXPECT_FALSE(world.host->asked[1].ended);
  EXPECT_TRUE(unknown.stream->sending());
  given.give("d", true);
  settle_in_memory(world.loop);
  EXPECT_EQ(world.host->asked[1].body, "abcd");
  EXPECT_TRUE(world.host->asked[1].ended);
  EXPECT_FALSE(unknown.stream->sending());
  EXPECT_EQ(unknown.sent, 1);
}

TEST(Http2Client, leaves_out_what_belongs_to_one_hop_and_offers_trailers_where_they_are_taken) {
  World world;
  Trip* trip = nullptr;
  Arena arena;
  Headers headers(arena);
  for (const auto& [name, value] : {std::pair("connection", "x"), std::pair("keep-alive", "5"), std::pair("te", "gzip"),
                                    std::pair("upgrade", "h2c"), std::pair("transfer-encoding", "chunked"),
                                    std::pair("host", "other"), std::pair("cookie", "a=b"), std::pair("x-a", "1")})
    headers.add(known_header(name) == Known::other ? std::string_view(name) : name, value);
  Trip made(world.loop, *world.session, {.accepts_trailers = true, .fields = &headers});
  trip = &made;
  ASSERT_TRUE(world.hears(1));
  const TestFields expected = {{":method", "GET"}, {":scheme", "http"}, {":authority", "h"}, {":path", "/x?y"},
                               {"cookie", "a=b"},  {"x-a", "1"},        {"te", "trailers"}};
  EXPECT_EQ(world.host->asked[0].fields, expected);
  EXPECT_FALSE(trip->stream->heard());
}

// maxRequestHeadersKb allows clients more than nghttp2 sends if nobody says so.
TEST(Http2Client, sends_a_head_as_large_as_a_listener_may_take) {
  World world;
  Arena arena;
  Headers headers(arena);
  const std::string value(12U << 10, 'v');
  for (int i = 0; i < 8; ++i) headers.add(arena.copy("x-" + std::to_string(i)), value);
  Trip trip(world.loop, *world.session, {.fields = &headers});
  ASSERT_TRUE(world.hears(1)) << (trip.error ? trip.error->message : "");
  EXPECT_EQ(world.host->asked[0].field("x-7"), value);
  world.host->answer(1, "200");
  ASSERT_TRUE(trip.answered());
  EXPECT_FALSE(trip.error);
}

TEST(Http2Client, carries_trailers_both_ways_without_those_that_nobody_may_say_there) {
  World world;
  Arena arena;
  Headers trailing(arena);
  trailing.add("x-sum", "7");
  GivenBody given(world.loop);
  given.trailing = &trailing;
  Trip trip(world.loop, *world.session, {.method = "POST", .body = {&given, {}}, .accepts_trailers = true});
  given.give("abc", true);
  settle_in_memory(world.loop);
  EXPECT_EQ(world.host->asked.at(0).trailers, (TestFields{{"x-sum", "7"}}));
  EXPECT_TRUE(world.host->asked[0].ended);
  EXPECT_EQ(trip.sent, 1);
  world.host->head(1, {{":status", "200"}}, false);
  world.host->body(1, "ok", true, {{"grpc-status", "0"}, {"authorization", "x"}, {"set-cookie", "a=b"}});
  ASSERT_TRUE(trip.answered());
  EXPECT_EQ(trip.read(), "ok");
  const Headers* trailers = trip.answer.body.reader->trailers();
  ASSERT_TRUE(trailers);
  EXPECT_EQ(trailers->size(), 1U);
  EXPECT_EQ(trailers->get("grpc-status"), "0");
}

TEST(Http2Client, takes_trailers_behind_no_body_at_all) {
  World world;
  Trip trip(world.loop, *world.session);
  ASSERT_TRUE(world.hears(1));
  world.host->head(1, {{":status", "200"}}, false);
  ASSERT_TRUE(trip.answered());
  world.host->body(1, "", true, {{"grpc-status", "5"}});
  EXPECT_EQ(trip.read(), "");
  ASSERT_TRUE(trip.answer.body.reader->trailers());
  EXPECT_TRUE(trip.stream->complete());
}

TEST(Http2Client, takes_answers_that_have_no_body) {
  for (const auto& [method, status] : {std::pair("HEAD", "200"), std::pair("GET", "204"), std::pair("GET", "304")}) {
    World world;
    Trip trip(world.loop, *world.session, {.method = method});
    ASSERT_TRUE(world.hears(1));
    TestFields fields = {{":status", status}};
    if (std::string_view(status) != "204") fields.emplace_back("content-length", "5");
    world.host->head(1, fields, true);
    ASSERT_TRUE(trip.answered());
    ASSERT_FALSE(trip.error) << trip.error->message;
    EXPECT_TRUE(trip.answer.body.empty());
    EXPECT_TRUE(trip.stream->complete());
    EXPECT_EQ(trip.answer.headers->get("content-length").has_value(), fields.size() == 2);
  }
}

TEST(Http2Client, passes_informational_answers_over_but_not_a_flood_of_them) {
  World world;
  Trip trip(world.loop, *world.session);
  ASSERT_TRUE(world.hears(1));
  for (int i = 0; i < 16; ++i) world.host->head(1, {{":status", "103"}, {"link", "</a>"}}, false);
  settle_in_memory(world.loop);
  EXPECT_TRUE(trip.runner.running());
  EXPECT_TRUE(trip.stream->heard());
  world.host->head(1, {{":status", "200"}}, true);
  ASSERT_TRUE(trip.answered());
  EXPECT_EQ(trip.answer.status, 200);
  EXPECT_FALSE(trip.answer.headers->get("link").has_value());
  Trip flooded(world.loop, *world.session);
  ASSERT_TRUE(world.hears(2));
  for (int i = 0; i < 17; ++i) world.host->head(3, {{":status", "103"}}, false);
  ASSERT_TRUE(flooded.answered());
  ASSERT_TRUE(flooded.error);
  EXPECT_EQ(flooded.error->kind, ErrorKind::invalid);
}

TEST(Http2Client, waits_for_100_before_a_body_whose_sender_waits_for_it_but_not_for_ever) {
  for (const bool told : {true, false}) {
    World world;
    GivenBody given(world.loop);
    given.give("abc", true);
    Trip trip(world.loop, *world.session, {.method = "POST", .body = {&given, 3}, .expects_continue = true});
    ASSERT_TRUE(world.hears(1));
    settle_in_memory(world.loop);
    EXPECT_EQ(given.asked, 0);
    EXPECT_TRUE(trip.stream->sending());
    if (told)
      world.host->head(1, {{":status", "100"}}, false);
    else
      world.loop.advance(1s);
    settle_in_memory(world.loop);
    EXPECT_EQ(world.host->asked[0].body, "abc");
  }
}

// Until somebody reads, the upstream may send one window, and nothing opens it.
TEST(Http2Client, opens_a_window_by_what_was_read_alone) {
  World world({}, {.stream_window = 65'535, .connection_window = 200'000}, 1U << 20);
  Trip slow(world.loop, *world.session), other(world.loop, *world.session);
  ASSERT_TRUE(world.hears(2));
  const std::string big(300'000, 'b');
  world.host->head(1, {{":status", "200"}}, false);
  world.host->body(1, big, true);
  ASSERT_TRUE(slow.answered());
  settle_in_memory(world.loop);
  EXPECT_EQ(world.host->window_updates, 0U);
  EXPECT_EQ(slow.stream->bytes_received() / 1000, 65U) << "one window, and the head";
  world.host->answer(3, "200", std::string(100'000, 'c'));
  ASSERT_TRUE(other.answered());
  EXPECT_EQ(other.read().size(), 100'000U) << "who reads is not held up by who does not";
  EXPECT_EQ(slow.read(), big);
  EXPECT_GT(world.host->window_updates, 200'000U);
}

TEST(Http2Client, takes_no_status_that_nobody_could_count) {
  for (const auto& [status, good] :
       {std::pair("599", true), std::pair("600", false), std::pair("999", false), std::pair("099", false)}) {
    World world;
    Trip trip(world.loop, *world.session);
    ASSERT_TRUE(world.hears(1));
    world.host->raw_head(1, {{":status", status}}, true);
    ASSERT_TRUE(trip.answered());
    EXPECT_EQ(!trip.error, good) << status;
  }
}

// What nobody has read when its stream ends is given back to the others.
TEST(Http2Client, gives_the_window_of_the_connection_back_with_streams_that_end_unread) {
  World world({}, {.stream_window = 65'535, .connection_window = 65'535}, 1U << 20);
  for (int32_t i = 0; i < 5; ++i) {
    Trip trip(world.loop, *world.session);
    ASSERT_TRUE(world.hears(size_t(i) + 1));
    world.host->answer(2 * i + 1, "200", std::string(60'000, 'b'));
    ASSERT_TRUE(trip.answered()) << i;
    settle_in_memory(world.loop);
  }
  Trip last(world.loop, *world.session);
  ASSERT_TRUE(world.hears(6));
  world.host->answer(11, "200", std::string(60'000, 'c'));
  ASSERT_TRUE(last.answered());
  EXPECT_EQ(last.read().size(), 60'000U);
}

TEST(Http2Client, reads_a_request_body_only_as_the_upstream_takes_it) {
  World world({.reads = false});
  GivenBody given(world.loop);
  Trip trip(world.loop, *world.session, {.method = "POST", .body = {&given, {}}});
  for (int i = 0; i < 10; ++i) given.give(std::string(30'000, 'x'));
  settle_in_memory(world.loop);
  EXPECT_EQ(world.host->asked.at(0).body.size(), 65'535U);
  EXPECT_EQ(given.asked, 3) << "the rest has not been asked for";
  world.host->read(1, 65'535);
  settle_in_memory(world.loop);
  EXPECT_EQ(world.host->asked.at(0).body.size(), 2 * 65'535U);
}

TEST(Http2Client, sends_a_part_of_an_endless_body_in_one_turn_and_all_who_send_have_theirs) {
  World world({}, {}, 4U << 20);
  EndlessBody endless;
  Trip trip(world.loop, *world.session, {.method = "POST", .body = {&endless, std::nullopt}});
  for (int i = 0; i < 5; ++i) {
    const size_t before = endless.asked;
    world.loop.turn(0ms);
    EXPECT_GT(endless.asked, before);
    EXPECT_LE(endless.asked - before, 33U);
  }
}

TEST(Http2Client, writes_more_than_the_connection_takes_at_once) {
  World world({}, {}, 5000);
  std::string big(1U << 20, 'x');
  TextBody text({big.data(), big.size()});
  Trip trip(world.loop, *world.session, {.method = "POST", .body = {&text, big.size()}});
  ASSERT_TRUE(turn_until(world.loop, [&] { return !world.host->asked.empty() && world.host->asked[0].ended; }));
  EXPECT_TRUE(world.host->asked[0].body == big);
}

TEST(Http2Client, breaks_a_request_off_when_its_body_cannot_be_read) {
  World world;
  GivenBody given(world.loop);
  Trip trip(world.loop, *world.session, {.method = "POST", .body = {&given, {}}}), other(world.loop, *world.session);
  given.give("abc");
  ASSERT_TRUE(world.hears(2));
  given.break_off({.kind = ErrorKind::reset, .message = "gone", .side = Side::downstream});
  ASSERT_TRUE(trip.answered());
  ASSERT_TRUE(trip.broke);
  EXPECT_EQ(trip.broke->message, "gone");
  settle_in_memory(world.loop);
  EXPECT_TRUE(world.host->find(1)->closed);
  EXPECT_EQ(world.host->find(1)->code, uint32_t{NGHTTP2_CANCEL});
  world.host->answer(3, "200", "ok");
  ASSERT_TRUE(other.answered());
  EXPECT_EQ(other.read(), "ok") << "others go on";
}

TEST(Http2Client, gives_whoever_waits_the_reason_of_a_reset_and_tells_the_upstream) {
  const Error why{.kind = ErrorKind::denied, .message = "not any more", .side = Side::upstream};
  World world;
  Trip before(world.loop, *world.session), within(world.loop, *world.session);
  ASSERT_TRUE(world.hears(2));
  before.stream->reset(why);
  ASSERT_TRUE(before.answered());
  EXPECT_EQ(before.error->message, why.message);
  world.host->head(3, {{":status", "200"}}, false);
  world.host->body(3, "a part", false);
  ASSERT_TRUE(within.answered());
  within.stream->reset(why);
  within.read();
  EXPECT_EQ(within.error->message, why.message);
  settle_in_memory(world.loop);
  EXPECT_EQ(world.host->resets, 2U);
  EXPECT_TRUE(world.session->is_silent()) << "the connection is as good as before";
}

TEST(Http2Client, tells_requests_that_were_not_looked_at_from_those_that_may_have_been) {
  struct Row {
    uint32_t code;
    ErrorKind kind;
  };
  for (const auto& [code, kind] :
       {Row{NGHTTP2_REFUSED_STREAM, ErrorKind::closed}, Row{NGHTTP2_CANCEL, ErrorKind::reset},
        Row{NGHTTP2_INTERNAL_ERROR, ErrorKind::reset}, Row{NGHTTP2_NO_ERROR, ErrorKind::reset},
        Row{NGHTTP2_ENHANCE_YOUR_CALM, ErrorKind::reset}}) {
    World world;
    Trip trip(world.loop, *world.session);
    ASSERT_TRUE(world.hears(1));
    world.host->reset(1, code);
    ASSERT_TRUE(trip.answered());
    ASSERT_TRUE(trip.error) << code;
    EXPECT_EQ(trip.error->kind, kind) << code;
    EXPECT_EQ(trip.stream->heard(), false);
    EXPECT_GT(world.session->capacity(), 0U);
  }
  World world;
  Trip trip(world.loop, *world.session);
  ASSERT_TRUE(world.hears(1));
  world.host->head(1, {{":status", "103"}}, false);
  world.host->reset(1, NGHTTP2_REFUSED_STREAM);
  ASSERT_TRUE(trip.answered());
  EXPECT_EQ(trip.error->kind, ErrorKind::reset) << "it has been looked at, whatever is said";
}

TEST(Http2Client, ends_a_request_that_was_answered_early) {
  World world;
  GivenBody given(world.loop);
  Trip trip(world.loop, *world.session, {.method = "POST", .body = {&given, {}}});
  given.give("abc");
  ASSERT_TRUE(world.hears(1));
  world.host->head(1, {{":status", "403"}}, false);
  world.host->body(1, "no", true);
  settle_in_memory(world.loop);
  world.host->reset(1, NGHTTP2_NO_ERROR);  // RFC 9113 8.1
  ASSERT_TRUE(trip.answered());
  EXPECT_EQ(trip.answer.status, 403);
  EXPECT_EQ(trip.read(), "no");
  EXPECT_TRUE(trip.stream->complete());
}

TEST(Http2Client, lets_requests_finish_that_a_farewell_lets_finish_and_takes_no_more) {
  World world;
  Trip one(world.loop, *world.session), other(world.loop, *world.session);
  ASSERT_TRUE(world.hears(2));
  world.host->leave(1);
  ASSERT_TRUE(other.answered());
  EXPECT_EQ(other.error->kind, ErrorKind::closed);
  EXPECT_TRUE(one.runner.running());
  EXPECT_EQ(world.session->capacity(), 0U);
  world.host->answer(1, "200", "ok");
  ASSERT_TRUE(one.answered());
  EXPECT_EQ(one.read(), "ok");
}

struct Told final : Waiter {
  void wake() override { ++times; }
  void cancel() override {}
  int times = 0;
};

TEST(Http2Client, tells_when_it_may_carry_more) {
  World world({.settings = {{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 1}}, .hesitates = true});
  Told told;
  world.session->when_roomier(&told);
  EXPECT_EQ(world.session->capacity(), 1U);
  Trip first(world.loop, *world.session);
  settle_in_memory(world.loop);
  EXPECT_EQ(told.times, 0);
  world.host->speak();
  settle_in_memory(world.loop);
  EXPECT_EQ(told.times, 1) << "it takes no more, which those who wait want to know, too";
  world.host->answer(1, "200", "ok");
  settle_in_memory(world.loop);
  EXPECT_EQ(told.times, 2) << "though nobody has read the answer";
  EXPECT_EQ(world.session->capacity(), 1U);
  world.host->settings({{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 5}});
  settle_in_memory(world.loop);
  EXPECT_EQ(told.times, 3);
  EXPECT_EQ(world.session->capacity(), 5U);
  world.session->when_roomier(nullptr);
}

TEST(Http2Client, tells_once_that_it_is_of_no_more_use_while_it_lies_idle) {
  for (const bool farewell : {true, false}) {
    World world;
    Told told;
    EXPECT_TRUE(world.session->is_silent());
    world.session->when_disturbed(&told);
    world.host->settings({{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 5}});
    settle_in_memory(world.loop);
    EXPECT_EQ(told.times, 0) << "a connection may be talked about";
    if (farewell)
      world.host->leave(0);
    else
      world.host->end();
    settle_in_memory(world.loop);
    EXPECT_EQ(told.times, 1);
    EXPECT_EQ(world.session->capacity(), 0U);
    EXPECT_FALSE(world.session->is_silent());
  }
}

TEST(Http2Client, says_goodbye) {
  World world;
  world.session.reset();
  settle_in_memory(world.loop);
  EXPECT_EQ(world.host->went_away, uint32_t{NGHTTP2_NO_ERROR});
  EXPECT_TRUE(world.host->ended);
}

TEST(Http2Client, breaks_what_is_under_way_when_the_connection_ends) {
  for (const bool aborted : {true, false}) {
    World world;
    Trip waits(world.loop, *world.session), hears(world.loop, *world.session), heard(world.loop, *world.session);
    ASSERT_TRUE(world.hears(3));
    world.host->head(3, {{":status", "200"}}, false);
    world.host->body(3, "a part", false);
    world.host->answer(5, "200", "all of it");
    ASSERT_TRUE(hears.answered() && heard.answered());
    if (aborted)
      world.host->abort();
    else
      world.host->end();
    ASSERT_TRUE(waits.answered());
    EXPECT_EQ(waits.error->kind, ErrorKind::reset);
    EXPECT_EQ(hears.read(), "a part");
    EXPECT_TRUE(hears.error) << "a part of a body passes for all of it";
    EXPECT_EQ(heard.read(), "all of it");
    EXPECT_FALSE(heard.error);
    EXPECT_EQ(world.session->capacity(), 0U);
  }
}

// RFC 9113 8.7: what has not been sent may be sent again, and what a GOAWAY says was not looked at; else a connection
// that ends without a word may have carried the request far enough.
TEST(Http2Client, tells_of_a_connection_that_ends_whether_a_request_was_sent) {
  enum class When : uint8_t { before_the_head, before_settings, behind_the_head, behind_a_farewell_that_names_it };
  for (const auto& [when, kind] :
       {std::pair(When::before_the_head, ErrorKind::closed), std::pair(When::before_settings, ErrorKind::closed),
        std::pair(When::behind_the_head, ErrorKind::reset),
        std::pair(When::behind_a_farewell_that_names_it, ErrorKind::reset)}) {
    World world({.is_http2 = when != When::before_settings});
    if (when == When::before_the_head) world.host->end();
    Trip trip(world.loop, *world.session, {.upgrade = when == When::before_settings});
    if (when >= When::behind_the_head) ASSERT_TRUE(world.hears(1));
    if (when == When::behind_a_farewell_that_names_it) world.host->leave(1);
    settle_in_memory(world.loop);
    if (when != When::before_the_head) world.host->end();
    ASSERT_TRUE(trip.answered());
    ASSERT_TRUE(trip.error);
    EXPECT_EQ(trip.error->kind, kind) << int(when);
  }
}

TEST(Http2Client, gives_up_an_upstream_that_says_nothing_but_not_while_a_body_moves) {
  World world;
  GivenBody given(world.loop);
  Trip trip(world.loop, *world.session, {.method = "POST", .body = {&given, {}}});
  ASSERT_TRUE(world.hears(1));
  for (int i = 0; i < 3; ++i) {
    world.loop.advance(8s);
    given.give("abc");
    settle_in_memory(world.loop);
    EXPECT_TRUE(trip.runner.running()) << i;
  }
  world.loop.advance(20s);
  ASSERT_TRUE(trip.answered());
  EXPECT_EQ(trip.error->kind, ErrorKind::timeout);
}

TEST(Http2Client, asks_a_quiet_upstream_whether_it_is_there) {
  Metrics metrics{1};
  World world({}, {.counters = {.keepalive_timeout = &counter(metrics)}});
  Told told;
  world.session->when_disturbed(&told);
  for (int i = 1; i <= 3; ++i) {
    world.loop.advance(31s);
    settle_in_memory(world.loop);
    EXPECT_EQ(world.host->pings, size_t(i));
    world.loop.advance(11s);
    settle_in_memory(world.loop);
    EXPECT_EQ(told.times, 0) << "it answers";
  }
  world.host->stop();
  for (int i = 0; i < 5; ++i) {
    world.loop.advance(21s);
    settle_in_memory(world.loop);
  }
  EXPECT_EQ(told.times, 1);
  EXPECT_EQ(world.session->capacity(), 0U);
  EXPECT_EQ(counter(metrics).value(), 1);
}

// What breaks the rules for messages (RFC 9113 8.1 to 8.3) is no answer.
TEST(Http2Client, tells_a_broken_answer_from_a_good_one) {
  struct Row {
    std::string_view what;
    TestFields fields;
    bool last = true;
  };
  const std::vector<Row> rows = {
      {"no status", {{"x", "y"}}},
      {"two statuses", {{":status", "200"}, {":status", "201"}}},
      {"a status behind fields", {{"x", "y"}, {":status", "200"}}},
      {"a status that is none", {{":status", "abc"}}},
      {"a short status", {{":status", "20"}}},
      {"101", {{":status", "101"}}},
      {"a pseudo-field of requests", {{":status", "200"}, {":path", "/"}}},
      {"connection", {{":status", "200"}, {"connection", "close"}}},
      {"transfer-encoding", {{":status", "200"}, {"transfer-encoding", "chunked"}}},
      {"upgrade", {{":status", "200"}, {"upgrade", "x"}}},
      {"capitals", {{":status", "200"}, {"X-A", "y"}}},
      {"a name with a space", {{":status", "200"}, {"x y", "z"}}},
      {"an empty name", {{":status", "200"}, {"", "z"}}},
      {"a line feed", {{":status", "200"}, {"x", "a\nb"}}},
      {"a NUL", {{":status", "200"}, {"x", std::string("a\0b", 3)}}},
      {"a space in front", {{":status", "200"}, {"x", " a"}}},
      {"a length that is none", {{":status", "200"}, {"content-length", "x"}}},
      {"two lengths", {{":status", "200"}, {"content-length", "0"}, {"content-length", "0"}}},
      {"less than the length", {{":status", "200"}, {"content-length", "5"}}},
      {"an informational end", {{":status", "103"}}},
  };
  for (const bool stream_alone : {true, false})
    for (const Row& row : rows) {
      Metrics metrics{1};
      World world({}, {.only_stream_ends_on_invalid_message = stream_alone,
                       .counters = {.rx_messaging_error = &counter(metrics)}});
      Trip trip(world.loop, *world.session), other(world.loop, *world.session);
      ASSERT_TRUE(world.hears(2));
      world.host->raw_head(1, row.fields, row.last);
      ASSERT_TRUE(trip.answered()) << row.what;
      ASSERT_TRUE(trip.error) << row.what;
      EXPECT_EQ(trip.error->kind, ErrorKind::invalid) << row.what;
      EXPECT_EQ(counter(metrics).value(), 1) << row.what;
      settle_in_memory(world.loop);
      EXPECT_EQ(other.runner.running(), stream_alone) << row.what;
      EXPECT_EQ(world.session->capacity() > 0, stream_alone) << row.what;
    }
}

TEST(Http2Client, cuts_a_body_that_is_not_as_long_as_was_said) {
  for (const std::string_view bytes : {"abc", "abcdefgh"}) {
    World world;
    Trip trip(world.loop, *world.session);
    ASSERT_TRUE(world.hears(1));
    world.host->head(1, {{":status", "200"}, {"content-length", "5"}}, false);
    ASSERT_TRUE(trip.answered());
    EXPECT_EQ(trip.answer.body.length, 5U);
    world.host->body(1, std::string(bytes), true);
    EXPECT_LE(trip.read().size(), 5U);
    EXPECT_TRUE(trip.error);
    EXPECT_FALSE(trip.stream->complete());
  }
}

TEST(Http2Client, bounds_the_head_of_an_answer) {
  struct Row {
    size_t fields, bytes;
    bool good;
  };
  for (const auto& [fields, bytes, good] : {Row{99, 10, true}, Row{100, 10, true}, Row{101, 10, false},
                                            Row{1, 17'000, true}, Row{1, 59'000, true}, Row{3, 20'600, false}}) {
    Metrics metrics{1};
    World world({}, {.counters = {.header_overflow = &counter(metrics)}}, 1U << 20);
    Trip trip(world.loop, *world.session);
    ASSERT_TRUE(world.hears(1));
    TestFields all = {{":status", "200"}};
    for (size_t i = 0; i < fields; ++i) all.emplace_back(fmt::format("x-{}", i), std::string(bytes, 'v'));
    world.host->head(1, all, true);
    ASSERT_TRUE(trip.answered()) << fields << " x " << bytes;
    EXPECT_EQ(!trip.error, good) << fields << " x " << bytes;
    EXPECT_EQ(counter(metrics).value(), good ? 0 : 1) << fields << " x " << bytes;
    EXPECT_GT(world.session->capacity(), 0U) << "its stream alone ends";
  }
}

TEST(Http2Client, bounds_the_trailers_of_an_answer_by_themselves) {
  for (const size_t fields : {100U, 101U}) {
    Metrics metrics{1};
    World world({}, {.counters = {.header_overflow = &counter(metrics)}}, 1U << 20);
    Trip trip(world.loop, *world.session);
    ASSERT_TRUE(world.hears(1));
    TestFields all;
    for (size_t i = 0; i < fields; ++i) all.emplace_back(fmt::format("x-{}", i), "v");
    TestFields head = {{":status", "200"}};
    head.insert(head.end(), all.begin(), all.begin() + 90);
    world.host->head(1, head, false);
    ASSERT_TRUE(trip.answered());
    world.host->body(1, "body", true, all);
    EXPECT_EQ(trip.read(), "body");
    EXPECT_EQ(trip.error.has_value(), fields > 100) << "what is cut must not pass for whole";
    EXPECT_EQ(counter(metrics).value(), fields > 100 ? 1 : 0);
  }
}

// One field in the dynamic table, and thousands of references to it of a byte each.
TEST(Http2Client, does_not_unpack_a_bomb) {
  Metrics metrics{1};
  World world({}, {.counters = {.header_overflow = &counter(metrics)}}, 1U << 20);
  Trip trip(world.loop, *world.session);
  ASSERT_TRUE(world.hears(1));
  std::string block = "\x88";        // :status: 200
  block += "\x40\x01z\x7f\xa1\x1e";  // z: 4000 bytes, to be remembered
  block += std::string(4000, 'b');
  block += std::string(12'000, '\xbe');  // again and again
  world.host->say(h2::test_frame(NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS | NGHTTP2_FLAG_END_STREAM, 1, block));
  ASSERT_TRUE(trip.answered());
  ASSERT_TRUE(trip.error);
  EXPECT_EQ(trip.error->message, "the response head is too large");
  EXPECT_EQ(counter(metrics).value(), 1);
  EXPECT_LT(trip.arena_bytes(), 200'000U);
}

TEST(Http2Client, ends_the_connection_of_an_upstream_that_floods_it) {
  const std::string ping = h2::test_frame(NGHTTP2_PING, 0, 0, "12345678");
  const std::string settings = h2::test_frame(NGHTTP2_SETTINGS, 0, 0, "");
  const std::string priority = h2::test_frame(NGHTTP2_PRIORITY, 0, 1, std::string("\0\0\0\0\x10", 5));
  const std::string window = h2::test_frame(NGHTTP2_WINDOW_UPDATE, 0, 0, std::string("\0\0\0\x01", 4));
  const std::string empty = h2::test_frame(NGHTTP2_DATA, 0, 1, "");
  const std::string head = h2::test_frame(NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS, 1, "\x88");
  const std::string open = h2::test_frame(NGHTTP2_HEADERS, 0, 1, "\x88");
  const std::string more = h2::test_frame(NGHTTP2_CONTINUATION, 0, 1, "");
  const std::string push = h2::test_frame(NGHTTP2_PUSH_PROMISE, NGHTTP2_FLAG_END_HEADERS, 1,
                                          std::string("\0\0\0\x02\x82\x86\x84\x41\x01h", 10));
  struct Row {
    std::string_view what;
    std::string first, then;
    int times;
  };
  for (const auto& [what, first, then, times] :
       {Row{"PING", "", ping, 1100}, Row{"SETTINGS", "", settings, 1100}, Row{"PRIORITY", "", priority, 1100},
        Row{"WINDOW_UPDATE", "", window, 1100}, Row{"empty DATA", head, empty, 110},
        Row{"CONTINUATION", open, more, 20}, Row{"PUSH_PROMISE", "", push, 1}}) {
    Metrics metrics{1};
    Counter* one = &counter(metrics);
    World world({},
                {.counters = {.inbound_empty_frames_flood = one, .inbound_control_flood = one, .protocol_error = one}},
                1U << 20);
    Trip trip(world.loop, *world.session);
    ASSERT_TRUE(world.hears(1));
    world.host->say(first);
    std::string all;
    for (int i = 0; i < times; ++i) all += then;
    world.host->say(all);
    settle_in_memory(world.loop);
    EXPECT_EQ(world.session->capacity(), 0U) << what;
    EXPECT_EQ(counter(metrics).value(), 1) << what;
    if (!trip.runner.running() && !trip.error) trip.read();
    EXPECT_TRUE(trip.error) << what;
    settle_in_memory(world.loop);
    EXPECT_TRUE(world.host->went_away.has_value()) << what << ": it is told";
  }
}

TEST(Http2Client, ends_the_connection_of_an_upstream_that_speaks_something_else) {
  for (const std::string_view said : {"HTTP/1.1 400 Bad Request\r\n\r\n", "SSH-2.0-OpenSSH_9.2\r\n",
                                      "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "220 smtp\r\n"}) {
    World world({.is_http2 = false});
    Trip trip(world.loop, *world.session);
    world.host->say(said);
    world.host->end();
    ASSERT_TRUE(trip.answered()) << said;
    ASSERT_TRUE(trip.error) << said;
    EXPECT_EQ(world.session->capacity(), 0U) << said;
  }
}

// --- tunnels (RFC 8441) ------------------------------------------------------------------------------------------

const nghttp2_settings_entry kTunnels{NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL, 1};

std::string read_now(Stream& stream) {
  std::string out;
  char bytes[7];  // in pieces
  for (;;) {
    const auto got = stream.try_read(bytes);
    if (!got || !*got || **got == 0) return out;
    out.append(bytes, **got);
  }
}

void write_now(Stream& stream, std::string_view text) {
  const iovec part{const_cast<char*>(text.data()), text.size()};
  const auto put = stream.try_write({&part, 1});
  ASSERT_TRUE(put && *put && **put == text.size());
}

TEST(Http2Client, makes_a_tunnel_of_a_stream_where_the_upstream_takes_such) {
  World world({.settings = {kTunnels}});
  Arena arena;
  Headers headers(arena);
  headers.add("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
  Trip trip(world.loop, *world.session, {.fields = &headers, .upgrade = true});
  ASSERT_TRUE(world.hears(1));
  const auto& asked = world.host->asked[0];
  EXPECT_EQ(asked.field(":method"), "CONNECT");
  EXPECT_EQ(asked.field(":protocol"), "websocket");
  EXPECT_EQ(asked.field(":path"), "/x?y");
  EXPECT_FALSE(asked.ended);
  EXPECT_EQ(trip.sent, 1);
  world.host->head(1, {{":status", "200"}, {"sec-websocket-protocol", "chat"}}, false);
  world.host->body(1, "early", false);
  ASSERT_TRUE(trip.answered());
  ASSERT_EQ(trip.answer.status, 101);
  // The key and its answer of RFC 6455 1.3.
  EXPECT_EQ(trip.answer.headers->get("sec-websocket-accept"), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
  EXPECT_EQ(trip.answer.headers->get("sec-websocket-protocol"), "chat");
  Stream& tunnel = *trip.answer.tunnel;
  settle_in_memory(world.loop);
  EXPECT_EQ(read_now(tunnel), "early");
  EXPECT_TRUE(tunnel.is_silent());
  write_now(tunnel, "hello");
  settle_in_memory(world.loop);
  EXPECT_EQ(world.host->asked[0].body, "hello");
  tunnel.end_writing();
  settle_in_memory(world.loop);
  EXPECT_TRUE(world.host->asked[0].ended);
  EXPECT_FALSE(tunnel.peer_ended());
  world.host->body(1, "bye", true);
  settle_in_memory(world.loop);
  EXPECT_EQ(read_now(tunnel), "bye");
  EXPECT_TRUE(tunnel.peer_ended());
  EXPECT_FALSE(tunnel.is_broken());
}

// RFC 9113 8.5. Nobody has to say that it is taken.
TEST(Http2Client, makes_a_tunnel_of_CONNECT) {
  World world;
  Trip trip(world.loop, *world.session, {.method = "CONNECT", .connects = true});
  ASSERT_TRUE(world.hears(1));
  EXPECT_EQ(world.host->asked[0].fields, (TestFields{{":method", "CONNECT"}, {":authority", "h"}}));
  world.host->head(1, {{":status", "201"}}, false);
  world.host->body(1, "early", false);
  ASSERT_TRUE(trip.answered());
  EXPECT_EQ(trip.answer.status, 201);
  Stream& tunnel = *trip.answer.tunnel;
  settle_in_memory(world.loop);
  EXPECT_EQ(read_now(tunnel), "early");
  write_now(tunnel, "hello");
  settle_in_memory(world.loop);
  EXPECT_EQ(world.host->asked[0].body, "hello");
  Trip refused(world.loop, *world.session, {.method = "CONNECT", .connects = true});
  ASSERT_TRUE(world.hears(2));
  world.host->answer(3, "403", "no");
  ASSERT_TRUE(refused.answered());
  EXPECT_EQ(refused.answer.status, 403);
  EXPECT_EQ(refused.answer.tunnel, nullptr);
}

// Whoever destroys it before that breaks off what has not gone.
TEST(Http2Client, tells_when_all_of_a_tunnel_has_gone) {
  World world({.settings = {{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 6}}, .reads = false});
  Trip trip(world.loop, *world.session, {.method = "CONNECT", .connects = true});
  ASSERT_TRUE(world.hears(1));
  world.host->head(1, {{":status", "200"}}, true);
  ASSERT_TRUE(trip.answered());
  Stream& tunnel = *trip.answer.tunnel;
  write_now(tunnel, "last words");
  tunnel.end_writing();
  std::optional<Status> gone;
  Runner runner{&gone, [](void* out, Result<void> result) { *static_cast<std::optional<Status>*>(out) = result; }};
  runner.start(tunnel.all_gone(world.loop.now() + 10s));
  settle_in_memory(world.loop);
  EXPECT_EQ(world.host->asked[0].body, "last w");
  EXPECT_FALSE(gone);
  world.host->read(1, 6);
  ASSERT_TRUE(turn_until(world.loop, [&] { return gone.has_value(); }));
  EXPECT_TRUE(*gone);
  trip.stream.reset();
  settle_in_memory(world.loop);
  EXPECT_EQ(world.host->asked[0].body, "last words");
  EXPECT_TRUE(world.host->asked[0].ended);
  EXPECT_EQ(world.host->resets, 0U);
}

TEST(Http2Client, waits_no_longer_for_all_of_a_tunnel_than_it_may) {
  World world({.settings = {{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 0}}});
  for (const bool breaks : {false, true}) {
    Trip trip(world.loop, *world.session, {.method = "CONNECT", .connects = true});
    ASSERT_TRUE(world.hears(breaks ? 2 : 1));
    const int32_t id = world.host->asked.back().id;
    world.host->head(id, {{":status", "200"}}, false);
    ASSERT_TRUE(trip.answered());
    Stream& tunnel = *trip.answer.tunnel;
    write_now(tunnel, "words");
    tunnel.end_writing();
    std::optional<Status> gone;
    Runner runner{&gone, [](void* out, Result<void> result) { *static_cast<std::optional<Status>*>(out) = result; }};
    runner.start(tunnel.all_gone(world.loop.now() + 10s));
    settle_in_memory(world.loop);
    EXPECT_FALSE(gone);
    if (breaks)
      world.host->reset(id, NGHTTP2_CANCEL);
    else
      world.loop.advance(11s);
    ASSERT_TRUE(turn_until(world.loop, [&] { return gone.has_value(); }));
    EXPECT_EQ(gone->has_value(), breaks);
    if (!breaks) EXPECT_EQ(gone->error().kind, ErrorKind::timeout);
  }
}

TEST(Http2Client, asks_for_no_tunnel_that_the_upstream_does_not_take) {
  World world;
  Trip trip(world.loop, *world.session, {.upgrade = true});
  ASSERT_TRUE(world.hears(1));
  EXPECT_EQ(world.host->asked[0].field(":method"), "GET");
  EXPECT_TRUE(world.host->asked[0].ended);
  world.host->answer(1, "200", "ok");
  ASSERT_TRUE(trip.answered());
  EXPECT_EQ(trip.answer.status, 200);
  EXPECT_EQ(trip.read(), "ok");
}

TEST(Http2Client, waits_to_be_told_whether_an_upstream_takes_tunnels) {
  World world({.settings = {kTunnels}, .is_http2 = false});
  std::optional<Trip> other(std::in_place, world.loop, *world.session, Trip::Ask{.upgrade = true});
  EXPECT_EQ(world.session->capacity(), 0U) << "nor how many it takes";
  other->stream->reset({.kind = ErrorKind::denied, .message = "not any more"});
  ASSERT_TRUE(other->answered());
  EXPECT_EQ(other->error->kind, ErrorKind::denied);
  Trip trip(world.loop, *world.session, {.upgrade = true});
  settle_in_memory(world.loop);
  EXPECT_EQ(trip.stream->bytes_sent(), 0U);
  world.host->say(h2::test_frame(NGHTTP2_SETTINGS, 0, 0, std::string("\0\x08\0\0\0\x01", 6)));
  settle_in_memory(world.loop);
  EXPECT_GT(trip.stream->bytes_sent(), 0U);
  EXPECT_EQ(world.session->capacity(), size_t{INT32_MAX} - 1) << "the other has left";
}

TEST(Http2Client, gives_the_answer_of_an_upstream_that_refuses_a_tunnel) {
  World world({.settings = {kTunnels}});
  Trip trip(world.loop, *world.session, {.upgrade = true});
  ASSERT_TRUE(world.hears(1));
  world.host->answer(1, "403", "no");
  ASSERT_TRUE(trip.answered());
  EXPECT_EQ(trip.answer.status, 403);
  EXPECT_EQ(trip.read(), "no");
}

TEST(Http2Client, keeps_a_tunnel_within_the_windows_both_ways) {
  World world({.settings = {kTunnels}, .reads = false}, {.stream_window = 65'535}, 1U << 20);
  Trip trip(world.loop, *world.session, {.upgrade = true});
  ASSERT_TRUE(world.hears(1));
  world.host->head(1, {{":status", "200"}}, false);
  world.host->body(1, std::string(100'000, 'd'), false);
  ASSERT_TRUE(trip.answered());
  Stream& tunnel = *trip.answer.tunnel;
  settle_in_memory(world.loop);
  EXPECT_EQ(tunnel.buffered_bytes(), 65'535U);
  size_t put = 0;
  const std::string piece(10'000, 'u');
  const iovec part{const_cast<char*>(piece.data()), piece.size()};
  for (int i = 0; i < 50; ++i) {
    const auto now = tunnel.try_write({&part, 1});
    if (now) put += **now;
    settle_in_memory(world.loop);
  }
  EXPECT_EQ(world.host->asked[0].body.size(), 65'535U);
  EXPECT_GT(put, 65'535U);
  EXPECT_LE(put, 65'535U + Block::kSmall) << "what lies between is bounded";
  std::string got;
  for (int i = 0; i < 10; ++i) {
    got += read_now(tunnel);
    settle_in_memory(world.loop);
  }
  EXPECT_EQ(got.size(), 100'000U);
}

TEST(Http2Client, breaks_a_tunnel_with_its_stream_and_a_stream_with_its_tunnel) {
  for (const int how : {0, 1, 2, 3, 4, 5, 6}) {
    World world({.settings = {kTunnels}});
    Trip trip(world.loop, *world.session, {.upgrade = true});
    ASSERT_TRUE(world.hears(1));
    world.host->head(1, {{":status", "200"}}, false);
    ASSERT_TRUE(trip.answered());
    Stream& tunnel = *trip.answer.tunnel;
    Told told;
    tunnel.when_hung_up(&told);
    switch (how) {
      case 0: world.host->reset(1, NGHTTP2_CANCEL); break;
      case 1: world.host->abort(); break;
      case 2: tunnel.abort(); break;
      case 3: trip.stream->reset({.kind = ErrorKind::denied, .message = "no"}); break;
      // Its end has come, and nobody takes what is still to be written.
      case 4:
        world.host->body(1, "", true);
        settle_in_memory(world.loop);
        world.host->reset(1, NGHTTP2_CANCEL);
        break;
      case 5:
        world.host->body(1, "", true);
        settle_in_memory(world.loop);
        world.host->abort();
        break;
      case 6:  // a window beyond its bound: nghttp2 ends the stream
        world.host->body(1, "", true);
        settle_in_memory(world.loop);
        world.host->say(h2::test_frame(NGHTTP2_WINDOW_UPDATE, 0, 1, "\x7f\xff\xff\xff"));
        break;
    }
    settle_in_memory(world.loop);
    EXPECT_EQ(told.times, 1) << how;
    EXPECT_TRUE(tunnel.is_broken()) << how;
    char bytes[4];
    const auto got = tunnel.try_read(bytes);
    ASSERT_TRUE(got);
    EXPECT_EQ(got->has_value(), how >= 4) << "never the end of a stream, which may mean that all has come";
    const iovec part{bytes, 1};
    const auto put = tunnel.try_write({&part, 1});
    EXPECT_TRUE(put && !*put) << how;
    EXPECT_EQ(world.session->capacity() > 0, how != 1 && how != 5);
    if (how == 2 || how == 3) EXPECT_EQ(world.host->asked[0].code, uint32_t{NGHTTP2_CANCEL});
  }
}

}  // namespace
}  // namespace sluice
