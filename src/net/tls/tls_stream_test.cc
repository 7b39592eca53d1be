// Streams that TLS protects, held to what every Stream promises, and to what only they do.
#include "net/stream_promises.h"
#include "net/tls/testing.h"

namespace sluice {
namespace {

const TestAuthority& authority() {
  static const TestAuthority made;
  return made;
}

std::shared_ptr<const TlsServerChains> chains(TlsServerOptions options = {}) {
  static TlsServerShared shared;
  if (options.key_pair.certificates.empty()) options.key_pair = authority().make({"a.example"});
  return one_chain(options, shared);
}

std::shared_ptr<const TlsClientContext> client(TlsClientOptions options = {}) {
  if (options.ca.empty()) options.ca = authority().pem();
  auto made = TlsClientContext::create(options);
  CHECK(made.has_value());
  return *std::move(made);
}

StreamPair protected_by(Loop& loop, StreamPair below, TlsVersion most) {
  TlsServerOptions options;
  options.parameters.max = most;
  StreamPair pair = tls_over(std::move(below), chains(options), client(), {.name = "a.example"});
  const Handshakes done = shake_hands(loop, pair);
  CHECK(done.downstream.has_value() && done.upstream.has_value());
  return pair;
}

INSTANTIATE_TEST_SUITE_P(
    Of, Streams,
    testing::Values(
        StreamKind{"tls_1_3_over_sockets",
                   [](Loop& loop) { return protected_by(loop, make_socket_streams(loop), TlsVersion::tls1_3); }},
        StreamKind{"tls_1_2_over_sockets",
                   [](Loop& loop) { return protected_by(loop, make_socket_streams(loop), TlsVersion::tls1_2); }},
        StreamKind{"tls_1_3_over_memory",
                   [](Loop& loop) { return protected_by(loop, make_memory_streams(loop), TlsVersion::tls1_3); }}),
    StreamKind::name_of);

class TlsTest : public testing::Test {
 protected:
  TlsTest() { loop.use_manual_clock(SteadyTime(1000s), wall_now()); }
  // Both handshakes of one connection.
  Handshakes connect(const TlsServerOptions& server, TlsClientOptions options, TlsPeer peer = {.name = "a.example"}) {
    pair = tls_over(memory_streams(loop), chains(server), client(std::move(options)), peer);
    return shake_hands(loop, pair);
  }
  static std::string now(Stream& stream) {
    std::string into(100, '\0');
    const auto got = stream.try_read(into);
    if (!got) return "";
    if (!*got) return "error: " + got->error().message;
    return **got == 0 ? "end" : into.substr(0, **got);
  }
  static void say(Stream& stream, std::string text) {
    const iovec part{text.data(), text.size()};
    const auto put = stream.try_write(std::span(&part, 1));
    CHECK(put && *put);
  }

  Loop loop;
  TlsSessions sessions;
  StreamPair pair;
};

TEST_F(TlsTest, tells_what_was_agreed_on) {
  static constexpr std::string_view kOffer[] = {"h2", "http/1.1"};
  TlsServerOptions server;
  server.alpn = {"http/1.1", "h2"};
  const Handshakes done = connect(server, {}, {.name = "A.example", .alpn = kOffer});
  ASSERT_TRUE(done.downstream && done.upstream) << done.upstream.error().message;
  const TlsInfo* down = pair.downstream->tls();
  ASSERT_TRUE(down);
  EXPECT_EQ(down->version, "TLSv1.3");
  EXPECT_EQ(down->sni, "a.example");
  EXPECT_EQ(down->alpn, "http/1.1");  // the server's preference
  EXPECT_FALSE(down->cipher.empty());
  EXPECT_FALSE(down->resumed);
  EXPECT_FALSE(down->peer);
  EXPECT_EQ(down->own->dns_names, std::vector<std::string>{"a.example"});
  EXPECT_EQ(pair.upstream->tls()->alpn, "http/1.1");
}

TEST_F(TlsTest, has_nothing_to_tell_before_the_handshake) {
  pair = tls_over(memory_streams(loop), chains(), client(), {.name = "a.example"});
  EXPECT_FALSE(pair.downstream->tls());
}

TEST_F(TlsTest, an_end_without_close_notify_is_an_error) {
  StreamPair below = memory_streams(loop);
  Stream* raw = below.upstream.get();
  pair = tls_over(std::move(below), chains(), client(), {.name = "a.example"});
  const Handshakes done = shake_hands(loop, pair);
  ASSERT_TRUE(done.downstream && done.upstream);
  say(*pair.upstream, "half");
  raw->end_writing();
  settle_in_memory(loop);
  EXPECT_EQ(now(*pair.downstream), "half");
  EXPECT_EQ(now(*pair.downstream), "error: the connection ended without TLS close_notify");
  EXPECT_EQ(now(*pair.downstream), "error: the connection ended without TLS close_notify");
}

TEST_F(TlsTest, sessions_are_resumed_with_either_version) {
  for (const TlsVersion version : {TlsVersion::tls1_2, TlsVersion::tls1_3}) {
    TlsServerOptions server;
    server.key_pair = authority().make({"a.example"});
    server.parameters.max = version;
    TlsSessions fresh;
    for (int round = 0; round < 3; ++round) {
      pair = tls_over(memory_streams(loop), chains(server), client(), {.name = "a.example"}, &fresh);
      const Handshakes done = shake_hands(loop, pair);
      ASSERT_TRUE(done.downstream && done.upstream);
      say(*pair.downstream, "x");
      settle_in_memory(loop);
      EXPECT_EQ(now(*pair.upstream), "x");  // with the ticket in front
      EXPECT_EQ(pair.downstream->tls()->resumed, round > 0) << round << pair.downstream->tls()->version;
    }
  }
}

TEST_F(TlsTest, tickets_are_resumed_after_one_rotation_and_not_after_two) {
  TlsServerShared shared(1h);
  TlsServerOptions options;
  options.key_pair = authority().make({"a.example"});
  const auto resumes = [&] {
    pair = tls_over(memory_streams(loop), one_chain(options, shared), client(), {.name = "a.example"}, &sessions);
    const Handshakes done = shake_hands(loop, pair);
    EXPECT_TRUE(done.downstream && done.upstream);
    say(*pair.downstream, "x");
    settle_in_memory(loop);
    EXPECT_EQ(now(*pair.upstream), "x");
    return pair.downstream->tls()->resumed;
  };
  SteadyTime at(10s);
  shared.rotate(at);
  EXPECT_FALSE(resumes());
  EXPECT_TRUE(resumes());
  shared.rotate(at += 61min);
  EXPECT_TRUE(resumes());  // and gets a new ticket
  shared.rotate(at += 61min);
  EXPECT_TRUE(resumes());
  shared.rotate(at += 61min);
  shared.rotate(at += 61min);
  EXPECT_FALSE(resumes());
}

TEST_F(TlsTest, no_session_is_resumed_where_tickets_are_off) {
  TlsServerOptions server;
  server.tickets = false;
  for (const TlsVersion version : {TlsVersion::tls1_2, TlsVersion::tls1_3}) {
    server.parameters.max = version;
    for (int round = 0; round < 2; ++round) {
      ASSERT_TRUE(connect(server, {}).upstream);
      EXPECT_FALSE(pair.upstream->tls()->resumed);
    }
  }
}

TEST_F(TlsTest, certificates_of_upstreams_are_refused_with_a_sentence) {
  const TestAuthority other("Other CA");
  struct Case {
    TlsKeyPair shown;
    TlsFailure failure;
    std::string text;
  };
  const Case cases[] = {
      {authority().make({"b.example", "c.example"}), TlsFailure::wrong_name,
       "the certificate is not for a.example but for b.example, c.example (issuer CN=Test CA)"},
      {authority().make({.names = {"a.example"}, .days_from = -9, .days_to = -2}), TlsFailure::untrusted,
       "the certificate of a.example cannot be trusted: certificate has expired (subject CN=a.example, issuer CN=Test "
       "CA)"},
      {authority().make({.names = {"a.example"}, .days_from = 2}), TlsFailure::untrusted,
       "the certificate of a.example cannot be trusted: certificate is not yet valid (subject CN=a.example, issuer "
       "CN=Test "
       "CA)"},
      {other.make({"a.example"}), TlsFailure::untrusted,
       "the certificate of a.example cannot be trusted: unable to get local issuer certificate (subject CN=a.example, "
       "issuer "
       "CN=Other CA)"},
      {authority().make({.names = {"a.example"}, .client = true}), TlsFailure::untrusted, "purpose"},
  };
  for (const Case& one : cases) {
    SCOPED_TRACE(one.text);
    TlsServerOptions server;
    server.key_pair = one.shown;
    const Handshakes done = connect(server, {});
    ASSERT_FALSE(done.upstream);
    EXPECT_NE(done.upstream.error().message.find(one.text), std::string::npos) << done.upstream.error().message;
    EXPECT_EQ(tls_failure(done.upstream.error()), one.failure);
    EXPECT_EQ(done.upstream.error().kind, ErrorKind::denied);
    EXPECT_FALSE(done.downstream);
    EXPECT_EQ(connect(server, {.verify = TlsClientOptions::Verify::nothing}).upstream.has_value(), true);
  }
}

TEST_F(TlsTest, names_are_held_against_certificates_as_rfc_9525_has_it) {
  struct Case {
    std::vector<std::string> names;
    std::string_view asked;
    bool fits;
  };
  const Case cases[] = {
      {{"a.example"}, "a.example", true},
      {{"a.example"}, "A.Example", true},
      {{"*.b.example"}, "a.b.example", true},
      {{"*.example"}, "a.example", false},
      {{"*.b.example"}, "c.a.b.example", false},
      {{"a*.example"}, "ab.example", false},
      {{"127.0.0.1"}, "127.0.0.1", true},
      {{"127.0.0.2"}, "127.0.0.1", false},
      {{"::1"}, "::1", true},
      {{"https://a.example"}, "a.example", false},  // the common name is not looked at
  };
  for (const Case& one : cases) {
    TlsServerOptions server;
    server.key_pair = authority().make({.names = one.names});
    EXPECT_EQ(connect(server, {}, {.name = one.asked}).upstream.has_value(), one.fits) << one.names[0] << one.asked;
  }
}

TEST_F(TlsTest, names_may_be_given_in_place_of_that_of_the_destination) {
  TlsServerOptions server;
  server.key_pair = authority().make({"a.example", "spiffe://cluster/ns/a"});
  EXPECT_TRUE(connect(server, {.subject_alt_names = {"x", "spiffe://cluster/ns/a"}}, {.name = "b.example"}).upstream);
  const Handshakes done = connect(server, {.subject_alt_names = {"spiffe://cluster/ns"}}, {.name = "a.example"});
  ASSERT_FALSE(done.upstream);
  EXPECT_EQ(tls_failure(done.upstream.error()), TlsFailure::wrong_name);
  // Issuers and dates alone.
  EXPECT_TRUE(connect(server, {.verify = TlsClientOptions::Verify::chain}, {.name = "b.example"}).upstream);
}

TEST_F(TlsTest, the_sni_is_the_destinations_name_and_no_address) {
  ASSERT_TRUE(connect({}, {.verify = TlsClientOptions::Verify::chain}, {.name = "127.0.0.1"}).upstream);
  EXPECT_EQ(pair.downstream->tls()->sni, "");
  ASSERT_TRUE(connect({}, {.verify = TlsClientOptions::Verify::chain}, {.name = "other.example"}).upstream);
  EXPECT_EQ(pair.downstream->tls()->sni, "other.example");
}

// RFC 6960 4.1.1: which digest names the certificate is the asker's choice. (That one which says "revoked" is refused
// tests/e2e shows: no server of ours sends such.)
TEST_F(TlsTest, a_staple_may_name_its_certificate_by_any_digest) {
  for (const char* digest : {"SHA1", "SHA256"}) {
    TlsServerOptions server;
    server.key_pair = authority().make({"a.example"});
    server.key_pair.ocsp_staple = authority().staple_for(server.key_pair, false, 1, digest);
    const Handshakes done = connect(server, {});
    EXPECT_TRUE(done.upstream) << digest << ": " << done.upstream.error().message;
    EXPECT_TRUE(done.downstream) << digest;
  }
}

TEST_F(TlsTest, a_staple_that_another_authority_has_signed_is_refused) {
  TlsServerOptions server;
  server.key_pair = authority().make({"a.example"});
  const TestAuthority other("Test CA");
  server.key_pair.ocsp_staple = other.staple_for(server.key_pair, false);
  const Handshakes done = connect(server, {});
  ASSERT_FALSE(done.upstream);
  EXPECT_TRUE(done.upstream.error().message.contains("an OCSP staple that cannot be verified"));
}

TEST_F(TlsTest, staples_that_have_expired_are_left_out_or_refused_as_the_policy_says) {
  TlsServerOptions server;
  server.key_pair = authority().make({"a.example"});
  server.key_pair.ocsp_staple = authority().staple_for(server.key_pair, false, -1);
  EXPECT_TRUE(connect(server, {}).upstream);
  server.ocsp = OcspStaplePolicy::strict_stapling;
  EXPECT_FALSE(connect(server, {}).upstream);
  server.ocsp = OcspStaplePolicy::must_staple;
  EXPECT_FALSE(connect(server, {}).upstream);
  server.key_pair.ocsp_staple = authority().staple_for(server.key_pair, false);
  EXPECT_TRUE(connect(server, {}).upstream);
}

TEST_F(TlsTest, clients_must_show_a_certificate_where_there_is_an_authority_for_them) {
  const TestAuthority other("Other CA");
  TlsServerOptions server;
  server.client_ca = authority().pem();
  const auto with = [](TlsKeyPair pair) { return TlsClientOptions{.key_pair = std::move(pair)}; };
  for (const TlsVersion version : {TlsVersion::tls1_2, TlsVersion::tls1_3}) {
    server.parameters.max = version;
    server.client_certificate_optional = false;
    server.client_subject_alt_names.clear();
    Handshakes done = connect(server, {});
    ASSERT_FALSE(done.downstream);
    EXPECT_EQ(tls_failure(done.downstream.error()), TlsFailure::no_certificate) << done.downstream.error().message;

    done = connect(server, with(other.make({.names = {"me.example"}, .client = true})));
    ASSERT_FALSE(done.downstream);
    EXPECT_EQ(tls_failure(done.downstream.error()), TlsFailure::untrusted);
    EXPECT_NE(done.downstream.error().message.find("CN=me.example"), std::string::npos);

    const TlsKeyPair mine = authority().make({.names = {"me.example", "spiffe://me"}, .client = true});
    ASSERT_TRUE(connect(server, with(mine)).downstream);
    const TlsInfo* info = pair.downstream->tls();
    ASSERT_TRUE(info->peer);
    EXPECT_EQ(info->peer->info.uri_names, std::vector<std::string>{"spiffe://me"});
    EXPECT_EQ(info->peer->pem, mine.certificates);

    server.client_subject_alt_names = {"spiffe://you"};
    done = connect(server, with(mine));
    ASSERT_FALSE(done.downstream);
    EXPECT_EQ(tls_failure(done.downstream.error()), TlsFailure::wrong_name);
    server.client_subject_alt_names = {"spiffe://you", "spiffe://me"};
    EXPECT_TRUE(connect(server, with(mine)).downstream);

    server.client_certificate_optional = true;
    EXPECT_TRUE(connect(server, {}).downstream);
    EXPECT_FALSE(connect(server, with(other.make({.names = {"me.example"}, .client = true}))).downstream);
  }
}

TEST_F(TlsTest, versions_ciphers_and_curves_are_what_the_parameters_say) {
  TlsServerOptions server;
  server.parameters.min = TlsVersion::tls1_3;
  EXPECT_FALSE(connect(server, {.parameters = {.max = TlsVersion::tls1_2}}).downstream);
  server.parameters.min = TlsVersion::tls1_0;
  server.parameters.max = TlsVersion::tls1_1;
  EXPECT_FALSE(connect(server, {}).downstream);  // 1.2 and up unless somebody says otherwise
  ASSERT_TRUE(connect(server, {.parameters = {.min = TlsVersion::tls1_0}}).downstream);
  EXPECT_EQ(pair.downstream->tls()->version, "TLSv1.1");
  server.parameters = {.max = TlsVersion::tls1_2,
                       .cipher_suites = {"[ECDHE-ECDSA-CHACHA20-POLY1305|ECDHE-ECDSA-AES256-GCM-SHA384]"},
                       .ecdh_curves = {"P-256"}};
  ASSERT_TRUE(connect(server, {}).downstream);
  EXPECT_EQ(pair.downstream->tls()->cipher, "ECDHE-ECDSA-CHACHA20-POLY1305");
  EXPECT_FALSE(connect(server, {.parameters = {.ecdh_curves = {"X25519"}}}).downstream);
}

// Whichever chain stands first: nothing of it is left on connections of another.
TEST_F(TlsTest, each_chain_has_its_own_parameters) {
  TlsServerShared shared;
  const auto chain = [&](std::string name, TlsServerOptions options) {
    options.key_pair = authority().make({name});
    return TlsServerChains::Chain{.sni_domains = {std::move(name)},
                                  .context = *TlsServerContext::create(options, shared)};
  };
  TlsServerOptions narrow{.client_ca = authority().pem()};
  narrow.parameters = {.cipher_suites = {"TLS_CHACHA20_POLY1305_SHA256"}, .ecdh_curves = {"P-384"}};
  TlsServerOptions old;
  old.parameters = {.max = TlsVersion::tls1_2, .cipher_suites = {"ECDHE-ECDSA-AES256-GCM-SHA384"}};
  for (const bool narrow_first : {false, true}) {
    std::vector<TlsServerChains::Chain> both{chain("narrow.example", narrow), chain("old.example", old),
                                             chain("plain.example", {})};
    if (!narrow_first) std::ranges::reverse(both);
    const auto chains_of_all = *TlsServerChains::create(std::move(both));
    const auto cipher = [&](std::string_view name, TlsClientOptions options) -> std::string {
      pair = tls_over(memory_streams(loop), chains_of_all, client(std::move(options)), {.name = name});
      return shake_hands(loop, pair).downstream ? std::string(pair.downstream->tls()->cipher) : "refused";
    };
    const TlsKeyPair mine = authority().make({.names = {"me"}, .client = true});
    EXPECT_EQ(cipher("narrow.example", {.key_pair = mine}), "TLS_CHACHA20_POLY1305_SHA256");
    EXPECT_EQ(cipher("narrow.example", {}), "refused");
    EXPECT_EQ(cipher("narrow.example", {.key_pair = mine, .parameters = {.ecdh_curves = {"X25519"}}}), "refused");
    EXPECT_EQ(cipher("old.example", {}), "ECDHE-ECDSA-AES256-GCM-SHA384");
    EXPECT_EQ(cipher("plain.example", {.parameters = {.ecdh_curves = {"X25519"}}}), "TLS_AES_256_GCM_SHA384");
  }
}

TEST_F(TlsTest, a_client_with_no_protocol_in_common_is_refused) {
  static constexpr std::string_view kOther[] = {"acme-tls/1"};
  TlsServerOptions server;
  server.alpn = {"h2", "http/1.1"};
  const Handshakes done = connect(server, {}, {.name = "a.example", .alpn = kOther});
  ASSERT_FALSE(done.downstream || done.upstream);
  EXPECT_EQ(done.downstream.error().message,
            "the client offers acme-tls/1 by ALPN, and this is for h2, http/1.1 (alpnProtocols: [allow_empty] takes "
            "whatever it offers)");
  EXPECT_EQ(done.upstream.error().message,
            "the other end has no protocol of those that it is offered by ALPN: acme-tls/1");
  for (const Status* one : {&done.downstream, &done.upstream})
    EXPECT_EQ(tls_failure(one->error()), TlsFailure::protocol);
  ASSERT_TRUE(connect(server, {}).downstream);
  EXPECT_EQ(pair.downstream->tls()->alpn, "");
  server.alpn = {};
  ASSERT_TRUE(connect(server, {}, {.name = "a.example", .alpn = kOther}).downstream);
  EXPECT_EQ(pair.downstream->tls()->alpn, "");
}

TEST_F(TlsTest, what_is_no_handshake_is_told_in_plain_words_to_both_sides) {
  constexpr std::string_view kNoTls = "the client does not speak TLS, and this port speaks nothing else";
  constexpr std::string_view kHttp = "the client speaks HTTP in the clear: this port speaks TLS only (https://)";
  constexpr std::string_view kPlainUpstream =
      "the other end does not speak TLS: without sslConfig, or as http://, it is met in the clear";
  const std::tuple<bool, std::string, std::string_view> rows[] = {
      {true, "GET / HTTP/1.1\r\nHost: a.example\r\n\r\n", kHttp},
      {true, "CONNECT a.example:443 HTTP/1.1\r\n\r\n", kHttp},
      {true, "SSH-2.0-OpenSSH_9.2\r\n", kNoTls},
      {false, "HTTP/1.1 400 Bad Request\r\n\r\n", kPlainUpstream},
      {false, "220 mail.example ESMTP\r\n", kPlainUpstream},
  };
  for (const auto& [is_server, sent, message] : rows) {
    StreamPair below = memory_streams(loop);
    auto& [downstream, upstream] = below;
    auto raw = std::move(is_server ? upstream : downstream);
    auto tls = is_server ? tls_accept(std::move(downstream), chains())
                         : tls_connect(std::move(upstream), client(), {.name = "a.example", .alpn = {}}, nullptr);
    say(*raw, sent);
    TaskGroup tasks;
    std::optional<Status> done;
    tasks.spawn(shake_hands(*tls, done, 1s));
    settle_in_memory(loop);
    ASSERT_TRUE(done && !*done) << sent;
    EXPECT_EQ(tls_failure(done->error()), TlsFailure::protocol);
    EXPECT_EQ(done->error().message, message);
  }
}

TEST_F(TlsTest, a_handshake_that_stalls_ends_at_its_deadline) {
  StreamPair below = memory_streams(loop);
  auto server = tls_accept(std::move(below.downstream), chains());
  TaskGroup tasks;
  std::optional<Status> done;
  tasks.spawn(shake_hands(*server, done, 5s));
  settle_in_memory(loop);
  ASSERT_FALSE(done);
  loop.advance(6s);
  settle_in_memory(loop);
  ASSERT_TRUE(done);
  EXPECT_EQ(done->error().kind, ErrorKind::timeout);
}

TEST_F(TlsTest, a_chain_may_give_its_handshakes_more_time_than_its_listener) {
  TlsServerOptions options;
  options.handshake_timeout = 30s;
  StreamPair below = memory_streams(loop);
  auto near = tls_connect(std::move(below.upstream), client(), {.name = "a.example"}, nullptr);
  auto far = tls_accept(std::move(below.downstream), chains(options));
  TaskGroup server, client_side;
  std::optional<Status> done, other;
  server.spawn(shake_hands(*far, done, 10s));
  client_side.spawn(shake_hands(*near, other, 100s));
  for (int turns = 0; turns < 2; ++turns) loop.turn(0s);  // the hello is there, and its answer on the way
  client_side.cancel();
  loop.advance(20s);
  settle_in_memory(loop);
  EXPECT_FALSE(done);
  loop.advance(11s);
  settle_in_memory(loop);
  ASSERT_TRUE(done);
  EXPECT_EQ(done->error().kind, ErrorKind::timeout);
}

// Wherever it is cut: no crash, an Error on the end that is left.
TEST_F(TlsTest, a_client_may_leave_at_each_byte_of_a_handshake) {
  std::string hello;
  {
    StreamPair below = memory_streams(loop);
    auto far = std::move(below.downstream);
    auto starting = tls_connect(std::move(below.upstream), client(), {.name = "a.example"}, nullptr);
    TaskGroup tasks;
    std::optional<Status> done;
    tasks.spawn(shake_hands(*starting, done));
    settle_in_memory(loop);
    hello.resize(4096);
    hello.resize(**far->try_read(hello));
    tasks.cancel();
    settle_in_memory(loop);
  }
  const auto one = chains();
  for (size_t bytes = 0; bytes < hello.size(); ++bytes) {
    StreamPair below = memory_streams(loop);
    auto server = tls_accept(std::move(below.downstream), one);
    std::string text = hello.substr(0, bytes);
    const iovec part{text.data(), text.size()};
    if (bytes > 0) ASSERT_TRUE(below.upstream->try_write(std::span(&part, 1)));
    if (bytes % 2)
      below.upstream->end_writing();
    else
      below.upstream.reset();
    TaskGroup tasks;
    std::optional<Status> done;
    tasks.spawn(shake_hands(*server, done, 5s));
    for (int turns = 0; turns < 4; ++turns) loop.turn(0s);
    ASSERT_TRUE(done) << bytes;
    ASSERT_FALSE(*done) << bytes;
    EXPECT_EQ(done->error().kind, ErrorKind::reset) << bytes;
    EXPECT_EQ(tls_failure(done->error()), TlsFailure::none) << bytes;
  }
}

TEST_F(TlsTest, a_turn_has_one_step_of_private_key_work) {
  std::vector<StreamPair> pairs;
  std::vector<std::optional<Status>> done(6);
  const auto one = chains();
  const auto context = client();
  TaskGroup tasks;
  for (size_t i = 0; i < done.size() / 2; ++i) {
    pairs.push_back(tls_over(memory_streams(loop), one, context, {.name = "a.example"}));
    tasks.spawn(shake_hands(*pairs.back().downstream, done[2 * i]));
    tasks.spawn(shake_hands(*pairs.back().upstream, done[2 * i + 1]));
  }
  int turns = 0;
  while (std::ranges::any_of(done, [](const auto& one_done) { return !one_done; }) && turns < 100) {
    loop.turn(0s);
    ++turns;
  }
  EXPECT_GE(turns, 12);  // four steps of each pair, one in a turn
  EXPECT_LT(turns, 100);
}

}  // namespace
}  // namespace sluice
