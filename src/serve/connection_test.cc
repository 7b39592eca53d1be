#include "serve/connection.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <deque>

#include "config/kinds/max_stream_duration.h"
#include "http/body_budget.h"
#include "http/h2/testing.h"
#include "net/testing.h"
#include "serve/http_server.h"

namespace sluice {
namespace {

Response respond(Request& request, uint16_t status, std::string_view body) {
  Response response;
  response.status = status;
  response.headers = request.arena.make<Headers>(request.arena);
  response.body = text_body(request.arena, body);
  return response;
}

// Pieces as the test gives them; `length` unknown.
class GivenBody final : public BodyReader {
 public:
  GivenBody(Loop& loop, std::vector<Result<std::string>> pieces) : loop_(loop), pieces_(std::move(pieces)) {}
  Task<Chunk> read() override {
    auto nap = sleep_for(loop_, 1ms);
    CO_TRY(co_await nap);
    if (at_ == pieces_.size()) co_return Chunk{{}, true};
    auto& piece = pieces_[at_++];
    if (!piece) co_return std::unexpected(piece.error());
    co_return Chunk{{piece->data(), piece->size()}, false};
  }
  const Headers* trailers() const override { return trailing; }
  const Headers* trailing = nullptr;

 private:
  Loop& loop_;
  std::vector<Result<std::string>> pieces_;
  size_t at_ = 0;
};

// A gateway on a port of its own whose service is a function of the test.
struct Gateway {
  using Handler = std::function<Task<Response>(Request&)>;

  struct Calls final : Service {
    explicit Calls(Gateway& g) : gateway(g) {}
    Task<Response> handle(Request& request) const override {
      ++gateway.handled;
      return gateway.handler(request);
    }
    Gateway& gateway;
  };
  struct Log final : ExchangeObserver {
    explicit Log(Gateway& g) : gateway(g) {}
    void finished(const Request& request, const Response&, SteadyTime) const override {
      gateway.log.push_back(
          fmt::format("{} {} {}", request.info.code, request.info.flags_text(), request.info.details));
    }
    Gateway& gateway;
  };

  explicit Gateway(const std::function<void(ListenerConfig&)>& change = {},
                   IdleConnections::HeadsAtTheBound heads = IdleConnections::HeadsAtTheBound::stay)
      : idle(limit, heads) {
    loop.use_manual_clock(SteadyTime(1'000'000s), *parse_iso("2030-01-01T00:00:00Z"));
    config.service = std::make_shared<Calls>(*this);
    config.observer = std::make_shared<Log>(*this);
    config.metrics = std::make_shared<ServerMetrics>(metrics, "test");
    if (change) change(config);
    listener.configure(nullptr, &config);
    auto fd = ListenSocket::open(SocketAddress::v4(INADDR_LOOPBACK, 0), false);
    CHECK(fd.has_value() && listener.start(*fd).has_value());
  }
  ~Gateway() {
    listener.drain();
    listener.abort();
    CHECK(all_gone());
    CHECK(config.metrics->connections_active->value() == 0 && config.metrics->requests_active->value() == 0);
  }
  bool all_gone() {
    return turn_until(loop, [&] { return listener.connections() == 0; });
  }
  bool says(TestPeer& peer, std::string_view text) {
    return turn_until(loop, [&] { return peer.hears(text); });
  }
  bool ends(TestPeer& peer) {
    return turn_until(loop, [&] { return peer.ended(); });
  }

  // "METHOD path body": the body read whole.
  static Task<Response> echo(Request& request) {
    auto reading = read_all(request.body, request.arena, 1 << 20, request.body_budget);
    const std::string_view body = CO_TRY(co_await reading);
    const std::string_view space = " ";
    co_return respond(request, 200, request.arena.concat(request.method, space, request.path, space, body));
  }
  // Waits until the test lets it go on, then answers without a look at the body.
  Task<Response> held(Request& request) {
    auto waiting = release.wait(loop);
    auto waited = co_await waiting;
    if (!waited) ++cancelled;
    CO_TRY(std::move(waited));
    co_return respond(request, 200, request.arena.concat(std::string_view("held "), request.path));
  }
  void hold() {
    handler = [this](Request& request) { return held(request); };
  }
  // The same, as an answer of the gateway's own.
  Task<Response> held_own(Request& request) {
    auto holding = held(request);
    Response response = CO_TRY(co_await holding);
    response.local = true;
    co_return response;
  }
  void hold_own_answer() {
    handler = [this](Request& request) { return held_own(request); };
  }

  Loop loop;
  Metrics metrics{1};
  ListenerConfig config;
  ConnectionLimit limit{20, "test", metrics};
  IdleConnections idle;
  HttpListener listener{loop, nullptr, &limit, &idle};
  Handler handler = echo;
  Event release;
  int handled = 0;
  int cancelled = 0;
  std::vector<std::string> log;
};

size_t count(std::string_view text, std::string_view what) {
  size_t n = 0;
  for (size_t at = text.find(what); at != std::string_view::npos; at = text.find(what, at + what.size())) ++n;
  return n;
}

TEST(Connection, answers_requests_one_after_another) {
  Gateway gateway;
  TestPeer client(gateway.listener.address());
  for (const std::string_view path : {"/a", "/b", "/c"}) {
    client.say(fmt::format("GET {} HTTP/1.1\r\nHost: h\r\n\r\n", path));
    EXPECT_TRUE(gateway.says(client, fmt::format("GET {} ", path)));
  }
  EXPECT_EQ(gateway.listener.connections(), 1U);
  EXPECT_TRUE(client.hears("date: Tue, 01 Jan 2030 00:00:00 GMT\r\n"));
  EXPECT_TRUE(client.hears("server: envoy\r\n"));
}

TEST(Connection, comes_from_the_first_descriptor_of_a_listener_that_is_started_twice) {
  Gateway gateway;
  const SocketAddress first = gateway.listener.address();
  const int second = *ListenSocket::open(SocketAddress::v4(INADDR_LOOPBACK, 0), false);
  EXPECT_TRUE(gateway.listener.start(second));
  EXPECT_EQ(::fcntl(second, F_GETFD), -1);  // closed: clients hear at once that nobody is there
  EXPECT_EQ(gateway.listener.address().port(), first.port());
  TestPeer client(first);
  client.say("GET /a HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_TRUE(gateway.says(client, "GET /a "));
}

TEST(Connection, answers_a_part_of_endless_pipelining_in_one_turn_so_that_others_have_theirs) {
  Gateway gateway;
  TestPeer greedy(gateway.listener.address()), modest(gateway.listener.address());
  settle(gateway.loop);
  std::string many;
  for (int i = 0; i < 400; ++i) many += "GET /g HTTP/1.1\r\nHost: h\r\n\r\n";
  ASSERT_EQ(greedy.say(many), many.size());
  modest.say("GET /m HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_TRUE(gateway.says(modest, "GET /m "));
  EXPECT_LT(gateway.handled, 100);
  EXPECT_TRUE(turn_until(gateway.loop, [&] { return gateway.handled == 401; }));
}

// Whose next piece is always at hand.
class EndlessBody final : public BodyReader {
 public:
  Task<Chunk> read() override { return Chunk{bytes_, false}; }

 private:
  char bytes_[16] = {};
};

TEST(Connection, sends_a_part_of_an_endless_body_in_one_turn) {
  Gateway gateway;
  gateway.handler = [](Request& request) -> Task<Response> {
    Response response = respond(request, 200, "");
    if (request.path == "/endless") response.body.reader = request.arena.make<EndlessBody>();
    return response;
  };
  TestPeer greedy(gateway.listener.address());
  greedy.say("GET /endless HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_TRUE(gateway.says(greedy, "\r\n\r\n"));
  TestPeer modest(gateway.listener.address());
  modest.say("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_TRUE(gateway.says(modest, "200 OK"));
  const size_t before = greedy.heard().size();
  gateway.loop.turn(0ms);
  EXPECT_GT(greedy.heard().size(), before);
  EXPECT_LE(greedy.heard().size() - before, 1024U);  // 32 pieces
  greedy.close();
  EXPECT_TRUE(turn_until(gateway.loop, [&] { return gateway.listener.connections() == 1; }));
}

TEST(Connection, is_closed_at_once_when_the_process_may_have_no_more) {
  Gateway gateway;
  std::deque<TestPeer> clients;
  for (int i = 0; i < 20; ++i) clients.emplace_back(gateway.listener.address());
  settle(gateway.loop);
  TestPeer another(gateway.listener.address());
  EXPECT_TRUE(gateway.ends(another));
  EXPECT_EQ(gateway.listener.connections(), 20U);
  EXPECT_EQ(gateway.metrics.metric({"sluice_downstream_cx_refused_total", ""}, {{"listeners", "test"}})->value(), 1);
  for (TestPeer& client : clients) {
    client.say("GET /a HTTP/1.1\r\nHost: h\r\n\r\n");
    EXPECT_TRUE(gateway.says(client, "GET /a "));
  }
  clients[1].close();
  EXPECT_TRUE(turn_until(gateway.loop, [&] { return gateway.listener.connections() == 19; }));
  TestPeer late(gateway.listener.address());
  late.say("GET /b HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_TRUE(gateway.says(late, "GET /b "));
}

TEST(Connection, makes_room_at_the_bound_when_it_has_waited_longest) {
  Gateway gateway;
  gateway.handler = [&](Request& request) {
    return request.path == "/held" ? gateway.held(request) : Gateway::echo(request);
  };
  std::deque<TestPeer> clients;
  for (int i = 0; i < 20; ++i) clients.emplace_back(gateway.listener.address());
  clients[0].say("GET /held HTTP/1.1\r\nHost: h\r\n\r\n");
  settle(gateway.loop);
  TestPeer early(gateway.listener.address());
  EXPECT_TRUE(gateway.ends(early)) << "nobody has waited long enough";
  gateway.loop.advance(IdleConnections::kGrace - 1ms);
  clients[1].say("GET /a HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_TRUE(gateway.says(clients[1], "GET /a "));
  gateway.loop.advance(1ms);
  TestPeer late(gateway.listener.address());
  late.say("GET /late HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_TRUE(gateway.says(late, "GET /late "));
  settle(gateway.loop);
  EXPECT_EQ(std::ranges::count_if(clients, [](TestPeer& client) { return client.ended(); }), 1);
  EXPECT_FALSE(clients[0].ended()) << "is busy";
  EXPECT_FALSE(clients[1].ended()) << "has just been served";
  EXPECT_EQ(gateway.limit.given_up()->value(), 1);
  gateway.release.notify(gateway.loop);
  EXPECT_TRUE(gateway.says(clients[0], "held /held"));
}

TEST(Connection, makes_room_at_the_bound_of_an_own_port_when_its_head_takes_long) {
  Gateway gateway({}, IdleConnections::HeadsAtTheBound::give_way);
  std::deque<TestPeer> clients;
  for (int i = 0; i < 20; ++i) {
    clients.emplace_back(gateway.listener.address());
    clients.back().say("GET /half HTTP/1.1\r\n");
  }
  ASSERT_TRUE(turn_until(gateway.loop, [&] { return gateway.listener.connections() == 20; }));
  settle(gateway.loop);
  TestPeer early(gateway.listener.address());
  EXPECT_TRUE(gateway.ends(early)) << "a head may take a second";
  gateway.loop.advance(IdleConnections::kGrace);
  TestPeer late(gateway.listener.address());
  late.say("GET /late HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_TRUE(gateway.says(late, "GET /late "));
  settle(gateway.loop);
  EXPECT_EQ(std::ranges::count_if(clients, [](TestPeer& client) { return client.ended(); }), 1);
  EXPECT_EQ(gateway.limit.heads_given_up()->value(), 1);
}

TEST(Connection, looks_for_one_that_makes_room_only_where_there_can_be_one) {
  Gateway gateway;
  gateway.handler = [&](Request& request) {
    return request.path == "/held" ? gateway.held(request) : Gateway::echo(request);
  };
  const auto refused = [&] {
    TestPeer newcomer(gateway.listener.address());
    return gateway.ends(newcomer);
  };
  std::deque<TestPeer> clients;
  for (int i = 0; i < 20; ++i) {
    clients.emplace_back(gateway.listener.address());
    clients.back().say("GET /held HTTP/1.1\r\nHost: h\r\n\r\n");
  }
  ASSERT_TRUE(turn_until(gateway.loop, [&] { return gateway.listener.connections() == 20; }));
  settle(gateway.loop);
  EXPECT_EQ(gateway.listener.server().waiting(), 0U);
  EXPECT_TRUE(refused());
  EXPECT_EQ(gateway.idle.looks(), 0U) << "all are busy";

  gateway.release.notify(gateway.loop);
  for (TestPeer& client : clients) EXPECT_TRUE(gateway.says(client, "held /held"));
  settle(gateway.loop);
  EXPECT_EQ(gateway.listener.server().waiting(), 20U);
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(refused());
  gateway.loop.advance(IdleConnections::kGrace - 1ms);
  EXPECT_TRUE(refused());
  EXPECT_EQ(gateway.idle.looks(), 1U) << "none can have waited long enough";

  // All but the last ask once more: when its time has come it is found.
  for (int i = 0; i < 19; ++i) {
    clients[i].say("GET /a HTTP/1.1\r\nHost: h\r\n\r\n");
    EXPECT_TRUE(gateway.says(clients[i], "GET /a "));
  }
  clients[18].close();
  ASSERT_TRUE(turn_until(gateway.loop, [&] { return gateway.listener.server().waiting() == 19; }));
  TestPeer twentieth(gateway.listener.address());
  ASSERT_TRUE(turn_until(gateway.loop, [&] { return gateway.listener.connections() == 20; }));
  gateway.loop.advance(1ms);
  TestPeer late(gateway.listener.address());
  EXPECT_TRUE(gateway.ends(clients[19]));
  EXPECT_EQ(gateway.idle.looks(), 2U);
  late.say("GET /late HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_TRUE(gateway.says(late, "GET /late "));

  // The next would have waited long enough in 1 ms less than a second; a look in vain, and not another for 100 ms.
  gateway.loop.advance(IdleConnections::kGrace - 2ms);
  EXPECT_TRUE(refused());
  EXPECT_EQ(gateway.idle.looks(), 3U);
  gateway.loop.advance(IdleConnections::kBetweenVainLooks - 1ms);
  EXPECT_TRUE(refused());
  EXPECT_EQ(gateway.idle.looks(), 3U);
  gateway.loop.advance(1ms);
  TestPeer served(gateway.listener.address());
  served.say("GET /served HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_TRUE(gateway.says(served, "GET /served "));
}

TEST(Connection, is_not_kept_while_there_is_too_much_to_do_and_refused_while_there_is_no_memory) {
  Metrics counts(1);
  Overload overload(counts);
  Gateway gateway([&](ListenerConfig& config) { config.overload = &overload; });
  const auto memory_of_1000 = [&](size_t bytes) {
    gateway.loop.advance(2s);
    overload.update({.connections_max = 20, .memory = bytes, .memory_max = 1000}, gateway.loop.now());
  };
  TestPeer kept(gateway.listener.address()), held(gateway.listener.address());
  kept.say("GET /a HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_TRUE(gateway.says(kept, "GET /a "));
  held.say("POST /held HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n1");
  settle(gateway.loop);
  memory_of_1000(900);
  kept.say("GET /b HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_TRUE(gateway.says(kept, "GET /b "));
  EXPECT_TRUE(kept.hears("connection: close\r\n"));
  EXPECT_TRUE(gateway.ends(kept));
  EXPECT_EQ(gateway.config.metrics->connections_unkept->value(), 1);
  memory_of_1000(950);
  TestPeer late(gateway.listener.address());
  late.say("POST /c HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello");
  EXPECT_TRUE(gateway.says(late, "HTTP/1.1 503 Service Unavailable\r\n"));
  EXPECT_TRUE(gateway.says(late, "envoy overloaded"));
  EXPECT_TRUE(gateway.ends(late));
  EXPECT_EQ(gateway.log.back(), "503 OM overload");
  EXPECT_EQ(gateway.config.metrics->requests_refused->value(), 1);
  EXPECT_EQ(gateway.config.metrics->connections_unkept->value(), 1) << "a refusal ends it anyway";
  held.say("2");
  EXPECT_TRUE(gateway.says(held, "POST /held 12")) << "what is under way is finished";
  EXPECT_TRUE(gateway.ends(held));
  memory_of_1000(0);
  TestPeer later(gateway.listener.address());
  later.say("GET /d HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_TRUE(gateway.says(later, "GET /d "));
  EXPECT_FALSE(later.hears("connection: close"));
}

// What a test says of memory, and what the worker does about it ten times a second.
struct ShortGateway {
  void memory_of_1000(size_t bytes) {
    gateway.loop.advance(100ms);
    overload.update({.connections_max = 20, .memory = bytes, .memory_max = 1000}, gateway.loop.now());
  }
  void relieve() {
    gateway.idle.relieve(overload, 1, gateway.loop.now());
    settle(gateway.loop);
  }
  int64_t heads_given_up() { return gateway.limit.heads_given_up()->value(); }
  int64_t idle_given_up() { return gateway.limit.given_up()->value(); }

  Metrics counts{1};
  Overload overload{counts};
  Gateway gateway{[this](ListenerConfig& config) { config.overload = &overload; }};
};

TEST(Connection, ends_in_the_middle_of_a_head_that_takes_long_while_memory_is_short) {
  ShortGateway world;
  Gateway& gateway = world.gateway;
  TestPeer idle(gateway.listener.address()), slow(gateway.listener.address()), busy(gateway.listener.address());
  idle.say("GET /a HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_TRUE(gateway.says(idle, "GET /a "));
  busy.say("POST /held HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n1");
  slow.say("GET /b HTTP/1.1\r\n");
  settle(gateway.loop);
  gateway.loop.advance(IdleConnections::kGrace - 100ms);
  TestPeer quick(gateway.listener.address());
  quick.say("GET /c HTTP/1.1\r\n");
  settle(gateway.loop);
  world.memory_of_1000(899);
  world.relieve();
  EXPECT_EQ(world.heads_given_up(), 0) << "there is memory";

  world.overload.update({.connections_max = 20, .memory = 900, .memory_max = 1000}, gateway.loop.now());
  world.relieve();
  EXPECT_TRUE(gateway.ends(slow));
  EXPECT_EQ(world.heads_given_up(), 1);
  EXPECT_EQ(world.idle_given_up(), 0) << "heads go first";
  EXPECT_FALSE(quick.ended()) << "it has not had its time";
  EXPECT_FALSE(idle.ended());
  world.relieve();
  EXPECT_TRUE(gateway.ends(idle));
  EXPECT_EQ(world.idle_given_up(), 1);
  quick.say("Host: h\r\n\r\n");
  EXPECT_TRUE(gateway.says(quick, "GET /c ")) << "requests are served yet";
  busy.say("2");
  EXPECT_TRUE(gateway.says(busy, "POST /held 12"));
}

TEST(Connection, waits_for_no_head_while_there_is_no_memory) {
  ShortGateway world;
  Gateway& gateway = world.gateway;
  TestPeer silent(gateway.listener.address()), talks(gateway.listener.address());
  for (TestPeer* client : {&silent, &talks}) client->say("GET /a HTTP/1.1\r\n");
  settle(gateway.loop);
  world.memory_of_1000(950);
  TestPeer late(gateway.listener.address());
  late.say("GET /b HTTP/1.1\r\n");
  talks.say("x: y\r\n");
  for (TestPeer* client : {&late, &talks}) {
    EXPECT_TRUE(gateway.says(*client, "HTTP/1.1 503 Service Unavailable\r\n"));
    EXPECT_TRUE(client->hears("connection: close\r\n"));
    EXPECT_TRUE(gateway.says(*client, "envoy overloaded"));
    EXPECT_TRUE(gateway.ends(*client));
    EXPECT_EQ(gateway.log.back(), "503 OM overload");
  }
  EXPECT_EQ(gateway.config.metrics->requests_refused->value(), 2);
  EXPECT_EQ(gateway.config.metrics->requests_malformed->value(), 0);
  world.relieve();
  EXPECT_TRUE(gateway.ends(silent));
  EXPECT_EQ(world.heads_given_up(), 1) << "however short a time it had";
  EXPECT_EQ(gateway.handled, 0);
}

TEST(Connection, ends_those_whose_heads_have_taken_longest_and_no_more_than_it_is_told) {
  ShortGateway world;
  Gateway& gateway = world.gateway;
  std::deque<TestPeer> clients;
  for (int i = 0; i < 4; ++i) {
    clients.emplace_back(gateway.listener.address());
    clients.back().say("GET /a HTTP/1.1\r\n");
    settle(gateway.loop);
    gateway.loop.advance(1ms);
  }
  world.memory_of_1000(950);
  gateway.idle.relieve(world.overload, 2048, gateway.loop.now());  // of 2048, one and one more
  settle(gateway.loop);
  EXPECT_TRUE(gateway.ends(clients[0]) && gateway.ends(clients[1]));
  EXPECT_FALSE(clients[2].ended() || clients[3].ended());
  EXPECT_EQ(world.heads_given_up(), 2);
}

TEST(Connection, collects_bodies_as_far_as_all_together_may_be_large) {
  Metrics counts(1);
  BodyBudget budget(300 << 10, counts);
  Gateway gateway([&](ListenerConfig& config) { config.body_budget = &budget; });
  const auto taken = [&] { return counts.metric({"sluice_collected_body_bytes", ""})->value(); };
  const std::string large(200 << 10, 'x');
  const std::string head = "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 204800\r\n\r\n";
  TestPeer first(gateway.listener.address()), second(gateway.listener.address()), small(gateway.listener.address());
  first.say(head + large.substr(1));
  EXPECT_TRUE(turn_until(gateway.loop, [&] { return taken() == 208 << 10; }));  // in steps of 16 KiB
  second.say(head + large.substr(1));
  EXPECT_TRUE(gateway.says(second, "HTTP/1.1 503 Service Unavailable\r\n"));
  EXPECT_TRUE(second.hears("too many large bodies at once, try again later"));
  EXPECT_TRUE(second.hears("connection: close\r\n"));
  EXPECT_EQ(counts.metric({"sluice_collected_body_refused_total", ""})->value(), 1);
  small.say("POST /small HTTP/1.1\r\nHost: h\r\nContent-Length: 20000\r\n\r\n" + large.substr(0, 20000));
  EXPECT_TRUE(gateway.says(small, "POST /small x"));
  first.say("x");
  EXPECT_TRUE(gateway.says(first, "POST /a x"));
  EXPECT_TRUE(turn_until(gateway.loop, [&] { return taken() == 0; }));
}

TEST(Connection, takes_the_longest_timeouts_as_never) {
  Gateway gateway([](ListenerConfig& config) {
    config.idle_timeout = config.head_timeout = config.stream_idle_timeout = config.request_timeout =
        Nanos::max() - 1ns;
  });
  TestPeer client(gateway.listener.address());
  client.say("POST /a HTTP/1.1\r\nHost: h\r\nContent-Le");
  settle(gateway.loop);
  client.say("ngth: 3\r\n\r\n");
  settle(gateway.loop);
  client.say("abc");
  EXPECT_TRUE(gateway.says(client, "POST /a abc"));
  settle(gateway.loop);
  gateway.loop.advance(1h);
  client.say("GET /b HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_TRUE(gateway.says(client, "GET /b "));
}

TEST(Connection, answers_pipelined_requests_in_their_order) {
  Gateway gateway;
  TestPeer client(gateway.listener.address());
  client.say(
      "POST /1 HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\none"
      "POST /2 HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\ntwo\r\n0\r\n\r\n"
      "GET /3 HTTP/1.1\r\nHost: h\r\n\r\nGET /4 HTTP/1.1\r\nHo");
  EXPECT_TRUE(gateway.says(client, "GET /3 "));
  client.say("st: h\r\n\r\n");
  EXPECT_TRUE(gateway.says(client, "GET /4 "));
  const std::string& all = client.heard();
  EXPECT_LT(all.find("POST /1 one"), all.find("POST /2 two"));
  EXPECT_LT(all.find("POST /2 two"), all.find("GET /3 "));
  EXPECT_EQ(count(all, "HTTP/1.1 200 OK"), 4U);
}

TEST(Connection, understands_a_request_that_comes_byte_by_byte) {
  Gateway gateway;
  TestPeer client(gateway.listener.address());
  const std::string_view bytes =
      "POST /slow HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n6\r\n world\r\n0\r\nT: "
      "v\r\n\r\n"
      "POST /next HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nok";
  for (const char byte : bytes) {
    client.say({&byte, 1});
    gateway.loop.turn(0ms);
    gateway.loop.turn(0ms);
  }
  EXPECT_TRUE(gateway.says(client, "POST /slow hello world"));
  EXPECT_TRUE(gateway.says(client, "POST /next ok"));
}

// The event of its coming has been told while nobody listened for it.
TEST(Connection, does_not_forget_a_request_that_came_while_the_one_before_was_answered) {
  Gateway gateway;
  gateway.hold();
  TestPeer client(gateway.listener.address());
  client.say("GET /1 HTTP/1.1\r\nHost: h\r\n\r\n");
  ASSERT_TRUE(turn_until(gateway.loop, [&] { return gateway.handled == 1; }));
  client.say("GET /2 HTTP/1.1\r\nHost: h\r\n\r\n");
  settle(gateway.loop);
  gateway.handler = Gateway::echo;
  gateway.release.notify(gateway.loop);
  EXPECT_TRUE(gateway.says(client, "held /1"));
  EXPECT_TRUE(gateway.says(client, "GET /2 "));
}

TEST(Connection, ends_when_the_client_ended_while_it_was_answered) {
  Gateway gateway;
  gateway.hold();
  TestPeer client(gateway.listener.address());
  client.say("GET /1 HTTP/1.1\r\nHost: h\r\n\r\n");
  ASSERT_TRUE(turn_until(gateway.loop, [&] { return gateway.handled == 1; }));
  client.end_sending();
  settle(gateway.loop);
  gateway.release.notify(gateway.loop);
  EXPECT_TRUE(gateway.says(client, "held /1"));  // half a close is legal
  EXPECT_TRUE(gateway.all_gone());
}

TEST(Connection, answers_a_client_that_ends_its_sending_with_the_request) {
  Gateway gateway;
  TestPeer client(gateway.listener.address());
  client.say("POST /1 HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\none");
  client.end_sending();
  EXPECT_TRUE(gateway.says(client, "POST /1 one"));
  EXPECT_TRUE(gateway.all_gone());
}

TEST(Connection, refuses_what_is_no_request_and_closes) {
  const std::string host = "Host: h\r\n";
  const std::vector<std::pair<std::string, int>> rows = {
      {"GET / HTTP/1.1\r\n\r\n", 400},                                                                  // F13
      {"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400},                                            // F13
      {"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400},                                                     // F13
      {"GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", 400},                                                     // F13
      {"POST / HTTP/1.1\r\n" + host + "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", 400},  // F1
      {"POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked, chunked\r\n\r\n", 400},              // F2
      {"POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: gzip\r\n\r\n", 501},                          // F2
      {"POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: \r\n\r\n", 400},                              // F2
      {"POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked,\r\n\r\n", 400},                      // F2
      {"POST / HTTP/1.0\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n", 400},                       // F3
      {"POST / HTTP/1.1\r\n" + host + "Content-Length: 3\r\nContent-Length: 4\r\n\r\n", 400},           // F4
      {"POST / HTTP/1.1\r\n" + host + "Content-Length: 3, 4\r\n\r\n", 400},                             // F4
      {"POST / HTTP/1.1\r\n" + host + "Content-Length: +3\r\n\r\n", 400},                               // F5
      {"POST / HTTP/1.1\r\n" + host + "Content-Length: \r\n\r\n", 400},                                 // F5
      {"POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\nxyz\r\n", 400},                // F6
      {"POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n", 400},          // F6
      {"POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n3\nabc\r\n", 400},             // F6
      {"GET / HTTP/1.1\r\n" + host + "A: b\rc\r\n\r\n", 400},                                           // F8
      {"GET / HTTP/1.1\n" + host + "\n", 400},                                                          // F9
      {"GET / HTTP/1.1\r\n" + host + "A : b\r\n\r\n", 400},                                             // F10
      {"GET / HTTP/1.1\r\n" + host + ": b\r\n\r\n", 400},                                               // F10
      {"GET / HTTP/1.1\r\n" + host + "A: b\r\n c\r\n\r\n", 400},                                        // F11
      {"GET / HTTP/1.1\r\n " + host + "\r\n", 400},                                                     // F12
      {"CONNECT h:443 HTTP/1.1\r\n" + host + "\r\n", 405},                                              // F22
      {"TRACE / HTTP/1.1\r\n" + host + "\r\n", 405},                                                    // F22
      {"GET /" + std::string(9000, 'a') + " HTTP/1.1\r\n" + host + "\r\n", 414},                        // F23
      {"GET / HTTP/1.1\r\n" + host + "A: " + std::string(17000, 'a') + "\r\n\r\n", 431},                // F23
      {"POST / HTTP/1.1\r\n" + host + "Expect: 200-ok\r\nContent-Length: 1\r\n\r\n", 417},              // F24
      {"POST / HTTP/1.1\r\n" + host + "Connection: upgrade\r\nUpgrade: websocket\r\n\r\n", 403},        // F25
      {"GET https://h/ HTTP/1.1\r\n" + host + "\r\n", 501},
      {"GET / HTTP/1.0\r\n" + host + "\r\n", 426},
      {"GET / HTTP/2.0\r\n" + host + "\r\n", 400},
      {"GET /\r\n\r\n", 400},
      {"GET  / HTTP/1.1\r\n" + host + "\r\n", 400},
      {"GET ftp://h/ HTTP/1.1\r\n" + host + "\r\n", 400},
      {"GET h HTTP/1.1\r\n" + host + "\r\n", 400},
      {"GET * HTTP/1.1\r\n" + host + "\r\n", 400},
      {std::string("\x16\x03\x01\x02\0\x01", 6), 400},  // TLS on a plain port
  };
  for (const auto& [bytes, status] : rows) {
    Gateway gateway;
    TestPeer client(gateway.listener.address());
    client.say(bytes);
    EXPECT_TRUE(gateway.ends(client)) << bytes;
    EXPECT_TRUE(client.heard().starts_with(fmt::format("HTTP/1.1 {} ", status))) << bytes << client.heard();
    EXPECT_EQ(count(client.heard(), "HTTP/1.1 "), 1U) << bytes;
    EXPECT_TRUE(client.hears("connection: close\r\n")) << bytes;
    client.close();
    EXPECT_TRUE(gateway.all_gone()) << bytes;
  }
}

TEST(Connection, says_why_it_refuses) {
  struct Row {
    std::string_view bytes;
    std::string_view body;
    std::string_view logged;
  };
  const Row rows[] = {
      {"CONNECT h:443 HTTP/1.1\r\nHost: h:443\r\n\r\n", "CONNECT is not supported on this listener",
       "405 - method_not_allowed"},
      {"TRACE / HTTP/1.1\r\nHost: h\r\n\r\n", "TRACE is not supported on this listener", "405 - method_not_allowed"},
      {"GET https://h/ HTTP/1.1\r\nHost: h\r\n\r\n",
       "a target with https:// asks for TLS to the destination, which this listener does not do: it is not sent in the "
       "clear (ProxySettings.destinations.scheme has it go by TLS)",
       "501 - https_target_not_supported"},
      {"GET / HTTP/1.0\r\nHost: h\r\n\r\n", "HTTP/1.0 is not supported: send HTTP/1.1", "426 - low_version"},
      {"GET / HTTP/1.1\r\nHost: h\r\nExpect: x\r\n\r\n", "the only expectation that is supported is 100-continue",
       "417 - expectation_failed"},
      {"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", "Bad Request", "400 DPE http1.codec_error"},
      // As Envoy (gloo-policies 9.2): without a body.
      {"GET / HTTP/1.1\r\n\r\n", "\r\n\r\n", "400 - missing_host_header"},
      {"POST / HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n", "\r\n\r\n",
       "403 - upgrade_failed"},
  };
  for (const Row& row : rows) {
    Gateway gateway;
    TestPeer client(gateway.listener.address());
    client.say(row.bytes);
    EXPECT_TRUE(gateway.ends(client)) << row.bytes;
    EXPECT_TRUE(client.heard().ends_with(row.body)) << client.heard();
    EXPECT_EQ(client.hears("allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS\r\n"), row.logged.starts_with("405"));
    client.close();
    EXPECT_TRUE(gateway.all_gone());
    EXPECT_EQ(gateway.log, std::vector<std::string>{std::string(row.logged)});
  }
}

TEST(Connection, refuses_a_head_with_too_many_fields_or_bytes) {
  std::string many = "GET / HTTP/1.1\r\nHost: h\r\n", long_one = many;
  for (int i = 0; i < 100; ++i) many += fmt::format("f{}: x\r\n", i);
  for (int i = 0; i < 5; ++i) long_one += fmt::format("f{}: {}\r\n", i, std::string(15000, 'x'));
  for (const std::string& head : {many, long_one}) {
    Gateway gateway;
    TestPeer client(gateway.listener.address());
    for (size_t at = 0; at < head.size();) {
      at += client.say(std::string_view(head).substr(at, 1000));
      gateway.loop.turn(0ms);
      if (client.ended()) break;
    }
    client.say("\r\n");
    EXPECT_TRUE(gateway.says(client, "HTTP/1.1 431 "));
  }
}

TEST(Connection, gives_a_head_its_time_and_no_more) {
  Gateway gateway;
  TestPeer client(gateway.listener.address());
  client.say("GET / HT");
  settle(gateway.loop);
  gateway.loop.advance(29s);
  client.say("TP/1.1\r\n");
  settle(gateway.loop);
  gateway.loop.advance(1s);
  EXPECT_TRUE(gateway.says(client, "HTTP/1.1 408 Request Timeout\r\n"));
  EXPECT_EQ(gateway.log, std::vector<std::string>{"408 - request_header_timeout"});
}

TEST(Connection, ends_when_it_was_idle_for_too_long) {
  Gateway gateway([](ListenerConfig& config) { config.idle_timeout = 10s; });
  TestPeer client(gateway.listener.address());
  client.say("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_TRUE(gateway.says(client, "GET / "));
  settle(gateway.loop);
  gateway.loop.advance(10s);
  EXPECT_TRUE(gateway.ends(client));
  EXPECT_EQ(gateway.config.metrics->connections_idle_timeout->value(), 1);
}

TEST(Connection, says_100_when_somebody_wants_the_body) {
  Gateway gateway;
  TestPeer client(gateway.listener.address());
  client.say("POST /x HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n");
  EXPECT_TRUE(gateway.says(client, "HTTP/1.1 100 Continue\r\n\r\n"));
  client.say("body");
  EXPECT_TRUE(gateway.says(client, "POST /x body"));
}

// What comes behind the answer would be taken for the answer to the next request.
TEST(Connection, never_says_100_behind_an_answer) {
  Gateway gateway;
  gateway.handler = [](Request& request) -> Task<Response> { return respond(request, 401, "who are you"); };
  TestPeer client(gateway.listener.address());
  client.say("POST /x HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n");
  EXPECT_TRUE(gateway.says(client, "who are you"));
  gateway.loop.advance(500ms);
  settle(gateway.loop);
  EXPECT_FALSE(client.hears("100 Continue"));
  EXPECT_TRUE(client.hears("connection: close"));
  client.close();
}

// A sender in the background may ask for the body's bytes at any time.
Task<void> read_later(Loop& loop, Request& request) {
  auto nap = sleep_for(loop, 1s);
  CO_TRY(co_await nap);
  auto reading = request.body.reader->read();
  CO_TRY(co_await reading);
  co_return Status{};
}

TEST(Connection, never_says_100_in_the_middle_of_an_answer) {
  Gateway gateway;
  gateway.handler = [&](Request& request) -> Task<Response> {
    request.background->spawn(read_later(gateway.loop, request));
    Response response = respond(request, 200, "");
    std::vector<Result<std::string>> pieces;
    for (int i = 0; i < 3000; ++i) pieces.emplace_back("x");
    response.body = {request.arena.make<GivenBody>(gateway.loop, std::move(pieces)), 3000};
    return response;
  };
  TestPeer client(gateway.listener.address());
  client.say("POST /x HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n");
  for (int i = 0; i < 1500; ++i) {
    gateway.loop.turn(0ms);
    gateway.loop.advance(1ms);
  }
  EXPECT_TRUE(client.hears("HTTP/1.1 200 OK"));
  EXPECT_FALSE(client.hears("100 Continue"));
}

TEST(Connection, answers_head_without_a_body) {
  Gateway gateway;
  TestPeer client(gateway.listener.address());
  client.say("HEAD /x HTTP/1.1\r\nHost: h\r\n\r\nGET /y HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_TRUE(gateway.says(client, "GET /y "));
  EXPECT_TRUE(client.hears("content-length: 8\r\n"));
  EXPECT_FALSE(client.hears("HEAD /x"));
}

// A filter may change the method: what the client waits for goes by the one it sent.
TEST(Connection, frames_an_answer_by_the_method_that_the_client_sent) {
  for (const std::string_view method : {"HEAD", "GET"}) {
    Gateway gateway;
    gateway.handler = [](Request& request) -> Task<Response> {
      const bool head = request.info.method == "HEAD";
      request.method = head ? "GET" : "HEAD";
      Response response = respond(request, 200, head ? "EVIL!" : "");
      response.headers->add(Known::content_length, "5");
      return response;
    };
    TestPeer client(gateway.listener.address());
    client.say(fmt::format("{} /1 HTTP/1.1\r\nHost: h\r\n\r\n", method));
    ASSERT_TRUE(gateway.says(client, "\r\n\r\n"));
    settle(gateway.loop);
    EXPECT_TRUE(client.heard().ends_with("\r\n\r\n")) << client.heard();
    EXPECT_TRUE(client.hears(method == "HEAD" ? "content-length: 5\r\n" : "content-length: 0\r\n")) << client.heard();
  }
}

TEST(Connection, sends_a_body_of_unknown_length_in_chunks_and_trailers_to_whom_they_were_asked_by) {
  for (const bool wanted : {false, true}) {
    Gateway gateway;
    gateway.handler = [&](Request& request) -> Task<Response> {
      Response response = respond(request, 200, "");
      auto* body = request.arena.make<GivenBody>(gateway.loop, std::vector<Result<std::string>>{"one", "three"});
      auto* trailers = request.arena.make<Headers>(request.arena);
      trailers->add("x_set", "forged");
      trailers->add("x-sum", "8");
      trailers->add("x-set", "forged");
      request.kept_from_response_trailers.push_back("x-set");
      body->trailing = trailers;
      response.body = {body, std::nullopt};
      return response;
    };
    TestPeer client(gateway.listener.address());
    client.say(fmt::format("GET / HTTP/1.1\r\nHost: h\r\n{}\r\n", wanted ? "TE: trailers\r\nConnection: TE\r\n" : ""));
    settle(gateway.loop);
    for (int i = 0; i < 5; ++i) gateway.loop.advance(2ms);
    EXPECT_TRUE(gateway.says(client, wanted ? "\r\n0\r\nx-sum: 8\r\n\r\n" : "\r\n0\r\n\r\n"));
    EXPECT_TRUE(client.hears("transfer-encoding: chunked\r\n"));
    EXPECT_TRUE(client.hears("\r\n\r\n3\r\none\r\n5\r\nthree\r\n0\r\n"));
  }
}

TEST(Connection, reads_past_a_short_body_that_nobody_read) {
  Gateway gateway;
  gateway.hold_own_answer();
  TestPeer client(gateway.listener.address());
  client.say("POST /1 HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nhalf.");
  ASSERT_TRUE(turn_until(gateway.loop, [&] { return gateway.handled == 1; }));
  gateway.release.notify(gateway.loop);
  EXPECT_TRUE(gateway.says(client, "held /1"));
  EXPECT_FALSE(client.hears("connection: close"));
  // However long the rest takes: the connection has been promised.
  settle(gateway.loop);
  gateway.loop.advance(30s);
  settle(gateway.loop);
  gateway.handler = Gateway::echo;
  client.say("half!POST /2 HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\ntwo");
  EXPECT_TRUE(gateway.says(client, "POST /2 two"));
}

TEST(Connection, closes_behind_a_body_that_nobody_reads_and_that_does_not_end) {
  Gateway gateway;
  gateway.hold_own_answer();
  TestPeer client(gateway.listener.address());
  client.say("POST /1 HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\nhalf");
  ASSERT_TRUE(turn_until(gateway.loop, [&] { return gateway.handled == 1; }));
  gateway.release.notify(gateway.loop);
  EXPECT_TRUE(gateway.says(client, "held /1"));
  settle(gateway.loop);
  gateway.loop.advance(5min);
  EXPECT_TRUE(gateway.ends(client));
}

// A client that has sent a part of its body must learn with the answer whether its next request will be found.
TEST(Connection, says_close_with_an_answer_before_the_end_of_the_request) {
  const std::string part(10'000, 'x');
  struct Row {
    std::string_view fields;
    std::string body;  // what has been sent of it when the answer begins
    bool own;          // the answer
    bool close;
  };
  const Row rows[] = {
      {"Content-Length: 20000", part, false, true},
      {"Content-Length: 10001", part, false, true},
      {"Content-Length: 10000", part, false, false},                // all of it is here, though nobody read it
      {"Content-Length: 30000", part + part + part, false, false},  // a part of it in the socket
      {"Content-Length: 30001", part + part + part, false, true},
      {"Content-Length: 20000", part, true, false},  // will be read past
      {"Content-Length: 200000", part, true, true},  // too much
      {"Content-Length: 20000\r\nExpect: 100-continue", part, true, true},
      {"Transfer-Encoding: chunked", "2\r\nhi\r\n", false, true},
      {"Transfer-Encoding: chunked", "2\r\nhi\r\n", true, true},
  };
  for (const Row& row : rows) {
    Gateway gateway;
    row.own ? gateway.hold_own_answer() : gateway.hold();
    TestPeer client(gateway.listener.address());
    const std::string request = fmt::format("POST /1 HTTP/1.1\r\nHost: h\r\n{}\r\n\r\n{}", row.fields, row.body);
    ASSERT_EQ(client.say(request), request.size());
    ASSERT_TRUE(turn_until(gateway.loop, [&] { return gateway.handled == 1; }));
    gateway.release.notify(gateway.loop);
    EXPECT_TRUE(gateway.says(client, "held /1")) << row.fields;
    EXPECT_EQ(client.hears("connection: close\r\n"), row.close) << row.fields << " " << row.own;
    if (row.close) {
      EXPECT_TRUE(gateway.ends(client));
      continue;
    }
    // The promise is kept.
    gateway.handler = Gateway::echo;
    const std::string_view rest = row.own ? std::string_view(part) : std::string_view();
    client.say(rest);
    client.say("GET /2 HTTP/1.1\r\nHost: h\r\n\r\n");
    EXPECT_TRUE(gateway.says(client, "GET /2")) << row.fields;
  }
}

TEST(Connection, finds_the_next_request_behind_a_body_that_filled_larger_buffers) {
  const std::string text(300'000, 'x');
  const std::string plain =
      fmt::format("POST /1 HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n\r\n{}", text.size(), text);
  const std::string chunked = fmt::format(
      "POST /1 HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{}\r\n0\r\n\r\n", text.size(), text);
  for (const std::string& first : {plain, chunked}) {
    Gateway gateway;
    TestPeer client(gateway.listener.address());
    std::string bytes = first;
    for (int i = 2; i < 40; ++i)
      bytes += fmt::format("GET /{} HTTP/1.1\r\nHost: h\r\nPad: {}\r\n\r\n", i, std::string(900, 'p'));
    for (size_t at = 0; at < bytes.size();) {
      at += client.say(std::string_view(bytes).substr(at));
      gateway.loop.turn(0ms);
      client.heard();
    }
    EXPECT_TRUE(gateway.says(client, "GET /39 "));
    EXPECT_EQ(count(client.heard(), "HTTP/1.1 200 OK"), 39U);
    EXPECT_TRUE(client.hears("POST /1 " + text + "HTTP/1.1 200"));
  }
}

Task<void> read_on(Request& request, std::string& read) {
  for (bool last = false; !last;) {
    auto reading = request.body.reader->read();
    const Chunk chunk = CO_TRY(co_await reading);
    read.append(chunk.bytes.data(), chunk.bytes.size());
    last = chunk.last;
  }
  co_return Status{};
}

TEST(Connection, takes_the_body_over_from_a_sender_in_the_background) {
  Gateway gateway;
  std::string read;
  gateway.handler = [&](Request& request) -> Task<Response> {
    request.background->spawn(read_on(request, read));
    Response response = respond(request, 200, "early");
    response.local = true;
    return response;
  };
  TestPeer client(gateway.listener.address());
  client.say("POST /1 HTTP/1.1\r\nHost: h\r\nContent-Length: 12\r\n\r\nfour");
  EXPECT_TRUE(gateway.says(client, "early"));
  gateway.handler = Gateway::echo;
  client.say("more");
  settle(gateway.loop);
  client.say("lastPOST /2 HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\ntwo");
  EXPECT_TRUE(gateway.says(client, "POST /2 two"));
  EXPECT_EQ(read, "four");
}

TEST(Connection, cancels_the_request_of_a_client_that_is_gone) {
  Gateway gateway;
  gateway.hold();
  TestPeer client(gateway.listener.address());
  client.say("GET /1 HTTP/1.1\r\nHost: h\r\n\r\n");
  ASSERT_TRUE(turn_until(gateway.loop, [&] { return gateway.handled == 1; }));
  client.reset();
  EXPECT_TRUE(gateway.all_gone());
  EXPECT_EQ(gateway.cancelled, 1);
  EXPECT_EQ(gateway.log, std::vector<std::string>{"0 DC downstream_remote_disconnect"});
}

TEST(Connection, gives_a_client_that_sends_no_more_a_few_seconds) {
  Gateway gateway;
  gateway.hold();
  TestPeer client(gateway.listener.address());
  client.say("GET /1 HTTP/1.1\r\nHost: h\r\n\r\n");
  ASSERT_TRUE(turn_until(gateway.loop, [&] { return gateway.handled == 1; }));
  client.end_sending();
  settle(gateway.loop);
  gateway.loop.advance(4900ms);
  EXPECT_EQ(gateway.cancelled, 0);
  gateway.loop.advance(200ms);
  EXPECT_TRUE(gateway.all_gone());
  EXPECT_EQ(gateway.cancelled, 1);
}

TEST(Connection, survives_a_client_that_is_gone_at_any_byte_of_its_upload) {
  const std::string bytes =
      "POST /1 HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n5\r\nhello\r\n0\r\n\r\n";
  for (const bool hard : {true, false}) {
    for (size_t at = 0; at < bytes.size(); at += 3) {
      Gateway gateway;
      TestPeer client(gateway.listener.address());
      client.say(std::string_view(bytes).substr(0, at));
      settle(gateway.loop);
      if (hard)
        client.reset();
      else
        client.close();
      EXPECT_TRUE(gateway.all_gone()) << at;
    }
  }
}

TEST(Connection, cuts_an_answer_whose_body_fails_behind_its_head) {
  const std::pair<ErrorKind, std::string_view> rows[] = {
      {ErrorKind::reset, "200 UC upstream_reset_after_response_started{connection_termination}"},
      {ErrorKind::invalid, "200 UPE upstream_reset_after_response_started{protocol_error}"},
      {ErrorKind::timeout, "200 SI stream_idle_timeout"},
  };
  for (const auto& [kind, logged] : rows) {
    Gateway gateway;
    gateway.handler = [&](Request& request) -> Task<Response> {
      Response response = respond(request, 200, "");
      std::vector<Result<std::string>> pieces{"part", fail(kind, "gone", Side::upstream)};
      response.body = {request.arena.make<GivenBody>(gateway.loop, std::move(pieces)), std::nullopt};
      return response;
    };
    TestPeer client(gateway.listener.address());
    client.say("GET /1 HTTP/1.1\r\nHost: h\r\n\r\n");
    settle(gateway.loop);
    for (int i = 0; i < 5; ++i) gateway.loop.advance(2ms);
    EXPECT_TRUE(gateway.ends(client));
    EXPECT_TRUE(client.hears("4\r\npart\r\n"));
    EXPECT_FALSE(client.hears("0\r\n\r\n"));
    EXPECT_EQ(gateway.log, std::vector<std::string>{std::string(logged)});
  }
}

class FailsAtOnce final : public BodyReader {
 public:
  Task<Chunk> read() override { return fail(ErrorKind::reset, "gone", Side::upstream); }
};

Task<Response> answer_with_a_body_that_fails(Request& request) {
  Response response = respond(request, 200, "");
  response.body = {request.arena.make<FailsAtOnce>(), 5};
  return response;
}

TEST(Connection, answers_properly_when_a_body_fails_before_its_head_has_gone) {
  Gateway gateway;
  gateway.handler = answer_with_a_body_that_fails;
  TestPeer client(gateway.listener.address());
  client.say("GET /1 HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_TRUE(gateway.says(client, "HTTP/1.1 502 Bad Gateway\r\n"));
  EXPECT_EQ(count(client.heard(), "HTTP/1.1 "), 1U);
}

TEST(Connection, answers_as_a_proxy_also_when_the_body_fails_before_its_head_has_gone) {
  Gateway gateway([](ListenerConfig& config) { config.proxy_answers = true; });
  gateway.handler = answer_with_a_body_that_fails;
  TestPeer client(gateway.listener.address());
  client.say("GET /1 HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_TRUE(gateway.says(client, "HTTP/1.1 502 Bad Gateway\r\n"));
  EXPECT_TRUE(client.hears("proxy-status: sluice; error=")) << client.heard();
}

// RFC 9209 2.3, whoever in the gateway made the answer; but not one that the configuration words.
TEST(Connection, names_as_a_proxy_why_it_answers_itself) {
  struct Row {
    uint16_t status;
    OutcomeKind kind;
    std::string_view error;  // empty: no Proxy-Status
  };
  using Kind = OutcomeKind;
  for (const Row& row : {
           Row{500, Kind::response_too_large, "http_response_body_size"},
           Row{502, Kind::response_coding, "http_response_content_coding"},
           Row{500, Kind::own_answer, "proxy_internal_error"},
           Row{500, Kind::route_too_costly, "proxy_internal_error"},
           Row{413, Kind::request_too_large, "http_request_error"},
           Row{401, Kind::own_answer, "http_request_denied"},
           Row{503, Kind::direct_response, ""},
           Row{301, Kind::direct_response, ""},
       }) {
    Gateway gateway([](ListenerConfig& config) { config.proxy_answers = true; });
    gateway.handler = [&](Request& request) {
      return terms_of(row.kind).status != 0 ? reply(request, row.kind)
                                            : local_reply(request, row.status, "", "own", row.kind);
    };
    TestPeer client(gateway.listener.address());
    client.say("GET /1 HTTP/1.1\r\nHost: h\r\n\r\n");
    EXPECT_TRUE(gateway.says(client, "\r\n\r\n"));
    if (row.error.empty())
      EXPECT_FALSE(client.hears("proxy-status")) << client.heard();
    else
      EXPECT_TRUE(client.hears(fmt::format("proxy-status: sluice; error={}\r\n", row.error))) << client.heard();
  }
}

TEST(Connection, ends_an_upload_at_its_deadline_however_fast_it_comes) {
  Gateway gateway([](ListenerConfig& config) { config.request_timeout = 10s; });
  gateway.handler = [](Request& request) -> Task<Response> {
    while (true) {
      auto reading = request.body.reader->read();
      const Chunk chunk = CO_TRY(co_await reading);
      if (chunk.last) co_return respond(request, 200, "all");
    }
  };
  TestPeer client(gateway.listener.address());
  client.say("POST /1 HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000000\r\n\r\n");
  const std::string piece(1 << 20, 'x');
  for (int second = 0; second < 30 && client.heard().empty(); ++second) {
    for (int i = 0; i < 4; ++i) {
      client.say(piece);
      gateway.loop.turn(0ms);
    }
    client.say(piece);
    gateway.loop.advance(1s);
  }
  EXPECT_TRUE(gateway.says(client, "HTTP/1.1 408 "));
}

TEST(Connection, asks_for_no_more_of_an_answer_than_its_client_takes) {
  Gateway gateway;
  struct Endless final : BodyReader {
    Task<Chunk> read() override {
      bytes += piece.size();
      return Chunk{{piece.data(), piece.size()}, false};
    }
    std::string piece = std::string(64 << 10, 'x');
    size_t bytes = 0;
  } endless;
  gateway.handler = [&](Request& request) -> Task<Response> {
    Response response = respond(request, 200, "");
    response.body = {&endless, std::nullopt};
    return response;
  };
  TestPeer client(gateway.listener.address());
  client.say("GET /1 HTTP/1.1\r\nHost: h\r\n\r\n");
  settle(gateway.loop);
  EXPECT_LT(endless.bytes, 32U << 20);
  gateway.loop.advance(6min);  // streamIdleTimeout
  EXPECT_TRUE(gateway.all_gone() || (gateway.loop.advance(2s), gateway.all_gone()));
  EXPECT_EQ(gateway.log, std::vector<std::string>{"200 SI stream_idle_timeout"});
}

struct Rules final : RouteRules {
  explicit Rules(Nanos idle) { idle_timeout = idle; }
  void rewrite_request(Request&) const override {}
  void finish_response(Request&, Response& response) const override { response.finished = true; }
};

// Whoever forwards cuts an upstream's response off, or wants to.
struct CutOff {
  explicit CutOff(Gateway& g) : gateway(g) {
    gateway.config.stream_idle_timeout = 0s;
    gateway.handler = [this](Request& r) -> Task<Response> {
      request = &r;
      Response response = respond(r, 200, text);
      response.local = local;
      return response;
    };
    client.say("GET /1 HTTP/1.1\r\nHost: h\r\n\r\n");
  }
  void cut() {
    request->info.end({OutcomeKind::destination_denied, "r"}, request->arena);
    request->client->cut_off({.kind = ErrorKind::denied, .message = "no", .side = Side::upstream});
  }
  Gateway& gateway;
  std::string text = std::string(16 << 20, 'x');
  bool local = false;
  Request* request = nullptr;
  TestPeer client{gateway.listener.address()};
};

TEST(Connection, lets_go_of_a_client_that_does_not_read_what_is_cut_off) {
  Gateway gateway;
  CutOff answer(gateway);
  settle(gateway.loop);
  answer.cut();
  settle(gateway.loop);
  EXPECT_EQ(gateway.log, std::vector<std::string>{"200 - destination_ip_prohibited{r}"});
  gateway.loop.advance(1s);
  EXPECT_TRUE(gateway.all_gone());
  EXPECT_TRUE(answer.client.ended());
  EXPECT_LT(answer.client.heard().size(), answer.text.size());
}

TEST(Connection, sends_an_answer_of_its_own_whole_when_an_upstreams_is_cut_off) {
  Gateway gateway;
  CutOff answer(gateway);
  answer.local = true;
  settle(gateway.loop);
  answer.cut();
  EXPECT_TRUE(turn_until(gateway.loop, [&] { return answer.client.heard().size() > answer.text.size(); }));
}

TEST(Connection, answers_properly_when_a_response_is_cut_off_before_its_head_has_gone) {
  Gateway gateway;
  gateway.handler = [](Request& request) -> Task<Response> {
    request.client->cut_off({.kind = ErrorKind::timeout, .message = "late", .side = Side::upstream});
    return respond(request, 504, "late");
  };
  TestPeer client(gateway.listener.address());
  client.say("GET /1 HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_TRUE(gateway.says(client, "\r\n\r\nlate"));
}

TEST(Connection, waits_for_an_upload_as_long_as_the_route_says) {
  for (const Nanos idle : {Nanos(1s), Nanos(1h)}) {
    Gateway gateway;  // whose streamIdleTimeout is 5 min
    const Rules rules(idle);
    gateway.handler = [&](Request& request) {
      request.route.rules = &rules;
      request.client->route_is_final();
      return Gateway::echo(request);
    };
    TestPeer client(gateway.listener.address());
    client.say("POST /1 HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhalf");
    settle(gateway.loop);
    gateway.loop.advance(idle - 1ms);
    settle(gateway.loop);
    EXPECT_EQ(client.heard(), "");
    gateway.loop.advance(1ms);
    EXPECT_TRUE(gateway.says(client, "HTTP/1.1 408 "));
  }
}

TEST(Connection, ends_a_tunnel_that_idles_as_long_as_the_route_says) {
  Gateway gateway;  // whose streamIdleTimeout is 5 min
  const Rules rules(2s);
  StreamAndPeer tunnel(gateway.loop, Side::upstream);
  gateway.handler = [&](Request& request) -> Task<Response> {
    request.route.rules = &rules;
    Response response = respond(request, 101, "");
    response.body = {};
    response.tunnel = request.arena.make<UpstreamTunnel>(*tunnel.stream);
    return response;
  };
  TestPeer client(gateway.listener.address());
  client.say("GET /ws HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n");
  EXPECT_TRUE(gateway.says(client, "HTTP/1.1 101 "));
  gateway.loop.advance(1s);
  settle(gateway.loop);
  EXPECT_TRUE(gateway.log.empty());
  gateway.loop.advance(1s);
  EXPECT_TRUE(gateway.ends(client));
  EXPECT_EQ(gateway.log, std::vector<std::string>{"101 SI stream_idle_timeout"});
}

TEST(Connection, waits_for_a_slow_client_without_a_streamIdleTimeout) {
  Gateway gateway([](ListenerConfig& config) { config.stream_idle_timeout = Nanos(0); });
  const std::string text(16 << 20, 'x');
  gateway.handler = [&](Request& request) -> Task<Response> { return respond(request, 200, text); };
  TestPeer client(gateway.listener.address());
  client.say("GET /1 HTTP/1.1\r\nHost: h\r\n\r\n");
  settle(gateway.loop);
  gateway.loop.advance(1h);
  EXPECT_TRUE(turn_until(gateway.loop, [&] { return client.heard().size() > text.size(); }));
}

TEST(Connection, says_no_length_where_there_can_be_none) {
  Gateway gateway;
  gateway.handler = [](Request& request) -> Task<Response> {
    Response response = respond(request, 204, "");
    response.headers->add(Known::content_length, "5");
    return response;
  };
  TestPeer client(gateway.listener.address());
  client.say("GET /1 HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_TRUE(gateway.says(client, "\r\n\r\n"));
  EXPECT_FALSE(client.hears("content-length"));
}

// Whatever the answer's head and the log need of it at the end has been copied; the sanitizer watches.
TEST(Connection, lets_its_configuration_go_once_it_is_a_tunnel) {
  Gateway gateway;
  auto snapshot = std::make_shared<ListenerConfig>(gateway.config);
  snapshot->server_name = "a server name that is long enough to lie on the heap";
  gateway.listener.configure(snapshot, snapshot.get());
  const std::weak_ptr<const void> gone = std::exchange(snapshot, nullptr);
  StreamAndPeer tunnel(gateway.loop, Side::upstream);
  TestPeer& upstream = *tunnel.peer;
  std::string text = "details of the configuration, long enough to lie on the heap";
  gateway.handler = [&](Request& request) -> Task<Response> {
    Response response = respond(request, 101, "");
    response.body = {};
    response.tunnel = request.arena.make<UpstreamTunnel>(*tunnel.stream);
    request.info.details = text;
    request.headers.add("x-from-config", text);
    return response;
  };
  TestPeer client(gateway.listener.address());
  client.say("GET /ws HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\nfirst");
  ASSERT_TRUE(turn_until(gateway.loop, [&] { return upstream.hears("first"); }));
  EXPECT_TRUE(client.hears("HTTP/1.1 101 Switching Protocols\r\n"));
  gateway.listener.configure(nullptr, &gateway.config);
  EXPECT_TRUE(gone.expired());
  text.assign(text.size(), '?');
  upstream.say("still there");
  EXPECT_TRUE(gateway.says(client, "still there"));
  client.close();
  upstream.close();
  ASSERT_TRUE(gateway.all_gone());
  EXPECT_EQ(gateway.log,
            std::vector<std::string>{"101 - details of the configuration, long enough to lie on the heap"});
}

// A piece each time the test gives one.
class LateBody final : public BodyReader {
 public:
  explicit LateBody(Loop& loop) : loop_(loop) {}
  void give(std::string piece, bool last) {
    piece_ = std::move(piece);
    last_ = last;
    came_.notify(loop_);
  }
  Task<Chunk> read() override {
    auto waiting = came_.wait(loop_);
    CO_TRY(co_await waiting);
    co_return Chunk{{piece_.data(), piece_.size()}, last_};
  }
  const Headers* trailers() const override { return trailing; }
  const Headers* trailing = nullptr;

 private:
  Loop& loop_;
  std::string piece_;
  bool last_ = false;
  Event came_;
};

// The same of a body, whether the new configuration comes before or after the head of the response.
TEST(Connection, lets_its_configuration_go_while_a_body_comes) {
  for (const bool before : {false, true}) {
    Gateway gateway;
    auto snapshot = std::make_shared<ListenerConfig>(gateway.config);
    snapshot->server_name = "a server name that is long enough to lie on the heap";
    gateway.listener.configure(snapshot, snapshot.get());
    const std::weak_ptr<const void> gone = std::exchange(snapshot, nullptr);
    std::string text = "details of the configuration, long enough to lie on the heap";
    std::string kept = "x-kept-from-trailers-with-a-name-that-is-long";
    LateBody body(gateway.loop);
    const auto change = [&] { gateway.listener.configure(nullptr, &gateway.config); };
    gateway.handler = [&](Request& request) -> Task<Response> {
      if (before) change();
      EXPECT_FALSE(gone.expired());
      Response response = respond(request, 200, "");
      response.body = {.reader = &body, .length = {}};
      auto* trailing = request.arena.make<Headers>(request.arena);
      for (const std::string& name : {kept, std::string("x-told")}) trailing->add(request.arena.copy(name), "yes");
      body.trailing = trailing;
      request.info.details = text;
      request.headers.add("x-from-config", text);
      request.keep_from_response_trailers(kept);
      return response;
    };
    TestPeer client(gateway.listener.address());
    client.say("GET /long HTTP/1.1\r\nHost: h\r\nTE: trailers\r\nConnection: TE\r\n\r\n");
    EXPECT_TRUE(gateway.says(client, "\r\n\r\n"));
    if (!before) change();
    EXPECT_TRUE(gone.expired());
    body.give("first", false);
    EXPECT_TRUE(gateway.says(client, "first"));
    text.assign(text.size(), '?');
    kept.assign(kept.size(), '?');
    body.give("last", true);
    EXPECT_TRUE(gateway.says(client, "x-told"));
    EXPECT_FALSE(client.hears("x-kept"));
    client.close();
    ASSERT_TRUE(gateway.all_gone());
    EXPECT_EQ(gateway.log,
              std::vector<std::string>{"200 - details of the configuration, long enough to lie on the heap"});
  }
}

TEST(Connection, holds_its_configuration_while_the_request_is_being_sent) {
  Gateway gateway;
  auto snapshot = std::make_shared<ListenerConfig>(gateway.config);
  gateway.listener.configure(snapshot, snapshot.get());
  const std::weak_ptr<const void> gone = std::exchange(snapshot, nullptr);
  LateBody body(gateway.loop);
  gateway.handler = [&](Request& request) -> Task<Response> {
    Response response = respond(request, 200, "");
    response.body = {.reader = &body, .length = {}};
    return response;
  };
  TestPeer client(gateway.listener.address());
  client.say("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\n");
  settle(gateway.loop);
  body.give("first", false);
  EXPECT_TRUE(gateway.says(client, "first"));
  gateway.listener.configure(nullptr, &gateway.config);
  EXPECT_FALSE(gone.expired());
  body.give("last", true);
  EXPECT_TRUE(gateway.says(client, "last"));
  EXPECT_TRUE(turn_until(gateway.loop, [&] { return gone.expired(); }));
  client.close();
}

// One whose handshake was not done yet when the port was closed.
TEST(Listener, serves_one_request_of_a_connection_that_comes_late) {
  Gateway gateway;
  gateway.listener.drain();
  StreamAndPeer late(gateway.loop);
  late.peer->say("GET /1 HTTP/1.1\r\nHost: h\r\n\r\n");
  gateway.listener.server().take(
      {Seat(gateway.listener.listener()), std::move(late.stream), SocketAddress::v4(INADDR_LOOPBACK, 1)});
  EXPECT_TRUE(gateway.says(*late.peer, "connection: close\r\n"));
  late.peer->close();
  EXPECT_TRUE(gateway.all_gone());
}

TEST(Listener, finishes_what_is_under_way_when_it_drains) {
  Gateway gateway;
  gateway.hold();
  TestPeer busy(gateway.listener.address()), idle(gateway.listener.address());
  busy.say("GET /1 HTTP/1.1\r\nHost: h\r\n\r\n");
  ASSERT_TRUE(turn_until(gateway.loop, [&] { return gateway.handled == 1 && gateway.listener.connections() == 2; }));
  gateway.listener.drain();
  EXPECT_TRUE(gateway.ends(idle));
  EXPECT_EQ(gateway.listener.connections(), 1U);
  gateway.release.notify(gateway.loop);
  EXPECT_TRUE(gateway.says(busy, "held /1"));
  EXPECT_TRUE(busy.hears("connection: close\r\n"));
  busy.close();
  EXPECT_TRUE(gateway.all_gone());
}

TEST(Listener, ends_everything_when_it_aborts) {
  Gateway gateway;
  gateway.hold();
  std::deque<TestPeer> clients;
  for (int i = 0; i < 20; ++i) {
    clients.emplace_back(gateway.listener.address());
    if (i % 2) clients.back().say("GET /1 HTTP/1.1\r\nHost: h\r\n\r\n");
    if (i % 3 == 0) clients.back().say("GET /1 HT");
  }
  ASSERT_TRUE(turn_until(gateway.loop, [&] { return gateway.listener.connections() == 20; }));
  gateway.listener.drain();
  gateway.listener.abort();
  EXPECT_TRUE(gateway.all_gone());
}

// A client that speaks HTTP/2 by prior knowledge.
struct Http2Peer {
  explicit Http2Peer(Gateway& g) : gateway(g), peer(g.listener.address()) {
    peer.say(std::string(h2::kPreface) + h2::FrameWriter::settings());
  }
  // Until `done()`, of what has come.
  template <class Done>
  bool hears(Done&& done) {
    return turn_until(gateway.loop, [&] {
      const std::string& all = peer.heard();
      reader.add(std::string_view(all).substr(std::exchange(read, all.size())));
      return done();
    });
  }
  bool answered(int32_t stream, std::string_view body) {
    return hears([&] { return reader.streams[stream].ended; }) && reader.streams[stream].body == body;
  }

  Gateway& gateway;
  TestPeer peer;
  h2::FrameWriter writer;
  h2::FrameReader reader;
  size_t read = 0;
};

// RFC 9113 6.8: with two GOAWAYs, the last of which names what is served yet.
TEST(Listener, finishes_the_open_streams_of_a_connection_when_it_drains) {
  for (const bool client_answers : {true, false}) {
    Gateway gateway;
    gateway.hold();
    Http2Peer client(gateway), idle(gateway);
    client.peer.say(client.writer.get(1, "/1") + client.writer.get(3, "/3"));
    ASSERT_TRUE(turn_until(gateway.loop, [&] { return gateway.handled == 2 && gateway.listener.connections() == 2; }));
    gateway.listener.drain();
    ASSERT_TRUE(client.hears([&] { return client.reader.goaway && !client.reader.ping.empty(); }));
    EXPECT_EQ(client.reader.goaway_last, INT32_MAX);
    client.peer.say(client.writer.get(5, "/5"));  // before it has heard of that
    ASSERT_TRUE(turn_until(gateway.loop, [&] { return gateway.handled == 3; }));
    if (client_answers)
      client.peer.say(client.writer.pong(client.reader.ping));
    else
      gateway.loop.advance(5s);
    EXPECT_TRUE(client.hears([&] { return client.reader.goaway_last == 5; }));
    EXPECT_EQ(client.reader.goaway, NGHTTP2_NO_ERROR);
    EXPECT_EQ(gateway.cancelled, 0);
    gateway.release.notify(gateway.loop);
    for (const int32_t id : {1, 3, 5}) EXPECT_TRUE(client.answered(id, fmt::format("held /{}", id))) << id;
    EXPECT_TRUE(gateway.ends(client.peer));
    client.peer.close();
    if (client_answers) gateway.loop.advance(5s);
    EXPECT_TRUE(gateway.ends(idle.peer));
    idle.peer.close();
    EXPECT_TRUE(gateway.all_gone());
  }
}

// Of one that is too old, or has been idle for too long, as of one that drains: what the client has sent before it
// hears of that is served (RFC 9113 6.8).
TEST(Connection, of_http2_says_goodbye_when_its_time_is_over) {
  for (const bool by_age : {true, false})
    for (const bool busy : {true, false}) {
      if (busy && !by_age) continue;
      Gateway gateway([&](ListenerConfig& config) { (by_age ? config.connection_max : config.idle_timeout) = 10s; });
      gateway.hold();
      Http2Peer client(gateway);
      if (busy) client.peer.say(client.writer.get(1, "/1"));
      ASSERT_TRUE(turn_until(gateway.loop, [&] {
        return gateway.listener.connections() == 1 && gateway.handled == (busy ? 1 : 0) &&
               client.hears([&] { return client.reader.settings == 2; });
      }));
      gateway.loop.advance(10s);
      gateway.release.notify(gateway.loop);
      if (busy) EXPECT_TRUE(client.answered(1, "held /1"));
      gateway.loop.advance(2ms);
      ASSERT_TRUE(client.hears([&] { return client.reader.goaway && !client.reader.ping.empty(); }));
      EXPECT_EQ(client.reader.goaway_last, INT32_MAX);
      gateway.handler = Gateway::echo;
      client.peer.say(client.writer.get(3, "/3"));  // before it has heard of that
      EXPECT_TRUE(client.answered(3, "GET /3 "));
      client.peer.say(client.writer.pong(client.reader.ping));
      EXPECT_TRUE(client.hears([&] { return client.reader.goaway_last == 3; }));
      EXPECT_TRUE(gateway.ends(client.peer));
      client.peer.close();
      EXPECT_TRUE(gateway.all_gone());
      const ServerMetrics& metrics = *gateway.config.metrics;
      EXPECT_EQ((by_age ? metrics.connections_over_age : metrics.connections_idle_timeout)->value(), 1);
    }
}

TEST(Connection, of_http2_does_not_wait_for_ever_for_whom_it_has_said_goodbye_to) {
  Gateway gateway([](ListenerConfig& config) { config.idle_timeout = 10s; });
  gateway.hold();
  Http2Peer client(gateway);
  // Whose request never ends, for as much as HTTP/2 knows.
  client.peer.say(client.writer.post(1, "/1", {{"content-length", "1"}}) + h2::FrameWriter::data(1, "a", false));
  ASSERT_TRUE(turn_until(gateway.loop, [&] { return gateway.handled == 1; }));
  gateway.release.notify(gateway.loop);
  ASSERT_TRUE(client.answered(1, "held /1"));
  gateway.loop.advance(10s);
  ASSERT_TRUE(client.hears([&] { return client.reader.goaway.has_value(); }));
  gateway.loop.advance(5s);
  settle(gateway.loop);
  gateway.loop.advance(1s);
  EXPECT_TRUE(gateway.ends(client.peer));
  client.peer.close();
  EXPECT_TRUE(gateway.all_gone());
}

TEST(Listener, ends_the_open_streams_of_a_connection_when_it_aborts) {
  Gateway gateway;
  gateway.hold();
  Http2Peer client(gateway), half(gateway);
  const std::string head = half.writer.get(1, "/1");
  half.peer.say(head.substr(0, 12));
  client.peer.say(client.writer.get(1, "/1") + client.writer.post(3, "/3") + client.writer.get(5, "/5"));
  ASSERT_TRUE(turn_until(gateway.loop, [&] { return gateway.handled == 3 && gateway.listener.connections() == 2; }));
  gateway.listener.drain();
  settle(gateway.loop);
  EXPECT_EQ(gateway.cancelled, 0);
  gateway.listener.abort();
  EXPECT_TRUE(gateway.all_gone());
  EXPECT_EQ(gateway.cancelled, 3);
  EXPECT_EQ(gateway.config.metrics->connections_forced->value(), 1);
  EXPECT_TRUE(gateway.ends(client.peer) && gateway.ends(half.peer));
  EXPECT_FALSE(client.hears([&] { return client.reader.streams[1].ended; })) << "what is cut passes for whole";
}

// As with HTTP/1: what comes whole is refused, what does not is not waited for, and what is under way is served.
TEST(Connection, waits_for_no_half_head_of_a_stream_while_there_is_no_memory) {
  ShortGateway world;
  Gateway& gateway = world.gateway;
  gateway.hold();
  Http2Peer client(gateway);
  client.peer.say(client.writer.get(1, "/1"));
  ASSERT_TRUE(turn_until(gateway.loop, [&] { return gateway.handled == 1; }));
  world.memory_of_1000(950);
  const std::string head = client.writer.get(3, "/3", {{"x", "a field to wait for"}});
  client.peer.say(head.substr(0, 12));
  EXPECT_TRUE(client.answered(3, "envoy overloaded"));
  EXPECT_EQ(client.reader.streams[3].status, "503");
  EXPECT_EQ(gateway.log.back(), "503 OM overload");
  gateway.release.notify(gateway.loop);
  EXPECT_TRUE(client.answered(1, "held /1"));
  EXPECT_TRUE(gateway.ends(client.peer));
  client.peer.close();
}

TEST(Connection, counts_its_end_once_whatever_the_number_of_its_streams) {
  ShortGateway world;
  Gateway& gateway = world.gateway;
  gateway.hold();
  Http2Peer client(gateway);
  client.peer.say(client.writer.get(1, "/1") + client.writer.get(3, "/3") + client.writer.get(5, "/5"));
  ASSERT_TRUE(turn_until(gateway.loop, [&] { return gateway.handled == 3; }));
  world.memory_of_1000(900);
  gateway.release.notify(gateway.loop);
  for (const int32_t id : {1, 3, 5}) EXPECT_TRUE(client.answered(id, fmt::format("held /{}", id))) << id;
  EXPECT_EQ(gateway.config.metrics->connections_unkept->value(), 1);
  client.peer.close();
}

TEST(Listener, serves_requests_with_the_configuration_of_their_time) {
  Gateway gateway;
  gateway.hold();
  TestPeer client(gateway.listener.address());
  client.say("GET /1 HTTP/1.1\r\nHost: h\r\n\r\n");
  ASSERT_TRUE(turn_until(gateway.loop, [&] { return gateway.handled == 1; }));
  ListenerConfig next = gateway.config;
  next.server_name = "other";
  gateway.listener.configure(nullptr, &next);
  gateway.release.notify(gateway.loop);
  EXPECT_TRUE(gateway.says(client, "held /1"));
  EXPECT_TRUE(client.hears("server: envoy\r\n"));
  gateway.handler = Gateway::echo;
  client.say("GET /2 HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_TRUE(gateway.says(client, "server: other\r\n"));
  gateway.listener.configure(nullptr, &gateway.config);
}

TEST(Connection, lets_its_configuration_go_once_the_request_of_a_response_has_been_sent) {
  for (const bool old_already : {false, true}) {
    Gateway gateway;
    StreamInfo* info = nullptr;
    gateway.handler = [&](Request& request) -> Task<Response> {
      info = &request.info;  // whoever forwards says when the request has been sent
      Response response = respond(request, 200, "");
      std::vector<Result<std::string>> pieces(1000, "piece");
      response.body = {request.arena.make<GivenBody>(request.loop, std::move(pieces)), {}};
      return response;
    };
    const auto pieces = [&](int count) {
      for (int i = 0; i < count; ++i) {
        settle(gateway.loop);
        gateway.loop.advance(1ms);
      }
    };
    auto snapshot = std::make_shared<int>(1);
    const std::weak_ptr<int> held = snapshot;
    gateway.listener.configure(std::move(snapshot), &gateway.config);
    TestPeer client(gateway.listener.address());
    client.say("POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\n12345");
    ASSERT_TRUE(gateway.says(client, "200 OK"));
    pieces(5);
    if (old_already) gateway.listener.configure(nullptr, &gateway.config);
    pieces(5);
    EXPECT_FALSE(held.expired()) << "whoever sends the request needs its route";
    info->request_end = gateway.loop.now();
    pieces(5);
    if (!old_already) gateway.listener.configure(nullptr, &gateway.config);
    EXPECT_TRUE(held.expired());
  }
}

TEST(Connection, speaks_HTTP_1_0_where_that_is_allowed) {
  Gateway gateway([](ListenerConfig& config) { config.http1 = {.old_version = true, .default_host = "d.test"}; });
  gateway.handler = [&](Request& request) -> Task<Response> {
    if (request.path != "/endless") return respond(request, 200, request.authority);
    Response response = respond(request, 200, "");
    response.body = {request.arena.make<GivenBody>(gateway.loop, std::vector<Result<std::string>>{"one", "two"}),
                     std::nullopt};
    return response;
  };
  TestPeer kept(gateway.listener.address());
  for (int i = 0; i < 2; ++i) {
    kept.say("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    EXPECT_TRUE(turn_until(gateway.loop, [&] { return count(kept.heard(), "d.test") == size_t(i) + 1; }));
  }
  EXPECT_EQ(count(kept.heard(), "connection: keep-alive\r\n"), 2U);
  TestPeer closed(gateway.listener.address());
  closed.say("GET / HTTP/1.0\r\nHost: h\r\n\r\n");
  EXPECT_TRUE(gateway.ends(closed));
  EXPECT_TRUE(closed.hears("connection: close\r\n"));
  // A length that nobody knows ends with the connection: HTTP/1.0 knows no chunks.
  TestPeer endless(gateway.listener.address());
  endless.say("GET /endless HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  EXPECT_TRUE(turn_until(gateway.loop, [&] {
    gateway.loop.advance(1ms);
    return endless.ended();
  }));
  EXPECT_TRUE(endless.heard().ends_with("connection: close\r\n\r\nonetwo")) << endless.heard();
}

TEST(Connection, ends_behind_as_many_requests_as_it_may_have) {
  Gateway gateway([](ListenerConfig& config) { config.requests_max = 2; });
  TestPeer client(gateway.listener.address());
  client.say("GET /a HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_TRUE(gateway.says(client, "GET /a "));
  EXPECT_FALSE(client.hears("connection: close"));
  client.say("GET /b HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_TRUE(gateway.ends(client));
  EXPECT_TRUE(client.hears("GET /b "));
  EXPECT_TRUE(client.hears("connection: close\r\n"));
  EXPECT_EQ(gateway.config.metrics->connections_over_requests->value(), 1);
}

TEST(Connection, takes_no_request_when_it_is_too_old) {
  Gateway gateway([](ListenerConfig& config) { config.connection_max = 10s; });
  gateway.handler = [&](Request& request) {
    return request.path == "/held" ? gateway.held(request) : Gateway::echo(request);
  };
  TestPeer idle(gateway.listener.address()), busy(gateway.listener.address());
  idle.say("GET /a HTTP/1.1\r\nHost: h\r\n\r\n");
  busy.say("GET /held HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_TRUE(gateway.says(idle, "GET /a "));
  gateway.loop.advance(9999ms);
  settle(gateway.loop);
  EXPECT_FALSE(idle.ended());
  gateway.loop.advance(1ms);
  EXPECT_TRUE(gateway.ends(idle));
  EXPECT_FALSE(busy.ended());
  gateway.release.notify(gateway.loop);
  EXPECT_TRUE(gateway.ends(busy));
  EXPECT_TRUE(busy.hears("held /held"));
  EXPECT_TRUE(busy.hears("connection: close\r\n"));
  EXPECT_EQ(gateway.config.metrics->connections_over_age->value(), 2);
  EXPECT_EQ(gateway.config.metrics->connections_idle_timeout->value(), 0);
}

TEST(Connection, answers_408_to_a_request_that_takes_longer_than_any_may) {
  Gateway gateway([](ListenerConfig& config) { config.stream_max = 10s; });
  gateway.hold();
  TestPeer client(gateway.listener.address());
  client.say("GET /a HTTP/1.1\r\nHost: h\r\n\r\n");
  settle(gateway.loop);
  gateway.loop.advance(9999ms);
  settle(gateway.loop);
  EXPECT_EQ(client.heard(), "");
  gateway.loop.advance(1ms);
  EXPECT_TRUE(gateway.says(client, "HTTP/1.1 408 Request Timeout\r\n"));
  EXPECT_TRUE(client.hears("downstream duration timeout"));
  EXPECT_EQ(gateway.cancelled, 1);
  EXPECT_TRUE(gateway.ends(client));
  EXPECT_EQ(gateway.log, std::vector<std::string>{"408 - max_duration_timeout"});
  EXPECT_EQ(gateway.config.metrics->requests_over_age->value(), 1);
}

TEST(Connection, cuts_a_response_that_takes_longer_than_any_may) {
  Gateway gateway([](ListenerConfig& config) { config.stream_max = 10s; });
  gateway.handler = [&](Request& request) -> Task<Response> {
    Response response = respond(request, 200, "");
    response.body = {request.arena.make<GivenBody>(gateway.loop, std::vector<Result<std::string>>(20'000, "x")),
                     std::nullopt};
    return response;
  };
  TestPeer client(gateway.listener.address());
  client.say("GET /a HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_TRUE(turn_until(gateway.loop, [&] {
    gateway.loop.advance(1ms);
    return client.hears("200 OK");
  }));
  for (int i = 0; i < 11'000 && !client.ended(); ++i) gateway.loop.advance(1ms);
  EXPECT_TRUE(gateway.ends(client));
  EXPECT_FALSE(client.heard().ends_with("0\r\n\r\n"));
  EXPECT_EQ(gateway.log, std::vector<std::string>{"200 - max_duration_timeout"});
}

// Whoever forwards ends it then.
TEST(Connection, leaves_the_longest_time_to_a_route_that_has_one) {
  struct Rules final : RouteRules {
    void rewrite_request(Request&) const override {}
    void finish_response(Request&, Response& response) const override { response.finished = true; }
  };
  Rules rules;
  rules.stream_duration = std::make_shared<const kinds::MaxStreamDuration>(
      kinds::MaxStreamDuration{.max_stream_duration = Nanos(0), .grpc_timeout_header_max = {}});
  Gateway gateway([](ListenerConfig& config) { config.stream_max = 10s; });
  Event release;
  gateway.handler = [&](Request& request) -> Task<Response> {
    request.route.rules = &rules;
    auto waiting = release.wait(gateway.loop);
    CO_TRY(co_await waiting);
    co_return respond(request, 200, "late");
  };
  TestPeer client(gateway.listener.address());
  client.say("GET /a HTTP/1.1\r\nHost: h\r\n\r\n");
  settle(gateway.loop);
  gateway.loop.advance(11s);
  settle(gateway.loop);
  EXPECT_EQ(client.heard(), "");
  release.notify(gateway.loop);
  EXPECT_TRUE(gateway.says(client, "late"));
  EXPECT_EQ(gateway.config.metrics->requests_over_age->value(), 0);
}

TEST(Connection, that_is_quick_enough_does_not_feel_maxStreamDuration) {
  Gateway gateway([](ListenerConfig& config) { config.stream_max = 10s; });
  TestPeer client(gateway.listener.address());
  for (const std::string_view path : {"/a", "/b"}) {
    client.say(fmt::format("POST {} HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nbody", path));
    EXPECT_TRUE(gateway.says(client, fmt::format("POST {} body", path)));
    gateway.loop.advance(11s);
  }
  EXPECT_FALSE(client.ended());
}

TEST(Connection, lets_a_client_close_it_as_long_as_delayedCloseTimeout_says) {
  for (const Nanos linger : {Nanos(0), Nanos(7s)}) {
    Gateway gateway([&](ListenerConfig& config) { config.linger_max = linger; });
    TestPeer client(gateway.listener.address());
    client.say("GET /a HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    EXPECT_TRUE(gateway.ends(client));
    if (linger == Nanos(0)) {
      EXPECT_TRUE(gateway.all_gone());
      continue;
    }
    gateway.loop.advance(linger - 1ms);
    settle(gateway.loop);
    EXPECT_EQ(gateway.listener.connections(), 1U);
    gateway.loop.advance(1ms);
    EXPECT_TRUE(gateway.all_gone());
  }
}

TEST(Connection, names_the_server_as_it_is_told) {
  struct Row {
    ServerField how;
    std::string_view upstreams, said;
  };
  for (const Row& row :
       {Row{ServerField::overwrite, "up", "server: envoy\r\n"}, Row{ServerField::if_absent, "up", "server: up\r\n"},
        Row{ServerField::if_absent, "", "server: envoy\r\n"}, Row{ServerField::pass, "up", "server: up\r\n"},
        Row{ServerField::pass, "", ""}}) {
    Gateway gateway([&](ListenerConfig& config) { config.server_field = row.how; });
    gateway.handler = [&](Request& request) -> Task<Response> {
      Response response = respond(request, 200, "done");
      if (!row.upstreams.empty()) response.headers->add(Known::server, row.upstreams);
      return response;
    };
    TestPeer client(gateway.listener.address());
    client.say("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    EXPECT_TRUE(gateway.says(client, "done"));
    EXPECT_EQ(count(client.heard(), "server: "), row.said.empty() ? 0U : 1U);
    EXPECT_TRUE(client.hears(row.said));
  }
}

TEST(Connection, redirects_to_a_path_without_escaped_slashes_and_to_no_other_host) {
  Gateway gateway([](ListenerConfig& config) { config.escaped_slashes = EscapedSlashes::redirect; });
  TestPeer client(gateway.listener.address());
  client.say("GET /a%2Fb?c HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_TRUE(gateway.says(client, "HTTP/1.1 307 Temporary Redirect\r\n"));
  EXPECT_TRUE(client.hears("location: /a/b?c\r\n"));
  client.say("GET /%2fevil.test/ HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_TRUE(gateway.says(client, "location: /.//evil.test/\r\n"));
  client.say("GET /a HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_TRUE(gateway.says(client, "GET /a "));
  EXPECT_EQ(gateway.log.front(), "307 - path_normalization_failed");
}

TEST(Connection, refuses_names_and_paths_that_its_listener_does_not_take) {
  Gateway gateway([](ListenerConfig& config) {
    config.escaped_slashes = EscapedSlashes::reject;
    config.underscore_names = UnderscoreNames::reject;
  });
  TestPeer client(gateway.listener.address()), other(gateway.listener.address());
  client.say("GET /a%2Fb HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_TRUE(gateway.says(client, "HTTP/1.1 400 Bad Request\r\n"));
  client.say("GET /a HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_TRUE(gateway.says(client, "GET /a "));
  other.say("GET /a HTTP/1.1\r\nHost: h\r\nx_y: 1\r\n\r\n");
  EXPECT_TRUE(gateway.says(other, "HTTP/1.1 400 Bad Request\r\n"));
  EXPECT_TRUE(gateway.ends(other));
  EXPECT_EQ(gateway.log, (std::vector<std::string>{"400 - path_normalization_failed", "200 - ",
                                                   "400 DPE http1.unexpected_underscore"}));
}

}  // namespace
}  // namespace sluice
