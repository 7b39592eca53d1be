#include "config/kinds/upstream.h"

#include <fmt/format.h>
#include <algorithm>

#include "config/field_names.h"
#include "config/kinds/paths.h"

namespace sluice::kinds {

void bind(Fields& f, StaticHost& h) {
  f.required("addr", h.addr, "IP literal or DNS name.");
  f.required("port", h.port, "Port.");
  f.optional("loadBalancingWeight", h.load_balancing_weight, "Share of the requests among the hosts.");
  f.optional("sniAddr", h.sni_addr, "Name to ask this host for by TLS, in place of `addr`.");
  f.unsupported({"healthCheckConfig", "metadata"});
  if (f.present("addr")) {
    f.check(!h.addr.empty(), "addr", "addr cannot be empty for host");
    if (!h.addr.empty())
      f.check(is_ip_literal(h.addr) || is_host_name(h.addr), "addr", "expected an IP literal or a DNS name");
  }
  if (f.present("port")) f.check(h.port != 0, "port", "port cannot be empty for host");
  if (!h.sni_addr.empty()) f.check(is_host_name(h.sni_addr), "sniAddr", "expected a DNS name");
  f.check(h.load_balancing_weight >= 1, "loadBalancingWeight", "must be at least 1");
}

void bind(Fields& f, StaticUpstream& u) {
  f.required("hosts", u.hosts, "The hosts.");
  f.optional("useTls", u.use_tls,
             "Speak TLS, without looking at certificates (sslConfig can). Absent: when a host has port 443.");
  f.optional("autoSniRewrite", u.auto_sni_rewrite,
             "Ask each host for the name in its `addr`; false: for `sslConfig.sni`. Its `sniAddr` goes before both.");
  f.unsupported("serviceSpec", "Functions of the service.");
  if (f.present("hosts")) f.check(!u.hosts.empty(), "hosts", "must have at least one host");
}

bool StaticUpstream::speaks_tls() const {
  return use_tls.value_or(std::ranges::find(hosts, 443, &StaticHost::port) != hosts.end());
}

void bind(Fields& f, ConnectionConfig& c) {
  f.optional("connectTimeout", c.connect_timeout, "Longest time to connect.");
  f.unsupported({"maxRequestsPerConnection", "perConnectionBufferLimitBytes", "tcpKeepalive",
                 "commonHttpProtocolOptions", "http1ProtocolOptions"});
  f.positive("connectTimeout", c.connect_timeout);
}

namespace {

constexpr EnumName kProxyProtocolVersions[] = {{"V1", 1}, {"V2", 2}};
constexpr EnumName kSelections[] = {{"USE_CONFIGURED_PROTOCOL", 0}, {"USE_DOWNSTREAM_PROTOCOL", 1}};
constexpr int64_t kWindowMin = 65'535;

// Gloo passes over it in silence.
void warn_of_names_without_tls(Fields& f, const Node& written) {
  constexpr std::string_view kWhy =
      "has no effect: without sslConfig, useTls or port 443 no TLS is spoken to the hosts";
  const Reader::Step in_static(f.reader(), "static");
  if (const Node* there = find_field(written, {"autoSniRewrite"})) {
    const Reader::Step at(f.reader(), "autoSniRewrite");
    f.reader().warning(there->place(), std::string(kWhy));
  }
  const Node* hosts = written.find("hosts");
  if (!hosts || !hosts->list()) return;
  const Reader::Step in_hosts(f.reader(), "hosts");
  for (size_t i = 0; i < hosts->list()->size(); ++i) {
    const Node* there = find_field((*hosts->list())[i], {"sniAddr"});
    if (!there) continue;
    const Reader::Step in_host(f.reader(), i);
    const Reader::Step at(f.reader(), "sniAddr");
    f.reader().warning(there->place(), std::string(kWhy));
  }
}

// Likewise: each of its hosts is asked for by a name of its own.
void warn_of_unused_sni(Fields& f, const Upstream& u) {
  const auto has_own = [&](const StaticHost& host) {
    return !host.sni_addr.empty() || (u.static_hosts.auto_sni_rewrite && !is_ip_literal(host.addr));
  };
  if (u.ssl_config->sni.empty() || !std::ranges::all_of(u.static_hosts.hosts, has_own)) return;
  const Node* sni = f.node("sslConfig") ? f.node("sslConfig")->find("sni") : nullptr;
  constexpr std::string_view kPath[] = {"sslConfig", "sni"};
  f.reader().tell_below(Severity::warning, kPath, sni ? sni->place() : Place{},
                        "has no effect: each host is asked for by its own name; static.autoSniRewrite: false has them "
                        "asked for by this one");
}

// Whether it may come to be spoken.
bool may_speak_http2(const Upstream& u) {
  if (u.use_http2 || u.protocol_selection == ProtocolSelection::downstream) return true;
  return u.ssl_config && std::ranges::find(u.ssl_config->alpn_protocols, "h2") != u.ssl_config->alpn_protocols.end();
}

// As Gloo has them: of no effect without HTTP/2, and out of range an error only with it.
void bind_http2(Fields& f, Upstream& u) {
  f.optional(
      "useHttp2", u.use_http2,
      "Speak HTTP/2: in the clear by prior knowledge; by TLS `h2` alone is offered, so that the handshake fails with a "
      "server that has only `http/1.1`, and one without ALPN is spoken HTTP/2 to all the same.");
  f.optional("initialStreamWindowSize", u.initial_stream_window_size,
             "HTTP/2: bytes of one response that may come before they are read; 256 KiB where absent.");
  f.optional("initialConnectionWindowSize", u.initial_connection_window_size,
             "HTTP/2: the same of all responses of a connection; 16 MiB where absent.");
  f.optional("maxConcurrentStreams", u.max_concurrent_streams,
             "HTTP/2: requests at a time on one connection, besides what the upstream allows.");
  f.optional("overrideStreamErrorOnInvalidHttpMessage", u.override_stream_error_on_invalid_http_message,
             "HTTP/2: a response that breaks the rules ends its stream alone, not the connection.");
  f.optional("protocolSelection", u.protocol_selection,
             "USE_DOWNSTREAM_PROTOCOL: what the client speaks, in place of useHttp2.");
  if (may_speak_http2(u)) {
    f.in_range("initialStreamWindowSize", u.initial_stream_window_size, kWindowMin, INT32_MAX);
    f.in_range("initialConnectionWindowSize", u.initial_connection_window_size, kWindowMin, INT32_MAX);
    f.in_range("maxConcurrentStreams", u.max_concurrent_streams, 1, INT32_MAX);
    return;
  }
  for (const std::string_view name : {"initialStreamWindowSize", "initialConnectionWindowSize", "maxConcurrentStreams",
                                      "overrideStreamErrorOnInvalidHttpMessage"})
    if (f.present(name)) f.warning(name, "has no effect without useHttp2");
}

}  // namespace

std::span<const EnumName> enum_names(ProtocolSelection) {
  return kSelections;
}

std::span<const EnumName> enum_names(ProxyProtocolVersion) {
  return kProxyProtocolVersions;
}

void bind(Fields& f, Upstream& u) {
  f.optional("static", u.static_hosts, "Hosts that are listed here.");
  f.optional("connectionConfig", u.connection_config, "How connections are made.");
  f.optional("circuitBreakers", u.circuit_breakers, "Limits on the use of this upstream.");
  f.optional("loadBalancerConfig", u.load_balancer_config, "Which endpoint a request goes to.");
  f.optional("outlierDetection", u.outlier_detection, "Endpoints that fail are left out for a while.");
  f.unsupported({"kube", "consul", "aws", "awsEc2", "azure", "gcp", "pipe", "ai"});
  f.optional(
      "sslConfig", u.ssl_config,
      "TLS to the hosts, also when it is `{}`. Their certificates are verified when there is a CA, and whom they are "
      "for only with `verifySubjectAltName`.");
  bind_http2(f, u);
  f.optional(
      "proxyProtocolVersion", u.proxy_protocol_version,
      "Connections begin with a header of the PROXY protocol that names the client, and serve that client alone.");
  f.unsupported({"healthChecks", "failover", "respectDnsTtl", "dnsRefreshRate", "httpProxyHostname",
                 "httpConnectHeaders", "httpConnectSslConfig", "preconnectPolicy", "ignoreHealthOnHostRemoval",
                 "disableIstioAutoMtls"});
  f.ignored("discoveryMetadata", "Kept by discovery.");
  f.ignored("namespacedStatuses", "Kept by Gloo.");
  if (f.reading() && u.ssl_config) {
    if (u.static_hosts.use_tls == false)
      f.warning("static", "useTls: false has no effect beside sslConfig, which speaks TLS");
    warn_of_unused_sni(f, u);
  } else if (const Node* written = f.node("static"); written && written->map() && !u.static_hosts.speaks_tls()) {
    warn_of_names_without_tls(f, *written);
  }
  f.exactly_one({"static", "kube", "consul", "aws", "awsEc2", "azure", "gcp", "pipe", "ai"});
}

}  // namespace sluice::kinds
