// Every protocol of a client with every protocol of a host: what each of them sees is the same, whatever the other
// speaks. A protocol joins in protocols.h; the tests know none.
#include <gtest/gtest.h>

#include "base/log.h"
#include "forward/static_upstream.h"
#include "io/testing.h"
#include "net/memory_network.h"
#include "net/memory_stream.h"
#include "serve/http_server.h"
#include "simulation/protocols.h"
#include "simulation/wire.h"

namespace sluice::simulation {
namespace {

struct Rules final : RouteRules {
  explicit Rules(Nanos longest) { timeout = longest; }
  void rewrite_request(Request&) const override {}
  void finish_response(Request&, Response& response) const override { response.finished = true; }
};

constexpr std::string_view kUnlimited = "/unlimited";

class Everything final : public Service {
 public:
  explicit Everything(std::shared_ptr<const Service> end) : end_(std::move(end)) {}
  Task<Response> handle(Request& request) const override {
    request.route.rules = request.path == kUnlimited ? &unlimited_ : &rules_;
    return end_->handle(request);
  }

 private:
  std::shared_ptr<const Service> end_;
  Rules rules_{15s}, unlimited_{0s};
};

class Ended final : public ExchangeObserver {
 public:
  void finished(const Request&, const Response&, SteadyTime) const override { ++count; }
  mutable size_t count = 0;
};

class World final : private MemoryNetwork::Host {
 public:
  World(const ClientProtocol& client, const HostProtocol& host) : client_(client), host_(host) {
    loop_.use_manual_clock(SteadyTime(1'000'000s), WallTime(0s));
    const auto address = IpAddress::v4(127, 0, 1, 1);
    network_.listen(SocketAddress::of({address, 80}), *this);
    if (host.is_http2) cluster_->protocol = UpstreamProtocol::http2;
    auto upstream = std::make_shared<StaticCluster>(loops_);
    upstream->cluster = cluster_;
    upstream->hosts.push_back({.name = "", .address = address, .port = 80, .weight = 1});
    config_.service = std::make_shared<Everything>(make_static_upstream(std::move(upstream)));
    config_.observer = ended_;
    config_.metrics = std::make_shared<ServerMetrics>(metrics_, "matrix");
    config_.stream_idle_timeout = 8s;
    config_.head_timeout = 5s;
    gateway_.emplace(loop_, &upstreams_);
    gateway_->configure(nullptr, &config_);
  }
  ~World() {
    connections_.cancel();
    asking_.cancel();
    settle_in_memory(loop_);
    open_.clear();
  }

  // A connection of a client's, as its driver.
  ClientDriver& connect() {
    StreamPair ends = memory_streams(loop_);
    gateway_->server().take(
        {Seat(gateway_->listener()), std::move(ends.downstream), SocketAddress::v4(INADDR_LOOPBACK, 1)});
    return *open_.emplace_back(client_.open(std::move(ends.upstream)));
  }
  // Until all that can be known of the answer is.
  Saw ask(ClientDriver& client, const Ask& ask) {
    Saw saw;
    asking_.spawn(client.ask(ask, saw));
    const bool ended = wait([&] { return asking_.empty(); }, 2h);
    EXPECT_TRUE(ended) << "a client waits for ever";
    if (!ended) {  // before what it writes into is gone
      asking_.cancel();
      settle_in_memory(loop_);
    }
    return saw;
  }
  Saw ask(const Ask& what) { return ask(connect(), what); }

  // All have gone, and nothing of it is left.
  void finish() {
    script = {};
    open_.clear();
    EXPECT_TRUE(wait([&] { return config_.metrics->requests_active->value() == 0; })) << "a request does not end";
    if (client_.refused == 0) {
      EXPECT_TRUE(ask({.path = "/afterwards"}).whole) << "nothing is answered any more";
    }
    open_.clear();
    gateway_->drain();
    EXPECT_TRUE(wait([&] { return gateway_->connections() == 0; })) << "a connection of a client stays";
    EXPECT_TRUE(wait([&] { return connections_.empty(); }, 2h)) << "a connection to a host stays";
    EXPECT_EQ(config_.metrics->requests->value(), static_cast<int64_t>(ended_->count));
    const ClusterMetrics& metrics = cluster_->metrics;
    EXPECT_EQ(metrics.requests_active->value() + metrics.pending_active->value(), 0);
    EXPECT_EQ(metrics.connections_active->value(), 0);
    gateway_.reset();
    config_.service.reset();  // and with it the cluster
    settle_in_memory(loop_);
    EXPECT_EQ(upstreams_.budget.open(), 0U);
  }

  Script script;             // of the hosts, for what comes from now on
  std::vector<Heard> heard;  // by the hosts, in its order; to be cleared only when none is reading
  const Feature& client() const { return client_.feature; }
  const Feature& host() const { return host_.feature; }
  const ServerMetrics& counted() const { return *config_.metrics; }
  size_t dials() const { return network_.dials(); }

 private:
  void called(MemoryCall call) override { connections_.spawn(serve(call.accept())); }
  Task<void> serve(std::unique_ptr<Stream> stream) {
    auto driver = host_.open(std::move(stream));
    auto serving = driver->serve(script, heard);
    const Status served = co_await serving;
    if (!served && served.error().kind == ErrorKind::invalid) ADD_FAILURE() << "a host: " << served.error().message;
    co_return Status{};
  }
  template <class Condition>
  bool wait(Condition&& done, Nanos longest = 5min) {
    const SteadyTime latest = loop_.now() + longest;
    for (size_t turns = 0; !done(); ++turns) {
      if (loop_.now() >= latest) return false;
      loop_.turn(0s);
      if (turns % 10 == 9) loop_.advance(turns < 10'000 ? 5ms : 1s);
    }
    return true;
  }

  const ClientProtocol& client_;
  const HostProtocol& host_;
  Loop loop_;
  Metrics metrics_{1};
  MemoryNetwork network_;
  Upstreams upstreams_{loop_, network_, 1};
  OwnedLoops loops_{{&loop_}};
  std::shared_ptr<Cluster> cluster_ = std::make_shared<Cluster>("matrix", kinds::CircuitBreakers{}, 1, metrics_);
  std::shared_ptr<Ended> ended_ = std::make_shared<Ended>();
  ListenerConfig config_;
  std::optional<HttpListener> gateway_;
  std::vector<std::unique_ptr<ClientDriver>> open_;
  TaskGroup connections_, asking_;
};

using Cell = std::tuple<size_t, size_t>;
std::string name_of(const testing::TestParamInfo<Cell>& cell) {
  return fmt::format("{}_to_{}", client_protocols()[std::get<0>(cell.param)].name,
                     host_protocols()[std::get<1>(cell.param)].name);
}
// The clients that the gateway serves, or those that it does not.
std::vector<size_t> clients(bool served) {
  std::vector<size_t> out;
  for (size_t i = 0; i < client_protocols().size(); ++i)
    if ((client_protocols()[i].refused == 0) == served) out.push_back(i);
  return out;
}

class Protocols : public testing::TestWithParam<Cell> {
 protected:
  Protocols() {
    log::set_sink([](std::string_view) {});
  }
  ~Protocols() override {
    world.finish();
    log::set_sink(nullptr);
  }
  const ClientProtocol& client_ = client_protocols()[std::get<0>(GetParam())];
  World world{client_, host_protocols()[std::get<1>(GetParam())]};
};
class RefusedProtocols : public Protocols {};

const std::string kSmall = "a small body", kBig = content("big", 3U << 20);

void expect_answer(const Saw& saw, int status, std::string_view body) {
  EXPECT_EQ(saw.status, status);
  EXPECT_TRUE(saw.whole);
  EXPECT_TRUE(saw.body == body) << saw.body.size() << " bytes of " << body.size();
}

TEST_P(Protocols, carry_a_request_without_a_body_and_its_answer) {
  world.script.body = kSmall;
  expect_answer(world.ask({.path = "/a?b=c"}), 200, kSmall);
  ASSERT_EQ(world.heard.size(), 1U);
  EXPECT_EQ(world.heard[0].method + " " + world.heard[0].path, "GET /a?b=c");
  EXPECT_EQ(world.heard[0].body, "");
}

TEST_P(Protocols, keep_the_length_of_what_head_would_have_got) {
  world.script.body = kSmall;
  const Saw saw = world.ask({.method = "HEAD"});
  expect_answer(saw, 200, "");
  EXPECT_TRUE(saw.length_told);
  EXPECT_EQ(world.heard.at(0).method, "HEAD");
}

TEST_P(Protocols, carry_bodies_of_every_size_and_framing_both_ways) {
  for (const std::string& up : {std::string(), kSmall, kBig})
    for (const std::string& down : {std::string(), kSmall, kBig})
      for (const bool known : {true, false}) {
        world.script = {.body = down, .length_known = known};
        world.heard.clear();
        expect_answer(world.ask({.method = "POST", .body = up, .length_known = known}), 200, down);
        ASSERT_EQ(world.heard.size(), 1U);
        EXPECT_TRUE(world.heard[0].whole && world.heard[0].body == up) << up.size() << " bytes";
      }
}

TEST_P(Protocols, carry_answers_that_have_no_body) {
  for (const int status : {204, 304}) {
    world.script.status = status;
    ClientDriver& client = world.connect();
    expect_answer(world.ask(client, {}), status, "");
    expect_answer(world.ask(client, {.path = "/again"}), status, "");  // and the next one begins where it should
  }
}

TEST_P(Protocols, carry_every_status_of_a_final_answer) {
  world.script.body = kSmall;
  for (const int status : {200, 201, 206, 301, 400, 401, 404, 429, 500, 503, 599}) {
    world.script.status = status;
    expect_answer(world.ask({}), status, kSmall);
  }
}

TEST_P(Protocols, let_a_client_wait_for_100_until_its_body_is_wanted) {
  world.script.body = kSmall;
  const Saw saw = world.ask({.method = "POST", .body = kBig, .expects_continue = true});
  expect_answer(saw, 200, kSmall);
  EXPECT_EQ(saw.interim, world.client().interim ? std::vector{100} : std::vector<int>{});
  EXPECT_TRUE(world.heard.at(0).body == kBig);
}

TEST_P(Protocols, answer_once_where_a_host_says_something_before_its_answer) {
  world.script = {.interim = {103, 102}, .body = kSmall};
  ClientDriver& client = world.connect();
  expect_answer(world.ask(client, {}), 200, kSmall);
  expect_answer(world.ask(client, {}), 200, kSmall);
}

TEST_P(Protocols, carry_trailers_to_a_client_that_takes_them) {
  world.script = {.body = kSmall, .length_known = false, .trailer = "7"};
  const bool can = world.client().trailers && world.host().trailers;
  EXPECT_EQ(world.ask({.takes_trailers = true}).trailer, can ? "7" : "");
  EXPECT_EQ(world.ask({}).trailer, "");
}

TEST_P(Protocols, carry_trailers_to_a_host_that_was_offered_them) {
  const Ask ask{.method = "POST", .body = kSmall, .length_known = false, .takes_trailers = true, .trailer = "7"};
  expect_answer(world.ask(ask), 200, "");
  EXPECT_EQ(world.heard.at(0).body, kSmall);
  // The gateway speaks what the host can read, and learns of an older one by its answers alone.
  EXPECT_EQ(world.heard.at(0).trailer, world.client().trailers ? "7" : "");
}

TEST_P(Protocols, give_an_early_answer_before_the_body_is_read) {
  world.script = {.status = 403, .body = kSmall, .early = true};
  const Saw saw = world.ask({.method = "POST", .body = kBig});
  EXPECT_EQ(saw.status, 403);
  EXPECT_EQ(saw.body, kSmall);
}

TEST_P(Protocols, keep_a_connection_for_the_next_request) {
  world.script.body = kSmall;
  ClientDriver& client = world.connect();
  for (const std::string_view method : {"GET", "POST", "HEAD", "GET"}) {
    const Saw saw = world.ask(client, {.method = std::string(method), .body = method == "POST" ? kSmall : ""});
    expect_answer(saw, 200, method == "HEAD" ? "" : kSmall);
    EXPECT_FALSE(saw.last);
  }
  EXPECT_EQ(world.counted().connections->value(), 1);
  // A host that keeps its connections is dialled once.
  EXPECT_EQ(world.dials(), world.host().unknown_length ? 1U : 4U);
}

TEST_P(Protocols, end_a_connection_when_the_client_wants_that) {
  world.script.body = kSmall;
  const Saw saw = world.ask({.last = true});
  expect_answer(saw, 200, kSmall);
  EXPECT_TRUE(saw.last);
}

TEST_P(Protocols, keep_the_clients_connection_when_a_host_ends_its_own) {
  world.script = {.body = kSmall, .last = true};
  ClientDriver& client = world.connect();
  for (int i = 0; i < 2; ++i) {
    const Saw saw = world.ask(client, {});
    expect_answer(saw, 200, kSmall);
    EXPECT_FALSE(saw.last);
  }
  EXPECT_EQ(world.dials(), 2U);
}

TEST_P(Protocols, become_a_tunnel_when_both_sides_can) {
  if (world.host().upgrade) world.script.status = 101;
  const Saw saw = world.ask({.upgrades = true});
  EXPECT_EQ(saw.status, world.host().upgrade && world.client().upgrade ? 101 : world.client().declined);
  EXPECT_EQ(saw.body, saw.status == 101 ? fmt::format("echo {}", kTunnelled) : "");
  EXPECT_EQ(world.counted().upgrades_active->value(), 0);
}

TEST_P(Protocols, stay_as_they_are_when_a_host_does_not_upgrade) {
  world.script.body = kSmall;
  ClientDriver& client = world.connect();
  expect_answer(world.ask(client, {.upgrades = true}), world.client().declined, kSmall);
  expect_answer(world.ask(client, {}), 200, kSmall);
}

TEST_P(Protocols, answer_for_a_host_that_leaves_before_its_answer) {
  for (const Point point : {Point::in_head, Point::before_body, Point::in_body, Point::behind}) {
    world.script = {.leaves = point};
    const Saw saw = world.ask({.method = "POST", .body = kBig});
    EXPECT_EQ(saw.status, 503) << static_cast<int>(point);
    EXPECT_TRUE(saw.whole);
  }
  world.script = {.leaves_then = Point::in_head};
  EXPECT_TRUE(world.ask({}).whole);
}

TEST_P(Protocols, show_that_an_answer_was_cut) {
  for (const bool known : {true, false})
    for (const Point point : {Point::before_body, Point::in_body}) {
      // A body that ends with its connection may always have been longer (RFC 9112 8).
      if (!known && !world.host().unknown_length) continue;
      world.script = {.body = kSmall, .length_known = known, .leaves_then = point};
      const Saw saw = world.ask({});
      EXPECT_TRUE(saw.status == 200 || saw.status / 100 == 5) << saw.status;
      EXPECT_FALSE(saw.status == 200 && saw.whole) << "a part of a body passes for all of it";
    }
}

TEST_P(Protocols, let_go_of_everything_when_a_client_leaves_while_it_asks) {
  for (const Point point : {Point::in_head, Point::before_body, Point::in_body, Point::behind}) {
    world.ask({.method = "POST", .body = kBig, .leaves = point});
    for (const Heard& heard : world.heard) EXPECT_TRUE(!heard.whole || heard.body == kBig) << "a cut body seemed whole";
  }
}

TEST_P(Protocols, let_go_of_everything_when_a_client_leaves_what_it_hears) {
  world.script = {.body = kBig};
  world.ask({.leaves_in_answer = true});
  world.script = {.silent = true};
  world.ask({.leaves = Point::behind});
}

// What a call of gRPC both ways is. Nothing but silence ends it, and each word restarts the clock of that.
TEST_P(Protocols, keep_a_conversation_going_as_long_as_both_talk) {
  if (!world.client().converses || !world.host().converses) return;
  world.script = {.trailer = "7", .echoes = true};
  Ask ask{.method = "POST",
          .path = std::string(kUnlimited),
          .body = std::string(700, 'x'),  // an hour and ten minutes
          .length_known = false,
          .takes_trailers = true,
          .converses = 6s};
  const Saw saw = world.ask(ask);
  expect_answer(saw, 200, ask.body);
  EXPECT_EQ(saw.trailer, "7");
  EXPECT_EQ(world.heard.at(0).body, ask.body);
  ask.converses = 12s;
  const Saw silent = world.ask(ask);
  EXPECT_EQ(silent.body, "x");
  EXPECT_FALSE(silent.whole);
}

TEST_P(Protocols, give_up_a_host_that_never_answers) {
  world.script.silent = true;
  const Saw saw = world.ask({});
  EXPECT_EQ(saw.status, 504);
  EXPECT_TRUE(saw.whole);
}

TEST_P(Protocols, give_up_a_client_that_says_no_more) {
  for (const Point point : {Point::in_head, Point::before_body, Point::in_body}) {
    const Saw saw = world.ask({.method = "POST", .body = kBig, .stalls = point});
    EXPECT_EQ(saw.status, 408) << static_cast<int>(point);
    EXPECT_TRUE(saw.whole);
    // What follows half a head nobody can tell.
    EXPECT_TRUE(saw.last || (world.client().several && point != Point::in_head));
  }
}

TEST_P(RefusedProtocols, are_told_so_and_no_host_hears_of_it) {
  for (const Ask& ask : {Ask{}, Ask{.method = "POST", .body = kSmall}, Ask{.method = "POST", .body = kBig}}) {
    const Saw saw = world.ask(ask);
    EXPECT_EQ(saw.status, client_.refused);
    EXPECT_TRUE(saw.last);
  }
  EXPECT_TRUE(world.heard.empty());
  EXPECT_EQ(world.dials(), 0U);
}

INSTANTIATE_TEST_SUITE_P(Matrix, Protocols,
                         testing::Combine(testing::ValuesIn(clients(true)),
                                          testing::Range<size_t>(0, host_protocols().size())),
                         name_of);
INSTANTIATE_TEST_SUITE_P(Matrix, RefusedProtocols,
                         testing::Combine(testing::ValuesIn(clients(false)),
                                          testing::Range<size_t>(0, host_protocols().size())),
                         name_of);

}  // namespace
}  // namespace sluice::simulation
