#include "config/kinds/testing.h"

namespace sluice::kinds {
namespace {

TEST(Upstream, reads_all_fields_of_this_step) {
  const auto u = good<Upstream>("us", R"(
static: {hosts: [{addr: 10.0.0.1, port: 80}, {addr: a.test, port: 443, loadBalancingWeight: 3}], useTls: false}
connectionConfig: {connectTimeout: 250ms}
circuitBreakers: {maxConnections: 0}
discoveryMetadata: {labels: {a: b}}
)");
  EXPECT_EQ(u.static_hosts.hosts[1].load_balancing_weight, 3u);
  EXPECT_EQ(u.connection_config.connect_timeout, 250ms);
  EXPECT_EQ(u.circuit_breakers->max_connections, 0u);
  EXPECT_EQ(good<Upstream>("us", "static: {hosts: [{addr: '::1', port: 80}]}").connection_config.connect_timeout, 5s);
}

constexpr std::string_view kHost = "static: {hosts: [{addr: a, port: 1}]}\n";

TEST(Upstream, reads_how_endpoints_are_chosen) {
  const auto balancer = [](std::string_view config) {
    return good<Upstream>("us", fmt::format("{}loadBalancerConfig: {{{}}}", kHost, config)).load_balancer_config;
  };
  EXPECT_EQ(good<Upstream>("us", kHost).load_balancer_config.balancing, Balancing::round_robin);
  EXPECT_EQ(balancer("").balancing, Balancing::round_robin);
  EXPECT_EQ(balancer("").healthy_panic_threshold, 50);
  EXPECT_EQ(balancer("roundRobin: {}").balancing, Balancing::round_robin);
  EXPECT_EQ(balancer("random: {}").balancing, Balancing::random);
  EXPECT_EQ(balancer("leastRequest: {}").balancing, Balancing::least_request);
  EXPECT_EQ(balancer("leastRequest: {choiceCount: 0}").choice_count, 2u);
  EXPECT_EQ(balancer("leastRequest: {choiceCount: 5}, healthyPanicThreshold: 12.5").choice_count, 5u);
  EXPECT_EQ(balancer("healthyPanicThreshold: 0").healthy_panic_threshold, 0);
  EXPECT_EQ(
      balancer("updateMergeWindow: 0s, useHostnameForHashing: false, closeConnectionsOnHostSetChange: false").balancing,
      Balancing::round_robin);
}

TEST(Upstream, refuses_what_its_balancer_cannot_do) {
  const auto with = [](std::string_view config) { return fmt::format("{}loadBalancerConfig: {{{}}}", kHost, config); };
  expect_bad(
      "us",
      {
          {with("ringHash: {}"), "loadBalancerConfig.ringHash: not supported yet"},
          {with("maglev: {}"), "loadBalancerConfig.maglev: not supported yet"},
          {with("localityWeightedLbConfig: {}"), "loadBalancerConfig.localityWeightedLbConfig: not supported yet"},
          {with("roundRobin: {slowStartConfig: {}}"),
           "loadBalancerConfig.roundRobin.slowStartConfig: not supported yet"},
          {with("leastRequest: {slowStartConfig: {}}"),
           "loadBalancerConfig.leastRequest.slowStartConfig: not supported yet"},
          {with("leastRequest: {choiceCount: 1}"), "loadBalancerConfig.leastRequest.choiceCount: must be at least 2"},
          {with("roundRobin: {}, random: {}"), "loadBalancerConfig.random: only one of roundRobin, random may be set"},
          {with("healthyPanicThreshold: 101"), "loadBalancerConfig.healthyPanicThreshold: must be from 0 to 100"},
          {with("healthyPanicThreshold: -1"), "loadBalancerConfig.healthyPanicThreshold: must be from 0 to 100"},
          {with("updateMergeWindow: -1s"), "loadBalancerConfig.updateMergeWindow: must not be negative"},
          {with("updateMergeWindow: 1s"), "loadBalancerConfig.updateMergeWindow: warning: has no effect"},
          {with("useHostnameForHashing: true"), "loadBalancerConfig.useHostnameForHashing: warning: has no effect"},
          {with("closeConnectionsOnHostSetChange: true"),
           "loadBalancerConfig.closeConnectionsOnHostSetChange: not supported yet"},
      });
}

TEST(Upstream, reads_outlier_detection) {
  const auto detection = [](std::string_view config) {
    return *good<Upstream>("us", fmt::format("{}outlierDetection: {{{}}}", kHost, config)).outlier_detection;
  };
  EXPECT_FALSE(good<Upstream>("us", kHost).outlier_detection);
  const OutlierDetection usual = detection("interval: 10s");
  EXPECT_EQ(usual.consecutive_5xx, 5u);
  EXPECT_EQ(usual.base_ejection_time, 30s);
  EXPECT_EQ(usual.max_ejection_percent, 10u);
  EXPECT_EQ(usual.enforcing_consecutive_gateway_failure, 0u);
  EXPECT_FALSE(usual.split_external_local_origin_errors);
  const OutlierDetection all = detection(
      "consecutive5xx: 1, interval: 2s, baseEjectionTime: 3s, maxEjectionPercent: 4, enforcingConsecutive5xx: 5, "
      "enforcingSuccessRate: 6, successRateMinimumHosts: 7, successRateRequestVolume: 8, successRateStdevFactor: 9, "
      "consecutiveGatewayFailure: 10, enforcingConsecutiveGatewayFailure: 11, splitExternalLocalOriginErrors: true, "
      "consecutiveLocalOriginFailure: 12, enforcingConsecutiveLocalOriginFailure: 13, "
      "enforcingLocalOriginSuccessRate: 14");
  EXPECT_EQ(all.consecutive_5xx, 1u);
  EXPECT_EQ(all.interval, 2s);
  EXPECT_EQ(all.base_ejection_time, 3s);
  EXPECT_EQ(all.max_ejection_percent, 4u);
  EXPECT_EQ(all.enforcing_consecutive_5xx, 5u);
  EXPECT_EQ(all.enforcing_success_rate, 6u);
  EXPECT_EQ(all.success_rate_minimum_hosts, 7u);
  EXPECT_EQ(all.success_rate_request_volume, 8u);
  EXPECT_EQ(all.success_rate_stdev_factor, 9u);
  EXPECT_EQ(all.consecutive_gateway_failure, 10u);
  EXPECT_EQ(all.enforcing_consecutive_gateway_failure, 11u);
  EXPECT_TRUE(all.split_external_local_origin_errors);
  EXPECT_EQ(all.consecutive_local_origin_failure, 12u);
  EXPECT_EQ(all.enforcing_consecutive_local_origin_failure, 13u);
  EXPECT_EQ(all.enforcing_local_origin_success_rate, 14u);
  EXPECT_EQ(detection("interval: 1s, consecutive_5xx: 7").consecutive_5xx, 7u);
}

TEST(Upstream, with_a_mistake_in_its_outlier_detection_is_refused) {
  const auto with = [](std::string_view config) { return fmt::format("{}outlierDetection: {{{}}}", kHost, config); };
  expect_bad(
      "us",
      {
          {with(""), "outlierDetection.interval: is required"},
          {with("interval: 0s"), "outlierDetection.interval: must be more than 0"},
          {with("interval: 1s, baseEjectionTime: 0s"), "outlierDetection.baseEjectionTime: must be more than 0"},
          {with("interval: 1s, maxEjectionPercent: 101"), "outlierDetection.maxEjectionPercent: must be from 0 to 100"},
          {with("interval: 1s, enforcingConsecutive5xx: 101"),
           "outlierDetection.enforcingConsecutive5xx: must be from 0 to 100"},
          {with("interval: 1s, enforcingSuccessRate: 101"),
           "outlierDetection.enforcingSuccessRate: must be from 0 to 100"},
          {with("interval: 1s, enforcingConsecutiveGatewayFailure: 101"),
           "outlierDetection.enforcingConsecutiveGatewayFailure: must be from 0 to 100"},
          {with("interval: 1s, enforcingConsecutiveLocalOriginFailure: 101"),
           "outlierDetection.enforcingConsecutiveLocalOriginFailure: must be from 0 to 100"},
          {with("interval: 1s, enforcingLocalOriginSuccessRate: 101"),
           "outlierDetection.enforcingLocalOriginSuccessRate: must be from 0 to 100"},
          {with("interval: 1s, consecutive5xx: -1"), "outlierDetection.consecutive5xx: expected a whole number"},
          {with("interval: 1s, maxEjectionTime: 5s"), "outlierDetection.maxEjectionTime: unknown field"},
          {with("interval: 1s, consecutiveLocalOriginFailure: 3"),
           "outlierDetection.consecutiveLocalOriginFailure: warning: has no effect without "
           "splitExternalLocalOriginErrors"},
      });
}

TEST(Upstream, with_a_mistake_is_refused) {
  expect_bad(
      "us",
      {
          {"{}", ": static must be set"},
          {"static: {}", "static.hosts: is required"},
          {"static: {hosts: []}", "static.hosts: must have at least one host"},
          {"static: {hosts: [{addr: '', port: 80}]}", "static.hosts[0].addr: addr cannot be empty for host"},
          {"static: {hosts: [{port: 80}]}", "static.hosts[0].addr: is required"},
          {"static: {hosts: [{addr: a, port: 0}]}", "static.hosts[0].port: port cannot be empty for host"},
          {"static: {hosts: [{addr: a}]}", "static.hosts[0].port: is required"},
          {"static: {hosts: [{addr: 'a:80', port: 80}]}", "static.hosts[0].addr: expected an IP literal or a DNS name"},
          {"static: {hosts: [{addr: 'http://a', port: 80}]}",
           "static.hosts[0].addr: expected an IP literal or a DNS name"},
          {"static: {hosts: [{addr: a, port: 65536}]}", "static.hosts[0].port: expected a whole number"},
          {"static: {hosts: [{addr: a, port: 1, loadBalancingWeight: 0}]}",
           "static.hosts[0].loadBalancingWeight: must be at least 1"},
          {"static: {hosts: [{addr: a, port: 1}], useTls: 1}", "static.useTls: expected true or false"},
          {"static: {hosts: [{addr: a, port: 1}], serviceSpec: {}}", "static.serviceSpec: not supported yet"},
          {"kube: {}", "kube: not supported yet"},
          {"static: {hosts: [{addr: a, port: 1}]}\nuseHttp2: 2", "useHttp2: expected true or false"},
          {"static: {hosts: [{addr: a, port: 1}]}\nprotocolSelection: HTTP2", "protocolSelection: expected one of"},
          {"static: {hosts: [{addr: a, port: 1}]}\nuseHttp2: true\ninitialStreamWindowSize: 65534",
           "initialStreamWindowSize: must be"},
          {"static: {hosts: [{addr: a, port: 1}]}\nuseHttp2: true\ninitialConnectionWindowSize: 2147483648",
           "initialConnectionWindowSize: must be"},
          {"static: {hosts: [{addr: a, port: 1}]}\nuseHttp2: true\nmaxConcurrentStreams: 0",
           "maxConcurrentStreams: must be"},
          {"static: {hosts: [{addr: a, port: 1}]}\nprotocolSelection: USE_DOWNSTREAM_PROTOCOL\nmaxConcurrentStreams: 0",
           "maxConcurrentStreams: must be"},
          {"static: {hosts: [{addr: a, port: 1}]}\nhealthChecks: []", "healthChecks: not supported yet"},
          {"static: {hosts: [{addr: a, port: 1}]}\ndnsLookupFamily: V4_ONLY", "dnsLookupFamily: unknown field"},
          {"static: {hosts: [{addr: a, port: 1}]}\nconnectionConfig: {connectTimeout: 0s}",
           "connectionConfig.connectTimeout: must be more than 0"},
          {"static: {hosts: [{addr: a, port: 1}]}\nconnectionConfig: {tcpKeepalive: {}}",
           "connectionConfig.tcpKeepalive: not supported yet"},
          {"upstreamSpec: {}", ": static must be set"},
      });
}

TEST(Upstream, says_how_http2_is_spoken) {
  const auto u =
      good<Upstream>("us",
                     "static: {hosts: [{addr: a, port: 1}]}\nuseHttp2: true\ninitialStreamWindowSize: 65535\n"
                     "initialConnectionWindowSize: 2147483647\nmaxConcurrentStreams: 1\n"
                     "overrideStreamErrorOnInvalidHttpMessage: true");
  EXPECT_TRUE(u.use_http2 && u.override_stream_error_on_invalid_http_message);
  EXPECT_EQ(u.initial_stream_window_size, 65'535U);
  EXPECT_EQ(u.initial_connection_window_size, 2'147'483'647U);
  EXPECT_EQ(u.max_concurrent_streams, 1U);
  EXPECT_EQ(read_kind("upstream", "static: {hosts: [{addr: a, port: 1}]}\nmaxConcurrentStreams: 0").said,
            "maxConcurrentStreams: warning: has no effect without useHttp2");
}

TEST(Upstream, may_speak_http2_where_ALPN_offers_it) {
  constexpr std::string_view kHosts = "static: {hosts: [{addr: a, port: 1}]}\n";
  EXPECT_EQ(
      read_kind("upstream", fmt::format("{}sslConfig: {{alpnProtocols: [h2]}}\nmaxConcurrentStreams: 1", kHosts)).said,
      "");
  EXPECT_EQ(
      read_kind("upstream", fmt::format("{}sslConfig: {{alpnProtocols: [http/1.1]}}\nmaxConcurrentStreams: 1", kHosts))
          .said,
      "maxConcurrentStreams: warning: has no effect without useHttp2");
}

TEST(Upstream, says_which_names_nobody_asks_for) {
  const auto said = [](std::string_view hosts, std::string_view more = "", std::string_view inner = "") {
    return read_kind("upstream", fmt::format("static: {{hosts: [{}]{}}}{}", hosts, inner, more)).said;
  };
  constexpr std::string_view kNoTls = "has no effect: without sslConfig, useTls or port 443 no TLS is spoken";
  EXPECT_TRUE(said("{addr: a, port: 1}, {addr: b, port: 1, sniAddr: c}")
                  .starts_with(fmt::format("static.hosts[1].sniAddr: warning: {}", kNoTls)));
  EXPECT_TRUE(said("{addr: a, port: 1, sni_addr: c}").starts_with("static.hosts[0].sniAddr: warning: has no effect"));
  EXPECT_EQ(said("{addr: a, port: 1, sniAddr: null}"), "");
  EXPECT_TRUE(said("{addr: a, port: 1}", "", ", autoSniRewrite: false")
                  .starts_with(fmt::format("static.autoSniRewrite: warning: {}", kNoTls)));
  for (const std::string_view tls : {", useTls: true", ""}) {
    const std::string_view host = tls.empty() ? "{addr: a, port: 443, sniAddr: c}" : "{addr: a, port: 1, sniAddr: c}";
    EXPECT_EQ(said(host, "", fmt::format("{}, autoSniRewrite: false", tls)), "");
  }
  constexpr std::string_view kSni = "\nsslConfig: {sni: s.test}";
  EXPECT_TRUE(said("{addr: a, port: 1}, {addr: 127.0.0.1, port: 1, sniAddr: b}", kSni)
                  .starts_with("sslConfig.sni: warning: has no effect: each host is asked for by its own name"));
  EXPECT_EQ(said("{addr: a, port: 1}, {addr: 127.0.0.1, port: 1}", kSni), "");
  EXPECT_EQ(said("{addr: a, port: 1}", kSni, ", autoSniRewrite: false"), "");
}

TEST(Upstream, of_a_type_that_is_not_supported_yet_has_one_error_for_it) {
  EXPECT_EQ(read_kind("upstream", "kube: {}").said, "kube: not supported yet");
  EXPECT_EQ(read_kind("upstream", "static: {hosts: [{addr: a, port: 1}]}\nkube: {}").said, "kube: not supported yet");
  EXPECT_EQ(read_kind("upstream", "static: {hosts: [{addr: a, port: 1}]}\nkube: {}\nconsul: {}").said,
            "kube: not supported yet\nconsul: not supported yet");
}

}  // namespace
}  // namespace sluice::kinds
