#include "config/kinds/gateway.h"
#include "config/kinds/testing.h"

namespace sluice::kinds {
namespace {

constexpr std::string_view kBind = "bindAddress: 127.0.0.1\nbindPort: 1\n";

std::string tcp(std::string_view gateway) {
  return std::string(kBind) + "tcpGateway: {" + std::string(gateway) + "}";
}
std::string hosts(std::string_view host) {
  return tcp("tcpHosts: [{" + std::string(host) + "}]");
}

TEST(TcpGateway, reads_hosts_and_where_they_go) {
  const auto gateway = good<Gateway>("gw", std::string(kBind) + R"(
tcpGateway:
  tcpHosts:
    - name: one
      sslConfig: {sniDomains: [A.example, '*.b.example']}
      destination: {single: {upstream: {name: u, namespace: ns}}}
    - name: several
      destination: {multi: {destinations: [{destination: {upstream: {name: u}}, weight: 3}, {destination: {upstream: {name: v}}}]}}
    - name: by-name
      sslConfig: {sniDomains: ['*']}
      destination: {forwardSniClusterName: {}}
  options:
    tcpProxySettings:
      maxConnectAttempts: 3
      idleTimeout: 10s
      accessLogFlushInterval: 1ms
      tunnelingConfig: {hostname: 'a:1', headersToAdd: [{header: {key: x-a, value: b}, append: false}]}
    connectionLimit: {maxActiveConnections: 4}
)");
  ASSERT_TRUE(gateway.tcp_gateway);
  const auto& tcp_hosts = gateway.tcp_gateway->tcp_hosts;
  ASSERT_EQ(tcp_hosts.size(), 3U);
  EXPECT_EQ(tcp_hosts[0].ssl_config->sni_domains, (std::vector<std::string>{"*.b.example", "a.example"}));
  EXPECT_TRUE(tcp_hosts[2].ssl_config->sni_domains.empty()) << "every name";
  EXPECT_EQ(std::get<Destination>(tcp_hosts[0].destination.destination).upstream.ns, "ns");
  EXPECT_EQ(std::get<TcpMultiDestination>(tcp_hosts[1].destination.destination).destinations[0].weight, 3U);
  EXPECT_TRUE(std::holds_alternative<ForwardSniClusterName>(tcp_hosts[2].destination.destination));
  EXPECT_EQ(gateway.tcp_gateway->options.tcp_proxy_settings.max_connect_attempts, 3U);
  EXPECT_EQ(gateway.tcp_gateway->options.tcp_proxy_settings.idle_timeout, 10s);
  EXPECT_EQ(gateway.tcp_gateway->options.connection_limit.max_active_connections, 4U);
  EXPECT_EQ(TcpProxySettings().idle_timeout, 1h);
  EXPECT_EQ(gateway.tcp_gateway->options.tcp_proxy_settings.access_log_flush_interval, 1ms);
  EXPECT_EQ(gateway.tcp_gateway->options.tcp_proxy_settings.tunneling_config->hostname, "a:1");
}

TEST(TcpGateway, says_what_is_wrong_and_where) {
  const std::string to = "destination: {single: {upstream: {name: u}}}";
  expect_bad(
      "gw",
      {
          {hosts(to), "tcpGateway.tcpHosts[0].name: is required"},
          {hosts("name: '', " + to), "tcpGateway.tcpHosts[0].name: must not be empty"},
          {hosts("name: a"), "tcpGateway.tcpHosts[0].destination: is required"},
          {hosts("name: a, destination: {}"),
           "tcpGateway.tcpHosts[0].destination: one of single, multi, forwardSniClusterName must be set"},
          {hosts("name: a, destination: {multi: {destinations: [{weight: 1, destination: {kube: {}}}]}}"),
           "tcpGateway.tcpHosts[0].destination.multi.destinations[0].destination.kube: not supported yet"},
          {hosts("name: a, destination: {multi: {destinations: [{weight: 1, destination: {consul: {}}}]}}"),
           "tcpGateway.tcpHosts[0].destination.multi.destinations[0].destination.consul: not supported yet"},
          {hosts("name: a, destination: {multi: {destinations: [{weight: 1, destination: {upstream: {name: u}, subset: "
                 "{}}}]}}"),
           "tcpGateway.tcpHosts[0].destination.multi.destinations[0].destination.subset: not supported yet"},
          {hosts("name: a, destination: {multi: {destinations: [{weight: 1, destination: {upstream: {name: u}, "
                 "destinationSpec: {}}}]}}"),
           "tcpGateway.tcpHosts[0].destination.multi.destinations[0].destination.destinationSpec: not supported yet"},
          {hosts("name: a, destination: {upstreamGroup: {}}"),
           "tcpGateway.tcpHosts[0].destination.upstreamGroup: not supported yet"},
          {hosts("name: a, destination: {multi: {destinations: []}}"),
           "tcpGateway.tcpHosts[0].destination.multi.destinations: require a total weight that is greater than "
           "or equal to 1"},
          {tcp("tcpHosts: [{name: a, " + to + "}, {name: a, " + to + "}]"),
           "tcpGateway.tcpHosts[1]: name a is not unique"},
          {hosts("name: a, sslConfig: {}, " + to),
           "tcpGateway.tcpHosts[0].sslConfig: has neither certificates, by which TLS ends here, nor sniDomains, by "
           "which "
           "it is passed on"},
          {hosts("name: a, sslConfig: {sniDomains: [], oneWayTls: true}, " + to),
           "tcpGateway.tcpHosts[0].sslConfig: has neither certificates"},
          {hosts("name: a, sslConfig: {sniDomains: [a, 'a b']}, " + to),
           "tcpGateway.tcpHosts[0].sslConfig.sniDomains[1]: \"a b\" is no name that a client may ask for"},
          {hosts("name: a, sslConfig: {sds: {}}, " + to), "tcpGateway.tcpHosts[0].sslConfig.sds: cannot be had here"},
          {"ssl: true\n" + hosts("name: a, " + to),
           "ssl: warning: has no effect on a tcpGateway: its tcpHosts have an sslConfig each"},
          {"routeOptions: {}\n" + hosts("name: a, " + to),
           "routeOptions: warning: has no effect on a tcpGateway, which has no routes"},
          {"options: {perConnectionBufferLimitBytes: 5}\n" + hosts("name: a, " + to),
           "options: warning: perConnectionBufferLimitBytes has no effect on a tcpGateway"},
          {tcp("options: {tcpProxySettings: {maxConnectAttempts: 0}}"),
           "tcpGateway.options.tcpProxySettings.maxConnectAttempts: must be from 1 to 4294967295, not 0"},
          {tcp("options: {tcpProxySettings: {idleTimeout: -1s}}"),
           "tcpGateway.options.tcpProxySettings.idleTimeout: must not be negative"},
          {tcp("options: {tcpProxySettings: {tunnelingConfig: {}}}"),
           "tcpGateway.options.tcpProxySettings.tunnelingConfig.hostname: is required"},
          {tcp("options: {tcpProxySettings: {tunnelingConfig: {hostname: ''}}}"),
           "tcpGateway.options.tcpProxySettings.tunnelingConfig.hostname: must not be empty"},
          {tcp("options: {tcpProxySettings: {tunnelingConfig: {hostname: 'a:1', headersToAdd: [{header: {key: Host, "
               "value: x}}]}}}"),
           "tcpGateway.options.tcpProxySettings.tunnelingConfig.headersToAdd[0]: Host cannot be changed here"},
          {tcp("options: {tcpProxySettings: {accessLogFlushInterval: 0.5ms}}"),
           "tcpGateway.options.tcpProxySettings.accessLogFlushInterval: must be at least 1ms"},
          {hosts("name: a, destination: {multi: {destinations: [{weight: 1, destination: {upstream: {name: u}}, "
                 "options: {a: b}}]}}"),
           "tcpGateway.tcpHosts[0].destination.multi.destinations[0].options: warning: has no effect: a "
           "connection whose bytes"},
      });
}

}  // namespace
}  // namespace sluice::kinds
