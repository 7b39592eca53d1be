// From hybridGateway, and the objects that bring chains, to the chains of a port.
#include "control/certificates.h"
#include "control/tls_testing.h"

namespace sluice {
namespace {

const std::string kUpstream = object("Upstream", "u", "{static: {hosts: [{addr: 127.0.0.1, port: 9}]}}");

std::string gateway(std::string_view hybrid, std::string_view meta = "", std::string_view more = "") {
  return object("Gateway", "tls",
                fmt::format("{{bindAddress: 127.0.0.1, bindPort: 8443, {}hybridGateway: {}}}", more, hybrid), meta);
}
std::string chains(std::initializer_list<std::string> matched, std::string_view meta = "") {
  return gateway(fmt::format("{{matchedGateways: [{}]}}", fmt::join(matched, ", ")), meta);
}
std::string http(std::string_view matcher, std::string_view team = "", std::string_view options = "") {
  return fmt::format("{{matcher: {}, httpGateway: {{{}options: {{{}}}}}}}", matcher,
                     team.empty() ? "" : fmt::format("virtualServiceSelector: {{team: {}}}, ", team), options);
}
std::string tcp(std::string_view matcher, std::string_view host = "all", std::string_view ssl = "",
                std::string_view options = "") {
  return fmt::format(
      "{{matcher: {}, tcpGateway: {{tcpHosts: [{{name: {}, {}destination: {{single: {{upstream: {{name: u}}}}}}}}], "
      "options: {{{}}}}}}}",
      matcher, host, ssl.empty() ? "" : fmt::format("sslConfig: {}, ", ssl), options);
}
std::string of(std::string_view team) {
  return fmt::format(", labels: {{team: {}}}", team);
}

class TranslateHybrid : public TranslateCase {
 protected:
  // Whom a connection goes to: "HTTP a b" with the virtual hosts, "TLS a.test: HTTP a", "TCP host", "nobody", "the
  // end".
  std::string served(std::string_view name, std::string_view client = "192.0.2.1",
                     std::vector<uint16_t> suites = {}) const {
    if (!listener()) return "no listener";
    const PortConfig& port = listener()->port;
    const auto at = port.table->find(name, *IpAddress::parse(client), suites);
    if (!at) return "nobody";
    const PortChain& chain = port.chains.at(*at);
    if (chain.tcp) return shown(chain.tcp->tls, name) + "TCP " + chain.name;
    if (!chain.http) return "the end";
    for (const SnapshotHttp& one : listener()->http)
      if (&one.config == chain.http) return shown(chain.http->tls, name) + "HTTP " + hosts(*one.router);
    return "what is not there";
  }
  static std::string shown(const std::shared_ptr<const TlsServerChains>& chains, std::string_view name) {
    if (!chains) return "";
    const auto chain = chains->find(name);
    return chain ? fmt::format("TLS {}: ", chains->chains()[*chain].context->certificate().dns_names.at(0))
                 : "no certificate: ";
  }
  const ListenerConfig& config(size_t chain) const { return listener()->http.at(chain).config; }

  const std::string secrets_ = secret("a", {"a.test"}) + secret("b", {"b.test"}) + kUpstream;
};

TEST_F(TranslateHybrid, serves_each_chain_by_its_matcher) {
  apply(chains({http("{sslConfig: {}}", "x"),
                http("{sourcePrefixRanges: [{addressPrefix: 10.0.0.0, prefixLen: 8}]}", "w"),
                tcp("{sslConfig: {sniDomains: [passed.test]}}"), http("{}", "z")}) +
        secrets_ + service("a", with_secret("a", ", sniDomains: [a.test]"), of("x")) + service("c", "", of("w")) +
        service("d", "", of("z")));
  EXPECT_EQ(told("Gateway", "tls"), "Accepted");
  EXPECT_EQ(served("a.test"), "TLS a.test: HTTP gloo-system_a");
  EXPECT_EQ(served("", "10.1.2.3"), "HTTP gloo-system_c");
  EXPECT_EQ(served(""), "HTTP gloo-system_d");
  EXPECT_EQ(served("passed.test").substr(0, 4), "TCP ");
  EXPECT_EQ(listener()->protocol(), "hybrid");
}

TEST_F(TranslateHybrid, gives_what_a_matcher_sets_to_the_sslConfig_behind_it) {
  apply(chains({http(
            "{sslConfig: {secretRef: {name: a, namespace: gloo-system}, sniDomains: [a.test], oneWayTls: true}}")}) +
        secret("a", authority().make({"a.test"}), authority().pem()) +
        secret("b", authority().make({"b.test"}), authority().pem()) + service("x", "{}") +
        service("w", with_secret("b", ", sniDomains: [b.test]")) +
        service("z", with_secret("b", ", sniDomains: [c.test], oneWayTls: false")));
  EXPECT_EQ(served("a.test").substr(0, 11), "TLS a.test:");
  EXPECT_EQ(served("b.test").substr(0, 11), "TLS b.test:");
  EXPECT_EQ(served("d.test"), "nobody");
  std::map<std::string, bool> asks;
  for (const ChainUse& use : listener()->http[0].chains)
    for (const ObjectKey& service : use.services) asks[service.name] = use.certificate->asks_for_client_certificate;
  EXPECT_EQ(asks, (std::map<std::string, bool>{{"x", false}, {"w", false}, {"z", true}}));
  EXPECT_TRUE(told("VirtualService", "x") == "Accepted") << told("VirtualService", "x");
}

TEST_F(TranslateHybrid, gives_the_same_service_another_certificate_behind_another_matcher_and_compiles_nothing_twice) {
  const std::string text =
      chains({http("{sslConfig: {secretRef: {name: a, namespace: gloo-system}, sniDomains: [a.test]}}"),
              http("{sslConfig: {secretRef: {name: b, namespace: gloo-system}, sniDomains: [b.test]}}")}) +
      secrets_ + service("x", "{}");
  apply(text);
  EXPECT_EQ(served("a.test"), "TLS a.test: HTTP gloo-system_x");
  EXPECT_EQ(served("b.test"), "TLS b.test: HTTP gloo-system_x");
  const auto before = now_.snapshot;
  apply(text + object("Upstream", "other", "{static: {hosts: [{addr: 127.0.0.1, port: 10}]}}"));
  for (const size_t i : {0U, 1U}) {
    EXPECT_EQ(config(i).tls, before->listeners[0]->http[i].config.tls);
    EXPECT_EQ(&*listener()->http[i].router->table().hosts().begin(),
              &*before->listeners[0]->http[i].router->table().hosts().begin());
  }
}

TEST_F(TranslateHybrid, has_settings_of_their_own_for_chains_and_one_PROXY_protocol_for_all) {
  apply(gateway("{matchedGateways: [" + http("{}", "", "httpConnectionManagerSettings: {via: one}") + ", " +
                    http("{sourcePrefixRanges: [{addressPrefix: 10.0.0.0, prefixLen: 8}]}", "",
                         "httpConnectionManagerSettings: {via: two, earlyHeaderManipulation: {headersToRemove: [x]}}, "
                         "dynamicForwardProxy: {}") +
                    "]}",
                "", "options: {proxyProtocol: {}}, ") +
        object("VirtualService", "v",
               "{virtualHost: {routes: [{matchers: [{prefix: /}], routeAction: {dynamicForwardProxy: {}}}]}}"));
  EXPECT_EQ(config(0).via, "one");
  EXPECT_EQ(config(1).via, "two");
  EXPECT_EQ(config(0).early_change, nullptr);
  EXPECT_NE(config(1).early_change, nullptr);
  EXPECT_NE(listener()->config.proxy_protocol, nullptr);
  EXPECT_EQ(now_.snapshot->dynamic_clusters.size(), 1U) << "the first chain has no forward proxy";
}

TEST_F(TranslateHybrid, ends_connections_to_a_chain_whose_certificate_cannot_be_had) {
  apply(chains({http("{sslConfig: {}}", "x"), http("{}", "w")}) + secrets_ +
        service("a", with_secret("gone", ", sniDomains: [a.test]"), of("x")) + service("b", "", of("w")));
  EXPECT_EQ(served("a.test"), "the end");
  EXPECT_EQ(served(""), "HTTP gloo-system_b");
  const std::string status = told("Gateway", "tls");
  EXPECT_TRUE(
      status.contains("Listener Warning: SSLConfigWarning. Reason: VirtualService gloo-system.a: SSL secret not "
                      "found") &&
      status.contains("spec.hybridGateway.matchedGateways[0].httpGateway: none of its VirtualServices has a "
                      "certificate: connections to it end"))
      << status;
}

TEST_F(TranslateHybrid, says_which_chains_serve_nothing_and_opens_no_port_for_none) {
  apply(chains({http("{sslConfig: {}}", "x"), http("{}", "w")}) + secrets_ + service("b", "", of("w")));
  EXPECT_EQ(served("a.test"), "HTTP gloo-system_b") << "nobody's name";
  apply(chains({http("{sslConfig: {sniDomains: [a.test]}}", "x"),
                http("{sourcePrefixRanges: [{addressPrefix: 10.0.0.0, prefixLen: 8}]}", "x"), http("{}", "w")}) +
        secrets_ + service("b", "", of("w")));
  EXPECT_EQ(served("a.test"), "the end");
  EXPECT_EQ(served("", "10.1.1.1"), "the end");
  EXPECT_EQ(served(""), "HTTP gloo-system_b");
  apply(chains({http("{sslConfig: {}}", "x"), http("{}", "w")}) + secrets_ + service("b", "", of("w")));
  EXPECT_EQ(
      told("Gateway", "tls"),
      "Warning warning: \n  spec.hybridGateway.matchedGateways[0].httpGateway selects no VirtualService, so it is "
      "not served");
  apply(chains({http("{}", "nobody")}) + secrets_);
  EXPECT_EQ(served(""), "no listener");
  EXPECT_TRUE(told("Gateway", "tls")
                  .contains("Listener Error: ProcessingError. Reason: hybridGateway has no chain that "
                            "can be served, so no port is opened"))
      << told("Gateway", "tls");
}

TEST_F(TranslateHybrid, lets_the_first_chain_keep_names_that_another_wants_and_tells) {
  const std::string two =
      chains({http("{sslConfig: {parameters: {minimumProtocolVersion: TLSv1_3}}}", "x"), http("{sslConfig: {}}", "w")});
  apply(two + secrets_ + service("a", with_secret("a", ", sniDomains: [a.test]"), of("x")) +
        service("b", with_secret("b", ", sniDomains: [b.test, a.test]"), of("w")));
  EXPECT_EQ(served("a.test"), "TLS a.test: HTTP gloo-system_a");
  EXPECT_EQ(served("b.test"), "TLS b.test: HTTP gloo-system_b");
  const std::string status = told("Gateway", "tls");
  EXPECT_TRUE(
      status.starts_with("Rejected ") &&
      status.contains("Listener Error: SSLConfigError. Reason: Tried to apply multiple filter chains with the same "
                      "FilterChainMatch {server_names:\"a.test\"}: "))
      << status;
}

TEST_F(TranslateHybrid, isolates_the_services_of_a_chain_where_the_gateway_says_so) {
  apply(chains({http("{sslConfig: {}}")}, ", annotations: {gateway.solo.io/isolate_vhost: 'true'}") + secrets_ +
        service("a", with_secret("a", ", sniDomains: [a.test]")) +
        service("b", with_secret("b", ", sniDomains: [b.test]")));
  ASSERT_EQ(listener()->http[0].chain_routers.size(), 2U);
  EXPECT_EQ(hosts(listener()->http[0].router_for("b.test")), "gloo-system_b");
}

TEST_F(TranslateHybrid, ends_TLS_at_tcpHosts_by_the_certificate_of_their_matcher) {
  apply(chains({tcp("{sslConfig: {secretRef: {name: a, namespace: gloo-system}}}", "one", "{sniDomains: [one.test]}"),
                tcp("{sslConfig: {secretRef: {name: b, namespace: gloo-system}, sniDomains: [two.test]}}", "two")}) +
        secrets_);
  EXPECT_EQ(told("Gateway", "tls"), "Accepted");
  EXPECT_EQ(served("one.test").substr(0, 15), "TLS a.test: TCP");
  EXPECT_EQ(served("two.test").substr(0, 15), "TLS b.test: TCP");
  EXPECT_EQ(served(""), "nobody");
  EXPECT_EQ(certificate_rows(*now_.snapshot, wall_now()).size(), 2U);
}

TEST_F(TranslateHybrid, passes_on_the_TLS_of_clients_that_offer_old_ciphers_alone) {
  apply(chains({http("{sslConfig: {secretRef: {name: a, namespace: gloo-system}}}"),
                tcp("{passthroughCipherSuites: [AES256-SHA, DES-CBC3-SHA]}")}) +
        secrets_ + service("x", "{}"));
  EXPECT_EQ(served("a.test", "192.0.2.1", {0x1301, 0x0035}), "TLS a.test: HTTP gloo-system_x");
  EXPECT_EQ(served("a.test", "192.0.2.1", {0x0035, 0x000a}).substr(0, 4), "TCP ");
  EXPECT_TRUE(listener()->port.table->needs_client_hello());
}

TEST_F(TranslateHybrid, bounds_the_connections_of_each_chain_over_all_snapshots) {
  const std::string text = chains({http("{}", "", "connectionLimit: {maxActiveConnections: 3, delayBeforeClose: 2s}"),
                                   tcp("{sourcePrefixRanges: [{addressPrefix: 10.0.0.0, prefixLen: 8}]}", "t", "",
                                       "connectionLimit: {maxActiveConnections: 5}")}) +
                           secrets_ + service("x", "");
  apply(text);
  const auto limit = [&](size_t chain) -> const ChainLimit& { return listener()->port.chains.at(chain).limit; };
  EXPECT_EQ(limit(0).most, 3U);
  EXPECT_EQ(limit(0).delay_before_close, 2s);
  EXPECT_EQ(limit(1).most, 5U);
  EXPECT_NE(limit(0).open, limit(1).open);
  const auto before = now_.snapshot;
  apply(text + service("w", ""));
  EXPECT_EQ(limit(0).open, before->listeners[0]->port.chains[0].limit.open);
}

// --- chains that other objects bring
// ----------------------------------------------------------------------------------

std::string brought_http(std::string_view name, std::string_view matcher, std::string_view team,
                         std::string_view settings = "") {
  return object(
      "MatchableHttpGateway", name,
      fmt::format("{{matcher: {}, httpGateway: {{virtualServiceSelector: {{team: {}}}, options: {{{}}}}}}}", matcher,
                  team, settings.empty() ? "" : fmt::format("httpConnectionManagerSettings: {}", settings)),
      of(team));
}

TEST_F(TranslateHybrid, takes_in_the_chains_that_its_selectors_find) {
  apply(
      gateway("{delegatedHttpGateways: {selector: {}, sslConfig: {}}, delegatedTcpGateways: {ref: {name: t, namespace: "
              "gloo-system}}}") +
      brought_http("h", "{sslConfig: {sniDomains: [h.test]}}", "x") + brought_http("plain", "{}", "x") +
      object("MatchableTcpGateway", "t",
             "{tcpGateway: {tcpHosts: [{name: all, destination: {single: {upstream: {name: u}}}}]}}") +
      object("MatchableTcpGateway", "other",
             "{tcpGateway: {tcpHosts: [{name: all, destination: {single: {upstream: {name: u}}}}]}}") +
      secrets_ + service("a", with_secret("a"), of("x")));
  EXPECT_EQ(served("h.test"), "TLS a.test: HTTP gloo-system_a");
  EXPECT_EQ(served("").substr(0, 4), "TCP ");
  EXPECT_EQ(told("Gateway", "tls"), "Accepted");
  EXPECT_EQ(told("MatchableHttpGateway", "h"), "Accepted");
  EXPECT_EQ(told("MatchableHttpGateway", "plain"),
            "Warning warning: \n  no hybridGateway takes it in, so it is not served");
  EXPECT_EQ(told("MatchableTcpGateway", "other"),
            "Warning warning: \n  no hybridGateway takes it in, so it is not served");
}

TEST_F(TranslateHybrid, gives_its_settings_to_those_it_takes_in_or_has_them_in_their_place) {
  const auto with = [&](std::string_view prevent) {
    apply(gateway(fmt::format(
              "{{delegatedHttpGateways: {{selector: {{labels: {{team: x}}}}, httpConnectionManagerSettings: "
              "{{via: parent, mergeSlashes: true}}, sslConfig: {{secretRef: {{name: a, namespace: "
              "gloo-system}}, oneWayTls: true}}{}}}}}",
              prevent)) +
          brought_http("h", "{sslConfig: {secretRef: {name: b, namespace: gloo-system}, oneWayTls: false}}", "x",
                       "{via: child, xff_num_trusted_hops: 2}") +
          secret("a", authority().make({"a.test"}), authority().pem()) +
          secret("b", authority().make({"b.test"}), authority().pem()) + service("s", "{}", of("x")));
  };
  with("");
  EXPECT_EQ(config(0).via, "child");
  EXPECT_TRUE(config(0).merge_slashes);
  EXPECT_EQ(config(0).trusted_hops, 2U);
  EXPECT_EQ(served("x.test"), "TLS b.test: HTTP gloo-system_s");
  EXPECT_TRUE(listener()->http[0].chains[0].certificate->asks_for_client_certificate);
  with(", preventChildOverrides: true");
  EXPECT_EQ(config(0).via, "parent");
  EXPECT_EQ(config(0).trusted_hops, 2U);
  EXPECT_EQ(served("x.test"), "TLS a.test: HTTP gloo-system_s");
  EXPECT_FALSE(listener()->http[0].chains[0].certificate->asks_for_client_certificate);
}

TEST_F(TranslateHybrid, tells_the_object_that_brings_a_chain_what_is_wrong_with_it) {
  apply(
      gateway(
          "{delegatedHttpGateways: {selector: {}, httpConnectionManagerSettings: {properCaseHeaderKeyFormat: true}}}") +
      brought_http("none", "{}", "nobody") +
      brought_http("both", "{sourcePrefixRanges: [{addressPrefix: 10.0.0.0, prefixLen: 8}]}", "x",
                   "{preserveCaseHeaderKeyFormat: true}") +
      service("s", "", of("x")));
  EXPECT_EQ(told("MatchableHttpGateway", "none"),
            "Warning warning: \n  spec.httpGateway selects no VirtualService, so it is not served");
  const std::string status = told("MatchableHttpGateway", "both");
  EXPECT_TRUE(status.starts_with("Rejected ") && status.contains("httpConnectionManagerSettings of it and of Gateway "
                                                                 "gloo-system/tls: "))
      << status;
  EXPECT_EQ(served("", "10.1.1.1"), "no listener");
  EXPECT_EQ(told("Gateway", "tls"),
            "Warning warning: \n  hybridGateway has no chain that can be served, so no port is opened");
}

TEST_F(TranslateHybrid, says_of_a_reference_why_it_leads_nowhere) {
  apply(
      gateway("{delegatedHttpGateways: {ref: {name: h, namespace: gloo-system}, sslConfig: {}}, delegatedTcpGateways: "
              "{ref: {name: tt, namespace: gloo-system}}}") +
      brought_http("h", "{}", "x") + service("s", "", of("x")) +
      object("MatchableTcpGateway", "ttt", "{tcpGateway: {tcpHosts: []}}"));
  const std::string status = told("Gateway", "tls");
  EXPECT_TRUE(
      status.contains("spec.hybridGateway.delegatedHttpGateways.ref: the matcher of gloo-system.h has no "
                      "sslConfig, and here is one: it is not served") &&
      status.contains("spec.hybridGateway.delegatedTcpGateways.ref: *v1.MatchableTcpGateway { gloo-system.tt } not "
                      "found; did you mean ttt?"))
      << status;
}

TEST_F(TranslateHybrid, tries_out_an_object_that_brings_a_chain) {
  apply(gateway("{delegatedHttpGateways: {selector: {}}}") + service("s", "", of("x")));
  const std::string status = tried(brought_http("h", "{}", "nobody"), "MatchableHttpGateway", "h");
  EXPECT_TRUE(status.contains("selects no VirtualService")) << status;
}

}  // namespace
}  // namespace sluice
