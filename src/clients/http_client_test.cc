#include "clients/http_client.h"

#include <gtest/gtest.h>

#include "clients/testing.h"
#include "http/body_budget.h"
#include "io/testing.h"

namespace sluice {
namespace {

struct World {
  explicit World(HttpClient::Limits limits = {}, const kinds::CircuitBreakers& breakers = {})
      : upstream(loops, metrics, breakers), client(upstream.end, ClientMetrics(metrics, "test"), limits) {
    loop.use_manual_clock(SteadyTime(1'000s), WallTime(0s));
  }
  int64_t count(std::string_view name) const {
    for (const auto& family : metrics.collect())
      if (family.name == name) return family.samples.at(0).value;
    return -1;
  }

  Loop loop;
  Metrics metrics{1};
  OwnedLoops loops{{&loop}};
  MemoryUpstream upstream;
  HttpClient client;
};

// One call, whose answer is kept.
struct Asking {
  Asking(World& w, HttpCall call) : world(w) { runner.start(run(std::move(call))); }
  ~Asking() {
    runner.cancel();
    CHECK(turn_until(world.loop, [&] { return !runner.running(); }));
  }
  Task<void> run(HttpCall call) {
    auto calling = world.client.send(world.upstream.place, std::move(call));
    answer = co_await calling;
    co_return Status{};
  }
  bool done() {
    settle_in_memory(world.loop);
    return !runner.running();
  }
  ErrorKind error() { return done() && !*answer ? answer->error().kind : ErrorKind::internal; }

  World& world;
  std::optional<Result<HttpAnswer>> answer;
  Runner runner{this, [](void*, Result<void>) {}};
};

TEST(HttpClient, sends_what_it_is_told_and_gives_the_whole_answer) {
  World world;
  world.upstream.server.answer = [](const std::string&) {
    return "HTTP/1.1 201 Created\r\nx-a: 1\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
  };
  Asking asking(world, {.method = "POST",
                        .authority = "id.test:81",
                        .path = "/token?x=1",
                        .headers = {{"accept", "a/b"}},
                        .body = "hello"});
  ASSERT_TRUE(asking.done());
  const HttpAnswer& answer = **asking.answer;
  EXPECT_EQ(answer.status, 201);
  EXPECT_EQ(answer.body, "abcde");
  EXPECT_EQ(answer.headers.at(0), (std::pair<std::string, std::string>("x-a", "1")));
  EXPECT_EQ(world.upstream.server.requests.at(0),
            "POST /token?x=1 HTTP/1.1\r\nhost: id.test:81\r\naccept: a/b\r\ncontent-length: 5\r\n\r\nhello");
  EXPECT_EQ(world.count("sluice_client_calls_total"), 1);
  EXPECT_EQ(world.count("sluice_client_calls_active"), 0);
  EXPECT_EQ(world.count("sluice_client_failures_total"), 0);
}

TEST(HttpClient, gives_any_status_of_the_upstreams_as_an_answer) {
  World world;
  world.upstream.server.answer = [](const std::string&) { return http_answer("no", "503 Service Unavailable"); };
  Asking asking(world, {.authority = "a"});
  ASSERT_TRUE(asking.done());
  EXPECT_EQ((*asking.answer)->status, 503);
}

TEST(HttpClient, uses_a_connection_again) {
  World world;
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(Asking(world, {.authority = "a"}).done());
  EXPECT_EQ(world.upstream.server.requests.size(), 3);
  EXPECT_EQ(world.upstream.server.connections, 1);
}

TEST(HttpClient, ends_a_call_at_its_deadline_wherever_it_is) {
  for (const std::string_view said :
       {"", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\nx-a", "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc"}) {
    World world;
    world.upstream.server.answer = [said](const std::string&) { return std::string(said); };
    Asking asking(world, {.authority = "a", .timeout = 3s});
    EXPECT_FALSE(asking.done()) << said;
    world.loop.advance(2900ms);
    EXPECT_FALSE(asking.done()) << said;
    world.loop.advance(101ms);
    EXPECT_EQ(asking.error(), ErrorKind::timeout) << said;
    EXPECT_TRUE(world.upstream.server.is_closed()) << said;
    EXPECT_EQ(world.count("sluice_client_failures_total"), 1);
    EXPECT_EQ(world.count("envoy_cluster_upstream_rq_active"), 0);
  }
}

TEST(HttpClient, refuses_an_answer_that_is_too_large) {
  for (const std::string_view head : {"content-length: 11", "transfer-encoding: chunked"}) {
    World world;
    world.upstream.server.answer = [head](const std::string&) {
      return fmt::format("HTTP/1.1 200 OK\r\n{}\r\n\r\nb\r\n12345678901\r\n0\r\n\r\n", head);
    };
    Asking asking(world, {.authority = "a", .response_bytes_max = 10});
    EXPECT_EQ(asking.error(), ErrorKind::limit) << head;
  }
  World world;
  world.upstream.server.answer = [](const std::string&) { return http_answer("1234567890"); };
  Asking fits(world, {.authority = "a", .response_bytes_max = 10});
  ASSERT_TRUE(fits.done());
  EXPECT_EQ((*fits.answer)->body, "1234567890");
}

TEST(HttpClient, tells_an_upstream_that_cannot_be_reached_from_one_that_answers) {
  World world;
  world.upstream.server.refuses = true;
  Asking refused(world, {.authority = "a"});
  EXPECT_EQ(refused.error(), ErrorKind::unreachable);
  EXPECT_NE(refused.answer->error().message.find("remote connection failure"), std::string::npos);
  world.upstream.server.refuses = false;
  world.upstream.server.answer = [](const std::string&) { return "nonsense\r\n\r\n"; };
  Asking nonsense(world, {.authority = "a"});
  EXPECT_EQ(nonsense.error(), ErrorKind::invalid);
}

TEST(HttpClient, gives_an_error_when_the_answer_breaks_off) {
  World world;
  world.upstream.server.answer = [](const std::string&) { return "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc"; };
  Asking asking(world, {.authority = "a"});
  EXPECT_FALSE(asking.done());
  world.upstream.server.hang_up();
  ASSERT_TRUE(asking.done());
  EXPECT_FALSE(*asking.answer);
}

TEST(HttpClient, keeps_to_the_circuit_breakers_of_the_upstream) {
  World world({}, {.max_requests = 0});
  world.upstream.server.answer = [](const std::string&) { return ""; };
  Asking first(world, {.authority = "a"});
  Asking second(world, {.authority = "a"});
  EXPECT_EQ(second.error(), ErrorKind::overload);
}

TEST(HttpClient, refuses_calls_over_its_own_bound) {
  World world({.calls_max = 2});
  world.upstream.server.answer = [](const std::string&) { return ""; };
  Asking first(world, {.authority = "a"});
  {
    Asking second(world, {.authority = "a"});
    Asking third(world, {.authority = "a"});
    EXPECT_EQ(third.error(), ErrorKind::overload);
    EXPECT_EQ(world.count("sluice_client_calls_refused_total"), 1);
    EXPECT_EQ(world.count("sluice_client_calls_active"), 2);
  }
  Asking fourth(world, {.authority = "a"});
  EXPECT_FALSE(fourth.done());
  EXPECT_EQ(world.count("sluice_client_calls_refused_total"), 1);
}

TEST(HttpClient, says_beforehand_whether_it_has_a_place_for_a_call) {
  World world({.calls_max = 1});
  world.upstream.server.answer = [](const std::string&) { return ""; };
  EXPECT_TRUE(world.client.admits());
  EXPECT_EQ(world.count("sluice_client_calls_refused_total"), 0);
  Asking only(world, {.authority = "a"});
  EXPECT_FALSE(world.client.admits());
  EXPECT_EQ(world.count("sluice_client_calls_refused_total"), 1) << "that is a call not made";
}

TEST(HttpClient, frees_everything_when_its_caller_is_cancelled) {
  World world;
  world.upstream.server.answer = [](const std::string&) { return ""; };
  {
    Asking asking(world, {.method = "PUT", .authority = "a", .body = std::string(1 << 20, 'x')});
    EXPECT_FALSE(asking.done());
    asking.runner.cancel();
    EXPECT_EQ(asking.error(), ErrorKind::cancelled);
  }
  EXPECT_TRUE(world.upstream.server.is_closed());
  EXPECT_EQ(world.count("envoy_cluster_upstream_rq_active"), 0);
  EXPECT_EQ(world.count("sluice_client_calls_active"), 0);
}

TEST(HttpClient, counts_answers_among_the_bodies_of_the_process) {
  Metrics counts(1);
  BodyBudget budget(208 << 10, counts);
  World world({.bodies = &budget});
  const auto taken = [&] { return counts.metric({"sluice_collected_body_bytes", ""})->value(); };
  std::string head = "content-length: 204800\r\n\r\n";
  world.upstream.server.answer = [&](const std::string&) { return "HTTP/1.1 200 OK\r\n" + head; };
  {
    Asking large(world, {.authority = "a"});
    EXPECT_FALSE(large.done());
    EXPECT_EQ(taken(), 208 << 10) << "in steps of 16 KiB";
    Asking another(world, {.authority = "b"});
    EXPECT_EQ(another.error(), ErrorKind::overload);
    EXPECT_EQ(counts.metric({"sluice_collected_body_refused_total", ""})->value(), 1);
  }
  EXPECT_EQ(taken(), 0);
  // Without a length it pays as it grows.
  head = "transfer-encoding: chunked\r\n\r\n19000\r\n" + std::string(0x19000, 'x') + "\r\n0\r\n\r\n";
  Asking chunked(world, {.authority = "c"});
  ASSERT_TRUE(chunked.done());
  ASSERT_TRUE(chunked.answer->has_value());
  EXPECT_EQ((*chunked.answer)->body.size(), 0x19000U);
  EXPECT_EQ(taken(), 0);
}

TEST(HttpClient, passes_on_what_joins_traces) {
  Loop loop;
  Arena arena;
  StreamInfo info;
  Request cause(arena, loop, info);
  for (const auto& [name, value] :
       std::initializer_list<std::pair<const char*, const char*>>{{"traceparent", "00-1-2-01"},
                                                                  {"cookie", "secret"},
                                                                  {"b3", "0"},
                                                                  {"authorization", "x"},
                                                                  {"x-request-id", "7"}})
    cause.headers.add(name, value);
  EXPECT_EQ(trace_headers(cause), (HeaderTexts{{"traceparent", "00-1-2-01"}, {"b3", "0"}, {"x-request-id", "7"}}));
}

}  // namespace
}  // namespace sluice
