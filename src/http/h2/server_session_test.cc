#include "http/h2/server_session.h"

#include <gtest/gtest.h>
#include <atomic>

#include "http/h2/testing.h"
#include "io/testing.h"
#include "net/memory_stream.h"

namespace sluice::h2 {
namespace {

// A session, and a client that says frames to it.
struct World {
  explicit World(const ServerOptions& options = {}, std::string_view first = kPreface) {
    loop.use_manual_clock(SteadyTime(1000s), WallTime(0s));
    session = make_server_session(std::move(ends.downstream), first, limits, options, metrics);
    session->when_readable(&input);
  }
  ~World() {
    for (auto& one : open) one->end();
    settle();
    open.clear();
  }

  // One request, as whoever serves it has it.
  struct Taken final : ServerStream::Owner {
    void client_gone() override {
      ++gone;
      runner.cancel();
    }
    void end() {
      runner.cancel();
      stream.reset();
    }
    ServerRequest& request() { return stream->request(); }
    void run(Task<void> task) { runner.start(std::move(task)); }
    void answer(uint16_t status, std::string_view text = "") { run(say_answer(status, text)); }
    Task<void> say_answer(uint16_t status, std::string_view text) {
      auto& headers = *arena.make<Headers>(arena);
      answered = arena.make<ServerResponse>(
          ServerResponse{.status = status, .headers = headers, .body = text_body(arena, text)});
      Chunk first{{}, true};
      if (!text.empty()) first = answered->body.reader->read().take().value();
      auto beginning = stream->begin(*answered, first);
      result = co_await beginning;
      if (result) stream.reset();
      co_return Status{};
    }
    void read() { run(read_all()); }
    Task<void> read_all() {
      for (;;) {
        auto reading = stream->request().body.reader->read();
        auto chunk = co_await reading;
        if (!chunk) {
          result = std::unexpected(chunk.error());
          co_return Status{};
        }
        body.append(chunk->bytes.data(), chunk->bytes.size());
        if (chunk->last) break;
      }
      whole = true;
      co_return Status{};
    }
    Arena arena;
    ServerStreamPtr stream;
    const ServerResponse* answered = nullptr;
    std::string body;
    bool whole = false;
    Status result;
    int gone = 0;
    Runner runner{this, [](void*, Result<void>) {}};
  };

  void settle() { settle_in_memory(loop); }
  void say(std::string_view bytes) {
    while (!bytes.empty()) {
      const iovec part{const_cast<char*>(bytes.data()), bytes.size()};
      auto put = ends.upstream->try_write(std::span(&part, 1));
      if (put && !*put) return;
      if (put) bytes.remove_prefix(**put);
      settle();
      hear();
    }
    settle();
    hear();
  }
  void hear() {
    char buffer[65536];
    while (auto got = ends.upstream->try_read(buffer)) {
      if (!*got || **got == 0) {
        ended = true;
        break;
      }
      heard.add({buffer, **got});
      settle();
    }
  }
  // The next request; a failure where there is none.
  Taken& take() {
    auto& one = *open.emplace_back(std::make_unique<Taken>());
    one.stream = session->next(limits, one.arena).take().value();
    if (!one.stream) ADD_FAILURE() << "no request has come: " << heard.streams.rbegin()->first;
    CHECK(one.stream);
    one.stream->watch(&one);
    session->when_readable(&input);
    return one;
  }
  Taken& ask(std::string_view bytes) {
    say(bytes);
    return take();
  }
  void advance(Nanos by) {
    loop.advance(by);
    settle();
    hear();
  }
  // What the connection was ended with; nothing: it goes on.
  std::optional<uint32_t> goaway() const { return heard.goaway; }

  struct Input final : Waiter {
    void wake() override { ++count; }
    void cancel() override {}
    int count = 0;
  };

  Loop loop;
  ServerLimits limits{.head_timeout = 30s, .idle_max = 300s};
  Metrics counted{1};
  std::shared_ptr<const Http2Metrics> metrics = std::make_shared<Http2Metrics>(counted);
  StreamPair ends = memory_streams(loop);
  std::unique_ptr<ServerSession> session;
  Input input;
  std::vector<std::unique_ptr<Taken>> open;
  FrameReader heard;
  FrameWriter client;
  bool ended = false;
};

TEST(Http2Session, gives_requests_as_they_come_and_answers_them_in_any_order) {
  World world;
  world.say(world.client.settings());
  auto& one = world.ask(world.client.get(1, "/1"));
  auto& two = world.ask(world.client.get(3, "/2"));
  EXPECT_EQ(one.request().target, "/1");
  EXPECT_EQ(one.request().method, "GET");
  EXPECT_EQ(one.request().protocol, "HTTP/2");
  EXPECT_EQ(one.request().headers.get(Known::host), "h.test");
  EXPECT_EQ(two.request().target, "/2");
  two.answer(200, "second");
  one.answer(204);
  world.settle();
  world.hear();
  EXPECT_EQ(world.heard.streams[3].status, "200");
  EXPECT_EQ(world.heard.streams[3].body, "second");
  EXPECT_TRUE(world.heard.streams[3].ended);
  EXPECT_EQ(world.heard.streams[1].status, "204");
  EXPECT_TRUE(world.heard.streams[1].ended);
  EXPECT_EQ(world.metrics->streams_active->value(), 0);
}

TEST(Http2Session, refuses_what_is_no_request) {
  using Fields = std::vector<std::pair<std::string, std::string>>;
  const Fields plain{{":method", "GET"}, {":scheme", "http"}, {":path", "/"}, {":authority", "h"}};
  const auto with = [&](std::string name, std::string value) {
    Fields out = plain;
    out.emplace_back(std::move(name), std::move(value));
    return out;
  };
  // Stream errors of RFC 9113 8.1.1, 8.2.1, 8.2.2, 8.3.1.
  for (const Fields& fields :
       {with("connection", "close"), with("transfer-encoding", "chunked"), with("keep-alive", "1"),
        with("upgrade", "h2c"), with("proxy-connection", "close"), with("te", "gzip"), with("Upper", "x"),
        with("x", "a\nb"), with("x y", "a"), with(":status", "200"), with(":path", "/2"),
        Fields{{":method", "GET"}, {":scheme", "http"}, {":authority", "h"}},
        Fields{{":scheme", "http"}, {":path", "/"}, {":authority", "h"}},
        Fields{{":method", "GET"}, {":scheme", "http"}, {":path", "/"}},
        Fields{{":method", "GET"}, {":scheme", "http"}, {":path", "/"}, {":authority", "h h"}},
        Fields{{":method", "GET"}, {":scheme", "http"}, {":path", ""}, {":authority", "h"}}}) {
    World world;
    world.say(world.client.settings() + world.client.head(1, fields, true));
    EXPECT_FALSE(world.session->has_input()) << fields.back().first;
    EXPECT_EQ(world.heard.streams[1].reset, NGHTTP2_PROTOCOL_ERROR) << fields.back().first;
    EXPECT_FALSE(world.goaway());
    EXPECT_EQ(world.metrics->messaging_errors->value(), 1) << fields.back().first;
    EXPECT_EQ(world.ask(world.client.get(3, "/next")).request().target, "/next");
  }
  // Those that are answered.
  const struct {
    Fields fields;
    HeadFailure why;
  } rows[] = {
      {with("host", "other"), HeadFailure::malformed},
      {with("expect", "x"), HeadFailure::unknown_expectation},
      {{{":method", "GET"}, {":scheme", "http"}, {":path", "/"}, {":authority", "u@h"}}, HeadFailure::malformed},
      {{{":method", "GET"}, {":scheme", "ftp"}, {":path", "/"}, {":authority", "h"}}, HeadFailure::malformed},
      {{{":method", "GET"}, {":scheme", "http"}, {":path", "/" + std::string(9000, 'x')}, {":authority", "h"}},
       HeadFailure::line_too_long},
      // As in HTTP/1: nghttp2 lets them pass.
      {{{":method", "GET"}, {":scheme", "http"}, {":path", "/\xc3\xa9"}, {":authority", "h"}}, HeadFailure::malformed},
      {{{":method", "GET"}, {":scheme", "http"}, {":path", "/a?b=\xff"}, {":authority", "h"}}, HeadFailure::malformed},
      {with("x", std::string(17'000, 'x')), HeadFailure::too_large},
  };
  for (const auto& row : rows) {
    World world;
    world.say(world.client.settings());
    auto& one = world.ask(world.client.head(1, row.fields, true));
    EXPECT_EQ(one.request().refused, row.why) << row.fields.back().first;
    one.answer(400);
    world.settle();
    world.hear();
    EXPECT_EQ(world.heard.streams[1].status, "400");
    EXPECT_FALSE(world.goaway());
  }
}

TEST(Http2Session, ends_the_connection_of_an_invalid_request_where_that_is_wanted) {
  World world({.invalid_message_ends_connection = true});
  world.say(world.client.settings() + world.client.get(1, "/", {{"connection", "close"}}));
  EXPECT_EQ(world.goaway(), NGHTTP2_PROTOCOL_ERROR);
  EXPECT_TRUE(world.session->over());
}

TEST(Http2Session, joins_the_crumbs_of_a_cookie) {
  World world;
  world.say(world.client.settings());
  auto& one = world.ask(world.client.get(1, "/", {{"cookie", "a=1"}, {"x", "y"}, {"cookie", "b=2"}}));
  EXPECT_EQ(one.request().headers.get(Known::cookie), "a=1; b=2");
  EXPECT_EQ(one.request().headers.count(Known::cookie), 1U);
}

TEST(Http2Session, opens_a_window_only_by_what_was_read) {
  World world({.stream_window = 65'535, .connection_window = 65'535});
  world.say(world.client.settings());
  auto& one = world.ask(world.client.post(1, "/"));
  std::string sent;
  for (int i = 0; i < 3; ++i) {
    const std::string piece(16'000, static_cast<char>('a' + i));
    world.say(world.client.data(1, piece, false));
    sent += piece;
  }
  EXPECT_EQ(world.heard.window_updates, 0U) << "nobody has read";
  one.read();
  world.settle();
  world.hear();
  EXPECT_GT(world.heard.window_updates, 0U);
  world.say(world.client.data(1, "end", true));
  EXPECT_TRUE(one.whole);
  EXPECT_TRUE(one.body == sent + "end");
}

// Also where the client has reset the stream meanwhile, or nobody reads it.
TEST(Http2Session, gives_the_window_of_the_connection_back_whatever_becomes_of_a_stream) {
  for (const bool read : {true, false}) {
    World world({.stream_window = 65'535, .connection_window = 65'535});
    world.say(world.client.settings());
    for (int32_t id = 1; id < 10; id += 2) {
      auto& one = world.ask(world.client.post(id, "/"));
      for (int i = 0; i < 2; ++i) world.say(world.client.data(id, std::string(15'000, 'x'), false));
      world.say(world.client.reset(id, NGHTTP2_CANCEL));
      if (read) {
        one.read();
        world.settle();
        EXPECT_EQ(one.body.size(), 30'000U);
      }
      one.end();
      world.open.clear();
      world.settle();
      ASSERT_FALSE(world.goaway()) << id;
    }
  }
}

TEST(Http2Session, ends_a_connection_that_sends_more_than_its_window) {
  World world({.stream_window = 65'535, .connection_window = 65'535});
  world.say(world.client.settings());
  world.ask(world.client.post(1, "/"));
  for (int i = 0; i < 5; ++i) world.say(world.client.data(1, std::string(16'000, 'x'), false));
  EXPECT_EQ(world.goaway(), NGHTTP2_FLOW_CONTROL_ERROR);
}

TEST(Http2Session, sends_no_more_than_the_client_has_room_for) {
  World world;
  world.say(world.client.settings());
  auto& one = world.ask(world.client.get(1, "/"));
  const std::string body(100'000, 'x');
  one.answer(200, body);
  world.settle();
  world.hear();
  EXPECT_EQ(world.heard.streams[1].body.size(), 65'535U);
  EXPECT_TRUE(one.runner.running());
  world.say(world.client.window_update(0, 100'000));
  EXPECT_EQ(world.heard.streams[1].body.size(), 65'535U);
  world.say(world.client.window_update(1, 100'000));
  EXPECT_TRUE(world.heard.streams[1].body == body);
  EXPECT_TRUE(world.heard.streams[1].ended);
  EXPECT_FALSE(one.runner.running());
}

TEST(Http2Session, gives_up_a_client_that_never_opens_its_window) {
  World world;
  world.limits.idle_max = 8s;
  world.say(world.client.settings({{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 0}}));
  auto& one = world.ask(world.client.get(1, "/"));
  one.answer(200, "body");
  world.advance(7s);
  EXPECT_TRUE(one.runner.running());
  world.advance(2s);
  EXPECT_FALSE(one.runner.running());
  ASSERT_FALSE(one.result);
  EXPECT_EQ(one.result.error().kind, ErrorKind::timeout);
  EXPECT_EQ(one.result.error().side, Side::downstream);
  EXPECT_EQ(world.metrics->flush_timeouts->value(), 1);
}

TEST(Http2Session, tells_of_a_client_that_resets_its_stream) {
  World world;
  world.say(world.client.settings());
  auto& one = world.ask(world.client.post(1, "/"));
  one.read();
  auto& two = world.ask(world.client.get(3, "/"));
  world.say(world.client.reset(1, NGHTTP2_CANCEL));
  EXPECT_EQ(one.gone, 1);
  EXPECT_FALSE(one.runner.running());
  EXPECT_EQ(two.gone, 0);
  EXPECT_EQ(world.metrics->resets_received->value(), 1);
  two.answer(200, "still");
  world.settle();
  world.hear();
  EXPECT_EQ(world.heard.streams[3].body, "still");
}

TEST(Http2Session, tells_all_when_the_connection_ends) {
  World world;
  world.say(world.client.settings());
  auto& one = world.ask(world.client.get(1, "/"));
  auto& two = world.ask(world.client.get(3, "/"));
  world.ends.upstream->end_writing();
  world.settle();
  EXPECT_EQ(one.gone + two.gone, 2);
  EXPECT_TRUE(world.session->over());
}

TEST(Http2Session, resets_a_response_that_is_not_whole) {
  World world;
  world.say(world.client.settings());
  auto& one = world.ask(world.client.get(1, "/"));
  one.stream->reset();
  world.settle();
  world.hear();
  EXPECT_EQ(world.heard.streams[1].reset, NGHTTP2_INTERNAL_ERROR);
}

TEST(Http2Session, wants_no_more_of_a_request_behind_its_answer) {
  World world;
  world.say(world.client.settings());
  auto& one = world.ask(world.client.post(1, "/"));
  one.answer(403, "no");
  world.settle();
  world.hear();
  EXPECT_EQ(world.heard.streams[1].body, "no");
  world.loop.advance(900ms);
  world.settle();
  world.hear();
  EXPECT_FALSE(world.heard.streams[1].reset) << "it may be on its way";
  world.loop.advance(200ms);
  world.settle();
  world.hear();
  EXPECT_EQ(world.heard.streams[1].reset, NGHTTP2_NO_ERROR);
  world.say(world.client.data(1, "late", true));
  EXPECT_FALSE(world.goaway()) << "it was on its way";
}

TEST(Http2Session, takes_no_more_of_a_request_behind_its_answer_than_its_window) {
  World world({.stream_window = 1000});
  world.say(world.client.settings() + world.client.settings_ack());
  auto& one = world.ask(world.client.post(1, "/"));
  one.answer(403, "no");
  world.settle();
  world.say(world.client.data(1, std::string(999, 'x'), false));
  EXPECT_FALSE(world.heard.streams[1].reset);
  world.say(world.client.data(1, "x", false));
  EXPECT_EQ(world.heard.streams[1].reset, NGHTTP2_NO_ERROR);
  world.advance(2s);
  EXPECT_EQ(world.metrics->resets_sent->value(), 1);
}

// curl 7.88 looks at its stream only when it hears something.
TEST(Http2Session, says_something_when_a_request_ends_behind_its_answer) {
  World world;
  world.say(world.client.settings());
  auto& one = world.ask(world.client.post(1, "/"));
  one.answer(200);
  world.settle();
  world.hear();
  ASSERT_TRUE(world.heard.streams[1].ended);
  EXPECT_EQ(world.heard.window_updates, 0U);
  world.say(world.client.data(1, "body", true));
  EXPECT_EQ(world.heard.window_updates, 1U);
  EXPECT_FALSE(world.heard.streams[1].reset);
}

// A client that lets them lie has room for new requests all the same.
TEST(Http2Session, waits_for_the_rest_of_half_the_requests_that_may_be_open) {
  World world({.streams_max = 10});
  world.say(world.client.settings());
  for (int32_t id = 1; id < 100; id += 2) {
    auto& one = world.ask(world.client.post(id, "/"));
    one.answer(403, "no");
    world.settle();
    one.end();
    world.settle();
    world.hear();
    EXPECT_EQ(world.heard.streams[id].reset.has_value(), id > 10) << id;
  }
  world.say(world.client.data(3, "x", true));
  world.advance(2s);
  for (int32_t id = 1; id < 10; id += 2) EXPECT_EQ(world.heard.streams[id].reset.has_value(), id != 3) << id;
  EXPECT_FALSE(world.goaway());
}

TEST(Http2Session, waits_for_no_rest_where_it_lingers_for_nobody) {
  World world;
  world.limits.linger_max = 0s;
  world.session = make_server_session(std::move((world.ends = memory_streams(world.loop)).downstream), kPreface,
                                      world.limits, {}, world.metrics);
  world.say(world.client.settings());
  auto& one = world.ask(world.client.post(1, "/"));
  one.answer(403, "no");
  world.settle();
  world.hear();
  EXPECT_EQ(world.heard.streams[1].reset, NGHTTP2_NO_ERROR);
}

TEST(Http2Session, lets_a_request_end_of_which_only_the_end_is_missing) {
  World world;
  world.say(world.client.settings());
  // More than may be open at once: each is over when its end has come.
  for (int32_t id = 1; id < 1000; id += 2) {
    auto& one = world.ask(world.client.post(id, "/", {{"content-length", "4"}}));
    world.say(world.client.data(id, "body", false));
    if (id % 8 < 4) EXPECT_EQ(one.request().body.reader->read().take()->bytes.size(), 4);
    one.answer(200, "done");
    world.settle();
    world.hear();
    EXPECT_EQ(world.heard.streams[id].body, "done");
    world.say(id % 4 == 1 ? world.client.data(id, "", true) : world.client.head(id, {{"x-sum", "7"}}, true));
    world.hear();
    EXPECT_FALSE(world.heard.streams[id].reset);
  }
  EXPECT_EQ(world.metrics->resets_sent->value(), 0);
  EXPECT_FALSE(world.goaway());
}

TEST(Http2Session, says_100_when_the_body_is_wanted) {
  World world;
  world.say(world.client.settings());
  auto& one = world.ask(world.client.post(1, "/", {{"expect", "100-continue"}}));
  EXPECT_TRUE(one.request().expects_continue);
  world.hear();
  EXPECT_TRUE(world.heard.streams[1].interim.empty());
  one.read();
  world.settle();
  world.hear();
  EXPECT_EQ(world.heard.streams[1].interim, std::vector<std::string>{"100"});
  world.say(world.client.data(1, "body", true));
  EXPECT_EQ(one.body, "body");
}

// Whoever was to say it may go before there was room for it, and what it lies in with him.
TEST(Http2Session, resets_a_response_without_a_body_that_has_not_gone) {
  World world;
  world.ends = memory_streams(world.loop, 2048);
  world.session = make_server_session(std::move(world.ends.downstream), kPreface, world.limits, {}, world.metrics);
  world.say(world.client.settings());
  auto& filling = world.ask(world.client.get(1, "/"));
  auto& one = world.ask(world.client.get(3, "/"));
  const std::string body(60'000, 'x');
  filling.answer(200, body);
  one.answer(204);
  world.settle();
  EXPECT_TRUE(one.runner.running());
  one.end();
  for (int i = 0; i < 100; ++i) world.settle(), world.hear();
  EXPECT_TRUE(world.heard.streams[1].ended);
  EXPECT_EQ(world.heard.streams[3].status, "");
  EXPECT_EQ(world.heard.streams[3].reset, NGHTTP2_INTERNAL_ERROR);
}

// Nobody waits for a frame that nghttp2 does not make.
TEST(Http2Session, resets_a_response_whose_head_or_trailers_are_too_large) {
  for (const bool trailers : {false, true}) {
    World world;
    world.say(world.client.settings());
    auto& one = world.ask(world.client.get(1, "/", {{"te", "trailers"}}));
    Headers large(one.arena);
    const std::string value(16U << 10, 'x');
    for (int i = 0; i < 80; ++i) large.add(one.arena.copy("x-" + std::to_string(i)), value);
    const Headers none(one.arena);
    struct Trailing final : BodyReader {
      Task<Chunk> read() override { return Chunk{{}, true}; }
      const Headers* trailers() const override { return all; }
      const Headers* all = nullptr;
    } body;
    body.all = &large;
    const ServerResponse response{
        .status = 200, .headers = trailers ? none : large, .body = trailers ? Body{&body, {}} : Body{}};
    Status said;
    struct Say {
      static Task<void> run(ServerStream& stream, const ServerResponse& response, Status& said) {
        auto beginning = stream.begin(response, {{}, true});
        said = co_await beginning;
        co_return Status{};
      }
    };
    one.run(Say::run(*one.stream, response, said));
    world.settle();
    world.hear();
    EXPECT_FALSE(one.runner.running());
    EXPECT_FALSE(said);
    EXPECT_EQ(world.heard.streams[1].reset, NGHTTP2_INTERNAL_ERROR);
    EXPECT_FALSE(world.goaway());
    one.end();
  }
}

// The client reads nothing until all of it is said, so that the frames of others come between 100 and the answer.
TEST(Http2Session, takes_100_for_no_answer_that_has_gone) {
  World world;
  world.ends = memory_streams(world.loop, 2048);
  world.session = make_server_session(std::move(world.ends.downstream), kPreface, world.limits, {}, world.metrics);
  world.say(world.client.settings());
  auto& one = world.ask(world.client.post(1, "/", {{"expect", "100-continue"}}));
  auto& filling = world.ask(world.client.get(3, "/"));
  auto& between = world.ask(world.client.get(5, "/"));
  const std::string body(60'000, 'x'), large(15'000, 'y');
  filling.answer(200, body);
  one.read();
  world.settle();
  one.runner.cancel();
  world.settle();
  auto& headers = *between.arena.make<Headers>(between.arena);
  for (const std::string_view name : {"a", "b", "c", "d", "e", "f"}) headers.add(name, large);
  between.answered = between.arena.make<ServerResponse>(ServerResponse{.status = 200, .headers = headers, .body = {}});
  between.run(between.stream->begin(*between.answered, {{}, true}));
  one.answer(204);
  for (int i = 0; i < 200; ++i) world.settle(), world.hear();
  EXPECT_TRUE(between.stream && world.heard.streams[5].ended && world.heard.streams[3].ended);
  EXPECT_EQ(world.heard.streams[1].interim, std::vector<std::string>{"100"});
  EXPECT_EQ(world.heard.streams[1].status, "204");
}

TEST(Http2Session, has_the_trailers_of_a_request) {
  World world;
  world.say(world.client.settings());
  auto& one = world.ask(world.client.post(1, "/"));
  one.read();
  world.say(world.client.data(1, "body", false) + world.client.head(1, {{"x-sum", "7"}}, true));
  world.say(world.client.post(3, "/") + world.client.data(3, "body", false) +
            world.client.head(3, {{"x-sum", "8"}}, true));
  EXPECT_TRUE(one.whole);
  const Headers* trailers = one.request().body.reader->trailers();
  ASSERT_TRUE(trailers);
  EXPECT_EQ(trailers->get("x-sum"), "7");
  EXPECT_EQ(world.metrics->trailers->value(), 2);
  EXPECT_FALSE(world.goaway());
}

// As with heads, though nobody can be told by a status any more: the end of a body must not pass for whole.
TEST(Http2Session, resets_a_request_whose_trailers_are_beyond_the_limits) {
  using Fields = FrameWriter::Fields;
  const Fields one_large{{"x", std::string(17'000, 'x')}};
  const Fields many(101, {"x", "y"});
  const Fields much(4, {"x", std::string(16'000, 'x')});
  for (const Fields& trailers : {one_large, many, much})
    for (const bool taken : {true, false}) {
      World world;
      world.say(world.client.settings());
      const std::string head = world.client.post(1, "/");
      const std::string rest = world.client.data(1, "body", false) + world.client.head(1, trailers, true);
      if (taken) {
        auto& one = world.ask(head);
        one.read();
        world.say(rest);
        EXPECT_FALSE(one.whole);
        EXPECT_FALSE(one.result);
      } else {
        world.say(head + rest);
        EXPECT_FALSE(world.session->has_input());
      }
      EXPECT_EQ(world.heard.streams[1].reset, NGHTTP2_ENHANCE_YOUR_CALM);
      EXPECT_EQ(world.metrics->header_overflow->value(), 1);
      EXPECT_FALSE(world.goaway());
      EXPECT_EQ(world.ask(world.client.get(3, "/next")).request().target, "/next");
    }
}

TEST(Http2Session, gives_trailers_limits_of_their_own) {
  World world;
  world.say(world.client.settings());
  auto& one = world.ask(world.client.post(1, "/", FrameWriter::Fields(95, {"x", std::string(500, 'x')})));
  one.read();
  world.say(world.client.head(1, FrameWriter::Fields(95, {"x", std::string(500, 'x')}), true));
  EXPECT_TRUE(one.whole);
  ASSERT_TRUE(one.request().body.reader->trailers());
  EXPECT_EQ(one.request().body.reader->trailers()->size(), 95U);
}

TEST(Http2Session, ends_resets_that_a_client_has_this_end_say_by_its_trailers) {
  World world;
  world.say(world.client.settings());
  for (int32_t id = 1; id < 10'000 && !world.goaway(); id += 2)
    world.say(world.client.post(id, "/") + world.client.head(id, {{"x", std::string(17'000, 'x')}}, true));
  EXPECT_EQ(world.metrics->reset_flood->value(), 1);
}

TEST(Http2Session, drains_by_two_goaways_and_serves_what_came_between) {
  World world;
  world.say(world.client.settings());
  auto& one = world.ask(world.client.get(1, "/"));
  world.session->drain();
  world.settle();
  world.hear();
  EXPECT_EQ(world.heard.goaway_last, INT32_MAX);
  auto& two = world.ask(world.client.get(3, "/late"));
  world.say(world.client.pong(world.heard.ping));
  EXPECT_EQ(world.heard.goaway_last, 3);
  EXPECT_EQ(world.goaway(), NGHTTP2_NO_ERROR);
  EXPECT_FALSE(world.session->over());
  one.answer(200);
  two.answer(200);
  world.settle();
  world.hear();
  EXPECT_EQ(world.heard.streams[3].status, "200");
  EXPECT_TRUE(world.session->over());
}

TEST(Http2Session, drains_without_a_client_that_answers) {
  for (const Nanos most : {Nanos(5s), Nanos(300ms)}) {
    World world({.drain_max = most});
    world.say(world.client.settings());
    world.session->drain();
    world.settle();
    world.advance(most - 100ms);
    EXPECT_FALSE(world.session->over());
    auto& late = world.ask(world.client.get(1, "/late"));
    world.advance(200ms);
    EXPECT_EQ(world.goaway(), NGHTTP2_NO_ERROR);
    late.answer(200);
    world.settle();
    EXPECT_TRUE(world.session->over());
  }
}

TEST(Http2Session, gives_a_head_its_time) {
  World world;
  world.say(world.client.settings());
  const std::string head = world.client.get(1, "/");
  world.say(head.substr(0, head.size() - 3));
  world.advance(29s);
  EXPECT_FALSE(world.session->has_input());
  world.advance(2s);
  auto& one = world.take();
  EXPECT_EQ(one.request().refused, HeadFailure::timeout);
  one.answer(408);
  world.settle();
  world.hear();
  EXPECT_EQ(world.heard.streams[1].status, "408");
  EXPECT_TRUE(world.goaway());
  EXPECT_TRUE(world.session->over());
}

// However many come one behind the other, so that there is half a head whenever somebody looks.
TEST(Http2Session, gives_each_head_its_own_time) {
  World world;
  world.say(world.client.settings());
  std::string half;
  for (int32_t id = 1; id < 12; id += 2) {
    const std::string head = world.client.get(id, "/");
    world.say(half + head.substr(0, 12));
    half = head.substr(12);
    if (id > 1) EXPECT_EQ(world.take().request().refused, HeadFailure::none) << id;
    world.advance(20s);
  }
  EXPECT_FALSE(world.goaway());
  world.advance(9s);
  EXPECT_FALSE(world.session->has_input());
  world.advance(2s);
  EXPECT_EQ(world.take().request().refused, HeadFailure::timeout);
}

TEST(Http2Session, waits_for_no_head_while_there_is_no_memory) {
  for (const bool from_the_beginning : {true, false}) {
    World world;
    std::atomic<bool> no_memory{from_the_beginning};
    world.limits.no_memory = &no_memory;
    world.ends = memory_streams(world.loop);
    world.session = make_server_session(std::move(world.ends.downstream), kPreface, world.limits, {}, world.metrics);
    world.session->when_readable(&world.input);
    world.say(world.client.settings());
    auto& whole = world.ask(world.client.post(1, "/here"));
    EXPECT_EQ(whole.request().refused, HeadFailure::none) << "it is here";
    const std::string head = world.client.get(3, "/", {{"x", "a field to wait for"}});
    world.say(head.substr(0, 12));
    EXPECT_EQ(world.session->has_input(), from_the_beginning);
    if (!from_the_beginning) {
      no_memory = true;
      world.say(head.substr(12, 2));
    }
    auto& refused = world.take();
    EXPECT_EQ(refused.request().refused, HeadFailure::no_memory);
    refused.answer(503);
    world.settle();
    world.hear();
    EXPECT_EQ(world.heard.streams[3].status, "503");
    EXPECT_EQ(world.goaway(), NGHTTP2_NO_ERROR);
    EXPECT_FALSE(world.session->over()) << "what is under way is served";
    whole.answer(200);
    world.settle();
    world.hear();
    EXPECT_EQ(world.heard.streams[1].status, "200");
    EXPECT_TRUE(world.session->over());
  }
}

TEST(Http2Session, gives_the_first_settings_their_time) {
  World world;
  world.advance(31s);
  EXPECT_EQ(world.goaway(), NGHTTP2_SETTINGS_TIMEOUT);
  EXPECT_TRUE(world.session->over());
}

TEST(Http2Session, becomes_a_tunnel_by_an_extended_connect) {
  World world;
  world.say(world.client.settings());
  auto& one = world.ask(world.client.head(1,
                                          {{":method", "CONNECT"},
                                           {":protocol", "websocket"},
                                           {":scheme", "http"},
                                           {":path", "/chat"},
                                           {":authority", "h"},
                                           {"sec-websocket-version", "13"}},
                                          false));
  EXPECT_EQ(one.request().method, "GET");
  EXPECT_TRUE(one.request().asks_for_websocket);
  EXPECT_TRUE(one.request().headers.get("sec-websocket-key"));
  const Headers headers(one.arena);
  const ServerResponse response{.status = 101, .headers = headers, .body = {}};
  one.run(one.stream->begin(response, {}));
  std::string_view early;
  Stream& tunnel = one.stream->become_tunnel(early);
  world.settle();
  world.hear();
  EXPECT_EQ(world.heard.streams[1].status, "200");
  EXPECT_FALSE(world.heard.streams[1].ended);
  world.say(world.client.data(1, "ping", false));
  char buffer[16];
  const auto got = tunnel.try_read(buffer);
  ASSERT_TRUE(got && *got);
  EXPECT_EQ(std::string_view(buffer, **got), "ping");
  const iovec part{const_cast<char*>("pong"), 4};
  ASSERT_TRUE(tunnel.try_write(std::span(&part, 1)));
  tunnel.end_writing();
  world.settle();
  world.hear();
  EXPECT_EQ(world.heard.streams[1].body, "pong");
  EXPECT_TRUE(world.heard.streams[1].ended);
}

// Heads of several frames, of two sessions in turn, with room for a part of each only.
TEST(Http2Session, keeps_the_frames_of_two_sessions_on_a_thread_apart) {
  World one, two;
  const std::string large(15'000, 'x'), other(15'000, 'y');
  const auto answer = [](World& world, const std::string& value) {
    auto& taken = *world.open.back();
    auto& headers = *taken.arena.make<Headers>(taken.arena);
    for (const std::string_view name : {"a", "b", "c", "d", "e", "f"}) headers.add(name, value);
    taken.answered = taken.arena.make<ServerResponse>(ServerResponse{.status = 200, .headers = headers, .body = {}});
    taken.run(taken.stream->begin(*taken.answered, {{}, true}));
  };
  for (World* world : {&one, &two}) {
    world->say(world->client.settings());
    world->ask(world->client.get(1, "/"));
  }
  answer(one, large);
  answer(two, other);
  for (int i = 0; i < 20; ++i) {
    one.settle(), one.hear();
    two.settle(), two.hear();
  }
  EXPECT_TRUE(one.heard.streams[1].ended && two.heard.streams[1].ended);
  EXPECT_TRUE(one.heard.streams[1].field("f") == large);
  EXPECT_TRUE(two.heard.streams[1].field("f") == other);
}

// --- attacks ----------------------------------------------------------------------------------------------------

TEST(Http2Session, ends_rapid_resets) {
  World world;
  world.say(world.client.settings());
  int32_t id = 1;
  for (; id < 10'000 && !world.goaway(); id += 2)
    world.say(world.client.get(id, "/") + world.client.reset(id, NGHTTP2_CANCEL));
  EXPECT_EQ(world.goaway(), NGHTTP2_ENHANCE_YOUR_CALM);
  EXPECT_EQ(id / 2, 1001);
  EXPECT_EQ(world.metrics->reset_flood->value(), 1);
  EXPECT_FALSE(world.session->has_input()) << "a request that was reset before it was taken is none";
  EXPECT_TRUE(world.session->over());
}

TEST(Http2Session, ends_resets_of_requests_that_were_taken) {
  World world;
  world.say(world.client.settings());
  for (int32_t id = 1; id < 10'000 && !world.goaway(); id += 2) {
    auto& one = world.ask(world.client.post(id, "/"));
    world.say(world.client.reset(id, NGHTTP2_CANCEL));
    one.end();
    world.open.clear();
  }
  EXPECT_EQ(world.metrics->reset_flood->value(), 1);
}

TEST(Http2Session, ends_resets_that_a_client_has_this_end_say) {
  World world;
  world.say(world.client.settings());
  for (int32_t id = 1; id < 10'000 && !world.goaway(); id += 2)
    world.say(world.client.get(id, "/", {{"connection", "close"}}));
  EXPECT_EQ(world.metrics->reset_flood->value(), 1);
}

// CVE-2025-8671: frames that break a rule of their stream alone, so that this end resets it in the client's place.
TEST(Http2Session, ends_resets_that_a_client_has_this_end_say_behind_a_good_head) {
  const struct {
    std::string_view name;
    std::function<std::string(FrameWriter&, int32_t)> frames;
  } rows[] = {
      {"a window beyond its bound",
       [](FrameWriter& client, int32_t id) { return client.get(id, "/") + client.window_update(id, INT32_MAX); }},
      {"a body beyond its length",
       [](FrameWriter& client, int32_t id) {
         return client.post(id, "/", {{"content-length", "1"}}) + client.data(id, "ab", false);
       }},
      {"a body below its length",
       [](FrameWriter& client, int32_t id) {
         return client.post(id, "/", {{"content-length", "2"}}) + client.data(id, "a", true);
       }},
  };
  for (const bool taken : {false, true})
    for (const auto& row : rows) {
      World world;
      world.say(world.client.settings());
      int32_t id = 1;
      for (; id < 10'000 && !world.goaway(); id += 2) {
        const std::string frames = row.frames(world.client, id);
        const size_t head = kFrameHead + (frames.size() > 2 ? static_cast<uint8_t>(frames[2]) : 0);
        if (taken) world.ask(frames.substr(0, head));
        world.say(taken ? frames.substr(head) : frames);
        if (taken) world.open.back()->end();
        world.open.clear();
      }
      EXPECT_EQ(world.goaway(), NGHTTP2_ENHANCE_YOUR_CALM) << row.name;
      EXPECT_EQ(id / 2, 1001) << row.name;
      EXPECT_EQ(world.metrics->reset_flood->value(), 1) << row.name;
      EXPECT_TRUE(world.session->over()) << row.name;
    }
}

// What this end does of its own accord is no fault of the client's.
TEST(Http2Session, counts_its_own_resets_against_nobody) {
  World world;
  world.say(world.client.settings());
  for (int32_t id = 1; id < 5'000; id += 2) {
    auto& one = world.ask(world.client.post(id, "/"));
    if (id % 4 == 1) one.stream->reset();
    one.end();
    world.settle();
    world.hear();
    world.open.clear();
  }
  EXPECT_FALSE(world.goaway());
  EXPECT_EQ(world.metrics->reset_flood->value(), 0);
}

TEST(Http2Session, ends_floods_of_frames_that_cost_their_sender_nothing) {
  const struct {
    std::string_view name;
    std::function<std::string(FrameWriter&)> frame;
    Counter* Http2Metrics::* counter;
  } rows[] = {
      {"PING", [](FrameWriter& client) { return client.ping(); }, &Http2Metrics::ping_flood},
      {"SETTINGS", [](FrameWriter& client) { return client.settings(); }, &Http2Metrics::settings_flood},
      {"PRIORITY", [](FrameWriter& client) { return client.priority(101); }, &Http2Metrics::priority_flood},
      {"WINDOW_UPDATE", [](FrameWriter& client) { return client.window_update(0, 1); },
       &Http2Metrics::window_update_flood},
      {"empty DATA", [](FrameWriter& client) { return client.data(1, "", false); }, &Http2Metrics::empty_frames_flood},
  };
  for (const auto& row : rows) {
    World world;
    world.say(world.client.settings());
    world.ask(world.client.post(1, "/"));
    for (int i = 0; i < 2000 && !world.goaway(); ++i) world.say(row.frame(world.client));
    EXPECT_EQ(world.goaway(), NGHTTP2_ENHANCE_YOUR_CALM) << row.name;
    EXPECT_EQ(((*world.metrics).*row.counter)->value(), 1) << row.name;
    EXPECT_TRUE(world.session->over()) << row.name;
  }
}

TEST(Http2Session, allows_in_time_what_would_be_a_flood_at_once) {
  World world;
  world.say(world.client.settings());
  for (int i = 0; i < 3000; ++i) {
    world.say(world.client.ping());
    world.loop.advance(110ms);
  }
  EXPECT_FALSE(world.goaway());
}

TEST(Http2Session, ends_a_client_that_does_not_take_the_answers_to_its_pings) {
  World world;
  world.ends = memory_streams(world.loop, 2048);
  world.session = make_server_session(std::move(world.ends.downstream), kPreface, world.limits, {}, world.metrics);
  std::string rest = world.client.settings();
  // Nothing is read, and time goes by, so that the pings themselves are no flood.
  for (int round = 0; round < 6; ++round) {
    for (int i = 0; i < 500; ++i) rest += FrameWriter::ping();
    for (int tries = 0; tries < 50 && !rest.empty(); ++tries) {
      const iovec part{rest.data(), rest.size()};
      const auto put = world.ends.upstream->try_write(std::span(&part, 1));
      if (put && *put) rest.erase(0, **put);
      world.settle();
    }
    world.loop.advance(45s);
    world.settle();
  }
  EXPECT_EQ(world.metrics->outbound_control_flood->value(), 1);
}

TEST(Http2Session, ends_a_flood_of_continuations) {
  World world;
  world.say(world.client.settings());
  world.say(world.client.raw(NGHTTP2_HEADERS, NGHTTP2_FLAG_END_STREAM, 1, ""));
  for (int i = 0; i < 100 && !world.goaway(); ++i) world.say(world.client.raw(NGHTTP2_CONTINUATION, 0, 1, ""));
  EXPECT_EQ(world.goaway(), NGHTTP2_ENHANCE_YOUR_CALM);
  EXPECT_EQ(world.metrics->continuation_flood->value(), 1);
}

TEST(Http2Session, takes_a_head_in_as_many_frames_as_it_needs) {
  World world;
  world.say(world.client.settings());
  const std::string block = world.client.block(
      {{":method", "GET"}, {":scheme", "http"}, {":path", "/"}, {":authority", "h"}, {"x", std::string(60, 'x')}});
  world.say(world.client.raw(NGHTTP2_HEADERS, NGHTTP2_FLAG_END_STREAM, 1, block.substr(0, 10)));
  world.say(world.client.raw(NGHTTP2_CONTINUATION, 0, 1, block.substr(10, 10)));
  auto& one = world.ask(world.client.raw(NGHTTP2_CONTINUATION, NGHTTP2_FLAG_END_HEADERS, 1, block.substr(20)));
  EXPECT_EQ(one.request().headers.get("x")->size(), 60U);
}

// A field of 4 KiB in the table of HPACK is a byte each time it is said.
TEST(Http2Session, ends_a_head_that_grows_without_bounds_from_few_bytes) {
  World world;
  world.say(world.client.settings());
  std::vector<std::pair<std::string, std::string>> fields{
      {":method", "GET"}, {":scheme", "http"}, {":path", "/"}, {":authority", "h"}};
  for (int i = 0; i < 200; ++i) fields.emplace_back("x", std::string(3000, 'x'));
  const std::string bomb = world.client.head(1, fields, true);
  EXPECT_LT(bomb.size(), 5000U);
  world.say(bomb);
  EXPECT_EQ(world.goaway(), NGHTTP2_ENHANCE_YOUR_CALM);
  EXPECT_EQ(world.metrics->header_overflow->value(), 1);
}

TEST(Http2Session, answers_431_when_all_heads_together_are_too_much) {
  World world;
  world.say(world.client.settings());
  std::vector<std::pair<std::string, std::string>> fields{
      {":method", "GET"}, {":scheme", "http"}, {":path", "/"}, {":authority", "h"}};
  for (int i = 0; i < 19; ++i) fields.emplace_back("x", std::string(3000, 'x'));
  size_t refused = 0;
  for (int32_t id = 1; id < 100; id += 2)
    refused += world.ask(world.client.head(id, fields, true)).request().refused == HeadFailure::too_large;
  EXPECT_GT(refused, 20U);
  EXPECT_LT(refused, 40U);
  for (auto& one : world.open) one->end();
  world.open.clear();
  EXPECT_EQ(world.ask(world.client.head(1001, fields, true)).request().refused, HeadFailure::none);
}

TEST(Http2Session, refuses_more_streams_than_it_has_offered) {
  World world({.streams_max = 2});
  world.say(world.client.settings() + world.client.settings_ack());
  world.ask(world.client.get(1, "/"));
  world.ask(world.client.get(3, "/"));
  world.say(world.client.get(5, "/"));
  EXPECT_FALSE(world.session->has_input());
  EXPECT_EQ(world.goaway(), NGHTTP2_PROTOCOL_ERROR) << "it has said that it knows";
}

TEST(Http2Session, refuses_more_streams_before_the_client_knows_what_is_offered) {
  World world({.streams_max = 2});
  world.say(world.client.settings());
  for (const int32_t id : {1, 3, 5}) world.say(world.client.get(id, "/"));
  EXPECT_EQ(world.heard.streams[5].reset, NGHTTP2_REFUSED_STREAM);
  EXPECT_EQ(world.metrics->streams_refused->value(), 1);
  EXPECT_FALSE(world.goaway());
}

TEST(Http2Session, takes_no_stream_behind_a_later_one) {
  for (const bool answered : {false, true}) {
    World world;
    world.say(world.client.settings());
    auto& one = world.ask(world.client.get(5, "/"));
    if (answered) one.answer(200);
    world.say(world.client.get(3, "/"));
    EXPECT_TRUE(world.goaway());
    EXPECT_TRUE(world.session->over());
  }
  World world;
  world.say(world.client.settings() + world.client.get(5, "/") + world.client.get(3, "/"));
  EXPECT_TRUE(world.goaway());
}

TEST(Http2Session, takes_no_frame_on_a_stream_that_is_closed) {
  for (const bool data : {true, false}) {
    World world;
    world.say(world.client.settings());
    world.ask(world.client.get(1, "/")).answer(200);
    world.settle();
    world.say(data ? world.client.data(1, "x", true) : world.client.get(1, "/"));
    EXPECT_EQ(world.goaway(), NGHTTP2_STREAM_CLOSED);
  }
}

TEST(Http2Session, does_not_wait_for_a_client_that_is_given_no_time_to_close) {
  for (const Nanos most : {Nanos(0), Nanos(1s)}) {
    World world;
    world.limits.linger_max = most;
    auto& one = world.ask(world.client.settings() + world.client.get(1, "/"));
    one.answer(204);
    world.session->drain();
    world.advance(5s);
    ASSERT_TRUE(world.session->over());
    auto lingering = world.session->linger();
    EXPECT_EQ(lingering.ready(), most == Nanos(0));
    Runner runner{&world, [](void*, Result<void>) {}};
    runner.start(std::move(lingering));
    runner.cancel();
  }
}

TEST(Http2Session, ends_what_is_no_http2) {
  World world({}, "");
  world.say("GET / HTTP/1.1\r\nhost: h\r\n\r\n");
  EXPECT_TRUE(world.session->over());
}

TEST(Http2Session, understands_a_client_byte_by_byte) {
  World world({}, "");
  const std::string all = std::string(kPreface) + world.client.settings() + world.client.post(1, "/slow") +
                          world.client.data(1, "body", true);
  for (const char byte : all) world.say({&byte, 1});
  auto& one = world.take();
  one.read();
  world.settle();
  EXPECT_EQ(one.request().target, "/slow");
  EXPECT_EQ(one.body, "body");
}

}  // namespace
}  // namespace sluice::h2
