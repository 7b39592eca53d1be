#include "config/kinds/upstream.h"

#include <algorithm>

#include "config/kinds/paths.h"

namespace sluice::kinds {

void bind(Fields& f, StaticHost& h) {
  f.required("addr", h.addr, "IP literal or DNS name.");
  f.required("port", h.port, "Port.");
  f.optional("loadBalancingWeight", h.load_balancing_weight, "Share of the requests among the hosts.");
  f.unsupported({"sniAddr", "healthCheckConfig", "metadata"});
  if (f.present("addr")) {
    f.check(!h.addr.empty(), "addr", "addr cannot be empty for host");
    if (!h.addr.empty())
      f.check(is_ip_literal(h.addr) || is_host_name(h.addr), "addr", "expected an IP literal or a DNS name");
  }
  if (f.present("port")) f.check(h.port != 0, "port", "port cannot be empty for host");
  f.check(h.load_balancing_weight >= 1, "loadBalancingWeight", "must be at least 1");
}

void bind(Fields& f, StaticUpstream& u) {
  bool use_tls = false;
  f.required("hosts", u.hosts, "The hosts.");
  f.optional("useTls", use_tls, "Speak TLS; only false so far. Absent: TLS when a host has port 443.");
  f.without_effect("autoSniRewrite", "there is no TLS to upstreams yet");
  f.unsupported("serviceSpec", "Functions of the service.");
  f.check(!use_tls, "useTls", "not supported yet");
  if (f.present("hosts")) f.check(!u.hosts.empty(), "hosts", "must have at least one host");
  if (!f.present("useTls") && std::ranges::find(u.hosts, 443, &StaticHost::port) != u.hosts.end())
    f.check(false, "hosts", "TLS to port 443 is not supported yet; useTls: false speaks plain HTTP to it");
}

void bind(Fields& f, ConnectionConfig& c) {
  f.optional("connectTimeout", c.connect_timeout, "Longest time to connect.");
  f.unsupported({"maxRequestsPerConnection", "perConnectionBufferLimitBytes", "tcpKeepalive",
                 "commonHttpProtocolOptions", "http1ProtocolOptions"});
  f.positive("connectTimeout", c.connect_timeout);
}

void bind(Fields& f, Upstream& u) {
  f.optional("static", u.static_hosts, "Hosts that are listed here.");
  f.optional("connectionConfig", u.connection_config, "How connections are made.");
  f.optional("circuitBreakers", u.circuit_breakers, "Limits on the use of this upstream.");
  f.optional("loadBalancerConfig", u.load_balancer_config, "Which endpoint a request goes to.");
  f.optional("outlierDetection", u.outlier_detection, "Endpoints that fail are left out for a while.");
  f.unsupported({"kube", "consul", "aws", "awsEc2", "azure", "gcp", "pipe", "ai"});
  f.unsupported({"sslConfig", "useHttp2", "initialStreamWindowSize", "initialConnectionWindowSize",
                 "maxConcurrentStreams", "overrideStreamErrorOnInvalidHttpMessage", "protocolSelection", "healthChecks",
                 "failover", "respectDnsTtl", "dnsRefreshRate", "httpProxyHostname", "httpConnectHeaders",
                 "httpConnectSslConfig", "proxyProtocolVersion", "preconnectPolicy", "ignoreHealthOnHostRemoval",
                 "disableIstioAutoMtls"});
  f.ignored("discoveryMetadata", "Kept by discovery.");
  f.ignored("namespacedStatuses", "Kept by Gloo.");
  f.exactly_one({"static", "kube", "consul", "aws", "awsEc2", "azure", "gcp", "pipe", "ai"});
}

}  // namespace sluice::kinds
