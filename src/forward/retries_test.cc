// Retries, ejection and failover as a request meets them.
#include <gtest/gtest.h>

#include "config/kinds/retries.h"
#include "forward/replay_body.h"
#include "forward/static_upstream.h"
#include "forward/testing.h"
#include "upstream/retry_policy.h"

namespace sluice {
namespace {

struct Rules final : RouteRules {
  void rewrite_request(Request&) const override {}
  void finish_response(Request&, Response& response) const override { response.finished = true; }
};

// An Upstream of some hosts, each played by the test.
struct World {
  explicit World(size_t hosts, const kinds::CircuitBreakers& breakers = {}) {
    loop.use_manual_clock(SteadyTime(1000s), WallTime(0s));
    cluster->cluster = common = std::make_shared<Cluster>("c", breakers, 1, metrics);
    for (size_t i = 0; i < hosts; ++i) {
      upstreams_there.push_back(std::make_unique<TestUpstream>(loop));
      cluster->hosts.push_back({.name = "",
                                .address = IpAddress::v4(127, 0, 0, 1),
                                .port = upstreams_there.back()->address.port(),
                                .weight = 1});
    }
  }
  void retry(std::string_view on, uint32_t times = 1, Nanos per_try = {}) {
    kinds::Retries config;
    config.num_retries = times;
    config.per_try_timeout = per_try;
    if (on == "5xx") config.retry_on.add(kinds::RetryOn::server_error);
    if (on == "reset") config.retry_on.add(kinds::RetryOn::reset);
    if (on == "connect-failure") config.retry_on.add(kinds::RetryOn::connect_failure);
    policy.emplace(config);
    rules.retries = &*policy;
  }
  // The end of the connection on which a request waits for its answer; null when none comes.
  TestPeer* asked(std::string_view end_of_request = "\r\n\r\n") {
    TestPeer* found = nullptr;
    turn_until(loop, [&] {
      for (auto& upstream : upstreams_there)
        for (TestPeer& peer : upstream->peers)
          if (peer.hears(end_of_request)) found = &peer;
      if (!found) loop.advance(10ms);  // a wait before the next try
      return found != nullptr;
    });
    return found;
  }
  // Answers the next request that comes, whoever gets it; the number of that host.
  std::optional<size_t> answer(std::string_view response, std::string_view end_of_request = "\r\n\r\n") {
    TestPeer* peer = asked(end_of_request);
    if (!peer) return std::nullopt;
    peer->forget();
    peer->say(response);
    for (size_t i = 0; i < upstreams_there.size(); ++i)
      for (TestPeer& one : upstreams_there[i]->peers)
        if (&one == peer) return i;
    return std::nullopt;
  }
  int64_t value(const Counter* counter) const { return counter->value(); }

  Loop loop;
  Metrics metrics{1};
  Rules rules;
  std::optional<RetryPolicy> policy;
  std::vector<std::unique_ptr<TestUpstream>> upstreams_there;
  std::shared_ptr<Cluster> common;
  Upstreams upstreams{loop};
  OwnedLoops loops{{&loop}};
  std::shared_ptr<StaticCluster> cluster = std::make_shared<StaticCluster>(loops);
};

// A body that its client sends later.
class LateBody final : public BodyReader {
 public:
  explicit LateBody(Loop& loop) : loop_(loop) {}
  void give(std::string text) {
    text_ = std::move(text);
    came_.notify(loop_);
  }
  Task<Chunk> read() override {
    while (text_.empty()) {
      auto waiting = came_.wait(loop_);
      CO_TRY(co_await waiting);
    }
    co_return Chunk{{text_.data(), text_.size()}, true};
  }

 private:
  Loop& loop_;
  std::string text_;
  Event came_;
};

struct Trip : UpstreamTrip {
  Trip(World& w, BodyReader& body)
      : UpstreamTrip(w.loop, w.upstreams, make_static_upstream(w.cluster),
                     {.method = "POST", .rules = &w.rules, .reader = &body}) {}
  explicit Trip(World& w, std::string_view method = "GET", std::string_view body = {}, size_t body_buffer = 1 << 20)
      : UpstreamTrip(w.loop, w.upstreams, make_static_upstream(w.cluster),
                     {.method = method, .rules = &w.rules, .body = std::string(body), .body_buffer = body_buffer}) {}
};

constexpr std::string_view kOk = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
constexpr std::string_view kBusy = "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n";

TEST(Retries, go_to_a_host_that_has_not_been_tried) {
  World world(3);
  world.retry("5xx", 2);
  for (int i = 0; i < 5; ++i) {
    Trip trip(world);
    const auto first = world.answer(kBusy);
    const auto second = world.answer(kBusy);
    const auto third = world.answer(kOk);
    ASSERT_TRUE(trip.done());
    EXPECT_EQ(trip.response.status, 200);
    ASSERT_TRUE(first && second && third);
    EXPECT_EQ(*first + *second + *third, 3U) << *first << *second << *third;
    EXPECT_TRUE(*first != *second && *second != *third);
    EXPECT_EQ(trip.info.attempts, 3U);
  }
  const ClusterMetrics& metrics = world.common->metrics;
  EXPECT_EQ(metrics.request_retries->value(), 10);
  EXPECT_EQ(metrics.retry_success->value(), 5);
  EXPECT_EQ(metrics.retry_waits->value(), 10);
  EXPECT_EQ(metrics.responses[4]->value(), 10);
  EXPECT_EQ(metrics.requests->value(), 15);
  EXPECT_EQ(metrics.retries_active->value(), 0);
}

TEST(Retries, end_with_the_last_answer_and_its_flag) {
  World world(1);
  world.retry("5xx");
  Trip trip(world);
  ASSERT_TRUE(world.answer(kBusy));
  ASSERT_TRUE(world.answer("HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n"));
  ASSERT_TRUE(trip.done());
  EXPECT_EQ(trip.response.status, 500);
  EXPECT_EQ(trip.info.flags_text(), "URX");
  EXPECT_EQ(world.common->metrics.retry_limit_exceeded->value(), 1);
}

TEST(Retries, happen_only_where_the_route_says_so) {
  World world(2);
  for (const bool with_policy : {false, true}) {
    if (with_policy) world.retry("reset");
    Trip trip(world);
    ASSERT_TRUE(world.answer(kBusy));
    ASSERT_TRUE(trip.done());
    EXPECT_EQ(trip.response.status, 503);
    EXPECT_EQ(trip.info.flags_text(), "-");
  }
  EXPECT_EQ(world.common->metrics.request_retries->value(), 0);
}

TEST(Retries, send_the_body_again_from_its_beginning) {
  World world(2);
  world.retry("5xx", 3);
  Trip trip(world, "POST", "all of the body");
  for (const std::string_view response : {kBusy, kBusy, kOk}) {
    TestPeer* peer = world.asked("all of the body");
    ASSERT_TRUE(peer);
    EXPECT_TRUE(peer->hears("content-length: 15\r\n"));
    peer->forget();
    peer->say(response);
  }
  ASSERT_TRUE(trip.done());
  EXPECT_EQ(trip.response.status, 200);
}

// Its first piece is at hand, the rest comes when the test says so.
class HalfBody final : public BodyReader {
 public:
  // `padding`: with a piece before the first, and all so large that they share no memory.
  explicit HalfBody(Loop& loop, size_t padding = 0)
      : loop_(loop),
        at_hand_(padding > 0 ? 2 : 1),
        before_(padding, '.'),
        first_(before_ + "part"),
        second_(before_ + "the rest") {}
  Task<Chunk> read() override {
    if (at_hand_ > 0) return Chunk{--at_hand_ > 0 ? before_ : first_, false};
    return wait();
  }
  void come() { rest_.notify(loop_); }

 private:
  Task<Chunk> wait() {
    auto waiting = rest_.wait(loop_);
    CO_TRY(co_await waiting);
    co_return Chunk{second_, true};
  }
  Loop& loop_;
  Event rest_;
  int at_hand_;
  std::string before_;
  std::string first_;
  std::string second_;
};

// The sender of the try before still waits for the client; what it reads then is more than is kept.
TEST(Retries, send_all_of_a_body_that_grew_too_large_while_they_waited) {
  World world(1);
  world.retry("5xx");
  HalfBody body(world.loop, 20'000);
  UpstreamTrip trip(world.loop, world.upstreams, make_static_upstream(world.cluster),
                    {.method = "POST", .rules = &world.rules, .body_buffer = 50'000, .reader = &body});
  ASSERT_TRUE(world.answer(kBusy, "part"));
  // Between the answer and the next try there is a wait, but for one draw in many thousands.
  settle(world.loop);
  body.come();
  settle(world.loop);
  TestPeer* peer = world.asked("the rest\r\n0\r\n");
  ASSERT_TRUE(peer);
  EXPECT_TRUE(peer->hears("\r\n\r\n4e20\r\n....")) << "the first piece";
  EXPECT_TRUE(peer->hears("part"));
  peer->say(kOk);
  ASSERT_TRUE(trip.done());
  EXPECT_EQ(trip.response.status, 200);
}

// That the sender of a try before comes to its end is no fault of the body's.
TEST(Retries, go_on_after_the_sender_of_a_try_before_has_ended) {
  World world(1);
  world.retry("5xx", 2);
  HalfBody body(world.loop);
  UpstreamTrip trip(world.loop, world.upstreams, make_static_upstream(world.cluster),
                    {.method = "POST", .rules = &world.rules, .reader = &body});
  ASSERT_TRUE(world.answer(kBusy, "part"));
  ASSERT_TRUE(world.asked("part"));
  body.come();
  ASSERT_TRUE(world.answer(kBusy, "the rest"));
  ASSERT_TRUE(world.answer(kOk, "the rest"));
  ASSERT_TRUE(trip.done());
  EXPECT_EQ(trip.response.status, 200);
}

TEST(Retries, do_not_happen_where_the_body_was_too_large_to_keep) {
  World world(2);
  world.retry("5xx", 3);
  const std::string body(3000, 'x');
  Trip trip(world, "POST", body, 1000);
  ASSERT_TRUE(world.answer(kBusy, body));
  ASSERT_TRUE(trip.done());
  EXPECT_EQ(trip.response.status, 503);
  EXPECT_EQ(trip.info.flags_text(), "-");
}

TEST(Retries, come_after_perTryTimeout) {
  World world(2);
  world.retry("5xx", 1, 100ms);
  Trip trip(world);
  TestPeer* silent = world.asked();
  ASSERT_TRUE(silent);
  silent->forget();
  world.loop.advance(100ms);
  ASSERT_TRUE(world.answer(kOk));
  ASSERT_TRUE(trip.done());
  EXPECT_EQ(trip.response.status, 200);
  EXPECT_EQ(world.common->metrics.per_try_timeouts->value(), 1);

  Trip in_vain(world);
  for (int i = 0; i < 2; ++i) {
    TestPeer* peer = world.asked();
    ASSERT_TRUE(peer) << i;
    peer->forget();
    world.loop.advance(100ms);
  }
  ASSERT_TRUE(in_vain.done());
  EXPECT_EQ(in_vain.response.status, 504);
  EXPECT_EQ(in_vain.info.details, "upstream_per_try_timeout");
}

TEST(Retries, leave_a_response_that_has_begun_to_the_routes_timeout) {
  World world(1);
  world.retry("5xx", 1, 100ms);
  Trip trip(world);
  TestPeer* peer = world.asked();
  ASSERT_TRUE(peer);
  peer->say("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nhe");
  ASSERT_TRUE(trip.done());
  world.loop.advance(200ms);
  settle(world.loop);
  EXPECT_EQ(world.common->metrics.per_try_timeouts->value(), 0);
  EXPECT_EQ(trip.info.flags_text(), "-");
}

// Every try is refused before the client has sent its body, which then comes.
struct UploadThatWaits {
  explicit UploadThatWaits(World& w) : world(w), trip(w, body) {}
  void refuse(int times) {
    for (int i = 0; i < times; ++i) ASSERT_TRUE(world.answer(kBusy)) << i;
  }
  World& world;
  LateBody body{world.loop};
  Trip trip;
};

TEST(Retries, of_an_upload_under_way_need_one_connection_alone) {
  kinds::CircuitBreakers breakers;
  breakers.max_connections = 1;
  World world(1, breakers);
  world.retry("5xx", 3);
  UploadThatWaits upload(world);
  upload.refuse(3);
  upload.body.give("body");
  ASSERT_TRUE(world.answer(kOk, "body"));
  ASSERT_TRUE(upload.trip.done());
  EXPECT_EQ(upload.trip.response.status, 200);
  EXPECT_EQ(world.common->metrics.connections_active->value(), 1);
}

TEST(Retries, do_not_end_because_an_earlier_one_lost_the_body) {
  World world(2);
  world.retry("5xx", 9);
  UploadThatWaits upload(world);
  upload.refuse(2);
  upload.body.give("body");
  ASSERT_TRUE(world.asked("body"));  // and so the first two have met that it is theirs no more
  settle(world.loop);
  ASSERT_TRUE(world.answer(kBusy, "body"));
  ASSERT_TRUE(world.answer(kOk, "body"));
  ASSERT_TRUE(upload.trip.done());
  EXPECT_EQ(upload.trip.response.status, 200);
}

TEST(Retries, have_the_routes_timeout_while_they_send_what_the_client_has_sent) {
  World world(2);
  world.rules.timeout = 1s;
  world.retry("5xx", 1);
  const std::string body(16 << 20, 'x');
  Trip trip(world, "POST", body, body.size());
  turn_until(world.loop, [&] {
    for (auto& upstream : world.upstreams_there)
      for (TestPeer& peer : upstream->peers) peer.hears("\n");
    return trip.info.request_end.has_value();
  });
  ASSERT_TRUE(world.answer(kBusy, "xxxxxxxx"));
  ASSERT_TRUE(turn_until(world.loop, [&] {
    world.loop.advance(1ms);  // the wait before the next try
    return world.common->metrics.connections->value() == 2;
  }));
  settle(world.loop);  // the second host reads nothing
  world.loop.advance(1s);
  ASSERT_TRUE(trip.done());
  EXPECT_EQ(trip.response.status, 504);
  EXPECT_EQ(trip.info.details, "response_timeout");
}

TEST(Retries, come_after_a_connection_that_ended_without_an_answer) {
  World world(2);
  world.retry("reset");
  Trip trip(world, "POST", "body");  // not repeated without being told to
  TestPeer* peer = world.asked("body");
  ASSERT_TRUE(peer);
  peer->forget();
  peer->close();
  ASSERT_TRUE(world.answer(kOk, "body"));
  ASSERT_TRUE(trip.done());
  EXPECT_EQ(trip.response.status, 200);
}

TEST(Retries, try_to_connect_again_when_no_host_can_be_connected_to) {
  World world(2);
  for (auto& upstream : world.upstreams_there) upstream->stop();
  world.retry("connect-failure", 3);
  Trip trip(world);
  for (int i = 0; i < 200 && trip.runner.running(); ++i) {
    settle(world.loop);
    world.loop.advance(10ms);
  }
  ASSERT_TRUE(trip.done());
  EXPECT_EQ(trip.response.status, 503);
  EXPECT_EQ(trip.info.flags_text(), "UF,URX");
  const ClusterMetrics& metrics = world.common->metrics;
  EXPECT_EQ(metrics.connect_failures->value(), 8) << "two hosts, four times";
  EXPECT_EQ(trip.info.attempts, 4U);
  EXPECT_EQ(metrics.requests->value(), 0) << "none was sent";
  EXPECT_EQ(metrics.responses[4]->value(), 1) << "the answer is the cluster's, though it is the gateway's own";
}

TEST(Retries, are_no_more_than_the_cluster_may_have) {
  kinds::CircuitBreakers breakers;
  breakers.max_retries = 0;
  World world(2, breakers);
  world.retry("5xx");
  Trip trip(world);
  ASSERT_TRUE(world.answer(kBusy));
  ASSERT_TRUE(trip.done());
  EXPECT_EQ(trip.response.status, 503);
  EXPECT_EQ(trip.info.flags_text(), "UO");
  EXPECT_EQ(world.common->metrics.retry_overflow->value(), 1);
}

TEST(Retries, count_until_a_response_has_begun) {
  World world(1);
  world.retry("5xx");
  Trip trip(world);
  ASSERT_TRUE(world.answer(kBusy));
  TestPeer* peer = world.asked();
  ASSERT_TRUE(peer);
  EXPECT_EQ(world.common->metrics.retries_active->value(), 1);
  peer->say("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nhe");
  ASSERT_TRUE(trip.done());
  EXPECT_EQ(world.common->metrics.retries_active->value(), 0);
}

TEST(Retries, do_not_outlast_the_routes_timeout) {
  World world(2);
  world.rules.timeout = 1s;
  world.retry("5xx", 5);
  Trip trip(world);
  ASSERT_TRUE(world.answer(kBusy));
  ASSERT_TRUE(world.asked());
  world.loop.advance(1s);
  ASSERT_TRUE(trip.done());
  EXPECT_EQ(trip.response.status, 504);
  EXPECT_EQ(trip.info.details, "response_timeout");
}

TEST(Retries, give_what_there_is_when_the_wait_is_longer_than_the_routes_timeout) {
  World world(2);
  world.rules.timeout = 1s;
  kinds::Retries config;
  config.retry_on.add(kinds::RetryOn::server_error);
  config.rate_limited_retry_back_off.reset_headers.push_back({.name = "retry-after"});
  world.policy.emplace(config);
  world.rules.retries = &*world.policy;
  Trip trip(world);
  ASSERT_TRUE(world.answer("HTTP/1.1 503 Busy\r\nretry-after: 5\r\ncontent-length: 0\r\n\r\n"));
  ASSERT_TRUE(trip.done());
  EXPECT_EQ(trip.response.status, 503);
  EXPECT_EQ(trip.info.flags_text(), "-");
}

TEST(Retries, cost_no_more_memory_the_more_there_are) {
  World world(1);
  world.retry("5xx", 300);
  world.rules.timeout = 0s;
  Trip trip(world, "POST", "body");
  size_t before = 0;
  for (int i = 0; i < 300; ++i) {
    ASSERT_TRUE(world.answer(kBusy, "body")) << i;
    if (i == 10) before = trip.arena.bytes_used();
  }
  ASSERT_TRUE(world.answer(kOk, "body"));
  ASSERT_TRUE(trip.done());
  EXPECT_EQ(trip.response.status, 200);
  EXPECT_LT(trip.arena.bytes_used() - before, 300U * 64) << "the address of each, and no more";
}

TEST(ReplayBody, keeps_many_small_reads_in_few_pieces_and_every_byte_in_its_place) {
  struct Drops final : BodyReader {
    Task<Chunk> read() override {
      byte = static_cast<char>('a' + count % 26);
      ++count;
      return Chunk{{&byte, 1}, count == 10'000};
    }
    size_t count = 0;
    char byte = 0;
  } drops;
  Loop loop;
  Arena arena;
  ReplayBody replay(loop, {&drops, 10'000}, 1 << 20, nullptr);
  for (int turn = 0; turn < 3; ++turn) {
    const Body body = replay.begin(arena);
    std::string got;
    size_t reads = 0;
    for (bool last = false; !last && reads < (turn == 0 ? 5'000U : 20'000U); ++reads) {
      auto reading = body.reader->read();
      ASSERT_TRUE(reading.ready()) << "what is at hand travels with the head";
      const auto chunk = reading.take();
      ASSERT_TRUE(chunk.has_value());
      got.append(chunk->bytes.data(), chunk->bytes.size());
      last = chunk->last;
    }
    ASSERT_EQ(got.size(), turn == 0 ? 5'000U : 10'000U);
    for (size_t i = 0; i < got.size(); ++i) ASSERT_EQ(got[i], static_cast<char>('a' + i % 26)) << i;
    if (turn == 2) {
      EXPECT_LE(reads, 4U);
    }
  }
}

TEST(ReplayBody, keeps_no_more_than_it_may_and_then_passes_the_rest_on) {
  struct Pieces final : BodyReader {
    Task<Chunk> read() override {
      if (++count == 50) return slow();
      return Chunk{{text.data(), text.size()}, count == 100};
    }
    Task<Chunk> slow() {
      auto waiting = more.wait(loop);
      CO_TRY(co_await waiting);
      co_return Chunk{{text.data(), text.size()}, false};
    }
    Loop loop;
    Event more;
    std::string text = std::string(1000, 'x');
    size_t count = 0;
  } pieces;
  Arena arena;
  ReplayBody replay(pieces.loop, {&pieces, 100'000}, 5'000, nullptr);
  const Body body = replay.begin(arena);
  size_t bytes = 0;
  bool last = false;
  const auto read = [&]() -> Task<void> {
    auto reading = body.reader->read();
    const Chunk chunk = CO_TRY(co_await reading);
    bytes += chunk.bytes.size();
    last = chunk.last;
    co_return Status{};
  };
  Runner runner(nullptr, [](void*, Result<void>) {});
  while (!last) {
    runner.start(read());
    if (runner.running()) {
      EXPECT_TRUE(replay.holds_nothing()) << "while it waits for more";
      pieces.more.notify(pieces.loop);
      settle(pieces.loop);
    }
    ASSERT_FALSE(runner.running());
    EXPECT_EQ(replay.can_begin_again(), bytes <= 5'000) << bytes;
  }
  EXPECT_EQ(bytes, 100'000U);
}

TEST(Retries, end_with_their_client) {
  World world(2);
  world.retry("5xx", 5);
  Trip trip(world, "POST", "body");
  ASSERT_TRUE(world.answer(kBusy, "body"));
  settle(world.loop);
  trip.runner.cancel();  // while it waits for the next try, or just after
  EXPECT_TRUE(trip.done());
}

TEST(Ejection, keeps_requests_away_from_a_host_that_answers_badly) {
  World world(2);
  kinds::OutlierDetection detection;
  detection.consecutive_5xx = 2;
  detection.base_ejection_time = 30s;
  world.common->detect_outliers(detection);
  size_t bad = 0;
  std::vector<size_t> served;
  const auto ask = [&] {
    Trip trip(world);
    TestPeer* peer = world.asked();
    CHECK(peer != nullptr);
    peer->forget();
    size_t host = 0;
    for (size_t i = 0; i < 2; ++i)
      for (TestPeer& one : world.upstreams_there[i]->peers)
        if (&one == peer) host = i;
    served.push_back(host);
    bad += host == 0;
    peer->say(host == 0 ? kBusy : kOk);
    CHECK(trip.done());
  };
  for (int i = 0; i < 20; ++i) ask();
  EXPECT_EQ(bad, 2U);
  world.loop.advance(30s);
  for (int i = 0; i < 4; ++i) ask();
  EXPECT_EQ(bad, 4U);
  ASSERT_TRUE(world.common->ejections);
  EXPECT_EQ(world.common->ejections->enforced->value(), 2);
}

TEST(LeastRequest, goes_to_the_host_with_less_to_do) {
  World world(2);
  world.common->balancing.balancing = Balancing::least_request;
  Trip busy(world);
  TestPeer* first = world.asked();
  ASSERT_TRUE(first);
  first->forget();
  for (int i = 0; i < 10; ++i) {
    Trip trip(world);
    TestPeer* peer = world.asked();
    ASSERT_TRUE(peer);
    EXPECT_NE(peer, first);
    peer->forget();
    peer->say(kOk);
    ASSERT_TRUE(trip.done());
  }
  EXPECT_EQ(world.upstreams_there[0]->peers.size() + world.upstreams_there[1]->peers.size(), 2U);
}

// Nothing has been sent, so the client's part of the timeout has not begun; the connects have theirs together.
TEST(Retries, of_connects_take_no_longer_than_the_timeout_of_the_route_though_a_body_waits) {
  World world(1);
  world.retry("connect-failure", 10);
  world.rules.timeout = 12s;
  SilentDialer silent;
  Upstreams upstreams(world.loop, silent);
  for (const std::string body : {"", "x"}) {
    silent.calls.clear();
    UpstreamTrip trip(world.loop, upstreams, make_static_upstream(world.cluster),
                      {.method = "POST", .rules = &world.rules, .body = body});
    const SteadyTime begun = world.loop.now();
    while (trip.runner.running() && world.loop.now() < begun + 100s) {
      settle(world.loop);
      world.loop.advance(1s);
    }
    EXPECT_LE(world.loop.now() - begun, 13s) << "with the body `" << body << "`";
    EXPECT_EQ(trip.response.status, 504);
    EXPECT_EQ(trip.info.flags_text(), "UT");
    EXPECT_EQ(silent.calls.size(), 3U);
  }
  world.cluster.reset();
  settle(world.loop);
}

}  // namespace
}  // namespace sluice
