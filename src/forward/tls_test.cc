// Destinations behind TLS: which they are, who they must be, and what the client hears when they are not.
#include <gtest/gtest.h>

#include "base/log.h"
#include "forward/dynamic_upstream.h"
#include "forward/static_upstream.h"
#include "forward/testing.h"
#include "net/tls/testing.h"

namespace sluice {
namespace {

const TestAuthority& authority() {
  static const TestAuthority made;
  return made;
}

// Answers each request with the SNI it was asked for, or "clear".
class Server {
 public:
  explicit Server(Loop& on) : loop_(on) {
    auto fd = ListenSocket::open(SocketAddress::v4(INADDR_LOOPBACK, 0), false);
    CHECK(fd && socket_.start(loop_, *fd, [this](Incoming& incoming) { tasks_.spawn(serve(*incoming.take())); }));
  }
  ~Server() {
    tasks_.cancel();
    CHECK(turn_until(loop_, [&] { return tasks_.empty(); }));
  }
  void show(TlsKeyPair pair, std::vector<std::string> spoken = {}) {
    chains_ = one_chain({.key_pair = std::move(pair), .alpn = std::move(spoken)}, shared_);
  }
  uint16_t port() const { return socket_.local().port(); }
  size_t connections = 0;
  size_t resumed = 0;
  std::string alpn;  // of the last
  bool keeps = true;

 private:
  Task<void> serve(std::unique_ptr<Stream> stream) {
    ++connections;
    if (chains_) stream = tls_accept(std::move(stream), chains_);
    auto shaking = stream->established(SteadyTime::max());
    CO_TRY(co_await shaking);
    if (stream->tls()) resumed += stream->tls()->resumed, alpn = stream->tls()->alpn;
    std::string heard, into(4096, '\0');
    for (;;) {
      auto reading = stream->read(into);
      const size_t got = CO_TRY(co_await reading);
      if (got == 0) co_return Status{};
      heard.append(into, 0, got);
      if (heard.starts_with('\x16')) co_return Status{};  // a handshake that was not to be
      if (!heard.ends_with("\r\n\r\n")) continue;
      heard.clear();
      const std::string body = stream->tls() ? stream->tls()->sni : "clear";
      const std::string answer = fmt::format("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n{}\r\n{}", body.size(),
                                             keeps ? "" : "connection: close\r\n", body);
      auto writing = stream->write_all(answer, 0s);
      CO_TRY(co_await writing);
      if (!keeps) co_return Status{};
    }
  }

  Loop& loop_;
  TlsServerShared shared_;
  std::shared_ptr<const TlsServerChains> chains_;
  TaskGroup tasks_;
  ListenSocket socket_;
};

class TlsUpstreams : public testing::Test {
 protected:
  TlsUpstreams() {
    loop.use_manual_clock(SteadyTime(1000s), wall_now());
    guard = guard_of({{"lab", RuleAction::allow, {"loopback"}}});
    names.names.family = dns::LookupFamily::v4_only;
    for (const char* name : {"a.test", "b.test"}) names.hosts[name] = {*IpAddress::parse("127.0.0.1")};
    names.hosts["two.test"] = {*IpAddress::parse("127.0.0.1"), *IpAddress::parse("127.0.0.2")};
    logged.clear();
    log::set_sink([](std::string_view line) { logged += line; });
  }
  ~TlsUpstreams() override {
    cluster.reset();
    settle(loop);
    log::set_sink(nullptr);
  }
  static std::shared_ptr<AddressGuard> guard_of(std::vector<AddressRule> rules) {
    return std::make_shared<AddressGuard>(
        AddressGuard{*AddressRules::compile({{"lab", std::move(rules)}}, {}, {}), "gateway-proxy", {}});
  }
  static AddressRule rule(TlsWish tls, std::string certificate_name = "", std::string addresses = "loopback") {
    return {"r", RuleAction::allow, {std::move(addresses)}, tls, std::move(certificate_name)};
  }
  static std::shared_ptr<const TlsClientContext> context(TlsClientOptions options = {}) {
    if (options.ca.empty()) options.ca = authority().pem();
    return *TlsClientContext::create(options);
  }
  void open(DynamicRoute route = {.schemes = true}) {
    auto made = std::make_shared<Cluster>("c", breakers, 1, metrics);
    made->tls = always;
    cluster->cluster = made;
    cluster->scheme_tls = cluster->named_tls = context();
    cluster->resolver = pool.make(ResolverConfig(names));
    service = make_dynamic_upstream(cluster, guard, std::move(route), std::make_shared<DynamicMetrics>(metrics));
  }
  // The answer: its body, or its status and what is told of it.
  std::string ask(std::string to) {
    UpstreamTrip trip(loop, upstreams, service, {.authority = std::move(to)});
    CHECK(trip.done());
    failure = trip.info.upstream_transport_failure;
    flags = trip.info.flags_text();
    details = trip.info.details;
    destination = trip.info.destination;
    status = trip.response.status;
    sent_host = trip.request.authority;
    if (status == 200) return trip.read();
    return trip.response.body.empty() || status != 403 ? fmt::format("{}", status)
                                                       : fmt::format("{} {}", status, trip.read());
  }
  std::string at(std::string_view host) const { return fmt::format("{}:{}", host, server.port()); }

  Loop loop;
  Metrics metrics{1};
  ResolverConfig names;
  kinds::CircuitBreakers breakers;
  Upstreams upstreams{loop};
  OwnedLoops loops{{&loop}};
  ResolverPool pool{loops};
  Server server{loop};
  std::shared_ptr<DynamicCluster> cluster = std::make_shared<DynamicCluster>(loops);
  std::shared_ptr<const TlsClientContext> always;
  std::shared_ptr<AddressGuard> guard;
  std::shared_ptr<const Service> service;
  std::string failure, flags, sent_host, details, destination;
  static inline std::string logged;
  int status = 0;
};

TEST_F(TlsUpstreams, the_scheme_of_the_destination_decides) {
  server.show(authority().make({"a.test", "b.test"}));
  open();
  EXPECT_EQ(ask("https://" + at("a.test")), "a.test");
  EXPECT_EQ(sent_host, at("a.test"));  // without the scheme
  EXPECT_EQ(ask("HTTPS://" + at("b.test")), "b.test");
  EXPECT_EQ(ask("https://" + at("a.test")), "a.test");
  EXPECT_EQ(server.connections, 2u);                // one for each name, and kept
  EXPECT_EQ(ask("http://" + at("a.test")), "503");  // in the clear, to whom speaks TLS
  EXPECT_EQ(ask(at("a.test")), "503");
  EXPECT_EQ(cluster->cluster->metrics.tls_handshakes->value(), 2);
}

TEST_F(TlsUpstreams, a_scheme_is_no_destination_where_nobody_asked_for_schemes) {
  server.show(authority().make({"a.test"}));
  open({});
  EXPECT_EQ(ask("https://" + at("a.test")), "400");
}

TEST_F(TlsUpstreams, what_was_asked_for_in_the_clear_is_not_served_by_a_protected_connection_nor_the_other_way) {
  open();
  EXPECT_EQ(ask("http://" + at("a.test")), "clear");
  EXPECT_EQ(ask("https://" + at("a.test")), "503");  // no TLS there: no silent fall-back
  EXPECT_EQ(flags, "UF");
  EXPECT_EQ(ask("http://" + at("a.test")), "clear");
  EXPECT_EQ(server.connections, 2u);
}

TEST_F(TlsUpstreams, all_destinations_are_protected_where_the_gateway_says_so) {
  server.show(authority().make({"a.test"}));
  always = context();
  open({});
  EXPECT_EQ(ask(at("a.test")), "a.test");
}

TEST_F(TlsUpstreams, a_scheme_does_not_undo_what_the_gateway_says) {
  always = context();
  open();
  EXPECT_EQ(ask("http://" + at("a.test")), "400");
  EXPECT_EQ(server.connections, 0u);
}

TEST_F(TlsUpstreams, the_port_of_https_is_443_and_443_is_https) {
  open();
  Explanation out;
  UpstreamTrip trip(loop, upstreams, service, {.authority = "https://a.test"});
  ASSERT_TRUE(trip.done());
  EXPECT_EQ(trip.info.destination, "a.test:443");
  UpstreamTrip plain(loop, upstreams, service, {.authority = "http://a.test"});
  ASSERT_TRUE(plain.done());
  EXPECT_EQ(plain.info.destination, "a.test:80");
}

TEST_F(TlsUpstreams, a_request_that_asks_for_https_of_its_own_destination_gets_it) {
  server.show(authority().make({"a.test", "b.test"}));
  const auto ask_https = [&](std::string to, DynamicRoute route) {
    open(std::move(route));
    UpstreamTrip trip(loop, upstreams, service, {.authority = std::move(to), .asks_for_https = true});
    CHECK(trip.done());
    destination = trip.info.destination;
    return trip.response.status == 200 ? trip.read() : fmt::format("{}", trip.response.status);
  };
  EXPECT_EQ(ask_https(at("a.test"), {.schemes = true}), "a.test");
  EXPECT_EQ(ask_https("a.test", {.schemes = true}), "503");
  EXPECT_EQ(destination, "a.test:443");
  // A destination that the route names says for itself.
  EXPECT_EQ(ask_https("x.test", {.host_rewrite = "http://" + at("a.test"), .schemes = true}), "503");
  EXPECT_EQ(ask_https("x.test", {.host_rewrite = at("a.test"), .schemes = true}), "503");
  EXPECT_EQ(ask_https("x.test", {.host_rewrite = "https://" + at("b.test"), .schemes = true}), "b.test");
  EXPECT_EQ(ask_https(at("a.test"), {.host_header = "x-to", .schemes = true}), "a.test");  // which does not say any
  guard = guard_of({rule(TlsWish::forbidden)});
  EXPECT_EQ(ask_https(at("a.test"), {.schemes = true}), "403");
}

TEST_F(TlsUpstreams, a_refused_certificate_is_told_with_name_check_and_issuer) {
  server.show(authority().make({"b.test"}));
  open();
  EXPECT_EQ(ask("https://" + at("a.test")), "503");
  EXPECT_EQ(flags, "UF");
  EXPECT_EQ(failure, "TLS_error: the certificate is not for a.test but for b.test (issuer CN=Test CA)");
  EXPECT_NE(logged.find("the certificate is not for a.test but for b.test"), std::string::npos) << logged;
  EXPECT_EQ(cluster->cluster->metrics.tls_wrong_name->value(), 1);
  EXPECT_EQ(cluster->cluster->metrics.tls_errors->value(), 1);
  server.show(TestAuthority("Other CA").make({"a.test"}));
  EXPECT_EQ(ask("https://" + at("a.test")), "503");
  EXPECT_NE(failure.find("unable to get local issuer certificate (subject CN=a.test, issuer CN=Other CA)"),
            std::string::npos)
      << failure;
  EXPECT_EQ(cluster->cluster->metrics.tls_untrusted->value(), 1);
}

TEST_F(TlsUpstreams, sessions_of_a_destination_are_resumed) {
  server.show(authority().make({"a.test"}));
  server.keeps = false;
  open();
  for (int i = 0; i < 4; ++i) EXPECT_EQ(ask("https://" + at("a.test")), "a.test");
  EXPECT_EQ(server.connections, 4u);
  EXPECT_EQ(server.resumed, 3u);
  EXPECT_EQ(cluster->cluster->metrics.tls_resumed->value(), 3);
}

TEST_F(TlsUpstreams, a_handshake_that_stalls_is_a_connect_timeout) {
  TestUpstream silent(loop);
  open();
  UpstreamTrip trip(loop, upstreams, service, {.authority = fmt::format("https://a.test:{}", silent.address.port())});
  ASSERT_TRUE(turn_until(loop, [&] { return !silent.peers.empty() && silent.peers[0].heard().size() > 100; }));
  loop.advance(6s);
  ASSERT_TRUE(trip.done());
  EXPECT_EQ(trip.response.status, 503);
  EXPECT_EQ(trip.info.outcome.kind, OutcomeKind::connect_timeout);
}

TEST_F(TlsUpstreams, a_request_that_is_given_up_gives_its_handshake_up) {
  TestUpstream silent(loop);
  open();
  {
    UpstreamTrip trip(loop, upstreams, service, {.authority = fmt::format("https://a.test:{}", silent.address.port())});
    ASSERT_TRUE(turn_until(loop, [&] { return !silent.peers.empty() && silent.peers[0].heard().size() > 100; }));
  }
  EXPECT_TRUE(turn_until(loop, [&] { return silent.peers[0].ended(); }));
}

TEST_F(TlsUpstreams, hosts_of_an_upstream_are_protected_as_it_says) {
  server.show(authority().make({"a.test"}), {"h2", "http/1.1"});
  StaticCluster fixed(loops);
  auto made = std::make_shared<Cluster>("s", breakers, 1, metrics);
  made->tls = context({.verify = TlsClientOptions::Verify::chain});
  fixed.cluster = made;
  fixed.hosts.push_back({.address = *IpAddress::parse("127.0.0.1"), .port = server.port(), .sni = "sni.test"});
  service = make_static_upstream(std::shared_ptr<StaticCluster>(&fixed, [](auto*) {}));
  EXPECT_EQ(ask("whoever.test"), "sni.test");
  EXPECT_EQ(server.alpn, "http/1.1");  // HTTP/2 is for those that say useHttp2
  service.reset();
  settle(loop);
}

TEST_F(TlsUpstreams, a_rule_that_requires_TLS_has_it_spoken_and_refuses_who_asks_for_http) {
  server.show(authority().make({"a.test"}));
  guard = guard_of({rule(TlsWish::required)});
  open();
  EXPECT_EQ(ask(at("a.test")), "a.test");
  EXPECT_EQ(ask("https://" + at("a.test")), "a.test");
  EXPECT_EQ(server.connections, 1u);
  EXPECT_EQ(ask("http://" + at("a.test")),
            "403 destination a.test is reached by TLS only: refused by rule lab/r of an EgressPolicy");
  EXPECT_EQ(details, "destination_tls_prohibited{lab/r}");
  EXPECT_EQ(ask("a.test"), "503");
  EXPECT_EQ(destination, "a.test:443");
  EXPECT_EQ(metrics.metric({"sluice_dynamic_destination_tls_refused_total", ""})->value(), 1);
  open({});  // nor needs the Gateway to know schemes
  EXPECT_EQ(ask(at("a.test")), "a.test");
}

TEST_F(TlsUpstreams, a_rule_that_forbids_TLS_goes_before_what_the_gateway_says_of_all) {
  guard = guard_of({rule(TlsWish::forbidden)});
  always = context();
  open();
  EXPECT_EQ(ask(at("a.test")), "clear");
  EXPECT_EQ(ask("http://" + at("a.test")), "clear");
  EXPECT_EQ(ask("https://" + at("a.test")),
            "403 destination a.test is reached in the clear only: refused by rule lab/r of an EgressPolicy");
  EXPECT_TRUE(ask("a.test:443").starts_with("403 "));  // which asks for TLS, too
  EXPECT_EQ(server.connections, 1u);
}

TEST_F(TlsUpstreams, what_no_rule_has_a_say_in_goes_as_the_gateway_says) {
  server.show(authority().make({"a.test"}));
  guard = guard_of({rule(TlsWish::forbidden, "", "10.0.0.0/8"), {"free", RuleAction::allow, {"loopback"}}});
  always = context();
  open();
  EXPECT_EQ(ask(at("a.test")), "a.test");
  EXPECT_EQ(ask("http://" + at("a.test")), "400");
}

TEST_F(TlsUpstreams, a_rule_says_whom_the_certificate_must_be_for) {
  server.show(authority().make({"lb.test"}));
  guard = guard_of({rule(TlsWish::required, "lb.test")});
  open();
  EXPECT_EQ(ask(at("a.test")), "a.test");      // by the name that it has
  EXPECT_EQ(ask(at("127.0.0.1")), "lb.test");  // addresses are no names (RFC 6066 3)
  EXPECT_EQ(server.connections, 2u);
  guard = guard_of({rule(TlsWish::required, "other.test")});
  open();
  EXPECT_EQ(ask(at("a.test")), "503");  // on no connection that was verified for another name
  EXPECT_EQ(failure, "TLS_error: the certificate is not for other.test but for lb.test (issuer CN=Test CA)");
  guard = guard_of({rule(TlsWish::required)});
  open();
  EXPECT_EQ(ask(at("a.test")), "503");
  EXPECT_EQ(failure, "TLS_error: the certificate is not for a.test but for lb.test (issuer CN=Test CA)");
}

TEST_F(TlsUpstreams, a_name_is_spoken_to_as_the_rules_of_all_its_addresses_say) {
  server.show(authority().make({"two.test"}));
  guard = guard_of({rule(TlsWish::required, "", "127.0.0.2/32"), {"free", RuleAction::allow, {"loopback"}}});
  open();
  EXPECT_EQ(ask(at("two.test")), "two.test");
  EXPECT_EQ(ask("http://" + at("a.test")), "503");  // which is at the other one alone
  guard = guard_of(
      {rule(TlsWish::required, "", "127.0.0.2/32"), {"clear", RuleAction::allow, {"loopback"}, TlsWish::forbidden}});
  open();
  const size_t before = server.connections;
  EXPECT_TRUE(ask(at("two.test")).starts_with("403 destination two.test cannot be reached: rules lab/"));
  EXPECT_EQ(server.connections, before);
}

TEST_F(TlsUpstreams, each_host_of_a_list_is_spoken_to_as_its_rules_say) {
  guard = guard_of({rule(TlsWish::forbidden)});
  open({.schemes = true, .lists = true});
  EXPECT_EQ(ask("https://" + at("a.test") + ", " + at("b.test")), "clear");
  EXPECT_EQ(sent_host, at("b.test"));
}

TEST_F(TlsUpstreams, a_rule_that_wants_TLS_from_now_on_ends_what_is_under_way_without) {
  TestUpstream silent(loop);
  const auto place = std::make_shared<const std::string>(EgressNow::place("g", "v"));
  const auto hold = [&](std::shared_ptr<AddressGuard> now) {
    auto egress = std::make_shared<EgressNow>();
    egress->places[*place] = {.guard = std::move(now), .refusal = {}};
    upstreams.set_egress(std::move(egress));
  };
  hold(guard);
  open({.place = place});
  UpstreamTrip trip(loop, upstreams, service, {.authority = fmt::format("a.test:{}", silent.address.port())});
  ASSERT_TRUE(turn_until(loop, [&] { return !silent.peers.empty() && silent.peers[0].heard().size() > 20; }));
  hold(guard_of({rule(TlsWish::none)}));
  EXPECT_FALSE(turn_until(loop, [&] { return !trip.runner.running(); }));
  hold(guard_of({rule(TlsWish::required)}));
  ASSERT_TRUE(trip.done());
  EXPECT_EQ(trip.response.status, 403);
  EXPECT_EQ(trip.info.details, "destination_tls_prohibited{lab/r}");
  EXPECT_TRUE(trip.read().starts_with("destination a.test is reached by TLS only"));
  // And a request of the snapshot before goes as the rules of now say.
  server.show(authority().make({"a.test"}));
  EXPECT_EQ(ask(at("a.test")), "a.test");
}

TEST_F(TlsUpstreams, explain_says_which_rule_has_it_go_by_TLS) {
  guard = guard_of({rule(TlsWish::required, "lb.test")});
  open();
  const auto explained = [&](std::string to) {
    Explanation out;
    UpstreamTrip trip(loop, upstreams, service, {.authority = std::move(to)}, &out);
    CHECK(trip.done());
    return trip.response.status == 200 ? out.destination + " " + out.verdict : trip.read();
  };
  EXPECT_EQ(explained("127.0.0.1"),
            "https://127.0.0.1:443 allowed by rule lab/r; by TLS with a certificate for lb.test, as lab/r says");
  EXPECT_TRUE(explained("http://127.0.0.1").starts_with("destination 127.0.0.1 is reached by TLS with a certificate"));
  EXPECT_TRUE(explained("a.test").ends_with("; whether by TLS say the rules of its addresses, too (upstreamTls)"));
}

}  // namespace
}  // namespace sluice
