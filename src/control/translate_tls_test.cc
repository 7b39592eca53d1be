// From sslConfig to what a listener shows and an upstream is met with, and what statuses say of it.
#include <gtest/gtest.h>
#include <filesystem>

#include "control/store/test_folder.h"
#include "control/tls_testing.h"
#include "net/memory_stream.h"
#include "net/testing.h"
#include "net/tls/client.h"

namespace sluice {
namespace {

std::string gateway(std::string_view more = "", std::string_view meta = "", std::string_view name = "tls") {
  return object("Gateway", name,
                fmt::format("{{bindAddress: 127.0.0.1, bindPort: 8443, ssl: true, httpGateway: {{}}{}}}", more), meta);
}

std::string route_to(std::string_view upstream) {
  return object("VirtualService", "v",
                fmt::format("{{virtualHost: {{routes: [{{matchers: [{{prefix: /}}], routeAction: {{single: {{upstream: "
                            "{{name: {}}}}}}}}}]}}}}",
                            upstream));
}

std::string upstream(std::string_view hosts, std::string_view more = "", std::string_view inner = "") {
  return object("Upstream", "u", fmt::format("{{static: {{hosts: [{}]{}}}{}}}", hosts, inner, more)) + route_to("u") +
         object("Gateway", "plain", "{bindAddress: 127.0.0.1, bindPort: 8080, httpGateway: {}}");
}

class TranslateTls : public TranslateCase {
 protected:
  // "a.test>a b" for each chain: its names, and the services behind them.
  std::string chains() const {
    if (!listener()) return "no listener";
    if (!listener()->http.front().config.tls) return "plain";
    std::string out;
    for (size_t i = 0; i < listener()->http.front().chains.size(); ++i) {
      std::vector<std::string> services;
      for (const ObjectKey& key : listener()->http.front().chains[i].services) services.push_back(key.name);
      out += fmt::format("{}{}>{}", out.empty() ? "" : ", ",
                         fmt::join(listener()->http.front().config.tls->chains()[i].sni_domains, " "),
                         fmt::join(services, " "));
    }
    return out;
  }
  // The common name of the certificate that a client gets who asks for that name.
  std::string shown(std::string_view sni) const {
    const auto chain = listener()->http.front().config.tls->find(sni);
    if (!chain) return "none";
    return listener()->http.front().config.tls->chains()[*chain].context->certificate().dns_names.at(0);
  }
  const TlsServerContext* context(size_t chain = 0) const {
    return listener()->http.front().config.tls->chains()[chain].context.get();
  }
  const StaticCluster* cluster() const {
    for (const auto& [key, cluster] : *now_.snapshot->static_clusters) return cluster.get();
    return nullptr;
  }
  // How its hosts are met: "plain", or what is verified and the names they are asked for.
  std::string met() const {
    if (!cluster()) return "not at all";
    if (!cluster()->cluster->tls) return "plain";
    static constexpr std::string_view kVerify[] = {"nothing", "chain", "name"};
    std::string out(kVerify[static_cast<size_t>(cluster()->cluster->tls->options().verify)]);
    for (const StaticCluster::Host& host : cluster()->hosts) out += " [" + host.sni + "]";
    return out;
  }
  const TlsClientOptions& options() const { return cluster()->cluster->tls->options(); }
  const DynamicCluster* dynamic() const {
    return now_.snapshot->dynamic_clusters.empty() ? nullptr : now_.snapshot->dynamic_clusters.begin()->get();
  }
  void apply_dynamic(std::string_view ssl, std::string_view settings = "", std::string_view more = "") {
    apply(object("Gateway", "g",
                 fmt::format("{{bindAddress: 127.0.0.1, bindPort: 8080, httpGateway: {{options: {{dynamicForwardProxy: "
                             "{{{}}}}}}}}}",
                             ssl.empty() ? "" : fmt::format("sslConfig: {}", ssl))) +
          (settings.empty()
               ? ""
               : object("ProxySettings", "s",
                        fmt::format("{{targetRefs: [{{group: gateway.solo.io, kind: Gateway, name: g}}], {}}}",
                                    settings))) +
          object("VirtualService", "v",
                 "{virtualHost: {routes: [{matchers: [{prefix: /}], routeAction: {dynamicForwardProxy: {}}}]}}") +
          std::string(more));
  }

  const std::string secret_ = secret("s", {"a.test"});
};

// --- which services, which certificates ------------------------------------------------------------------------------

TEST_F(TranslateTls, serves_services_with_sslConfig_on_gateways_with_ssl_and_the_others_without) {
  apply(gateway() + object("Gateway", "plain", "{bindAddress: 127.0.0.1, bindPort: 8080, httpGateway: {}}") +
        secret("s", {"a.test"}) + service("a", with_secret("s")) + service("b", ""));
  EXPECT_EQ(hosts(*listener()->http.front().router), "gloo-system_a");
  EXPECT_EQ(hosts(*listener("plain")->http.front().router), "gloo-system_b");
  EXPECT_EQ(listener("plain")->http.front().config.tls, nullptr);
  EXPECT_EQ(chains(), "*>a");
  EXPECT_EQ(shown("whatever"), "a.test");
  EXPECT_EQ(told("VirtualService", "a"), "Accepted");
  EXPECT_EQ(told("Gateway", "tls"), "Accepted");
}

TEST_F(TranslateTls, passes_over_a_service_of_the_other_kind_that_a_gateway_names_and_says_so) {
  apply(
      object("Gateway", "tls",
             "{bindAddress: 127.0.0.1, bindPort: 8443, ssl: true, httpGateway: {virtualServices: [{name: a, namespace: "
             "gloo-system}, {name: b, namespace: gloo-system}]}}") +
      secret("s", {"a.test"}) + service("a", with_secret("s")) + service("b", ""));
  EXPECT_EQ(hosts(*listener()->http.front().router), "gloo-system_a");
  EXPECT_EQ(
      told("Gateway", "tls"),
      "Warning warning: \n  spec.httpGateway.virtualServices: gloo-system.b has no sslConfig, so it is not served by "
      "a Gateway with ssl: true");
}

TEST_F(TranslateTls, opens_no_port_without_a_service_with_sslConfig) {
  apply(gateway() + service("b", ""));
  EXPECT_EQ(chains(), "no listener");
  EXPECT_TRUE(told("Gateway", "tls").contains("it selects no VirtualService, so no port is opened"));
}

TEST_F(TranslateTls, says_that_a_service_with_sslConfig_is_not_served_without_such_a_gateway) {
  apply(secret("s", {"a.test"}) + service("a", with_secret("s")));
  EXPECT_EQ(told("VirtualService", "a"),
            "Warning warning: \n  spec.sslConfig: there is no Gateway with ssl: true, so it is not served");
}

TEST_F(TranslateTls, merges_equal_configs_into_one_chain_for_the_names_of_all) {
  apply(gateway() + secret("s", {"a.test"}) + service("a", with_secret("s", ", sniDomains: [a.test, x.test]")) +
        service("b", with_secret("s", ", sniDomains: [B.test, '*.b.test']")) +
        service("c", with_secret("s",
                                 ", sniDomains: [c.test], oneWayTls: true, parameters: {minimumProtocolVersion: "
                                 "TLSv1_3}")));
  EXPECT_EQ(chains(), "a.test x.test *.b.test b.test>a b, c.test>c");
  EXPECT_EQ(told("Gateway", "tls"), "Accepted");
}

TEST_F(TranslateTls, matches_every_name_when_one_of_the_merged_configs_has_none) {
  apply(gateway() + secret("s", {"a.test"}) + service("a", with_secret("s", ", sniDomains: [a.test]")) +
        service("b", with_secret("s")));
  EXPECT_EQ(chains(), "a.test *>a b");
  EXPECT_EQ(shown("other.test"), "a.test");
}

TEST_F(TranslateTls, rejects_two_chains_for_one_name_and_lets_the_older_service_keep_it) {
  apply(
      gateway() + secret("s", {"s.test"}) + secret("t", {"x.test"}) +
      service("a", with_secret("s", ", sniDomains: [x.test, a.test]"), ", creationTimestamp: '2024-01-01T00:00:00Z'") +
      service("b", with_secret("t", ", sniDomains: [x.test]"), ", creationTimestamp: '2023-01-01T00:00:00Z'"));
  EXPECT_EQ(chains(), "a.test>a, x.test>b");
  EXPECT_TRUE(
      told("Gateway", "tls")
          .contains("Listener Error: SSLConfigError. Reason: Tried to apply multiple filter chains with the same "
                    "FilterChainMatch {server_names:\"x.test\"}. This is usually caused by overlapping sniDomains "
                    "or multiple empty sniDomains in virtual services (gloo-system.b keeps it, gloo-system.a does "
                    "not get it)"))
      << told("Gateway", "tls");
  EXPECT_TRUE(told("VirtualService", "a").contains("spec.sslConfig.sniDomains: \"x.test\""));
  EXPECT_EQ(told("VirtualService", "b"), "Accepted");
}

TEST_F(TranslateTls, tells_a_gateway_of_a_few_names_that_two_chains_want_and_how_many_more) {
  std::string all = gateway();
  for (int i = 0; i < 20; ++i)
    all += secret(fmt::format("s{:02}", i), {"x.test"}) +
           service(fmt::format("v{:02}", i), with_secret(fmt::format("s{:02}", i), ", sniDomains: [x.test]"));
  apply(all);
  const std::string status = told("Gateway", "tls");
  EXPECT_TRUE(status.contains("gloo-system.v10 does not get it") && !status.contains("gloo-system.v11 ")) << status;
  EXPECT_TRUE(status.contains("and 9 more such names")) << status;
  EXPECT_TRUE(told("VirtualService", "v19").contains("is served with the certificate of gloo-system.v00"))
      << told("VirtualService", "v19");
}

TEST_F(TranslateTls, lets_who_serves_a_name_keep_it_against_an_older_newcomer) {
  const std::string before = gateway() + secret("s", {"s.test"}) + secret("t", {"t.test"}) +
                             service("a", with_secret("s"), ", creationTimestamp: '2024-01-01T00:00:00Z'");
  apply(before);
  apply(before + service("b", with_secret("t"), ", creationTimestamp: '2023-01-01T00:00:00Z'"));
  EXPECT_EQ(chains(), "*>a");
  EXPECT_TRUE(told("Gateway", "tls").contains("FilterChainMatch {}")) << told("Gateway", "tls");
  EXPECT_TRUE(told("VirtualService", "b").starts_with("Rejected"));
  apply(before + service("b", with_secret("t"), ", creationTimestamp: '2023-01-01T00:00:00Z'"));
  EXPECT_EQ(chains(), "*>a") << "and the time after, too";
}

TEST_F(TranslateTls, serves_all_hosts_on_every_chain_unless_the_gateway_isolates_them) {
  const std::string services = secret("s", {"s.test"}) + secret("t", {"t.test"}) +
                               service("a", with_secret("s", ", sniDomains: [a.test]")) +
                               service("b", with_secret("t", ", sniDomains: [b.test]")) +
                               service("c", with_secret("t", ", sniDomains: [c.test]"));
  apply(gateway() + services);
  EXPECT_EQ(hosts(*listener()->http.front().router), "gloo-system_a gloo-system_b gloo-system_c");
  EXPECT_TRUE(listener()->http.front().chain_routers.empty());
  apply(gateway("", ", annotations: {gateway.solo.io/isolate_vhost: 'true'}") + services);
  EXPECT_EQ(hosts(*listener()->http.front().router), "");
  ASSERT_EQ(listener()->http.front().chain_routers.size(), 2U);
  EXPECT_EQ(hosts(*listener()->http.front().chain_routers[0]), "gloo-system_a");
  EXPECT_EQ(hosts(*listener()->http.front().chain_routers[1]), "gloo-system_b gloo-system_c");
  apply(gateway("", ", annotations: {gateway.solo.io/isolate_vhost: 'perhaps'}") + services);
  EXPECT_TRUE(listener()->http.front().chain_routers.empty());
}

TEST_F(TranslateTls, tries_a_service_among_those_of_its_own_chain_where_the_gateway_isolates_them) {
  const auto for_x = [](std::string_view name, std::string_view secret) {
    return object(
        "VirtualService", name,
        fmt::format("{{sslConfig: {}, virtualHost: {{domains: [x.test], routes: [{{matchers: [{{prefix: /}}], "
                    "directResponseAction: {{status: 200}}}}]}}}}",
                    with_secret(secret, fmt::format(", sniDomains: [{}.test]", name))));
  };
  apply(gateway("", ", annotations: {gateway.solo.io/isolate_vhost: 'true'}") + secret("s", {"*.test"}) +
        secret("t", {"*.test"}) + secret("u", {"*.test"}) + for_x("a", "s") + for_x("b", "t"));
  ASSERT_EQ(told("VirtualService", "a"), "Accepted");
  ASSERT_EQ(told("VirtualService", "b"), "Accepted");
  EXPECT_EQ(tried(for_x("a", "s"), "VirtualService", "a"), "Accepted");
  EXPECT_EQ(tried(for_x("a", "u"), "VirtualService", "a"), "Accepted");
  EXPECT_EQ(tried(for_x("d", "u"), "VirtualService", "d"), "Accepted");
  EXPECT_TRUE(tried(for_x("d", "s"), "VirtualService", "d").contains("x.test")) << "as a has it on that chain";
  EXPECT_TRUE(tried(for_x("a", "t"), "VirtualService", "a").contains("x.test"));
  // And the Gateway itself, whose services have the domain of one another unless it isolates them.
  EXPECT_EQ(tried(gateway("", ", annotations: {gateway.solo.io/isolate_vhost: 'true'}"), "Gateway", "tls"), "Accepted");
  EXPECT_TRUE(tried(gateway(), "Gateway", "tls").contains("x.test")) << tried(gateway(), "Gateway", "tls");
}

// --- Secrets ----------------------------------------------------------------------------------------------------

TEST_F(TranslateTls, rejects_an_sslConfig_without_a_source) {
  apply(gateway() + service("a", "{}"));
  EXPECT_EQ(chains(), "no listener");
  EXPECT_TRUE(told("VirtualService", "a").contains("spec.sslConfig: no certificate information found"));
  EXPECT_TRUE(told("Gateway", "tls").contains("none of its VirtualServices has a certificate: no port is opened"));
}

TEST_F(TranslateTls, leaves_out_the_chain_of_a_missing_secret_alone_and_warns) {
  apply(gateway() + secret("there", {"b.test"}) + service("a", with_secret("their", ", sniDomains: [a.test]")) +
        service("b", with_secret("there", ", sniDomains: [b.test]")));
  EXPECT_EQ(chains(), "b.test>b");
  EXPECT_EQ(hosts(*listener()->http.front().router), "gloo-system_a gloo-system_b");
  EXPECT_EQ(
      told("VirtualService", "a"),
      "Warning warning: \n  spec.sslConfig: SSL secret not found: list did not find secret gloo-system.their; did "
      "you mean there?; no certificate is shown for it");
  EXPECT_TRUE(told("Gateway", "tls").starts_with("Warning warning: \n  Listener Warning: SSLConfigWarning. Reason: "))
      << told("Gateway", "tls");
}

TEST_F(TranslateTls, rejects_a_secret_that_is_no_pair_without_telling_what_is_in_it) {
  const TlsKeyPair a = authority().make({"a.test"}), b = authority().make({"b.test"});
  struct Row {
    std::string secret;
    std::string_view said;
  };
  const Row rows[] = {
      {object("Secret", "s", "stringData: {x-key: hush}"), "gloo-system.s is not a TLS secret"},
      {secret("s", {.certificates = a.certificates, .private_key = b.private_key, .ocsp_staple = {}}),
       "Secret gloo-system/s: "},
      {secret("s", {.certificates = "hush", .private_key = b.private_key, .ocsp_staple = {}}),
       "Secret gloo-system/s: "},
      {secret("s", {.certificates = a.certificates, .private_key = "", .ocsp_staple = {}}),
       "no certificate information found: it has no private key"},
      {secret("s", a, "hush"), "Secret gloo-system/s: "},
  };
  for (const Row& row : rows) {
    apply(gateway() + row.secret + service("a", with_secret("s")));
    EXPECT_EQ(chains(), "no listener");
    const std::string said = told("VirtualService", "a");
    EXPECT_TRUE(said.starts_with("Rejected") && said.contains(row.said)) << said;
    EXPECT_TRUE(
        told("Gateway", "tls").contains("Listener Error: SSLConfigError. Reason: VirtualService gloo-system.a"));
    EXPECT_FALSE(said.contains("hush") || said.contains("PRIVATE")) << said;
  }
}

TEST_F(TranslateTls, takes_gloos_older_form_of_a_secret) {
  const TlsKeyPair pair = authority().make({"old.test"});
  const auto indented = [](std::string text) {
    for (size_t at = 0; (at = text.find('\n', at)) != std::string::npos; at += 7) text.replace(at, 1, "\n      ");
    return text;
  };
  apply(gateway() + service("a", with_secret("s")) +
        object("Secret", "s",
               fmt::format("stringData:\n  tls: |\n    certChain: |\n      {}\n    privateKey: |\n      {}\n",
                           indented(pair.certificates), indented(pair.private_key)),
               ", annotations: {resource_kind: '*v1.Secret'}"));
  ASSERT_EQ(chains(), "*>a") << told("VirtualService", "a") << said_;
  EXPECT_EQ(shown("x"), "old.test");
}

TEST_F(TranslateTls, requires_client_certificates_when_the_secret_has_a_ca_unless_tls_is_one_way) {
  const TlsKeyPair pair = authority().make({"a.test"});
  const std::string beside = gateway() + secret("s", pair, authority().pem());
  apply(beside + service("a", with_secret("s")));
  EXPECT_TRUE(listener()->http.front().chains[0].certificate->asks_for_client_certificate);
  apply(beside + service("a", with_secret("s", ", oneWayTls: true")));
  EXPECT_FALSE(listener()->http.front().chains[0].certificate->asks_for_client_certificate);
  apply(gateway() + secret("s", pair) + service("a", with_secret("s", ", verifySubjectAltName: [c.test]")));
  EXPECT_TRUE(
      told("VirtualService", "a").contains("a root_ca must be provided if verify_subject_alt_name is not empty"));
}

TEST_F(TranslateTls, warns_that_a_client_certificate_can_be_done_without_by_another_name) {
  const std::string services = secret("s", authority().make({"a.test"}), authority().pem()) + secret("t", {"b.test"}) +
                               service("a", with_secret("s", ", sniDomains: [a.test]")) +
                               service("b", with_secret("t", ", sniDomains: [b.test]"));
  apply(gateway() + services);
  EXPECT_TRUE(told("VirtualService", "a").contains("who asks for another name of Gateway tls reaches it without one"));
  EXPECT_EQ(told("VirtualService", "b"), "Accepted");
  apply(gateway("", ", annotations: {gateway.solo.io/isolate_vhost: 'true'}") + services);
  EXPECT_EQ(told("VirtualService", "a"), "Accepted");
}

TEST_F(TranslateTls, tells_of_a_certificate_that_has_expired_and_shows_it_all_the_same) {
  apply(gateway() + service("a", with_secret("s")) +
        secret("s", authority().make({.names = {"a.test"}, .days_from = -3, .days_to = -1})));
  EXPECT_EQ(chains(), "*>a");
  EXPECT_TRUE(told("VirtualService", "a").contains("has expired on")) << told("VirtualService", "a");
}

// What both ends agree on, or the reason of the server's end for agreeing on nothing.
TEST_F(TranslateTls, warns_of_names_that_the_certificate_is_not_for) {
  const struct {
    std::string_view names, told;
  } rows[] = {
      {"a.test", "Accepted"},
      {"A.test", "Accepted"},
      {"x.b.test, '*.b.test'", "Accepted"},
      {"x.y.b.test",
       "Warning warning: \n  spec.sslConfig.sniDomains: the certificate is not for x.y.b.test but for a.test, *.b.test "
       "(Secret gloo-system/s)"},
      {"b.test, a.test, '*.a.test', localhost, c.test",
       "Warning warning: \n  spec.sslConfig.sniDomains: the certificate is not for *.a.test, b.test, c.test but for "
       "a.test, *.b.test (Secret gloo-system/s)"},
  };
  for (const auto& row : rows) {
    apply(gateway() + secret("s", {"a.test", "*.b.test"}) +
          service("a", with_secret("s", fmt::format(", sniDomains: [{}]", row.names))));
    EXPECT_EQ(told("VirtualService", "a"), row.told) << row.names;
  }
}

TEST_F(TranslateTls, gives_every_option_to_the_context) {
  loop_.use_manual_clock(SteadyTime(1000s), wall_now());
  const auto meet = [this](std::string_view more, TlsParameters theirs = {}, TlsSessions* sessions = nullptr) {
    apply(gateway() + service("a", with_secret("s", more)) + secret_);
    if (!listener()) return told("VirtualService", "a");
    TlsClientOptions client{.verify = TlsClientOptions::Verify::chain, .ca = authority().pem()};
    client.parameters = std::move(theirs);
    static constexpr std::string_view kOffer[] = {"http/1.1", "h2"};
    StreamPair pair = tls_over(memory_streams(loop_), listener()->http.front().config.tls,
                               *TlsClientContext::create(client), {.name = "a.test", .alpn = kOffer}, sessions);
    const Handshakes done = shake_hands(loop_, pair);
    if (!done.downstream) return "no: " + done.downstream.error().message;
    char byte = 0;
    static_cast<void>(pair.upstream->try_read({&byte, 1}));  // a ticket comes behind the handshake
    const TlsInfo& agreed = *pair.downstream->tls();
    return fmt::format("{} {} {}{}", agreed.version, agreed.cipher, agreed.alpn, agreed.resumed ? " resumed" : "");
  };
  EXPECT_EQ(meet(""), "TLSv1.3 TLS_AES_256_GCM_SHA384 h2");
  EXPECT_EQ(meet(", alpnProtocols: [http/1.1]"), "TLSv1.3 TLS_AES_256_GCM_SHA384 http/1.1");
  EXPECT_EQ(meet(", alpnProtocols: [allow_empty]"), "TLSv1.3 TLS_AES_256_GCM_SHA384 ");
  EXPECT_EQ(meet(", parameters: {maximumProtocolVersion: TLSv1_2, cipherSuites: [ECDHE-ECDSA-CHACHA20-POLY1305]}"),
            "TLSv1.2 ECDHE-ECDSA-CHACHA20-POLY1305 h2");
  EXPECT_TRUE(meet(", parameters: {minimumProtocolVersion: TLSv1_3}", {.max = TlsVersion::tls1_2}).starts_with("no: "));
  EXPECT_TRUE(meet(", parameters: {ecdhCurves: [P-384]}", {.ecdh_curves = {"X25519"}}).starts_with("no: "));
  TlsSessions sessions, none;
  meet("", {}, &sessions);
  EXPECT_TRUE(meet("", {}, &sessions).ends_with(" resumed"));
  meet(", disableTlsSessionResumption: true", {}, &none);
  EXPECT_FALSE(meet(", disableTlsSessionResumption: true", {}, &none).ends_with(" resumed"));
  meet(", ocspStaplePolicy: MUST_STAPLE");
  EXPECT_TRUE(told("VirtualService", "a").contains("ocspStaplePolicy MUST_STAPLE needs an OCSP staple"));
}

TEST_F(TranslateTls, refuses_a_client_whose_certificate_is_for_none_of_verifySubjectAltName) {
  loop_.use_manual_clock(SteadyTime(1000s), wall_now());
  apply(gateway() + secret("s", authority().make({"a.test"}), authority().pem()) +
        service("a", with_secret("s", ", verifySubjectAltName: [me.test, us.test]")));
  for (const auto& [name, is_good] :
       {std::pair("me.test", true), std::pair("us.test", true), std::pair("b.test", false)}) {
    StreamPair pair =
        tls_over(memory_streams(loop_), listener()->http.front().config.tls,
                 *TlsClientContext::create({.verify = TlsClientOptions::Verify::chain,
                                            .ca = authority().pem(),
                                            .key_pair = authority().make({.names = {name}, .client = true})}),
                 {.name = "a.test"}, nullptr);
    EXPECT_EQ(shake_hands(loop_, pair).downstream.has_value(), is_good) << name;
  }
}

TEST_F(TranslateTls, ends_a_handshake_after_its_transportSocketConnectTimeout) {
  loop_.use_manual_clock(SteadyTime(1000s), wall_now());
  apply(gateway() + service("a", with_secret("s", ", transportSocketConnectTimeout: 3s")) + secret_);
  const auto shake = [this](Stream& stream, std::optional<Status>& done) -> Task<void> {
    auto shaking = stream.established(loop_.now() + 1min);
    done.emplace(co_await shaking);
    co_return Status{};
  };
  std::string hello(4096, '\0');
  {
    StreamPair below = memory_streams(loop_);
    const auto client =
        tls_connect(std::move(below.upstream), *TlsClientContext::create({}), {.name = "a.test"}, nullptr);
    std::optional<Status> never;
    TaskGroup tasks;
    tasks.spawn(shake(*client, never));
    settle_in_memory(loop_);
    hello.resize(**below.downstream->try_read(hello));
    tasks.cancel();
    settle_in_memory(loop_);
  }
  StreamPair below = memory_streams(loop_);
  const auto server = tls_accept(std::move(below.downstream), listener()->http.front().config.tls);
  std::optional<Status> done;
  TaskGroup tasks;
  tasks.spawn(shake(*server, done));
  const iovec part{hello.data(), hello.size()};
  ASSERT_TRUE(below.upstream->try_write(std::span(&part, 1))->has_value());
  settle_in_memory(loop_);
  EXPECT_FALSE(done);
  loop_.advance(2s);
  settle_in_memory(loop_);
  EXPECT_FALSE(done);
  loop_.advance(2s);
  settle_in_memory(loop_);
  ASSERT_TRUE(done);
  EXPECT_EQ(done->error().kind, ErrorKind::timeout);
}

TEST_F(TranslateTls, tells_options_apart_whatever_stands_in_them) {
  const auto names = [](std::string_view list) {
    return with_secret("s", fmt::format(", sniDomains: [x.test], verifySubjectAltName: [{}]", list));
  };
  apply(gateway() + secret("s", authority().make({"a.test"}), authority().pem()) +
        service("a", names("'spiffe://a', 'b'")) +
        service("b", with_secret("s", ", sniDomains: [y.test], verifySubjectAltName: ['spiffe://a,b']")));
  EXPECT_EQ(chains(), "x.test>a, y.test>b");
  apply(gateway() + secret("s", {"a.test"}) + service("a", with_secret("s", ", alpnProtocols: [h2, http/1.1]")) +
        service("b", with_secret("s", ", sniDomains: [y.test], alpnProtocols: ['h2,http/1.1']")));
  EXPECT_EQ(chains(), "*>a, y.test>b");
}

TEST_F(TranslateTls, tells_files_apart_by_what_they_are_for) {
  const TestFolder folder;
  const TlsKeyPair pair = authority().make({"me.test"});
  folder.write("crt", pair.certificates), folder.write("key", pair.private_key), folder.write("ca", authority().pem());
  const auto files = [&folder](std::string_view third) {
    return fmt::format("{{sslFiles: {{tlsCert: {0}/crt, tlsKey: {0}/key, {1}: {0}/ca}}}}", folder.path(), third);
  };
  apply_dynamic(files("rootCa"));
  EXPECT_EQ(dynamic()->cluster->tls->options().ca, authority().pem());
  apply_dynamic(files("ocspStaple"));
  EXPECT_TRUE(told("Gateway", "g").contains("the OCSP staple is no OCSP response")) << told("Gateway", "g");
}

TEST_F(TranslateTls, reads_a_ca_and_a_staple_from_files) {
  const TestFolder folder;
  const TlsKeyPair pair = authority().make({"a.test"});
  folder.write("crt", pair.certificates);
  folder.write("key", pair.private_key);
  folder.write("ca", authority().pem());
  folder.write("staple", authority().staple_for(pair, false));
  const auto files = [&folder](std::string_view more) {
    return fmt::format("{{sslFiles: {{tlsCert: {0}/crt, tlsKey: {0}/key{1}}}, ocspStaplePolicy: {2}}}", folder.path(),
                       more, more.contains("staple") ? "MUST_STAPLE" : "LENIENT_STAPLING");
  };
  apply(gateway() + service("a", files(fmt::format(", rootCa: {}/ca", folder.path()))));
  ASSERT_EQ(chains(), "*>a") << told("VirtualService", "a");
  EXPECT_TRUE(listener()->http.front().chains[0].certificate->asks_for_client_certificate);
  apply(gateway() + service("a", files(fmt::format(", ocspStaple: {}/staple", folder.path()))));
  EXPECT_EQ(told("VirtualService", "a"), "Accepted");
  EXPECT_FALSE(listener()->http.front().chains[0].certificate->asks_for_client_certificate);
  folder.write("staple", "nonsense");
  look_again();
  EXPECT_TRUE(told("VirtualService", "a").contains("the OCSP staple is no OCSP response"))
      << told("VirtualService", "a");
}

TEST_F(TranslateTls, tells_listeners_what_to_say_of_a_clients_certificate) {
  apply(
      object(
          "Gateway", "tls",
          "{bindAddress: 127.0.0.1, bindPort: 8443, ssl: true, httpGateway: {options: {httpConnectionManagerSettings: "
          "{forwardClientCertDetails: APPEND_FORWARD, setCurrentClientCertDetails: {subject: true, uri: true}}}}}") +
      secret_ + service("a", with_secret("s")));
  const ClientCertConfig& config = listener()->http.front().config.client_cert;
  EXPECT_EQ(config.forward, ForwardClientCert::append_forward);
  EXPECT_TRUE(config.subject && config.uri && !config.cert && !config.chain && !config.dns);
}

// --- changes ----------------------------------------------------------------------------------------------------

TEST_F(TranslateTls, makes_another_context_for_a_changed_secret_and_compiles_no_route_again) {
  const std::string beside = gateway() + service("a", with_secret("s", ", sniDomains: [a.test]")) +
                             service("b", with_secret("t", ", sniDomains: [b.test]")) + secret("t", {"b.test"});
  apply(beside + secret("s", {"one.test"}));
  const auto before = now_.snapshot;
  const auto* const kept = context(1);
  apply(beside + secret("s", {"two.test"}));
  EXPECT_EQ(shown("a.test"), "two.test");
  EXPECT_EQ(context(1), kept);
  EXPECT_EQ(&*listener()->http.front().router->table().hosts().begin(),
            &*before->listeners[0]->http.front().router->table().hosts().begin());
}

TEST_F(TranslateTls, shares_chains_with_the_snapshot_before_when_nothing_of_them_changed) {
  const std::string beside = gateway() + service("a", with_secret("s")) + secret("s", {"a.test"});
  apply(beside);
  const auto before = listener()->http.front().config.tls;
  apply(beside + service("c", ""));
  EXPECT_EQ(listener()->http.front().config.tls, before);
  apply(gateway() + service("a", with_secret("s"), ", labels: {team: x}") + secret("s", {"a.test"}));
  EXPECT_NE(listener()->http.front().config.tls, before) << "another certificate";
}

TEST_F(TranslateTls, makes_no_chain_again_for_a_service_that_changed_beside_its_sslConfig) {
  const std::string secrets = secret("s", authority().make({"a.test"}));
  const auto with_body = [](std::string_view name, std::string_view body) {
    return object(
        "VirtualService", name,
        fmt::format("{{sslConfig: {}, virtualHost: {{domains: [a.test], routes: [{{matchers: [{{prefix: /}}], "
                    "directResponseAction: {{status: 200, body: {}}}}}]}}}}",
                    with_secret("s"), body));
  };
  apply(gateway() + secrets + with_body("a", "one"));
  const auto before = listener()->http.front().config.tls;
  apply(gateway() + secrets + with_body("a", "two"));
  EXPECT_EQ(listener()->http.front().config.tls, before);
  apply(gateway() + secrets + with_body("b", "two"));  // another service
  EXPECT_EQ(chains(), "*>b");
}

TEST_F(TranslateTls, goes_on_with_the_last_good_certificate_of_a_secret_that_became_bad_or_went) {
  const std::string beside = gateway() + service("a", with_secret("s"));
  const TlsKeyPair pair = authority().make({"a.test"});
  apply(beside + secret("s", pair));
  apply(beside + secret("s", {.certificates = pair.certificates, .private_key = "", .ocsp_staple = {}}));
  EXPECT_EQ(shown("x"), "a.test");
  EXPECT_TRUE(told("VirtualService", "a").starts_with("Rejected"));
  EXPECT_TRUE(told("VirtualService", "a").contains("the certificate that was shown before stays in force"));
  apply(beside);
  EXPECT_EQ(shown("x"), "a.test");
  EXPECT_TRUE(told("VirtualService", "a").starts_with("Warning"));
  apply(beside + secret("s", pair));
  EXPECT_EQ(told("VirtualService", "a"), "Accepted");
}

TEST_F(TranslateTls, keeps_a_service_whole_as_it_was_where_another_sslConfig_of_it_cannot_be_had) {
  const auto version = [](std::string_view name, std::string_view ssl) {
    return object("VirtualService", "a",
                  fmt::format("{{sslConfig: {}, virtualHost: {{domains: [{}.test], routes: [{{matchers: [{{prefix: "
                              "/}}], directResponseAction: {{status: 200}}}}]}}}}",
                              ssl, name));
  };
  const auto domains = [this] { return join(listener()->http.front().router->table().hosts()[0].domains, " "); };
  const std::string beside = gateway() + secret("s", {"old.test"});
  apply(beside + version("old", with_secret("s", ", sniDomains: [old.test]")));
  EXPECT_EQ(domains(), "old.test");
  const std::string next = version("next", with_secret("t", ", sniDomains: [next.test]"));
  apply(beside + next);
  EXPECT_EQ(domains(), "old.test") << "what may be for those with a certificate only is not shown to all";
  EXPECT_EQ(chains(), "old.test>a");
  EXPECT_EQ(told("VirtualService", "a"),
            "Warning warning: \n  spec.sslConfig: SSL secret not found: list did not find secret gloo-system.t; the "
            "version before that stays in force");
  apply(beside + version("next", with_secret("s", ", verifySubjectAltName: [me.test]")));
  EXPECT_EQ(domains(), "old.test");
  EXPECT_TRUE(told("VirtualService", "a").starts_with("Rejected ")) << told("VirtualService", "a");
  const std::string there = secret("t", authority().make({"next.test"}), authority().pem());
  apply(beside + next + there);
  EXPECT_EQ(domains(), "next.test");
  EXPECT_EQ(chains(), "next.test>a");
  EXPECT_EQ(shown("next.test"), "next.test");
  EXPECT_EQ(told("VirtualService", "a"), "Accepted");
  apply(beside + version("later", with_secret("t", ", sniDomains: [next.test]")));
  EXPECT_EQ(domains(), "later.test") << "the sslConfig is the same: the certificate of before is one of its own";
}

TEST_F(TranslateTls, reads_files_again_when_they_change_and_keeps_the_last_good_ones) {
  const TestFolder folder;
  const auto write = [&folder](std::string_view name, const std::string& text) { folder.write(name, text); };
  const TlsKeyPair one = authority().make({"one.test"}), two = authority().make({"two-longer.test"});
  write("crt", one.certificates);
  write("key", one.private_key);
  const std::string files = fmt::format("{{sslFiles: {{tlsCert: {0}/crt, tlsKey: {0}/key}}}}", folder.path());
  apply(gateway() + service("a", files));
  ASSERT_EQ(chains(), "*>a") << told("VirtualService", "a");
  EXPECT_EQ(shown("x"), "one.test");
  EXPECT_FALSE(translator_.look_at_files());
  write("crt", two.certificates);
  look_again();
  EXPECT_EQ(shown("x"), "one.test") << "the key does not fit yet";
  EXPECT_TRUE(told("VirtualService", "a").starts_with("Rejected"));
  write("key", two.private_key);
  look_again();
  EXPECT_EQ(shown("x"), "two-longer.test");
  EXPECT_EQ(told("VirtualService", "a"), "Accepted");
  std::filesystem::remove(folder.path("key"));
  look_again();
  EXPECT_EQ(shown("x"), "two-longer.test");
  EXPECT_TRUE(told("VirtualService", "a").contains("No such file")) << told("VirtualService", "a");
  write("key", std::string(WatchedFiles::kBytesMax + 1, 'x'));
  look_again();
  EXPECT_TRUE(told("VirtualService", "a").contains("is over 1048576 bytes")) << told("VirtualService", "a");
}

TEST_F(TranslateTls, takes_an_empty_file_for_one_that_is_being_written) {
  const TestFolder folder;
  const TlsKeyPair pair = authority().make({"a.test"});
  folder.write("crt", pair.certificates);
  folder.write("key", pair.private_key);
  folder.write("ca", authority().pem());
  apply(
      gateway() +
      upstream("{addr: h.test, port: 80}", fmt::format(", sslConfig: {{sslFiles: {{rootCa: {}/ca}}}}", folder.path())) +
      service("a", fmt::format("{{sslFiles: {{tlsCert: {0}/crt, tlsKey: {0}/key, rootCa: {0}/ca}}}}", folder.path())));
  ASSERT_TRUE(listener()->http.front().chains[0].certificate->asks_for_client_certificate);
  ASSERT_EQ(met(), "chain [h.test]");
  folder.write("ca", "");
  look_again();
  EXPECT_TRUE(listener()->http.front().chains[0].certificate->asks_for_client_certificate);
  EXPECT_EQ(met(), "chain [h.test]");
  for (const auto& [kind, name] : {std::pair("VirtualService", "a"), std::pair("Upstream", "u")})
    EXPECT_TRUE(told(kind, name).contains(folder.path() + "/ca: it is empty")) << told(kind, name);
}

TEST_F(TranslateTls, reads_nothing_but_regular_files) {
  apply(gateway() + service("a", "{sslFiles: {tlsCert: /dev/zero, tlsKey: /dev/zero}}"));
  EXPECT_TRUE(told("VirtualService", "a").contains("/dev/zero: it is no regular file")) << told("VirtualService", "a");
}

TEST_F(TranslateTls, tells_when_certificates_end_in_a_metric) {
  const auto told_ends = [this] {
    std::string found;
    for (const Metrics::Family& family : metrics_.collect())
      if (family.name == "sluice_certificate_expiry_seconds")
        for (const Metrics::Sample& sample : family.samples)
          found += fmt::format("{}={}", sample.labels.at(0).second, sample.value);
    return found;
  };
  const auto shown_ends = [this] {
    return fmt::format("Secret gloo-system/s={}", unix_seconds(context()->certificate().not_after));
  };
  const TlsKeyPair one = authority().make({.names = {"a.test"}, .days_to = 10});
  const TlsKeyPair two = authority().make({.names = {"a.test"}, .days_to = 20});
  const std::string beside = gateway() + service("a", with_secret("s"));
  apply(beside + secret("s", one));
  EXPECT_EQ(told_ends(), shown_ends());
  const std::string first = told_ends();
  const auto still_used = now_.snapshot;  // by a connection
  apply(beside + secret("s", two));
  EXPECT_EQ(told_ends(), shown_ends());
  EXPECT_NE(told_ends(), first);
  apply(beside + secret("s", one));
  EXPECT_EQ(told_ends(), first);
  EXPECT_EQ(tried(secret("s", two), "Secret", "s"), "Accepted");
  EXPECT_EQ(told_ends(), first);
}

TEST_F(TranslateTls, of_ten_thousand_certificates_takes_little_time_and_less_again) {
  constexpr int kFiles = 5, kInFile = 2'000;
  const TlsKeyPair pair = authority().make({"a.test"});
  std::vector<ConfigFile> files{{"gateway.yaml", gateway(), 0}};
  for (int file = 0; file < kFiles; ++file) {
    std::string yaml;
    for (int i = file * kInFile; i < (file + 1) * kInFile; ++i)
      yaml += secret(fmt::format("s{}", i), pair) +
              service(fmt::format("v{}", i),
                      with_secret(fmt::format("s{}", i), fmt::format(", sniDomains: [h{}.test]", i)));
    files.push_back({fmt::format("{}.yaml", file), std::move(yaml), 0});
  }
  objects_ = all_documents(load_config(files, fields_));
  const auto took = [this] {
    const SteadyTime start = steady_now();
    now_ = translator_.translate(objects_);
    return steady_now() - start;
  };
  const Nanos first = took();
  ASSERT_TRUE(listener());
  EXPECT_EQ(listener()->http.front().config.tls->chains().size(), size_t{kFiles * kInFile});
  const auto before = listener()->http.front().config.tls;
  const Nanos again = took();
  EXPECT_EQ(listener()->http.front().config.tls, before);
  EXPECT_LT(again, first / 2) << "nothing changed: nothing is made";
}

// --- upstreams ----------------------------------------------------------------------------------------------------

TEST_F(TranslateTls, speaks_TLS_to_an_upstream_with_port_443_or_useTls_without_looking_at_certificates) {
  apply(upstream("{addr: h.test, port: 443}, {addr: 127.0.0.1, port: 80}"));
  EXPECT_EQ(met(), "nothing [h.test] []");
  apply(upstream("{addr: h.test, port: 443}", "", ", useTls: false"));
  EXPECT_EQ(met(), "plain");
  apply(upstream("{addr: h.test, port: 80}"));
  EXPECT_EQ(met(), "plain");
  apply(upstream("{addr: h.test, port: 80}", "", ", useTls: true"));
  EXPECT_EQ(met(), "nothing [h.test]");
}

TEST_F(TranslateTls, asks_a_host_for_its_own_name_or_the_one_configured) {
  apply(upstream("{addr: h.test, port: 80, sniAddr: X.test}, {addr: h.test, port: 80}, {addr: 127.0.0.1, port: 80}",
                 ", sslConfig: {sni: s.test}"));
  EXPECT_EQ(met(), "nothing [x.test] [h.test] [s.test]");
  apply(upstream("{addr: h.test, port: 80, sniAddr: x.test}, {addr: h.test, port: 80}", ", sslConfig: {sni: s.test}",
                 ", autoSniRewrite: false"));
  EXPECT_EQ(met(), "nothing [x.test] [s.test]");
}

TEST_F(TranslateTls, verifies_an_upstream_with_the_ca_of_its_secret) {
  const TlsKeyPair pair = authority().make({"me.test"});
  apply(upstream("{addr: h.test, port: 80}", ", sslConfig: " + with_secret("s")) +
        secret("s", pair, authority().pem()));
  EXPECT_EQ(met(), "chain [h.test]");
  EXPECT_EQ(options().ca, authority().pem());
  EXPECT_EQ(options().key_pair.certificates, pair.certificates);
  apply(upstream("{addr: h.test, port: 80}",
                 ", sslConfig: " + with_secret("s",
                                               ", verifySubjectAltName: [y.test], oneWayTls: true, "
                                               "allowRenegotiation: true, alpnProtocols: [h2], parameters: "
                                               "{maximumProtocolVersion: TLSv1_2}")) +
        secret("s", pair, authority().pem()));
  EXPECT_EQ(met(), "name [h.test]");
  EXPECT_EQ(options().subject_alt_names, std::vector<std::string>{"y.test"});
  EXPECT_TRUE(options().key_pair.certificates.empty());
  EXPECT_TRUE(options().allow_renegotiation);
  EXPECT_EQ(options().alpn, std::vector<std::string>{"h2"});
  EXPECT_EQ(options().parameters.max, TlsVersion::tls1_2);
}

TEST_F(TranslateTls, verifies_an_upstream_with_files) {
  const TestFolder folder;
  const TlsKeyPair pair = authority().make({"me.test"});
  folder.write("crt", pair.certificates), folder.write("key", pair.private_key), folder.write("ca", authority().pem());
  apply(upstream(
      "{addr: h.test, port: 80}",
      fmt::format(", sslConfig: {{sslFiles: {{tlsCert: {0}/crt, tlsKey: {0}/key, rootCa: {0}/ca}}}}", folder.path())));
  EXPECT_EQ(met(), "chain [h.test]");
  EXPECT_EQ(options().ca, authority().pem());
  EXPECT_EQ(options().key_pair.certificates, pair.certificates);
  EXPECT_EQ(options().key_pair.private_key, pair.private_key);
}

TEST_F(TranslateTls, never_speaks_plain_to_an_upstream_whose_TLS_cannot_be_had) {
  apply(upstream("{addr: h.test, port: 80}", ", sslConfig: " + with_secret("s")));
  EXPECT_EQ(met(), "not at all");
  EXPECT_TRUE(told("Upstream", "u").contains("SSL secret not found: list did not find secret gloo-system.s"))
      << told("Upstream", "u");
  EXPECT_TRUE(told("VirtualService", "v").contains("its TLS cannot be had")) << told("VirtualService", "v");
  const TlsKeyPair pair = authority().make({"me.test"});
  apply(upstream("{addr: h.test, port: 80}", ", sslConfig: " + with_secret("s")) + secret("s", pair));
  EXPECT_EQ(met(), "nothing [h.test]");
  EXPECT_EQ(told("Upstream", "u"), "Accepted");
  const auto* const before = cluster();
  apply(upstream("{addr: h.test, port: 80}", ", sslConfig: " + with_secret("s")) +
        secret("s", {.certificates = pair.certificates, .private_key = {}, .ocsp_staple = {}}));
  EXPECT_EQ(cluster(), before);
  EXPECT_TRUE(told("Upstream", "u").contains("has a certificate alone")) << told("Upstream", "u");
  EXPECT_TRUE(told("Upstream", "u").contains("what was made of it before stays in force"));
}

TEST_F(TranslateTls, meets_no_other_host_by_what_was_made_of_another_sslConfig) {
  const std::string verified = ", sslConfig: " + with_secret("ca");
  apply(upstream("{addr: old.test, port: 80}", ", sslConfig: {}"));
  EXPECT_EQ(met(), "nothing [old.test]");
  apply(upstream("{addr: next.test, port: 80}", verified));
  EXPECT_EQ(met(), "nothing [old.test]") << "the version before, whole";
  EXPECT_TRUE(told("Upstream", "u").contains("SSL secret not found")) << told("Upstream", "u");
  EXPECT_TRUE(told("Upstream", "u").contains("the version before that stays in force")) << told("Upstream", "u");
  const std::string ca = object(
      "Secret", "ca", fmt::format("type: kubernetes.io/tls\ndata: {{ca.crt: {}}}", base64_encode(authority().pem())));
  apply(upstream("{addr: next.test, port: 80}", verified) + ca);
  EXPECT_EQ(met(), "chain [next.test]");
  EXPECT_EQ(told("Upstream", "u"), "Accepted");
  apply(upstream("{addr: later.test, port: 80}", verified));
  EXPECT_EQ(met(), "chain [later.test]") << "the sslConfig is the same: its CA of before goes on";
  EXPECT_TRUE(told("Upstream", "u").contains("what was made of it before stays in force")) << told("Upstream", "u");
  apply(upstream("{addr: plain.test, port: 80}"));
  EXPECT_EQ(met(), "plain");
  apply(upstream("{addr: next.test, port: 80}", verified));
  EXPECT_EQ(met(), "not at all") << "never by what was made for a version before the last";
}

TEST_F(TranslateTls, makes_another_cluster_for_a_changed_secret_of_its_upstream) {
  const std::string beside = upstream("{addr: h.test, port: 80}", ", sslConfig: " + with_secret("s"));
  apply(beside + secret("s", {"one.test"}));
  const auto before = now_.snapshot;
  apply(beside + secret("s", {"two.test"}));
  EXPECT_NE(cluster(), before->static_clusters->begin()->second.get());
}

TEST_F(TranslateTls, verifies_dynamic_destinations_by_the_systems_roots_unless_told_not_to) {
  using enum TlsClientOptions::Verify;
  apply_dynamic("");
  EXPECT_EQ(dynamic()->cluster->tls, nullptr);
  apply_dynamic("{}");
  ASSERT_TRUE(dynamic()->cluster->tls);
  EXPECT_EQ(dynamic()->cluster->tls->options().verify, name);
  EXPECT_FALSE(dynamic()->scheme_tls);
  apply_dynamic("{}", "upstreamTls: {verify: none}");
  EXPECT_EQ(dynamic()->cluster->tls->options().verify, nothing);
  apply_dynamic("", "destinations: {scheme: true}");
  EXPECT_FALSE(dynamic()->cluster->tls);
  ASSERT_TRUE(dynamic()->scheme_tls);
  EXPECT_EQ(dynamic()->scheme_tls->options().verify, name);
}

TEST_F(TranslateTls, has_TLS_for_dynamic_destinations_where_a_rule_may_want_it) {
  using enum TlsClientOptions::Verify;
  const auto policy = [](std::string_view tls) {
    return fmt::format(
        "---\napiVersion: sluice.dev/v1alpha1\nkind: EgressPolicy\nmetadata: {{name: p, namespace: "
        "gloo-system}}\nspec: "
        "{{targetRefs: [{{group: gateway.solo.io, kind: Gateway, name: g}}], rules: [{{name: r, action: allow, match: "
        "{{addresses: [loopback]}}, upstreamTls: {}}}]}}\n",
        tls);
  };
  apply_dynamic("", "", policy("forbidden"));
  EXPECT_FALSE(dynamic()->scheme_tls);
  apply_dynamic("", "", policy("required"));
  EXPECT_FALSE(dynamic()->cluster->tls);
  ASSERT_TRUE(dynamic()->scheme_tls);
  EXPECT_EQ(dynamic()->scheme_tls->options().verify, name);
  EXPECT_EQ(dynamic()->named_tls, dynamic()->scheme_tls);
  // A name in a rule is verified, whatever holds for the others.
  apply_dynamic("{}", "upstreamTls: {verify: none}", policy("{verify: lb.test}"));
  EXPECT_EQ(dynamic()->cluster->tls->options().verify, nothing);
  EXPECT_EQ(dynamic()->named_tls->options().verify, name);
  apply_dynamic(with_secret("s", ", verifySubjectAltName: [y.test]"), "",
                policy("{verify: lb.test}") + secret("s", authority().make({"me.test"}), authority().pem()));
  EXPECT_EQ(dynamic()->cluster->tls->options().subject_alt_names, std::vector<std::string>{"y.test"});
  EXPECT_TRUE(dynamic()->named_tls->options().subject_alt_names.empty());
  EXPECT_EQ(dynamic()->named_tls->options().ca, authority().pem());
}

TEST_F(TranslateTls, warns_that_schemes_do_not_undo_what_a_gateway_says_of_all_destinations) {
  apply_dynamic("{}", "destinations: {scheme: true}");
  EXPECT_TRUE(
      told("ProxySettings", "s").contains("spec.destinations.scheme: Gateway g has dynamicForwardProxy.sslConfig"))
      << told("ProxySettings", "s");
  apply_dynamic("", "destinations: {scheme: true}");
  EXPECT_EQ(told("ProxySettings", "s"), "Accepted");
}

TEST_F(TranslateTls, rejects_a_gateway_whose_destinations_cannot_be_met_by_TLS) {
  apply_dynamic(with_secret("s"));
  EXPECT_TRUE(told("Gateway", "g").contains("dynamicForwardProxy.sslConfig: SSL secret not found"))
      << told("Gateway", "g");
  EXPECT_EQ(listener("g"), nullptr);
}

}  // namespace
}  // namespace sluice
