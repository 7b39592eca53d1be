#include "config/kinds/hybrid_gateway.h"

#include "config/field_names.h"
#include "config/kinds/testing.h"
#include "config/schema.h"

namespace sluice::kinds {
namespace {

constexpr std::string_view kBind = "bindAddress: 127.0.0.1\nbindPort: 1\n";
constexpr std::string_view kHost = "tcpHosts: [{name: a, destination: {single: {upstream: {name: u}}}}]";

std::string hybrid(std::string_view gateway) {
  return fmt::format("{}hybridGateway: {{{}}}", kBind, gateway);
}
std::string matched(std::string_view one) {
  return hybrid(fmt::format("matchedGateways: [{{{}}}]", one));
}
std::string tcp(std::string_view matcher) {
  return matched(fmt::format("matcher: {{{}}}, tcpGateway: {{{}}}", matcher, kHost));
}

TEST(HybridGateway, reads_chains_and_what_they_match) {
  const auto gateway = good<Gateway>("gw", std::string(kBind) + R"(
hybridGateway:
  matchedGateways:
    - matcher:
        sslConfig: {secretRef: {name: s, namespace: ns}, sniDomains: [A.example]}
        sourcePrefixRanges: [{addressPrefix: 10.1.2.3, prefixLen: 8}]
      httpGateway: {virtualServiceSelector: {a: b}}
    - matcher: {passthroughCipherSuites: [ECDHE-RSA-AES256-SHA384, AES256-SHA]}
      tcpGateway: {tcpHosts: [{name: old, destination: {single: {upstream: {name: u}}}}]}
    - httpGateway: {}
)");
  const auto& chains = gateway.hybrid_gateway->matched_gateways;
  ASSERT_EQ(chains.size(), 3U);
  EXPECT_EQ(chains[0].matcher.ssl_config->sni_domains, std::vector<std::string>{"a.example"});
  EXPECT_EQ(chains[0].matcher.source_prefix_ranges[0].range.to_string(), "10.0.0.0/8");
  EXPECT_EQ(chains[0].http_gateway->virtual_service_selector.at("a"), "b");
  EXPECT_EQ(chains[1].matcher.passthrough_cipher_suites, (std::vector<uint16_t>{0xc028, 0x0035}));
  EXPECT_EQ(chains[1].tcp_gateway->tcp_hosts[0].name, "old");
  EXPECT_TRUE(chains[2].matcher.written.empty());
}

TEST(HybridGateway, reads_who_brings_chains) {
  const auto gateway = good<Gateway>("gw", std::string(kBind) + R"(
hybridGateway:
  delegatedHttpGateways:
    selector: {namespaces: [a], labels: {team: x}, expressions: [{key: tier, operator: In, values: [gold]}]}
    httpConnectionManagerSettings: {via: edge}
    sslConfig: {oneWayTls: true}
    preventChildOverrides: true
  delegatedTcpGateways: {ref: {name: t, namespace: ns}}
)");
  const auto& http = *gateway.hybrid_gateway->delegated_http_gateways;
  EXPECT_TRUE(http.prevent_child_overrides && http.ssl_config->one_way_tls);
  EXPECT_EQ(http.settings->text_at({"via"}), "edge");
  EXPECT_EQ(gateway.hybrid_gateway->delegated_tcp_gateways->ref, (ObjectRef{"t", "ns"}));
  const auto fits = [&](std::string ns, std::map<std::string, std::string> labels) {
    return http.selector->fits({.name = "n", .ns = std::move(ns), .labels = std::move(labels)});
  };
  EXPECT_TRUE(fits("a", {{"team", "x"}, {"tier", "gold"}}));
  EXPECT_FALSE(fits("b", {{"team", "x"}, {"tier", "gold"}}));
  EXPECT_FALSE(fits("a", {{"team", "y"}, {"tier", "gold"}}));
  EXPECT_FALSE(fits("a", {{"team", "x"}, {"tier", "lead"}}));
  EXPECT_TRUE(GatewaySelector().fits({.name = "n", .ns = "anywhere"}));
}

TEST(HybridGateway, says_what_is_wrong_and_where) {
  expect_bad(
      "gw",
      {
          {hybrid(""), "hybridGateway.matchedGateways: is required where no gateways are delegated"},
          {matched(""), "hybridGateway.matchedGateways[0]: one of httpGateway, tcpGateway must be set"},
          {matched("httpGateway: {}, tcpGateway: {}"), "hybridGateway.matchedGateways[0].tcpGateway: only one of"},
          {hybrid("matchedGateways: [{httpGateway: {}}, {matcher: {}, tcpGateway: {}}, {httpGateway: {}}]"),
           "hybridGateway.matchedGateways[2]: has the same matcher as matchedGateways[0]"},
          {tcp("passthroughCipherSuites: [AES256-SHA, AES256-SHAA]"),
           "hybridGateway.matchedGateways[0].matcher.passthroughCipherSuites[1]: \"AES256-SHAA\" is no cipher suite "
           "that "
           "is known here; did you mean"},
          {matched("matcher: {passthroughCipherSuites: [AES256-SHA]}, httpGateway: {}"),
           "hybridGateway.matchedGateways[0].matcher: passthroughCipherSuites is for a tcpGateway"},
          {tcp("passthroughCipherSuites: [AES256-SHA], sslConfig: {secretRef: {name: s, namespace: ns}}"),
           "hybridGateway.matchedGateways[0].matcher: passthroughCipherSuites cannot be had beside certificates"},
          {tcp("sslConfig: {oneWayTls: true}"),
           "hybridGateway.matchedGateways[0].matcher: sslConfig has neither certificates"},
          {tcp("sourcePrefixRanges: [{addressPrefix: x, prefixLen: 8}]"),
           "hybridGateway.matchedGateways[0].matcher.sourcePrefixRanges[0].addressPrefix: "},
          {hybrid("delegatedHttpGateways: {}"),
           "hybridGateway.delegatedHttpGateways: one of ref, selector must be set"},
          {hybrid("delegatedTcpGateways: {ref: {name: a, namespace: b}, selector: {}}"),
           "hybridGateway.delegatedTcpGateways.selector: only one of"},
          {hybrid("delegatedHttpGateways: {selector: {}, httpConnectionManagerSettings: {codecType: HTTP9}}"),
           "hybridGateway.delegatedHttpGateways.httpConnectionManagerSettings.codecType: "},
          {hybrid("matchedGateways: [{httpGateway: {}}], delegatedTcpGateways: {selector: {}}"),
           "hybridGateway.delegatedTcpGateways: warning: has no effect beside matchedGateways"},
          {"ssl: true\n" + matched("httpGateway: {}"), "ssl: warning: has no effect on a hybridGateway"},
      });
  expect_bad("httpgateway", {{"{}", "httpGateway: is required"},
                             {"{matcher: {passthroughCipherSuites: [AES256-SHA]}, httpGateway: {}}",
                              "matcher: passthroughCipherSuites is for a tcpGateway"}});
  expect_bad("tcpgateway", {{"{}", "tcpGateway: is required"}});
}

TEST(HybridGateway, gives_defaults_to_an_sslConfig_field_by_field) {
  const auto ssl = [](std::string_view text) {
    return *good<Gateway>("gw", matched(fmt::format("matcher: {{sslConfig: {}}}, httpGateway: {{}}", text)))
                .hybrid_gateway->matched_gateways[0]
                .matcher.ssl_config;
  };
  const auto defaults = ssl(
      "{secretRef: {name: d, namespace: ns}, sniDomains: [d.test], oneWayTls: true, alpnProtocols: [h2], parameters: "
      "{minimumProtocolVersion: TLSv1_3}, verifySubjectAltName: [], disableTlsSessionResumption: true, "
      "transportSocketConnectTimeout: 3s, ocspStaplePolicy: MUST_STAPLE}");
  const auto all = with_defaults(ssl("{}"), defaults);
  EXPECT_EQ(all.source, defaults.source);
  EXPECT_EQ(all.sni_domains, defaults.sni_domains);
  EXPECT_EQ(all.alpn_protocols, defaults.alpn_protocols);
  EXPECT_EQ(all.parameters, defaults.parameters);
  EXPECT_TRUE(all.one_way_tls && all.disable_tls_session_resumption);
  EXPECT_EQ(all.transport_socket_connect_timeout, 3s);
  EXPECT_EQ(all.ocsp_staple_policy, OcspStaplePolicy::must_staple);
  EXPECT_TRUE(all.sets("sniDomains") && all.sets("secretRef") && !all.sets("verifySubjectAltName"));
  const auto own = with_defaults(
      ssl("{sslFiles: {tlsCert: /c, tlsKey: /k}, sniDomains: ['*'], oneWayTls: false, alpnProtocols: [allow_empty]}"),
      defaults);
  EXPECT_FALSE(own.source.secret_ref) << "where certificates come from is one setting";
  EXPECT_TRUE(own.sni_domains.empty()) << "every name";
  EXPECT_TRUE(own.alpn_protocols.empty());
  EXPECT_FALSE(own.one_way_tls);
  EXPECT_EQ(own.parameters, defaults.parameters);
}

TEST(HybridGateway, is_described_by_those_whose_fields_it_has) {
  DescribedObjects described{.places = {}, .kind = "Gateway"};
  const std::string page = to_markdown(describe<Gateway>(), "spec", &described);
  EXPECT_TRUE(
      page.contains("| `spec.hybridGateway.matchedGateways[].httpGateway` | object |  | They speak HTTP. Its fields "
                    "are those of `spec.httpGateway` of Gateway. |"))
      << page;
  EXPECT_FALSE(page.contains("matchedGateways[].httpGateway.options"));
  described.kind = "MatchableHttpGateway";
  EXPECT_TRUE(to_markdown(describe<MatchableHttpGateway>(), "spec", &described)
                  .contains("Its fields are those of `spec.httpGateway` of Gateway."));
}

TEST(FieldNames, find_what_stands_there_in_either_spelling) {
  const Node node = std::move(parse_documents("{spec: {http_gateway: {viaX: 1, none: null}}}")->front().node);
  EXPECT_EQ(to_json(*find_field(node, {"spec", "httpGateway", "viaX"})), "1");
  EXPECT_EQ(find_field(node, {"spec", "httpGateway", "none"}), nullptr);
  EXPECT_EQ(find_field(node, {"spec", "httpGateway", "viaX", "deeper"}), nullptr);
  EXPECT_EQ(find_field(node, {"spec", "other"}), nullptr);
}

TEST(HybridGateway, merges_settings_field_by_field) {
  const auto node = [](std::string_view text) { return std::move(parse_documents(text)->front().node); };
  const Node child = node("{via: child, codecType: null}"),
             parent = node("{via: parent, codecType: HTTP2, mergeSlashes: true}");
  const auto merged = merge_settings(&child, &parent);
  ASSERT_TRUE(merged);
  EXPECT_EQ(merged->via, "child");
  EXPECT_EQ(merged->codec_type, CodecType::http2) << "null is not set";
  EXPECT_TRUE(merged->merge_slashes);
  const Node snake = node("{merge_slashes: false, max_headers_count: 7}");
  EXPECT_FALSE(merge_settings(&snake, &parent)->merge_slashes) << "the same field in another spelling";
  EXPECT_EQ(merge_settings(&parent, &snake)->max_headers_count, 7U);
  EXPECT_EQ(merge_settings(&parent, &child)->via, "parent");
  EXPECT_EQ(merge_settings(nullptr, &parent)->via, "parent");
  EXPECT_EQ(merge_settings(nullptr, nullptr)->via, "");
  const Node proper = node("{properCaseHeaderKeyFormat: true}"), kept = node("{preserveCaseHeaderKeyFormat: true}");
  EXPECT_FALSE(merge_settings(&proper, &kept));
}

}  // namespace
}  // namespace sluice::kinds
