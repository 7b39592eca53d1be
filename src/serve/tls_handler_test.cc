#include "serve/tls_handler.h"

#include <gtest/gtest.h>

#include "http/h2/testing.h"
#include "net/dialer.h"
#include "net/testing.h"
#include "net/tls/testing.h"
#include "serve/http_server.h"

namespace sluice {
namespace {

// Answers with what it knows of the connection.
struct Teller final : Service {
  Task<Response> handle(Request& request) const override {
    const TlsInfo* tls = request.info.tls;
    return local_reply(request, 200, request.arena.copy(tls ? fmt::format("{} {}", tls->version, tls->sni) : "clear"),
                       "test");
  }
};

const TestAuthority& authority() {
  static const TestAuthority made;
  return made;
}

class TlsHandlerTest : public testing::Test {
 protected:
  TlsHandlerTest() {
    loop.use_manual_clock(SteadyTime(1000s), wall_now());
    config.service = std::make_shared<Teller>();
    config.metrics = std::make_shared<ServerMetrics>(metrics, "http");
    config.listener = std::make_shared<ListenerMetrics>(metrics, "127.0.0.1_1");
    protect("a.example");
    CHECK(listener.start(*ListenSocket::open(*SocketAddress::parse("127.0.0.1", 0), false)).has_value());
  }
  ~TlsHandlerTest() override {
    tasks.cancel();
    listener.drain();
    listener.abort();
    CHECK(turn_until(loop, [&] { return listener.connections() == 0; }));
  }
  void protect(std::string name) {
    config.tls = one_chain({.key_pair = authority().make({std::move(name)}), .alpn = {"http/1.1"}}, shared);
    listener.configure(nullptr, &config);
  }
  std::unique_ptr<Stream> dial(std::string_view name, TlsClientOptions options = {}) {
    options.ca = authority().pem();
    auto below = socket_dialer().dial(loop, listener.address());
    return tls_connect(*std::move(below), *TlsClientContext::create(options), {.name = name}, nullptr);
  }
  // What a request on it is answered, or why there is no answer.
  std::string ask(Stream& stream) {
    std::string out;
    bool done = false;
    tasks.spawn(ask(stream, out, done));
    CHECK(turn_until(loop, [&] { return done; }));
    return out;
  }
  Task<void> ask(Stream& stream, std::string& out, bool& done) {
    auto shaking = stream.established(loop.now() + 5s);
    const Status shaken = co_await shaking;
    if (shaken) {
      auto writing = stream.write_all("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n", 5s);
      CO_TRY(co_await writing);
      std::string into(4096, '\0');
      auto reading = stream.read(into, loop.now() + 5s);
      const auto got = co_await reading;
      out = got ? into.substr(0, *got) : got.error().message;
      if (const size_t body = out.find("\r\n\r\n"); body != std::string::npos) out.erase(0, body + 4);
    } else {
      out = shaken.error().message;
    }
    done = true;
    co_return Status{};
  }

  void say(Stream& stream, std::string text) {
    tasks.spawn(write(stream, std::move(text)));
    settle(loop);
  }
  static Task<void> write(Stream& stream, std::string text) {
    auto writing = stream.write_all(text, 5s);
    co_return co_await writing;
  }
  // What comes next, or "" at the end.
  std::string hear(Stream& stream) {
    CHECK(turn_until(loop, [&] { return stream.has_buffered(); }));
    std::string into(4096, '\0');
    const auto got = stream.try_read(into);
    return got && *got ? into.substr(0, **got) : "";
  }
  // The body of the answer to a request on that stream; "": there is none.
  std::string ask_http2(Stream& stream, int32_t id) {
    if (id == 1) {
      bool done = false;
      tasks.spawn(shake(stream, done));
      CHECK(turn_until(loop, [&] { return done; }));
      client.emplace();
      heard.emplace();
      say(stream, std::string(h2::kPreface) + client->settings());
    }
    say(stream, client->get(id, "/"));
    turn_until(loop, [&] {
      std::string into(4096, '\0');
      if (const auto got = stream.try_read(into); got && *got && **got > 0) heard->add({into.data(), **got});
      return heard->streams[id].ended || stream.peer_ended() || stream.is_broken();
    });
    return heard->streams[id].body;
  }
  Task<void> shake(Stream& stream, bool& done) {
    auto shaking = stream.established(loop.now() + 5s);
    CHECK((co_await shaking).has_value());
    done = true;
    co_return Status{};
  }

  std::optional<h2::FrameWriter> client;
  std::optional<h2::FrameReader> heard;
  Loop loop;
  Metrics metrics{1};
  TlsServerShared shared;
  ListenerConfig config;
  HttpListener listener{loop, nullptr};
  TaskGroup tasks;
};

TEST_F(TlsHandlerTest, serves_once_hands_are_shaken) {
  auto stream = dial("a.example");
  EXPECT_EQ(ask(*stream), "TLSv1.3 a.example");
  EXPECT_EQ(ask(*stream), "TLSv1.3 a.example");
  EXPECT_EQ(config.listener->tls_handshakes->value(), 1);
  EXPECT_EQ(config.listener->tls_without_certificate->value(), 1);
  EXPECT_EQ(config.metrics->tls_connections->value(), 1);
  EXPECT_EQ(config.metrics->tls_connections_active->value(), 1);
  stream.reset();
  EXPECT_TRUE(turn_until(loop, [&] { return listener.connections() == 0; }));
  EXPECT_EQ(config.metrics->tls_connections_active->value(), 0);
}

TEST_F(TlsHandlerTest, new_certificates_are_for_new_connections) {
  auto before = dial("a.example");
  EXPECT_EQ(ask(*before), "TLSv1.3 a.example");
  protect("b.example");
  EXPECT_EQ(ask(*dial("b.example")), "TLSv1.3 b.example");
  EXPECT_EQ(ask(*dial("a.example")), "the certificate is not for a.example but for b.example (issuer CN=Test CA)");
  EXPECT_EQ(ask(*before), "TLSv1.3 a.example");
}

// The connection of who has shown what is asked for goes on, another one ends without a further request.
TEST_F(TlsHandlerTest, connections_end_whose_clients_would_be_met_otherwise) {
  const TlsKeyPair pair = authority().make({"a.example"});
  const TlsServerOptions open{.key_pair = pair, .alpn = {"h2", "http/1.1"}};
  TlsServerOptions strict = open, another = open, named = open;
  strict.client_ca = authority().pem();
  another.client_ca = TestAuthority("Other").pem();
  named.client_ca = authority().pem();
  named.client_subject_alt_names = {"me"};
  const struct {
    const char* name;
    const TlsServerOptions &before, &now;
    bool ends;
  } rows[] = {
      {"one is asked for now", open, strict, true},
      {"others sign it now", strict, another, true},
      {"it is for certain names now", strict, named, true},
      {"none is asked for any more", strict, open, false},
      {"as before", strict, strict, false},
  };
  const TlsKeyPair mine = authority().make({.names = {"me"}, .client = true});
  const auto use = [this](const TlsServerOptions& options) {
    config.tls = one_chain(options, shared);
    listener.configure(nullptr, &config);
  };
  const auto outdated = [this] { return config.metrics->connections_outdated->value(); };
  for (const auto& row : rows) {
    SCOPED_TRACE(row.name);
    use(row.before);
    const int64_t before = outdated();
    auto idle = dial("a.example", {.key_pair = mine, .alpn = {"http/1.1"}});
    EXPECT_EQ(ask(*idle), "TLSv1.3 a.example");
    auto several = dial("a.example", {.key_pair = mine, .alpn = {"h2"}});
    EXPECT_EQ(ask_http2(*several, 1), "TLSv1.3 a.example");
    auto half = dial("a.example", {.key_pair = mine, .alpn = {"http/1.1"}});
    EXPECT_EQ(ask(*half), "TLSv1.3 a.example");
    say(*half, "GET / HTTP/1.1\r\n");
    use(row.now);
    EXPECT_EQ(outdated() - before, row.ends ? 3 : 0);
    say(*half, "Host: a.example\r\n\r\n");
    EXPECT_EQ(hear(*half).contains("TLSv1.3"), !row.ends);
    EXPECT_EQ(ask(*idle) == "TLSv1.3 a.example", !row.ends);
    EXPECT_EQ(ask_http2(*several, 3), row.ends ? "" : "TLSv1.3 a.example");
  }
}

TEST_F(TlsHandlerTest, handshakes_that_began_before_end_in_nothing_where_clients_would_be_met_otherwise) {
  auto shaking = dial("a.example");
  EXPECT_TRUE(turn_until(loop, [&] { return listener.connections() == 1; }));
  config.tls = one_chain({.key_pair = authority().make({"a.example"}), .client_ca = authority().pem()}, shared);
  listener.configure(nullptr, &config);
  EXPECT_NE(ask(*shaking), "TLSv1.3 a.example");
  EXPECT_EQ(config.metrics->connections_outdated->value(), 1);
}

TEST_F(TlsHandlerTest, connections_in_the_clear_end_where_TLS_is_asked_for) {
  config.tls = nullptr;
  listener.configure(nullptr, &config);
  TestPeer client(listener.address());
  client.say("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  ASSERT_TRUE(turn_until(loop, [&] { return client.hears("clear"); }));
  protect("a.example");
  EXPECT_TRUE(turn_until(loop, [&] { return client.ended(); }));
}

TEST_F(TlsHandlerTest, counts_what_went_wrong) {
  const ListenerMetrics& counts = *config.listener;
  config.tls = *TlsServerChains::create({{.sni_domains = {"a.example"}, .context = config.tls->chains()[0].context}});
  listener.configure(nullptr, &config);
  ask(*dial("b.example"));
  EXPECT_TRUE(turn_until(loop, [&] { return counts.tls_no_chain->value() == 1; }));

  TlsServerOptions strict{.key_pair = authority().make({"a.example"}), .client_ca = authority().pem()};
  strict.client_subject_alt_names = {"me"};
  config.tls = one_chain(strict, shared);
  listener.configure(nullptr, &config);
  ask(*dial("a.example"));
  EXPECT_TRUE(turn_until(loop, [&] { return counts.tls_no_certificate->value() == 1; }));
  ask(*dial("a.example", {.key_pair = TestAuthority("Other").make({.names = {"me"}, .client = true})}));
  EXPECT_TRUE(turn_until(loop, [&] { return counts.tls_untrusted->value() == 1; }));
  ask(*dial("a.example", {.key_pair = authority().make({.names = {"you"}, .client = true})}));
  EXPECT_TRUE(turn_until(loop, [&] { return counts.tls_wrong_name->value() == 1; }));
  EXPECT_EQ(ask(*dial("a.example", {.key_pair = authority().make({.names = {"me"}, .client = true})})),
            "TLSv1.3 a.example");
  EXPECT_EQ(counts.tls_errors->value(), 4);
  EXPECT_EQ(counts.tls_timeouts->value(), 0);
}

TEST_F(TlsHandlerTest, a_handshake_that_stalls_ends_in_time_and_holds_up_nobody) {
  TestPeer stalls(listener.address());
  stalls.say("\x16\x03\x01");
  EXPECT_TRUE(turn_until(loop, [&] { return listener.connections() == 1; }));
  EXPECT_EQ(ask(*dial("a.example")), "TLSv1.3 a.example");
  loop.advance(11s);
  EXPECT_TRUE(turn_until(loop, [&] { return stalls.ended(); }));
  EXPECT_EQ(config.listener->tls_timeouts->value(), 1);
}

// A flood of connections that say nothing does not keep others out.
TEST_F(TlsHandlerTest, a_handshake_that_stalls_makes_room) {
  TlsHandler handler(loop, listener.server());
  handler.configure(config);
  EXPECT_FALSE(handler.make_room());
  StreamPair one = memory_streams(loop), other = memory_streams(loop);
  handler.take({Seat(listener.listener()), std::move(one.downstream), {}});
  loop.advance(1s);
  handler.take({Seat(listener.listener()), std::move(other.downstream), {}});
  EXPECT_EQ(handler.waiting(), 2u);
  EXPECT_TRUE(handler.make_room());
  EXPECT_EQ(handler.waiting(), 1u);
  EXPECT_TRUE(one.upstream->peer_ended() || one.upstream->is_broken());
  EXPECT_FALSE(handler.make_room());  // it has not had its second
  handler.end_waiting();
  EXPECT_EQ(handler.waiting(), 0u);
}

TEST_F(TlsHandlerTest, plain_bytes_get_no_answer) {
  TestPeer plain(listener.address());
  plain.say("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n");
  EXPECT_TRUE(turn_until(loop, [&] { return plain.ended(); }));
  EXPECT_FALSE(plain.hears("HTTP/"));
  EXPECT_EQ(config.listener->tls_errors->value(), 1);
}

}  // namespace
}  // namespace sluice
