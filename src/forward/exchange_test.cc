#include "forward/exchange.h"

#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <csignal>
#include <deque>

#include "forward/testing.h"
#include "io/block.h"
#include "net/testing.h"
#include "pipeline/message.h"
#include "upstream/connect_race.h"

namespace sluice {
namespace {

struct Rules final : RouteRules {
  void rewrite_request(Request&) const override {}
  void finish_response(Request&, Response& response) const override { response.finished = true; }
};

// The client's body: given piece by piece by the test, so that it can stop in the middle.
class GivenBody final : public BodyReader {
 public:
  explicit GivenBody(Loop& loop) : loop_(loop) {}
  void give(std::string piece, bool last = false) {
    pieces_.push_back({std::move(piece), last});
    event_.notify(loop_);
  }
  void break_off(Error error) {
    error_ = std::move(error);
    event_.notify(loop_);
  }
  Task<Chunk> read() override {
    ++asked;
    while (pieces_.empty() && !error_) {
      auto waiting = event_.wait(loop_);
      CO_TRY(co_await waiting);
    }
    if (error_) co_return std::unexpected(*error_);
    now_ = std::move(pieces_.front());
    pieces_.pop_front();
    co_return Chunk{{now_.text.data(), now_.text.size()}, now_.last};
  }
  const Headers* trailers() const override { return trailing; }
  int asked = 0;
  const Headers* trailing = nullptr;

 private:
  struct Given {
    std::string text;
    bool last;
  };
  Loop& loop_;
  Event event_;
  std::deque<Given> pieces_;
  Given now_;
  std::optional<Error> error_;
};

struct World {
  explicit World(const kinds::CircuitBreakers& b = {}) : breakers(b) {
    loop.use_manual_clock(SteadyTime(1'000'000s), WallTime(0s));
  }

  int64_t counted(std::string_view name) const {
    for (const Metrics::Family& family : metrics.collect())
      if (family.name == name) return family.samples.at(0).value;
    return -1;
  }

  Loop loop;
  Metrics metrics{1};
  const kinds::CircuitBreakers breakers;
  std::shared_ptr<Cluster> cluster = std::make_shared<Cluster>("c", breakers, 1, metrics);
  ConnectionBudget budget;
  ClusterConnections connections{budget, cluster, HostsBy::operator_};
  ConnectionPool pool{loop, connections};
  TestUpstream upstream{loop};
  Rules rules;
};

// One request on its way, as a connection to a client would hold it.
class Trip {
 public:
  explicit Trip(World& w, std::string_view method = "GET") : world(w) {
    request.method = method;
    request.path = "/x";
    request.authority = "api.test";
    request.background = &background;
    request.route.rules = &w.rules;
    info.start = w.loop.now();
    addresses.push_back(w.upstream.address);
  }
  ~Trip() {
    end();
    CHECK(!runner.running());
  }

  void start(bool read_body = true) { runner.start(go(read_body)); }
  // What a connection does behind a response, in its order.
  void end() {
    runner.cancel();
    background.cancel();
    CHECK(turn_until(world.loop, [&] { return !runner.running() && background.empty(); }));
    arena.reset();
  }
  bool run() {
    start();
    return done();
  }
  bool done() {
    return turn_until(world.loop, [&] { return !runner.running(); });
  }
  // The upstream's end of the n-th connection, once a request's head is there.
  TestPeer& asked(size_t n = 0) {
    EXPECT_TRUE(turn_until(
        world.loop, [&] { return world.upstream.peers.size() > n && world.upstream.peers[n].hears("\r\n\r\n"); }));
    return world.upstream.peers[n];
  }
  std::string header(std::string_view name) { return std::string(response.headers->get(name).value_or("")); }

  World& world;
  ConnectionPool* pool = &world.pool;
  EndpointSet::Options options = world.cluster->endpoint_options();
  EndpointSet set{options, 1};
  OtherTargets* others = nullptr;
  Arena arena;
  StreamInfo info;
  TaskGroup background;
  Request request{arena, world.loop, info};
  std::vector<SocketAddress> addresses;

  Response response;
  std::string body;
  std::optional<Error> error;       // instead of a response
  std::optional<Error> body_error;  // behind the head
  bool body_whole = false;

 private:
  Task<void> go(bool read_body) {
    std::vector<EndpointSet::Member> members;
    for (const SocketAddress& address : addresses) members.push_back({.address = address});
    set.change(members);
    auto forwarding = forward(request, {*pool, EndpointSet::Use(set, *set.find(addresses.front(), 0)), {}}, others);
    auto answered = co_await forwarding;
    if (!answered) {
      error = std::move(answered).error();
      co_return Status{};
    }
    response = *answered;
    if (!read_body) co_return Status{};
    for (bool last = response.body.empty(); !last;) {
      auto reading = response.body.reader->read();
      auto chunk = co_await reading;
      if (!chunk) {
        body_error = std::move(chunk).error();
        co_return Status{};
      }
      body.append(chunk->bytes.data(), chunk->bytes.size());
      last = chunk->last;
    }
    body_whole = true;
    co_return Status{};
  }

  Runner runner{this, [](void*, Result<void>) {}};
};

constexpr std::string_view kOk = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

TEST(Forward, keeps_a_connection_for_the_next_request) {
  World world;
  for (int i = 0; i < 3; ++i) {
    Trip trip(world);
    trip.start();
    TestPeer& peer = trip.asked();
    EXPECT_TRUE(peer.heard().starts_with("GET /x HTTP/1.1\r\nhost: api.test\r\n"));
    peer.forget();
    peer.say(kOk);
    ASSERT_TRUE(trip.done());
    EXPECT_EQ(trip.response.status, 200);
    EXPECT_EQ(trip.body, "ok");
    trip.end();
    EXPECT_EQ(world.pool.idle(), 1U);
  }
  EXPECT_EQ(world.upstream.peers.size(), 1U);
}

TEST(Forward, tells_a_broken_answer_from_a_good_one) {
  const std::vector<std::pair<std::string, uint16_t>> rows = {
      {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 200},
      {"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", 204},             // F14
      {"HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n", 304},  // F14
      {"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 200},
      {"HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nok", 200},                              // F4
      {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok", 502},            // F4
      {"HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\nok", 502},                                // F5
      {"HTTP/1.1 200 OK\r\nContent-Length: 9223372036854775808\r\n\r\nok", 502},               // F5
      {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n", 502},     // F15
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", 502},                             // F15
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, chunked\r\n\r\n", 502},                 // F15
      {"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 502},                 // F3
      {"HTTP/1.1 200 OK\nContent-Length: 0\n\n", 502},                                         // F9
      {"HTTP/1.1 200 OK\r\nContent-Length : 0\r\n\r\n", 502},                                  // F10
      {"HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n", 502},                                          // F11
      {std::string("HTTP/1.1 200 OK\r\nA: b\0c\r\n\r\n", 27), 502},                            // F8
      {"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", 502},  // F14
      {"HTTP/2 200\r\n\r\n", 502},
      {"HTTP/1.1 99 X\r\n\r\n", 502},
      {"HTTP/1.1 999 X\r\n\r\n", 502},
      {"SSH-2.0-OpenSSH_9.2\r\n", 502},
  };
  for (const auto& [bytes, status] : rows) {
    World world;
    Trip trip(world);
    trip.start();
    trip.asked().say(bytes);
    ASSERT_TRUE(trip.done()) << bytes;
    EXPECT_EQ(trip.response.status, status) << bytes;
    if (status == 502) EXPECT_EQ(trip.info.flags_text(), "UPE") << bytes;
    trip.end();
    EXPECT_EQ(world.pool.idle(), status == 502 ? 0U : 1U) << bytes;
  }
}

TEST(Forward, takes_a_field_that_a_client_could_not_send) {
  for (const auto& [bytes, status] : {std::pair(17'000, 200), std::pair(70'000, 502)}) {
    World world;
    Trip trip(world);
    trip.start();
    TestPeer& peer = trip.asked();
    const std::string answer =
        fmt::format("HTTP/1.1 200 OK\r\nx: {}\r\nContent-Length: 0\r\n\r\n", std::string(size_t(bytes), 'x'));
    for (size_t said = 0; said < answer.size(); settle(world.loop)) {
      const size_t put = peer.say(std::string_view(answer).substr(said));
      if (put == 0) break;
      said += put;
    }
    ASSERT_TRUE(trip.done());
    EXPECT_EQ(trip.response.status, status);
  }
}

TEST(Forward, ends_a_flood_of_informational_answers) {
  World world;
  Trip trip(world);
  trip.start();
  TestPeer& peer = trip.asked();
  for (int i = 0; i < 40; ++i) peer.say("HTTP/1.1 103 Early Hints\r\n\r\n");
  ASSERT_TRUE(trip.done());
  EXPECT_EQ(trip.response.status, 502);
}

TEST(Forward, does_not_reuse_a_connection_with_bytes_nobody_asked_for) {
  World world;
  {
    Trip trip(world);
    trip.start();
    trip.asked().say(std::string(kOk) + "HTTP/1.1 200 OK\r\n");
    ASSERT_TRUE(trip.done());
    EXPECT_EQ(trip.body, "ok");
  }
  EXPECT_EQ(world.pool.idle(), 0U);
  {
    Trip trip(world);
    trip.start();
    trip.asked(1).say(kOk);
    ASSERT_TRUE(trip.done());
  }
  EXPECT_EQ(world.pool.idle(), 1U);
  world.upstream.peers[1].say("HTTP/1.1 200 OK\r\n");  // while it lies in the pool
  EXPECT_TRUE(turn_until(world.loop, [&] { return world.pool.idle() == 0; }));
}

// Runs something in the middle of a turn, in front of the events that come behind it.
class InTheTurn final : private Waiter {
 public:
  InTheTurn(Loop& loop, std::function<void()> job) : job_(std::move(job)), fd_(::eventfd(0, EFD_NONBLOCK)) {
    CHECK(watch_.attach(loop, fd_).has_value());
    settle(loop);
    watch_.readable = false;
    watch_.reader = this;
    const uint64_t one = 1;
    CHECK(::write(fd_, &one, sizeof one) == sizeof one);
  }
  ~InTheTurn() {
    watch_.release();
    ::close(fd_);
  }

 private:
  void wake() override { job_(); }
  void cancel() override {}
  std::function<void()> job_;
  int fd_;
  Watch watch_;
};

// The bytes came before the request, though their event stands behind the one that brought it.
TEST(Forward, does_not_reuse_a_connection_whose_bytes_are_about_to_be_told) {
  for (const int what : {0, 1, 2, 3}) {
    World world;
    {
      Trip trip(world);
      trip.start();
      trip.asked().say(kOk);
      ASSERT_TRUE(trip.done());
    }
    ASSERT_EQ(world.pool.idle(), 1U);
    ConnectionUse taken;
    bool asked = false;
    {
      const InTheTurn request(world.loop, [&] {
        taken = world.pool.take({&world.upstream.address, 1});
        asked = true;
      });
      TestPeer& peer = world.upstream.peers[0];
      if (what == 1) peer.say(kOk);
      if (what == 2) peer.end_sending();
      if (what == 3) peer.reset();
      world.loop.turn(1ms);
    }
    EXPECT_TRUE(asked);
    EXPECT_EQ(taken != nullptr, what == 0) << what;
    EXPECT_EQ(world.pool.idle(), 0U);
    taken.reset();
    EXPECT_EQ(world.pool.open(), 0U);
  }
}

// An answer that is complete with the last byte of its buffer, and one byte more in the socket.
TEST(Forward, does_not_keep_a_connection_with_more_than_the_answer) {
  World world;
  Trip trip(world);
  trip.start();
  const std::string head = "HTTP/1.1 200 OK\r\nContent-Length: ";
  const size_t body = Block::kSmall - head.size() - 5 - 4;
  const std::string answer = fmt::format("{}{}\r\n\r\n{}", head, body, std::string(body, 'x'));
  ASSERT_EQ(answer.size(), Block::kSmall);
  trip.asked().say(answer + "H");
  ASSERT_TRUE(trip.done());
  EXPECT_EQ(trip.body.size(), body);
  trip.end();
  EXPECT_EQ(world.pool.open(), 0U);
}

TEST(Forward, says_why_a_connection_could_not_be_made) {
  World world;
  world.upstream.stop();
  Trip trip(world);
  ASSERT_TRUE(trip.run());
  EXPECT_EQ(trip.response.status, 503);
  EXPECT_EQ(trip.info.flags_text(), "UF");
  EXPECT_EQ(trip.body,
            "upstream connect error or disconnect/reset before headers. reset reason: remote connection failure, "
            "transport failure reason: delayed connect error: Connection refused");
}

TEST(Forward, goes_on_to_the_next_address) {
  World world;
  TestUpstream gone(world.loop);
  gone.stop();
  Trip trip(world);
  trip.addresses.insert(trip.addresses.begin(), gone.address);
  trip.start();
  trip.asked().say(kOk);
  ASSERT_TRUE(trip.done());
  EXPECT_EQ(trip.response.status, 200);
}

TEST(Forward, tells_that_the_upstream_closed_without_an_answer) {
  for (const std::string_view part : {"", "HTTP/1.1 200 OK\r\nContent-Le"}) {
    World world;
    Trip trip(world);
    trip.start();
    TestPeer& peer = trip.asked();
    peer.say(part);
    peer.close();
    ASSERT_TRUE(trip.done());
    EXPECT_EQ(trip.response.status, 503);
    EXPECT_EQ(trip.info.flags_text(), "UC");
    EXPECT_EQ(trip.body,
              "upstream connect error or disconnect/reset before headers. reset reason: connection termination");
  }
}

// Connections that died in the pool without the loop having heard of it yet.
void fill_pool(World& world, size_t connections) {
  std::deque<Trip> trips;
  for (size_t i = 0; i < connections; ++i) {
    trips.emplace_back(world).start();
    trips.back().asked(i);
  }
  for (size_t i = 0; i < connections; ++i) {
    world.upstream.peers[i].say(kOk);
    ASSERT_TRUE(trips[i].done());
    trips[i].end();
  }
  ASSERT_EQ(world.pool.idle(), connections);
}

TEST(Forward, sends_a_safe_request_again_when_its_reused_connection_was_closed) {
  for (const size_t stale : {1U, 3U}) {
    World world;
    fill_pool(world, stale);
    for (size_t i = stale; i > 0; --i) world.upstream.peers[i - 1].close();  // the loop hears of them in this order
    Trip trip(world);
    trip.start();  // before the loop sees the ends
    trip.asked(stale).say(kOk);
    ASSERT_TRUE(trip.done());
    EXPECT_EQ(trip.response.status, 200) << stale;
    EXPECT_EQ(trip.info.attempts, 2U);
  }
}

TEST(Forward, tells_who_asks_when_it_began_to_send_the_first_time) {
  World world;
  fill_pool(world, 1);
  world.upstream.peers[0].close();
  Trip trip(world);
  ForwardingTimes times;
  trip.info.forwarding_times = &times;
  const SteadyTime began = world.loop.now();
  trip.start();
  ASSERT_TRUE(times.sending);
  world.loop.advance(7ms);
  trip.asked(1).say(kOk);  // on a second connection
  ASSERT_TRUE(trip.done());
  EXPECT_EQ(*times.sending, began);
}

TEST(Forward, has_not_begun_to_send_while_there_is_no_connection) {
  World world;
  world.upstream.stop();
  Trip trip(world);
  ForwardingTimes times;
  trip.info.forwarding_times = &times;
  ASSERT_TRUE(trip.run());
  EXPECT_EQ(trip.response.status, 503);
  EXPECT_FALSE(times.sending);
}

TEST(Forward, sends_no_path_that_a_rewrite_broke) {
  struct Rewrite final : RouteRules {
    void rewrite_request(Request& request) const override { request.path = to; }
    void finish_response(Request&, Response&) const override {}
    std::string to;
  };
  World world;
  Rewrite rules;
  for (const std::string_view to : {"x", "", "*", "/a b", "/x/../secret", "/x/..;/secret", "/a\r\nx: y"}) {
    rules.to = to;
    Trip trip(world);
    trip.request.route.rules = &rules;
    ASSERT_TRUE(trip.run());
    EXPECT_EQ(trip.response.status, 400) << to;
    EXPECT_EQ(trip.info.details, "invalid_rewritten_path");
  }
  EXPECT_TRUE(world.upstream.peers.empty());
}

TEST(Forward, does_not_send_a_post_again) {
  World world;
  fill_pool(world, 1);
  world.upstream.peers[0].close();
  Trip trip(world, "POST");
  ASSERT_TRUE(trip.run());
  EXPECT_EQ(trip.response.status, 503);
  EXPECT_EQ(trip.info.flags_text(), "UC");
}

TEST(Forward, passes_an_early_answer_on_while_the_body_is_sent) {
  World world;
  Trip trip(world, "POST");
  GivenBody body(world.loop);
  trip.request.body = {&body, std::nullopt};
  trip.start();
  TestPeer& peer = trip.asked();
  body.give("first");
  EXPECT_TRUE(turn_until(world.loop, [&] { return peer.hears("5\r\nfirst\r\n"); }));
  peer.say("HTTP/1.1 413 Payload Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
  ASSERT_TRUE(trip.done());
  EXPECT_EQ(trip.response.status, 413);
  peer.close();
  body.give("second");
  settle(world.loop);
  body.give("third", true);
  settle(world.loop);
  trip.end();
  EXPECT_EQ(world.pool.idle(), 0U);
}

// The sender of the body must not outlive the connection that it sends on.
TEST(Forward, survives_an_upstream_that_fails_while_the_body_is_still_coming) {
  for (const std::string_view answer : {"", "no HTTP\r\n", "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n"}) {
    World world;
    Trip trip(world, "POST");
    GivenBody body(world.loop);
    trip.request.body = {&body, std::nullopt};
    trip.start();
    TestPeer& peer = trip.asked();
    peer.say(answer);
    peer.close();
    ASSERT_TRUE(trip.done());
    EXPECT_EQ(trip.response.status, answer.empty() ? 503 : 502);
    body.give("more of the body");
    settle(world.loop);
    body.give("and more", true);
    settle(world.loop);
  }
}

TEST(Forward, survives_an_upstream_that_fails_while_it_does_not_read_the_body) {
  World world;
  Trip trip(world, "POST");
  GivenBody body(world.loop);
  trip.request.body = {&body, std::nullopt};
  trip.start();
  TestPeer& peer = trip.asked();
  body.give(std::string(16 << 20, 'x'));
  settle(world.loop);
  peer.say("no HTTP\r\n");
  ASSERT_TRUE(trip.done());
  EXPECT_EQ(trip.response.status, 502);
  world.loop.advance(10min);
  settle(world.loop);
}

// A body that a filter has collected is at hand whole, and more than the upstream takes without reading.
TEST(Forward, hears_an_answer_while_a_long_body_waits_to_be_taken) {
  World world;
  Trip trip(world, "POST");
  trip.request.body = text_body(trip.arena, std::string(16 << 20, 'x'));
  trip.start();
  TestPeer* peer = nullptr;
  ASSERT_TRUE(turn_until(world.loop, [&] { return world.upstream.peers.size() == 1; }));
  peer = &world.upstream.peers[0];
  settle(world.loop);
  peer->say("HTTP/1.1 413 Payload Too Large\r\nContent-Length: 0\r\n\r\n");
  ASSERT_TRUE(trip.done());
  EXPECT_EQ(trip.response.status, 413);
}

TEST(Forward, sends_a_long_body_whole) {
  World world;
  Trip trip(world, "POST");
  trip.request.body = text_body(trip.arena, std::string(16 << 20, 'x'));
  trip.start();
  TestPeer& peer = trip.asked();
  ASSERT_TRUE(turn_until(world.loop, [&] { return peer.heard().size() > 16 << 20; }));
  peer.say(kOk);
  ASSERT_TRUE(trip.done());
  EXPECT_EQ(trip.body, "ok");
  EXPECT_TRUE(peer.heard().ends_with("\r\n\r\n" + std::string(16 << 20, 'x')));
  trip.end();
  EXPECT_EQ(world.pool.idle(), 1U);
}

TEST(Forward, breaks_the_connection_when_the_clients_body_breaks_off) {
  World world;
  Trip trip(world, "POST");
  GivenBody body(world.loop);
  trip.request.body = {&body, 100};
  trip.start();
  TestPeer& peer = trip.asked();
  body.give("part");
  settle(world.loop);
  body.break_off({.kind = ErrorKind::reset, .message = "gone", .side = Side::downstream});
  ASSERT_TRUE(trip.done());
  ASSERT_TRUE(trip.error);
  EXPECT_EQ(trip.error->side, Side::downstream);
  EXPECT_TRUE(turn_until(world.loop, [&] { return peer.ended(); }));
}

TEST(Forward, sends_the_body_only_after_100_or_a_second) {
  World world;
  for (const bool says_100 : {true, false}) {
    Trip trip(world, "POST");
    GivenBody body(world.loop);
    body.give("body", true);
    trip.request.body = {&body, 4};
    trip.request.expects_continue = true;
    trip.request.headers.add(Known::expect, "100-continue");
    trip.start();
    TestPeer& peer = trip.asked();
    settle(world.loop);
    EXPECT_EQ(body.asked, 0);
    if (says_100)
      peer.say("HTTP/1.1 100 Continue\r\n\r\n");
    else
      world.loop.advance(1s);
    EXPECT_TRUE(turn_until(world.loop, [&] { return peer.heard().ends_with("\r\n\r\nbody"); }));
    peer.forget();
    peer.say(kOk);
    ASSERT_TRUE(trip.done());
    EXPECT_EQ(trip.body, "ok");
  }
}

TEST(Forward, gives_up_at_the_routes_timeout) {
  World world;
  world.rules.timeout = 15s;
  Trip trip(world);
  trip.start();
  trip.asked();
  world.loop.advance(15s);
  ASSERT_TRUE(trip.done());
  EXPECT_EQ(trip.response.status, 504);
  EXPECT_EQ(trip.body, "upstream request timeout");
  EXPECT_EQ(trip.info.flags_text(), "UT");
}

// F17: what is cut off must never look like a whole answer.
// A listener whose queue is full answers no further connection.
struct FullListener {
  FullListener() {
    CHECK(::bind(fd, address.get(), address.length) == 0);
    CHECK(::listen(fd, 0) == 0);
    CHECK(::getsockname(fd, address.get(), &address.length) == 0);
    for (int i = 0; i < 4; ++i) {
      const int client = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
      static_cast<void>(::connect(client, address.get(), address.length));
      filling.emplace_back(client);
    }
  }
  FullListener(const FullListener&) = delete;
  FullListener& operator=(const FullListener&) = delete;
  ~FullListener() { ::close(fd); }

  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  SocketAddress address = SocketAddress::v4(INADDR_LOOPBACK, 0);
  std::deque<TestPeer> filling;
};

TEST(Forward, counts_connecting_to_the_routes_timeout) {
  World world;
  world.rules.timeout = 3s;
  const FullListener full;
  Trip trip(world);
  trip.addresses = {full.address, full.address};
  trip.start();
  settle(world.loop);
  world.loop.advance(3s);
  ASSERT_TRUE(trip.done());
  EXPECT_EQ(trip.response.status, 504);
  EXPECT_EQ(trip.info.flags_text(), "UT");
  EXPECT_EQ(trip.info.details, "response_timeout");
}

TEST(Forward, gives_up_connecting_after_its_time) {
  World world;
  world.rules.timeout = 60s;
  const FullListener full;
  Trip trip(world);
  trip.addresses = {full.address};
  trip.start();
  settle(world.loop);
  world.loop.advance(5s);
  ASSERT_TRUE(trip.done());
  EXPECT_EQ(trip.response.status, 503);
  EXPECT_EQ(trip.info.flags_text(), "UF");
  EXPECT_EQ(trip.info.details, "upstream_reset_before_response_started{connection_timeout}");
}

TEST(Forward, becomes_a_tunnel_only_for_what_was_asked_for) {
  const struct {
    std::string_view fields;
    int status;
  } rows[] = {
      {"Upgrade: WebSocket\r\nConnection: Upgrade\r\n", 101},
      {"Upgrade: foo\r\nConnection: Upgrade\r\n", 502},
      {"Upgrade: websocket, foo\r\n", 502},
      {"", 502},
      {"Upgrade: websocket\r\nContent-Length: 3\r\n", 502},
      {"Upgrade: websocket\r\nTransfer-Encoding: chunked\r\n", 502},
  };
  for (const auto& row : rows) {
    World world;
    Trip trip(world);
    trip.request.upgrade = true;
    trip.start();
    trip.asked().say(fmt::format("HTTP/1.1 101 Switching Protocols\r\n{}\r\n", row.fields));
    ASSERT_TRUE(trip.done());
    EXPECT_EQ(trip.response.status, row.status) << row.fields;
  }
}

TEST(Forward, leaves_out_of_trailers_what_the_client_may_not_say) {
  World world;
  GivenBody body(world.loop);
  Trip trip(world, "POST");
  Headers trailers(trip.arena);
  trailers.add("x-tenant", "evil");
  trailers.add("x_tenant", "evil");
  trailers.add("x-checksum", "1");
  body.trailing = &trailers;
  trip.request.body.reader = &body;
  trip.request.accepts_trailers = true;
  trip.request.kept_from_trailers = {"x-tenant"};
  body.give("hello", true);
  trip.start();
  TestPeer& peer = trip.asked();
  ASSERT_TRUE(turn_until(world.loop, [&] { return peer.hears("0\r\n"); }));
  EXPECT_TRUE(turn_until(world.loop, [&] { return peer.hears("x-checksum: 1\r\n\r\n"); }));
  EXPECT_FALSE(peer.hears("evil"));
  peer.say(kOk);
  ASSERT_TRUE(trip.done());
}

TEST(Forward, blames_the_client_for_a_request_that_does_not_go_on) {
  World world;
  GivenBody body(world.loop);
  Trip trip(world, "POST");
  trip.request.stream_idle_timeout = 2s;
  trip.request.body.reader = &body;
  body.give("a part");
  trip.start();
  trip.asked();
  settle(world.loop);
  world.loop.advance(2s);
  settle(world.loop);
  world.loop.advance(2s);
  ASSERT_TRUE(trip.done());
  EXPECT_EQ(trip.response.status, 408);
  EXPECT_EQ(trip.info.flags_text(), "SI");
  EXPECT_TRUE(trip.response.close);
}

TEST(Forward, never_passes_a_cut_body_on_as_a_whole_one) {
  const std::vector<std::string> heads = {"Content-Length: 100\r\n", "Transfer-Encoding: chunked\r\n", ""};
  for (const std::string& framing : heads) {
    World world;
    world.rules.timeout = 15s;
    Trip trip(world);
    trip.start();
    TestPeer& peer = trip.asked();
    peer.say("HTTP/1.1 200 OK\r\n" + framing + "\r\n" + (framing.starts_with("T") ? "4\r\npart\r\n" : "part"));
    EXPECT_TRUE(turn_until(world.loop, [&] { return trip.body == "part"; }));
    world.loop.advance(15s);
    ASSERT_TRUE(trip.done());
    EXPECT_TRUE(trip.body_error) << framing;
    EXPECT_FALSE(trip.body_whole) << framing;
  }
}

TEST(Forward, never_passes_a_body_on_as_whole_when_the_clients_body_broke_off) {
  World world;
  Trip trip(world, "POST");
  GivenBody body(world.loop);
  trip.request.body = {&body, 100};
  trip.start();
  TestPeer& peer = trip.asked();
  peer.say("HTTP/1.1 200 OK\r\n\r\npart");
  EXPECT_TRUE(turn_until(world.loop, [&] { return trip.body == "part"; }));
  body.break_off({.kind = ErrorKind::reset, .message = "gone", .side = Side::downstream});
  ASSERT_TRUE(trip.done());
  EXPECT_TRUE(trip.body_error);
}

TEST(Forward, reads_no_more_of_a_body_than_somebody_wants) {
  World world;
  Trip trip(world);
  trip.start(false);
  TestPeer& peer = trip.asked();
  peer.say("HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n");
  ASSERT_TRUE(trip.done());
  const std::string piece(64 << 10, 'x');
  size_t taken = 0;
  for (int i = 0; i < 2000; ++i) {
    taken += peer.say(piece);
    if (i % 20 == 0) world.loop.turn(0ms);
  }
  EXPECT_LT(taken, 32U << 20);  // what two kernels' buffers hold
  EXPECT_LT(trip.arena.bytes_used(), 64U << 10);
}

// As Envoy's users write "no limit".
TEST(Forward, takes_the_largest_limit_of_requests_for_none) {
  kinds::CircuitBreakers none;
  none.max_requests = UINT32_MAX;
  World world(none);
  Trip trip(world);
  trip.start();
  trip.asked().say(kOk);
  ASSERT_TRUE(trip.done());
  EXPECT_EQ(trip.response.status, 200);
}

TEST(Forward, refuses_what_is_over_the_circuit_breakers) {
  kinds::CircuitBreakers one_request, one_connection;
  one_request.max_requests = 1;
  one_connection.max_connections = 1;
  one_connection.max_pending_requests = 0;
  for (const auto& breakers : {one_request, one_connection}) {
    World world(breakers);
    {
      Trip first(world);
      first.start();
      first.asked();
      Trip second(world);
      ASSERT_TRUE(second.run());
      EXPECT_EQ(second.response.status, 503);
      EXPECT_EQ(second.info.flags_text(), "UO");
      EXPECT_EQ(second.header("x-envoy-overloaded"), "true");
      EXPECT_EQ(second.body, "upstream connect error or disconnect/reset before headers. reset reason: overflow");
    }
    Trip third(world);
    third.start();
    third.asked(1).say(kOk);
    ASSERT_TRUE(third.done());
    EXPECT_EQ(third.response.status, 200);
  }
}

TEST(Forward, lets_maxPendingRequests_wait_for_a_connection_in_their_order) {
  kinds::CircuitBreakers breakers;
  breakers.max_connections = 1;
  breakers.max_pending_requests = 2;
  breakers.track_remaining = true;
  World world(breakers);
  Trip first(world), second(world), third(world), fourth(world);
  first.start();
  first.asked();
  second.start();
  third.start();
  ASSERT_TRUE(fourth.run());
  EXPECT_EQ(fourth.info.flags_text(), "UO");
  EXPECT_EQ(world.cluster->metrics.pending_active->value(), 2);
  EXPECT_EQ(world.counted("envoy_cluster_circuit_breakers_default_remaining_pending"), 0);
  for (Trip* trip : {&first, &second, &third}) {
    trip->asked().forget();
    world.upstream.peers[0].say(kOk);
    ASSERT_TRUE(trip->done());
    EXPECT_EQ(trip->response.status, 200);
    trip->end();
  }
  EXPECT_EQ(world.upstream.peers.size(), 1U);  // one connection served them all
  EXPECT_EQ(world.cluster->metrics.pending_active->value(), 0);
}

// Whoever waits is answered now, not when a place becomes free.
TEST(Forward, ends_one_that_waits_for_a_connection) {
  kinds::CircuitBreakers breakers;
  breakers.max_connections = 1;
  World world(breakers);
  Trip first(world), second(world);
  first.start();
  first.asked();
  second.start();
  settle(world.loop);
  ASSERT_EQ(world.cluster->metrics.pending_active->value(), 1);
  bool denied = false;
  world.pool.each_under_way([&](ConnectionPool::UnderWay& one) {
    if (!std::exchange(denied, true)) one.end({.rule = "test", .text = "not any more"});  // the last that came
  });
  ASSERT_TRUE(second.done());
  EXPECT_EQ(second.response.status, 403);
  EXPECT_EQ(second.info.details, "destination_ip_prohibited{test}");
  EXPECT_EQ(world.cluster->metrics.pending_active->value(), 0);
  EXPECT_EQ(first.response.status, 0) << "it still waits for its answer";
}

TEST(Forward, gives_the_place_of_one_who_left_to_the_next) {
  kinds::CircuitBreakers breakers;
  breakers.max_connections = 1;
  World world(breakers);
  world.rules.timeout = 0s;
  Trip first(world), left(world), late(world), next(world);
  first.start();
  first.asked();
  world.rules.timeout = 5s;
  left.start();
  late.start();
  world.loop.advance(1s);
  next.start();
  left.end();  // its client went away
  EXPECT_EQ(left.error->kind, ErrorKind::cancelled);
  world.loop.advance(4s);
  ASSERT_TRUE(late.done());
  EXPECT_EQ(late.response.status, 504);
  EXPECT_EQ(late.info.flags_text(), "UT");

  TestPeer& peer = first.asked();
  peer.forget();
  peer.say(kOk);
  ASSERT_TRUE(first.done());
  first.end();
  next.asked().say(kOk);
  ASSERT_TRUE(next.done());
  EXPECT_EQ(next.response.status, 200);
}

// The busy one's address is withdrawn: it must not lie in the pool, of no use to anybody, and count.
TEST(Forward, does_not_keep_a_connection_to_an_address_that_was_withdrawn_while_it_was_in_use) {
  kinds::CircuitBreakers breakers;
  breakers.max_connections = 1;
  World world(breakers);
  TestUpstream moved(world.loop);
  Trip first(world), second(world);
  first.start();
  TestPeer& peer = first.asked();
  world.pool.drop_others(std::span(&moved.address, 1));
  second.addresses = {moved.address};
  second.start();
  peer.say(kOk);
  ASSERT_TRUE(first.done());
  first.end();
  EXPECT_EQ(world.pool.idle(), 0U);
  ASSERT_TRUE(turn_until(world.loop, [&] { return moved.peers.size() == 1 && moved.peers[0].hears("\r\n\r\n"); }));
  moved.peers[0].say(kOk);
  ASSERT_TRUE(second.done());
  EXPECT_EQ(second.response.status, 200);
}

// Else a thousand idle connections to other places would close the way to a new one; Envoy does the same.
TEST(Forward, gives_every_destination_one_connection_whatever_the_others_have) {
  kinds::CircuitBreakers one_connection;
  one_connection.max_connections = 1;
  World world(one_connection);
  fill_pool(world, 1);
  ConnectionPool other(world.loop, world.connections);
  Trip trip(world);
  trip.pool = &other;
  trip.start();
  trip.asked(1).say(kOk);
  ASSERT_TRUE(trip.done());
  EXPECT_EQ(trip.response.status, 200);
  trip.end();
}

TEST(Forward, refuses_a_request_when_all_connections_the_process_may_have_are_busy_elsewhere) {
  World world;
  ConnectionBudget one(1, BudgetMetrics(world.metrics));
  ClusterConnections connections(one, world.cluster, HostsBy::operator_);
  ConnectionPool here(world.loop, connections), there(world.loop, connections);
  Trip first(world), second(world), third(world);
  first.pool = &here;
  first.start();
  TestPeer& peer = first.asked();
  second.pool = &there;
  ASSERT_TRUE(second.run());
  EXPECT_EQ(second.response.status, 503);
  EXPECT_EQ(second.info.flags_text(), "UO");
  EXPECT_EQ(world.metrics.metric(budget_metric_families()[1])->value(), 1);
  third.pool = &here;  // waits for what its own destination has
  third.start();
  peer.say(kOk);
  ASSERT_TRUE(first.done());
  first.end();
  peer.forget();
  ASSERT_TRUE(turn_until(world.loop, [&] { return peer.hears("\r\n\r\n"); }));
  peer.say(kOk);
  ASSERT_TRUE(third.done());
  EXPECT_EQ(third.response.status, 200);
  third.end();
  second.end();
}

TEST(Forward, a_cancelled_request_closes_its_connection) {
  World world;
  {
    Trip trip(world);
    trip.start();
    trip.asked();
  }
  EXPECT_EQ(world.pool.idle(), 0U);
  EXPECT_TRUE(turn_until(world.loop, [&] { return world.upstream.peers[0].ended(); }));
}

TEST(Forward, closes_idle_connections_after_their_time) {
  World world;
  fill_pool(world, 2);
  world.loop.advance(59s);
  EXPECT_EQ(world.pool.idle(), 2U);
  world.loop.advance(1s);
  EXPECT_EQ(world.pool.idle(), 0U);
}

TEST(Forward, waits_as_long_as_the_route_says_for_a_body_that_nobody_looks_at) {
  std::signal(SIGPIPE, SIG_IGN);
  World world;
  world.rules.timeout = 0s;
  world.rules.idle_timeout = 2s;  // the listener's is 5 min
  Trip trip(world);
  trip.start(false);
  TestPeer& peer = trip.asked();
  peer.say("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n");
  ASSERT_TRUE(trip.done());
  StreamAndPeer client(world.loop, Side::downstream);
  uint64_t moved = 0;
  auto passing = trip.response.body.reader->pass_to(*client.stream, trip.request.stream_idle_timeout, moved);
  ASSERT_TRUE(passing);
  std::optional<Result<void>> ended;
  Runner runner{&ended, [](void* self, Result<void> result) {
                  *static_cast<std::optional<Result<void>>*>(self) = std::move(result);
                }};
  runner.start(*std::move(passing));
  peer.say(std::string(1000, 'x'));
  ASSERT_TRUE(turn_until(world.loop, [&] { return moved == 1000; }));
  world.loop.advance(1s);
  settle(world.loop);
  EXPECT_FALSE(ended);
  world.loop.advance(1s);
  settle(world.loop);
  ASSERT_TRUE(ended);
  ASSERT_FALSE(ended->has_value());
  EXPECT_EQ(ended->error().kind, ErrorKind::timeout);
  EXPECT_EQ(ended->error().side, Side::upstream);
}

// Requests to a host with twelve addresses that hang.
struct Races {
  Races(World& w, size_t budget_max)
      : world(w),
        budget(budget_max, BudgetMetrics(w.metrics)),
        connections(budget, w.cluster, HostsBy::operator_, silent) {}
  void begin(ConnectionPool& to) {
    start(to);
    let_attempts_begin();
  }
  void start(ConnectionPool& to) {
    Trip& trip = trips.emplace_back(world);
    trip.pool = &to;
    trip.addresses.clear();
    for (uint8_t i = 1; i <= 12; ++i) trip.addresses.push_back(SocketAddress::of({IpAddress::v4(127, 0, 9, i), 80}));
    trip.start();
    settle(world.loop);
  }
  // For as long as it takes to begin all that may begin.
  void let_attempts_begin() {
    for (unsigned i = 1; i < ConnectRace::kAttemptsMax; ++i) {
      world.loop.advance(ConnectRace::kAttemptDelay);
      settle(world.loop);
    }
  }
  void end() {
    for (Trip& trip : trips) trip.end();
    EXPECT_EQ(silent.open(), 0U);
    EXPECT_EQ(budget.open(), 0U);
    EXPECT_EQ(world.cluster->metrics.connections_active->value(), 0);
    trips.clear();
  }
  int64_t put_off() { return world.metrics.metric(budget_metric_families()[2])->value(); }

  World& world;
  SilentDialer silent;
  ConnectionBudget budget;
  ClusterConnections connections;
  ConnectionPool pool{world.loop, connections};
  std::deque<Trip> trips;
};

TEST(Forward, counts_every_connection_of_a_race) {
  World world;
  Races races(world, 100);
  races.begin(races.pool);
  EXPECT_EQ(races.silent.open(), ConnectRace::kAttemptsMax);
  EXPECT_EQ(races.budget.open(), races.silent.open());
  EXPECT_EQ(races.pool.open(), races.silent.open());
  EXPECT_EQ(world.cluster->metrics.connections_active->value(), static_cast<int64_t>(races.silent.open()));
  EXPECT_EQ(world.cluster->metrics.connections->value(), 1) << "it is one connection all the same";
  EXPECT_EQ(races.put_off(), 0);
  races.end();
}

TEST(Forward, races_leave_seven_eighths_of_the_worker_to_others) {
  World world;
  Races races(world, 64);
  for (int i = 0; i < 20; ++i) races.start(races.pool);
  races.let_attempts_begin();
  EXPECT_EQ(races.silent.open(), 20U + 64 / 8) << "one each, and what all attempts together may have";
  EXPECT_EQ(races.put_off(), 20);
  races.end();
}

TEST(Forward, races_need_a_worker_and_a_cluster_that_are_half_free) {
  kinds::CircuitBreakers breakers;
  for (const bool of_worker : {true, false}) {
    breakers.max_connections = of_worker ? 1000 : 12;
    World world(breakers);
    Races races(world, of_worker ? 12 : 1000);
    ConnectionPool elsewhere(world.loop, races.connections);
    std::list<ConnectionPlace> busy;
    for (int i = 0; i < 5; ++i) busy.emplace_back(elsewhere);
    races.begin(races.pool);
    EXPECT_EQ(races.silent.open(), 1U);
    EXPECT_EQ(races.put_off(), 1);
    busy.pop_back();
    world.loop.advance(ConnectRace::kAttemptDelay);
    settle(world.loop);
    EXPECT_EQ(races.silent.open(), 2U);
    busy.clear();
    races.end();
  }
}

TEST(Forward, a_request_without_a_connection_goes_before_another_attempt_of_a_race) {
  kinds::CircuitBreakers breakers;
  breakers.max_connections = 4;
  World world(breakers);
  Races races(world, 100);
  ConnectionPool elsewhere(world.loop, races.connections);
  races.begin(races.pool);
  EXPECT_EQ(races.silent.open(), 2U);
  std::list<ConnectionPlace> busy;
  for (int i = 0; i < 2; ++i) busy.emplace_back(elsewhere);
  races.begin(races.pool);
  EXPECT_EQ(world.cluster->metrics.pending_active->value(), 1);
  races.silent.calls.pop_front();  // it refuses
  settle(world.loop);
  EXPECT_EQ(world.cluster->metrics.pending_active->value(), 0);
  EXPECT_EQ(races.silent.open(), 2U);
  busy.clear();
  races.end();
}

}  // namespace
}  // namespace sluice
