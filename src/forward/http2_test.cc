// Upstreams that speak HTTP/2, as requests meet them: several on a connection, waiting for one, sent again.
#include <gtest/gtest.h>

#include "config/kinds/max_stream_duration.h"
#include "config/kinds/retries.h"
#include "forward/static_upstream.h"
#include "forward/testing.h"
#include "http/h2/client_testing.h"
#include "net/memory_network.h"
#include "upstream/retry_policy.h"

namespace sluice {
namespace {

using h2::TestHost;

struct Rules final : RouteRules {
  void rewrite_request(Request&) const override {}
  void finish_response(Request&, Response& response) const override { response.finished = true; }
};

// One host in memory, which takes calls at once or when the test says so.
struct World final : private MemoryNetwork::Host {
  explicit World(const kinds::CircuitBreakers& breakers = {}, UpstreamProtocol protocol = UpstreamProtocol::http2) {
    loop.use_manual_clock(SteadyTime(1'000'000s), WallTime(0s));
    const auto address = IpAddress::v4(127, 0, 1, 1);
    network.listen(SocketAddress::of({address, 80}), *this);
    common = std::make_shared<Cluster>("c", breakers, 1, metrics);
    common->protocol = protocol;
    cluster->cluster = common;
    cluster->hosts.push_back({.name = "", .address = address, .port = 80, .weight = 1});
  }
  void retry(kinds::RetryOn on, uint32_t times = 1) {
    kinds::Retries config;
    config.num_retries = times;
    config.retry_on.add(on);
    policy.emplace(config);
    rules.retries = &*policy;
  }
  void called(MemoryCall call) override {
    if (holds)
      held.push_back(std::move(call));
    else
      hosts.push_back(std::make_unique<TestHost>(call.accept(), options));
  }
  void accept() {
    hosts.push_back(std::make_unique<TestHost>(held.front().accept(), options));
    held.pop_front();
  }
  // So many requests have come, over all connections.
  bool hears(size_t requests) {
    return turn_until(loop, [&] { return asked() >= requests; });
  }
  size_t asked() const {
    size_t out = 0;
    for (const auto& host : hosts) out += host->asked.size();
    return out;
  }
  // Answers all that have come to a connection.
  static void answer_all(TestHost& host, std::string_view body = "ok") {
    for (auto& one : host.asked)
      if (one.ended && !one.closed) host.answer(one.id, "200", std::string(body));
  }

  Loop loop;
  Metrics metrics{1};
  Rules rules;
  std::optional<RetryPolicy> policy;
  MemoryNetwork network;
  bool holds = false;
  bool grpc = false;  // requests are
  TestHost::Options options;
  std::deque<MemoryCall> held;
  std::vector<std::unique_ptr<TestHost>> hosts;
  std::shared_ptr<Cluster> common;
  Upstreams upstreams{loop, network, 1};
  OwnedLoops loops{{&loop}};
  std::shared_ptr<StaticCluster> cluster = std::make_shared<StaticCluster>(loops);
};

struct Trip : UpstreamTrip {
  explicit Trip(World& w, std::string_view method = "GET", std::string_view body = {})
      : UpstreamTrip(w.loop, w.upstreams, make_static_upstream(w.cluster),
                     {.method = method, .rules = &w.rules, .body = std::string(body), .grpc = w.grpc}) {}
  // As its connection does behind a response.
  void leave() {
    background.cancel();
    arena.reset();
  }
  enum ByProtocol : uint8_t { by_protocol };
  Trip(World& w, std::string_view protocol, ByProtocol)
      : UpstreamTrip(w.loop, w.upstreams, make_static_upstream(w.cluster), {.protocol = protocol, .rules = &w.rules}) {}
  Trip(World& w, BodyReader& body)
      : UpstreamTrip(w.loop, w.upstreams, make_static_upstream(w.cluster),
                     {.method = "POST", .rules = &w.rules, .reader = &body}) {}
};

TEST(ForwardHttp2, shares_a_connection_and_keeps_it) {
  World world;
  for (int round = 0; round < 3; ++round) {
    std::deque<Trip> trips;
    for (int i = 0; i < 5; ++i) trips.emplace_back(world);
    ASSERT_TRUE(world.hears(size_t(5 * (round + 1))));
    EXPECT_EQ(world.network.dials(), 1U);
    EXPECT_EQ(world.common->metrics.requests_active->value(), 5);
    world.answer_all(*world.hosts[0]);
    for (Trip& trip : trips) {
      ASSERT_TRUE(trip.done());
      EXPECT_EQ(trip.response.status, 200);
      EXPECT_EQ(trip.read(), "ok");
    }
    trips.clear();
    EXPECT_EQ(world.common->metrics.connections_active->value(), 1);
  }
  EXPECT_EQ(world.common->metrics.http2_connections->value(), 1);
  EXPECT_EQ(world.common->metrics.http2.tx_reset->value(), 0);
}

// By the status in the head or behind the body.
TEST(ForwardHttp2, counts_what_gRPC_says) {
  World world;
  const auto send = [&](const h2::TestFields& head, std::string body, const h2::TestFields& trailers) {
    Trip trip(world, "POST");
    EXPECT_TRUE(world.hears(world.asked() + 1));
    TestHost& host = *world.hosts[0];
    const int32_t id = host.asked.back().id;
    const bool last = body.empty();
    host.head(id, head, last);
    if (!last) host.body(id, std::move(body), true, trailers);
    EXPECT_TRUE(trip.done());
    trip.read();
    trip.leave();
  };
  const auto counted = [&] {
    const ClusterMetrics& m = world.common->metrics;
    return fmt::format("{} {} {}", m.grpc_total->value(), m.grpc_success->value(), m.grpc_failure->value());
  };
  send({{":status", "200"}}, "x", {{"grpc-status", "0"}});
  EXPECT_EQ(counted(), "0 0 0") << "it is no gRPC";
  world.grpc = true;
  send({{":status", "200"}}, "x", {{"grpc-status", "0"}});
  EXPECT_EQ(counted(), "1 1 0");
  send({{":status", "200"}}, "x", {{"grpc-status", "5"}});
  EXPECT_EQ(counted(), "2 1 1");
  send({{":status", "200"}, {"grpc-status", "14"}}, "", {});
  EXPECT_EQ(counted(), "3 1 2");
  send({{":status", "200"}}, "x", {});
  EXPECT_EQ(counted(), "4 1 3");
}

TEST(ForwardHttp2, sends_again_what_gRPC_says_is_unavailable) {
  World world;
  world.grpc = true;
  world.retry(kinds::RetryOn::grpc_unavailable);
  Trip trip(world);
  ASSERT_TRUE(world.hears(1));
  TestHost& host = *world.hosts[0];
  host.head(host.asked[0].id, {{":status", "200"}, {"grpc-status", "14"}}, true);
  ASSERT_TRUE(turn_until(world.loop, [&] {
    world.loop.advance(1ms);
    return world.asked() == 2;
  }));
  host.head(host.asked[1].id, {{":status", "200"}, {"grpc-status", "0"}}, true);
  ASSERT_TRUE(trip.done());
  EXPECT_EQ(trip.response.headers->get("grpc-status"), "0");
}

// The route's longest time, wherever the request is: it waits for a connection, for a response, for the rest of one.
TEST(ForwardHttp2, ends_what_lasts_longer_than_maxStreamDuration) {
  for (const std::string_view at : {"connecting", "waiting", "reading"}) {
    World world;
    world.grpc = true;
    world.rules.timeout = 0s;
    world.rules.stream_duration = std::make_shared<const kinds::MaxStreamDuration>(
        kinds::MaxStreamDuration{.max_stream_duration = 10s, .grpc_timeout_header_max = {}});
    world.holds = at == "connecting";
    world.common->connect_timeout = 60s;
    Trip trip(world);
    if (at != "connecting") {
      ASSERT_TRUE(world.hears(1));
    }
    if (at == "reading") {
      world.hosts[0]->head(world.hosts[0]->asked[0].id, {{":status", "200"}}, false);
      ASSERT_TRUE(trip.done());
    }
    settle_in_memory(world.loop);
    world.loop.advance(9999ms);
    settle_in_memory(world.loop);
    EXPECT_EQ(trip.info.outcome.kind, OutcomeKind::none) << at;
    world.loop.advance(1ms);
    settle_in_memory(world.loop);
    EXPECT_EQ(trip.info.details, "max_duration_timeout") << at;
    if (at == "reading") continue;
    ASSERT_TRUE(trip.done()) << at;
    EXPECT_EQ(trip.response.headers->get("grpc-status"), "4");
    EXPECT_EQ(trip.response.headers->get("grpc-message"), "downstream duration timeout");
  }
}

TEST(ForwardHttp2, waits_for_a_connection_that_another_request_is_opening) {
  World world;
  world.holds = true;
  std::deque<Trip> trips;
  for (int i = 0; i < 5; ++i) trips.emplace_back(world);
  settle_in_memory(world.loop);
  EXPECT_EQ(world.network.dials(), 1U);
  EXPECT_EQ(world.common->metrics.pending_active->value(), 4);
  world.accept();
  ASSERT_TRUE(world.hears(5));
  EXPECT_EQ(world.common->metrics.pending_active->value(), 0);
  world.answer_all(*world.hosts[0]);
  for (Trip& trip : trips) ASSERT_TRUE(trip.done());
}

// RFC 9113 5.1.2: it says so at any time, and perhaps it is only heard as the connection is wanted.
TEST(ForwardHttp2, leaves_an_idle_connection_whose_upstream_takes_no_more_requests) {
  for (const bool heard_before : {true, false}) {
    SCOPED_TRACE(heard_before);
    World world;
    std::optional<Trip> first(std::in_place, world);
    ASSERT_TRUE(world.hears(1));
    world.answer_all(*world.hosts[0]);
    ASSERT_TRUE(first->done());
    first.reset();
    settle_in_memory(world.loop);
    world.hosts[0]->settings({{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 0}});
    if (heard_before) settle_in_memory(world.loop);
    Trip second(world);
    ASSERT_TRUE(world.hears(2));
    EXPECT_EQ(world.network.dials(), 2U);
    world.answer_all(*world.hosts[1]);
    ASSERT_TRUE(second.done());
    EXPECT_EQ(second.response.status, 200);
    EXPECT_EQ(world.common->metrics.connections_active->value(), 1);
  }
}

// RFC 9113 5.1.2: how many streams it takes an upstream says first of all. Whoever sent more before would be refused.
TEST(ForwardHttp2, sends_no_more_than_one_request_before_the_upstream_has_said_how_many_it_takes) {
  World world;
  world.options.settings = {{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 2}};
  world.options.hesitates = true;
  std::deque<Trip> trips;
  for (int i = 0; i < 10; ++i) trips.emplace_back(world);
  settle_in_memory(world.loop);
  for (int i = 0; i < 10; ++i) trips.emplace_back(world);
  for (size_t i = 0; i < 10; ++i) {
    settle_in_memory(world.loop);
    ASSERT_EQ(world.hosts.size(), i + 1);
    world.hosts[i]->speak();
    ASSERT_TRUE(world.hears(2 * (i + 1))) << i;
  }
  EXPECT_EQ(world.common->metrics.http2.rx_reset->value(), 0);
  for (const auto& host : world.hosts) world.answer_all(*host);
  for (Trip& trip : trips) ASSERT_TRUE(trip.done());
  EXPECT_EQ(world.common->metrics.request_retries->value(), 0);
}

// One that says nothing, or ends first, leaves those that wait for it to look for another.
TEST(ForwardHttp2, looks_for_another_connection_when_one_ends_before_it_has_said_how_many_requests_it_takes) {
  World world;
  world.options.is_http2 = false;
  std::optional<Trip> first(std::in_place, world);
  ASSERT_TRUE(turn_until(world.loop, [&] { return world.hosts.size() == 1; }));
  Trip second(world), third(world);
  settle_in_memory(world.loop);
  EXPECT_EQ(world.network.dials(), 1U);
  world.options.is_http2 = true;
  world.hosts[0]->abort();
  ASSERT_TRUE(first->done());
  ASSERT_TRUE(world.hears(2));
  EXPECT_EQ(world.network.dials(), 2U);
  world.answer_all(*world.hosts[1]);
  ASSERT_TRUE(second.done() && third.done());
  EXPECT_EQ(third.response.status, 200);
}

TEST(ForwardHttp2, does_not_wait_behind_more_requests_than_one_connection_is_for) {
  World world;
  world.holds = true;
  std::deque<Trip> trips;
  for (int i = 0; i < 102; ++i) trips.emplace_back(world);
  settle_in_memory(world.loop);
  EXPECT_EQ(world.network.dials(), 2U);
}

TEST(ForwardHttp2, bounds_who_waits_for_a_connection_that_is_being_opened) {
  kinds::CircuitBreakers breakers;
  breakers.max_pending_requests = 2;
  World world(breakers);
  world.holds = true;
  std::deque<Trip> trips;
  for (int i = 0; i < 4; ++i) trips.emplace_back(world);
  settle_in_memory(world.loop);
  EXPECT_EQ(world.common->metrics.pending_overflow->value(), 1);
  ASSERT_TRUE(trips[3].done());
  EXPECT_EQ(trips[3].response.status, 503);
  EXPECT_EQ(trips[3].info.flags_text(), "UO");
}

TEST(ForwardHttp2, that_wait_for_a_connection_share_its_failure) {
  World world;
  world.holds = true;
  std::deque<Trip> trips;
  for (int i = 0; i < 3; ++i) trips.emplace_back(world);
  settle_in_memory(world.loop);
  world.held.front().refuse();
  for (Trip& trip : trips) {
    ASSERT_TRUE(trip.done());
    EXPECT_EQ(trip.response.status, 503);
    EXPECT_EQ(trip.info.flags_text(), "UF");
  }
  EXPECT_EQ(world.network.dials(), 1U);
}

TEST(ForwardHttp2, opens_a_connection_itself_when_who_did_it_has_left) {
  World world;
  world.holds = true;
  std::optional<Trip> first(std::in_place, world);
  Trip second(world), third(world);
  settle_in_memory(world.loop);
  first.reset();
  ASSERT_TRUE(turn_until(world.loop, [&] { return world.network.dials() == 2; }));
  world.held.pop_front();
  world.accept();
  ASSERT_TRUE(world.hears(2));
  world.answer_all(*world.hosts[0]);
  ASSERT_TRUE(second.done() && third.done());
  EXPECT_EQ(third.response.status, 200);
}

TEST(ForwardHttp2, opens_another_connection_when_all_are_full_and_waits_when_it_may_not) {
  kinds::CircuitBreakers breakers;
  breakers.max_connections = 2;
  World world(breakers);
  world.options.settings = {{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 2}};
  std::deque<Trip> trips;
  const auto go = [&] {
    trips.emplace_back(world);
    settle_in_memory(world.loop);
  };
  for (int i = 0; i < 4; ++i) go();
  EXPECT_EQ(world.network.dials(), 2U);
  EXPECT_EQ(world.hosts[0]->asked.size(), 2U);
  EXPECT_EQ(world.hosts[1]->asked.size(), 2U);
  go();
  EXPECT_EQ(world.common->metrics.pending_active->value(), 1);
  world.answer_all(*world.hosts[1]);
  ASSERT_TRUE(trips[2].done());
  EXPECT_EQ(trips[2].read(), "ok");
  trips[2].leave();
  ASSERT_TRUE(world.hears(5));
  EXPECT_EQ(world.hosts[1]->asked.size(), 3U);
}

// A stream that is over makes room before its request is, which may take its time to read what came.
TEST(ForwardHttp2, has_a_request_wait_no_longer_than_a_connection_is_full) {
  enum class How : uint8_t { answered, left, more_allowed };
  for (const How how : {How::answered, How::left, How::more_allowed}) {
    kinds::CircuitBreakers breakers;
    breakers.max_connections = 1;
    World world(breakers);
    world.options.settings = {{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 2}};
    std::deque<Trip> trips;
    for (int i = 0; i < 5; ++i) {
      trips.emplace_back(world);
      settle_in_memory(world.loop);
    }
    ASSERT_EQ(world.asked(), 2U);
    EXPECT_EQ(world.common->metrics.pending_active->value(), 3);
    TestHost& host = *world.hosts[0];
    switch (how) {
      case How::answered: world.answer_all(host); break;
      case How::left: trips.pop_front(); break;
      case How::more_allowed: host.settings({{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 10}}); break;
    }
    const size_t expected = how == How::answered ? 4 : how == How::left ? 3 : 5;
    EXPECT_TRUE(world.hears(expected)) << int(how);
    settle_in_memory(world.loop);
    EXPECT_EQ(world.asked(), expected) << "and no more than are allowed";
    EXPECT_EQ(world.network.dials(), 1U);
  }
}

TEST(ForwardHttp2, tells_those_that_wait_of_a_connection_that_has_room_for_them) {
  kinds::CircuitBreakers breakers;
  breakers.max_connections = 1;
  World world(breakers);
  world.holds = true;
  std::deque<Trip> trips;
  for (int i = 0; i < 110; ++i) trips.emplace_back(world);
  settle_in_memory(world.loop);
  world.accept();
  EXPECT_TRUE(world.hears(110));
  EXPECT_EQ(world.network.dials(), 1U);
}

TEST(ForwardHttp2, sends_a_request_again_that_nobody_has_looked_at) {
  struct Row {
    std::string_view method, body;
    bool refused;
  };
  for (const auto& [method, body, refused] :
       {Row{"GET", "", true}, Row{"GET", "", false}, Row{"POST", "", true}, Row{"POST", "a body", true},
        Row{"POST", "a body", false}, Row{"PATCH", "a body", false}}) {
    World world;
    Trip trip(world, method, body);
    ASSERT_TRUE(world.hears(1));
    settle_in_memory(world.loop);
    if (refused)
      world.hosts[0]->reset(1, NGHTTP2_REFUSED_STREAM);
    else
      world.hosts[0]->leave(0);
    ASSERT_TRUE(world.hears(2)) << method;
    settle_in_memory(world.loop);
    EXPECT_EQ(world.network.dials(), refused ? 1U : 2U);
    TestHost& host = *world.hosts.back();
    EXPECT_EQ(host.asked.back().body, body);
    host.answer(host.asked.back().id, "200");
    ASSERT_TRUE(trip.done());
    EXPECT_EQ(trip.response.status, 200);
    EXPECT_EQ(trip.info.flags_text(), "-");
    EXPECT_EQ(world.common->metrics.request_retries->value(), 1);
  }
}

TEST(ForwardHttp2, does_not_ask_an_upstream_for_ever_that_refuses) {
  World world;
  Trip trip(world);
  for (size_t i = 0; i < 3; ++i) {
    ASSERT_TRUE(world.hears(i + 1));
    world.hosts[0]->reset(world.hosts[0]->asked.back().id, NGHTTP2_REFUSED_STREAM);
  }
  ASSERT_TRUE(trip.done());
  EXPECT_EQ(trip.response.status, 503);
  EXPECT_EQ(trip.info.flags_text(), "UC");
}

TEST(ForwardHttp2, tries_again_after_refusals_as_the_route_says) {
  World world;
  world.retry(kinds::RetryOn::refused_stream, 1);
  Trip trip(world);
  for (size_t i = 0; i < 6; ++i) {
    ASSERT_TRUE(turn_until(world.loop, [&] {
      world.loop.advance(10ms);
      return world.asked() > i;
    })) << i;
    world.hosts[0]->reset(world.hosts[0]->asked.back().id, NGHTTP2_REFUSED_STREAM);
  }
  ASSERT_TRUE(trip.done());
  EXPECT_EQ(trip.response.status, 503);
  EXPECT_EQ(trip.info.flags_text(), "UC,URX");
  EXPECT_EQ(trip.info.upstream_protocol, "HTTP/2");
}

// One of them may have been acted on.
TEST(ForwardHttp2, sends_nothing_again_that_may_have_been_acted_on) {
  for (const std::string_view method : {"POST", "GET"}) {
    World world;
    Trip trip(world, method);
    ASSERT_TRUE(world.hears(1));
    world.hosts[0]->reset(1, NGHTTP2_INTERNAL_ERROR);
    ASSERT_TRUE(trip.done());
    EXPECT_EQ(trip.response.status, 503);
  }
}

TEST(ForwardHttp2, finishes_on_a_connection_that_says_goodbye_and_opens_another) {
  World world;
  Trip first(world);
  ASSERT_TRUE(world.hears(1));
  world.hosts[0]->leave(1);
  settle_in_memory(world.loop);
  Trip second(world);
  ASSERT_TRUE(world.hears(2));
  EXPECT_EQ(world.network.dials(), 2U);
  world.hosts[0]->answer(1, "200", "old");
  world.hosts[1]->answer(1, "200", "new");
  ASSERT_TRUE(first.done() && second.done());
  EXPECT_EQ(first.read(), "old");
  EXPECT_EQ(second.read(), "new");
  EXPECT_EQ(world.common->metrics.http2.goaway_received->value(), 1);
}

// The first request on a connection has no answer yet when that breaks; those that came later may go once more, and all
// of them find the same new connection.
TEST(ForwardHttp2, repeats_what_is_safe_when_a_shared_connection_breaks) {
  World world;
  std::deque<Trip> trips;
  for (int i = 0; i < 4; ++i) {
    trips.emplace_back(world, i < 3 ? "GET" : "POST");
    ASSERT_TRUE(world.hears(size_t(i) + 1));
  }
  world.hosts[0]->abort();
  ASSERT_TRUE(trips[0].done() && trips[3].done());
  EXPECT_EQ(trips[0].response.status, 503);
  EXPECT_EQ(trips[3].response.status, 503);
  ASSERT_TRUE(world.hears(6));
  EXPECT_EQ(world.network.dials(), 2U);
  world.answer_all(*world.hosts[1]);
  ASSERT_TRUE(trips[1].done() && trips[2].done());
  EXPECT_EQ(trips[2].response.status, 200);
}

TEST(ForwardHttp2, lets_one_request_leave_while_others_stay) {
  World world;
  std::optional<Trip> leaves(std::in_place, world);
  Trip stays(world);
  ASSERT_TRUE(world.hears(2));
  leaves.reset();
  settle_in_memory(world.loop);
  EXPECT_TRUE(world.hosts[0]->asked[0].closed);
  EXPECT_EQ(world.hosts[0]->asked[0].code, uint32_t{NGHTTP2_CANCEL});
  world.hosts[0]->answer(3, "200", "ok");
  ASSERT_TRUE(stays.done());
  EXPECT_EQ(stays.read(), "ok");
  EXPECT_EQ(world.common->metrics.requests_cancelled->value(), 1);
}

TEST(ForwardHttp2, ends_a_connection_that_lies_idle_for_too_long) {
  World world;
  {
    Trip trip(world);
    ASSERT_TRUE(world.hears(1));
    world.hosts[0]->answer(1, "200");
    ASSERT_TRUE(trip.done());
  }
  EXPECT_EQ(world.common->metrics.connections_active->value(), 1);
  for (int i = 0; i < 7; ++i) {
    world.loop.advance(10s);
    settle_in_memory(world.loop);
  }
  EXPECT_EQ(world.common->metrics.connections_active->value(), 0);
  EXPECT_EQ(world.hosts[0]->went_away, uint32_t{NGHTTP2_NO_ERROR});
}

TEST(ForwardHttp2, speaks_what_the_client_speaks_where_that_is_wanted) {
  World world({}, UpstreamProtocol::as_client);
  for (const bool http2 : {true, false, true, false}) {
    world.options.is_http2 = http2;
    const size_t before = world.asked();
    Trip trip(world, http2 ? "HTTP/2" : "HTTP/1.1", Trip::by_protocol);
    if (http2) {
      ASSERT_TRUE(world.hears(before + 1));
      world.answer_all(*world.hosts[0]);
    } else {
      ASSERT_TRUE(turn_until(world.loop, [&] { return world.hosts.size() == 2; }));
      world.hosts[1]->say("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    }
    ASSERT_TRUE(trip.done());
    EXPECT_EQ(trip.response.status, 200);
    if (http2) EXPECT_EQ(trip.read(), "ok");
  }
  EXPECT_EQ(world.network.dials(), 2U) << "one of each kind, each kept for its own";
}

TEST(ForwardHttp2, tells_a_wrong_protocol_from_no_answer) {
  World world;
  world.options.is_http2 = false;
  Trip trip(world);
  ASSERT_TRUE(turn_until(world.loop, [&] { return !world.hosts.empty(); }));
  world.hosts[0]->say("HTTP/1.1 400 Bad Request\r\n\r\n");
  ASSERT_TRUE(trip.done());
  EXPECT_EQ(trip.response.status, 502);
  EXPECT_EQ(trip.info.flags_text(), "UPE");
  EXPECT_EQ(world.common->metrics.http2.protocol_error->value(), 1);
}

}  // namespace
}  // namespace sluice
