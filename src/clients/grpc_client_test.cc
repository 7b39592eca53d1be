#include "clients/grpc_client.h"

#include <gtest/gtest.h>

#include "forward/http2_testing.h"
#include "forward/static_upstream.h"
#include "forward/testing.h"
#include "http/grpc_testing.h"

namespace sluice {
namespace {

using grpc::framed;

using Fields = MemoryHttp2Server::Fields;

constexpr IpAddress kAddress = IpAddress::v4(127, 0, 1, 1);

// A server of gRPC in memory, played by hand.
struct World {
  explicit World(HttpClient::Limits limits = {}) : limits_(limits) {
    loop.use_manual_clock(SteadyTime(1'000s), WallTime(0s));
    cluster->cluster = common;
    common->protocol = UpstreamProtocol::http2;
    cluster->hosts.push_back({.name = "", .address = kAddress, .port = 80, .weight = 1});
  }
  int64_t count(std::string_view name) const {
    for (const auto& family : metrics.collect())
      if (family.name == name) return family.samples.at(0).value;
    return -1;
  }

  HttpClient::Limits limits_;
  Loop loop;
  Metrics metrics{1};
  MemoryNetwork network;
  MemoryHttp2Server server{loop, network, SocketAddress::of({kAddress, 80})};
  Upstreams upstreams{loop, network, 1};
  OwnedLoops loops{{&loop}};
  std::shared_ptr<Cluster> common = std::make_shared<Cluster>("c", kinds::CircuitBreakers{}, 1, metrics);
  std::shared_ptr<StaticCluster> cluster = std::make_shared<StaticCluster>(loops);
};

// One call, whose answer is kept.
struct Calling {
  Calling(World& w, GrpcCall call)
      : world(w), client(make_static_upstream(w.cluster), ClientMetrics(w.metrics, "test"), w.limits_) {
    runner.start(run(std::move(call)));
  }
  ~Calling() {
    runner.cancel();
    CHECK(turn_until(world.loop, [&] { return !runner.running(); }));
  }
  Task<void> run(GrpcCall call) {
    auto calling = client.call({&world.loop, &world.upstreams}, std::move(call));
    answer = co_await calling;
    co_return Status{};
  }
  bool done() {
    return turn_until(world.loop, [&] { return !runner.running(); });
  }
  ErrorKind error() { return done() && !*answer ? answer->error().kind : ErrorKind::internal; }

  World& world;
  const GrpcClient client;
  std::optional<Result<GrpcAnswer>> answer;
  Runner runner{this, [](void*, Result<void>) {}};
};

const Fields kHead{{":status", "200"}, {"content-type", "application/grpc"}, {"x-a", "1"}};

TEST(GrpcClient, sends_a_message_and_gets_one) {
  World world;
  Calling calling(world, {.authority = "id.test", .method = "/a.B/C", .metadata = {{"x-m", "2"}}, .message = "there"});
  const auto* asked = world.server.asked();
  ASSERT_TRUE(asked);
  EXPECT_EQ(asked->field(":method") + " " + asked->field(":path") + " " + asked->field(":authority"),
            "POST /a.B/C id.test");
  EXPECT_EQ(asked->field("content-type"), "application/grpc");
  EXPECT_EQ(asked->field("te"), "trailers");
  EXPECT_EQ(asked->field("grpc-timeout"), "5000000u");
  EXPECT_EQ(asked->field("x-m"), "2");
  EXPECT_EQ(asked->body, framed("there"));
  world.server.say(kHead, framed("back"), {{"grpc-status", "0"}, {"x-t", "3"}});
  ASSERT_TRUE(calling.done());
  ASSERT_TRUE(calling.answer->has_value()) << calling.answer->error().message;
  const GrpcAnswer& answer = **calling.answer;
  EXPECT_EQ(answer.status, grpc::Status::ok);
  EXPECT_EQ(answer.message, "back");
  EXPECT_EQ(answer.trailers.at(1), (std::pair<std::string, std::string>("x-t", "3")));
  EXPECT_EQ(world.count("envoy_cluster_grpc_total"), 1);
  EXPECT_EQ(world.count("envoy_cluster_grpc_success"), 1);
  EXPECT_EQ(world.count("sluice_client_calls_total"), 1);
  EXPECT_EQ(world.count("sluice_client_failures_total"), 0);
}

TEST(GrpcClient, gives_any_status_with_its_text) {
  const std::pair<Fields, Fields> rows[] = {
      {{{":status", "200"}, {"content-type", "application/grpc"}, {"grpc-status", "7"}, {"grpc-message", "no %25 way"}},
       {}},
      {kHead, {{"grpc-status", "7"}, {"grpc-message", "no %25 way"}}},
  };
  for (const auto& [head, trailers] : rows) {
    World world;
    Calling calling(world, {.authority = "a", .method = "/a.B/C"});
    ASSERT_TRUE(world.server.asked());
    world.server.say(head, "", trailers);
    ASSERT_TRUE(calling.done());
    ASSERT_TRUE(calling.answer->has_value()) << calling.answer->error().message;
    EXPECT_EQ((*calling.answer)->status, grpc::Status::permission_denied);
    EXPECT_EQ((*calling.answer)->text, "no % way");
    EXPECT_EQ(world.count("envoy_cluster_grpc_failure"), 1);
  }
}

TEST(GrpcClient, takes_an_HTTP_status_for_what_it_stands_for) {
  World world;
  Calling calling(world, {.authority = "a", .method = "/a.B/C"});
  ASSERT_TRUE(world.server.asked());
  world.server.say({{":status", "503"}, {"content-type", "text/plain"}}, "busy", {});
  ASSERT_TRUE(calling.done());
  ASSERT_TRUE(calling.answer->has_value());
  EXPECT_EQ((*calling.answer)->status, grpc::Status::unavailable);
  EXPECT_EQ((*calling.answer)->text, "HTTP status 503");
}

TEST(GrpcClient, refuses_what_is_not_one_message) {
  const Fields kOk{{"grpc-status", "0"}};
  const std::tuple<std::string, Fields, ErrorKind> rows[] = {
      {"", kOk, ErrorKind::invalid},
      {framed("a").substr(0, 4), kOk, ErrorKind::invalid},
      {framed("abc").substr(0, 7), kOk, ErrorKind::invalid},
      {framed("a") + framed("b"), kOk, ErrorKind::invalid},
      {framed("a", 2), kOk, ErrorKind::invalid},
      {framed("a", grpc::kCompressed), kOk, ErrorKind::unsupported},
      {framed("a"), {{"x", "y"}}, ErrorKind::invalid},
      {framed("a"), {{"grpc-status", "x"}}, ErrorKind::invalid},
      {framed("123456789"), kOk, ErrorKind::limit},
  };
  for (const auto& [body, trailers, kind] : rows) {
    World world;
    Calling calling(world, {.authority = "a", .method = "/a.B/C", .message_bytes_max = 8});
    ASSERT_TRUE(world.server.asked());
    world.server.say(kHead, body, trailers);
    EXPECT_EQ(calling.error(), kind) << body;
  }
}

TEST(GrpcClient, ends_at_its_deadline_and_says_why_nobody_answers) {
  World world;
  Calling calling(world, {.authority = "a", .method = "/a.B/C", .timeout = 3s});
  ASSERT_TRUE(world.server.asked());
  world.loop.advance(3001ms);
  EXPECT_EQ(calling.error(), ErrorKind::timeout);
  EXPECT_EQ(world.count("sluice_client_failures_total"), 1);

  World nobody;
  nobody.cluster->hosts[0].port = 81;
  Calling unheard(nobody, {.authority = "a", .method = "/a.B/C"});
  EXPECT_EQ(unheard.error(), ErrorKind::unreachable);
  EXPECT_TRUE((*unheard.answer).error().message.contains("connect")) << (*unheard.answer).error().message;
}

TEST(GrpcClient, makes_no_more_calls_at_once_than_it_may) {
  World world({.calls_max = 1});
  Calling first(world, {.authority = "a", .method = "/a.B/C"});
  ASSERT_TRUE(world.server.asked());
  Calling second(world, {.authority = "a", .method = "/a.B/C"});
  EXPECT_EQ(second.error(), ErrorKind::overload);
  EXPECT_EQ(world.count("sluice_client_calls_refused_total"), 1);
}

}  // namespace
}  // namespace sluice
