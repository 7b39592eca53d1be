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

TEST(Upstream, with_a_mistake_is_refused) {
  expect_bad(
      "us",
      {
          {"{}", ": one of static, kube, consul, aws, awsEc2, azure, gcp, pipe, ai must be set"},
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
          {"static: {hosts: [{addr: a, port: 443}]}", "static.hosts: TLS to port 443 is not supported yet"},
          {"static: {hosts: [{addr: a, port: 1}], useTls: true}", "static.useTls: not supported yet"},
          {"static: {hosts: [{addr: a, port: 1, sniAddr: b}]}", "static.hosts[0].sniAddr: not supported yet"},
          {"static: {hosts: [{addr: a, port: 1}], serviceSpec: {}}", "static.serviceSpec: not supported yet"},
          {"kube: {}", "kube: not supported yet"},
          {"static: {hosts: [{addr: a, port: 1}]}\nsslConfig: {}", "sslConfig: not supported yet"},
          {"static: {hosts: [{addr: a, port: 1}]}\nuseHttp2: true", "useHttp2: not supported yet"},
          {"static: {hosts: [{addr: a, port: 1}]}\nhealthChecks: []", "healthChecks: not supported yet"},
          {"static: {hosts: [{addr: a, port: 1}]}\ndnsLookupFamily: V4_ONLY", "dnsLookupFamily: unknown field"},
          {"static: {hosts: [{addr: a, port: 1}]}\nconnectionConfig: {connectTimeout: 0s}",
           "connectionConfig.connectTimeout: must be more than 0"},
          {"static: {hosts: [{addr: a, port: 1}]}\nconnectionConfig: {tcpKeepalive: {}}",
           "connectionConfig.tcpKeepalive: not supported yet"},
          {"upstreamSpec: {}", ": one of static"},
      });
}

TEST(Upstream, of_a_type_that_is_not_supported_yet_has_one_error_for_it) {
  EXPECT_EQ(read_kind("upstream", "kube: {}").said, "kube: not supported yet");
  EXPECT_EQ(read_kind("upstream", "static: {hosts: [{addr: a, port: 1}]}\nkube: {}").said, "kube: not supported yet");
  EXPECT_EQ(read_kind("upstream", "static: {hosts: [{addr: a, port: 1}]}\nkube: {}\nconsul: {}").said,
            "kube: not supported yet\nconsul: not supported yet");
}

}  // namespace
}  // namespace sluice::kinds
