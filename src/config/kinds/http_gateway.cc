#include "config/kinds/http_gateway.h"

#include "config/kinds/paths.h"

namespace sluice::kinds {
namespace {

constexpr EnumName kClientCert[] = {
    {"SANITIZE", 0}, {"FORWARD_ONLY", 1}, {"APPEND_FORWARD", 2}, {"SANITIZE_SET", 3}, {"ALWAYS_FORWARD_ONLY", 4}};

struct UpgradeSwitch {
  bool enabled = true;
};
void bind(Fields& f, UpgradeSwitch& s) {
  f.optional("enabled", s.enabled, "Whether the upgrade is allowed.");
}

struct UpgradeEntry {
  std::optional<UpgradeSwitch> websocket;
};
void bind(Fields& f, UpgradeEntry& e) {
  f.optional("websocket", e.websocket, "WebSocket.");
  f.unsupported("connect", "CONNECT.");
  f.unsupported("connectTerminate", "CONNECT that ends here; exists on routes only.");
  f.exactly_one({"websocket", "connect", "connectTerminate"});
}

constexpr EnumName kCodecTypes[] = {{"AUTO", 0}, {"HTTP1", 1}, {"HTTP2", 2}};

void bind_upgrades(Fields& f, Upgrades& upgrades) {
  std::vector<UpgradeEntry> entries;
  f.optional("upgrades", entries, "Protocol upgrades; WebSocket is on unless it is listed as not enabled.");
  for (size_t i = 0; i < entries.size(); ++i) {
    if (i > 0 && entries[i].websocket) f.error("upgrades", i, "upgrade config websocket is not unique");
    if (entries[i].websocket) upgrades.websocket = entries[i].websocket->enabled;
  }
}

void bind_client_addresses(Fields& f, HttpConnectionManagerSettings& s) {
  f.optional("skipXffAppend", s.skip_xff_append, "Leave `x-forwarded-for` as it came, also with useRemoteAddress.");
  f.optional("appendXForwardedPort", s.append_x_forwarded_port,
             "Set `x-forwarded-port` to the port that the client came to, unless a trusted proxy has set it.");
  f.optional("internalAddressConfig", s.internal_address_config, "Whose `x-envoy-*` headers are believed; nobody's.");
}

void bind_lifetimes(Fields& f, HttpConnectionManagerSettings& s) {
  f.optional("maxConnectionDuration", s.max_connection_duration,
             "A client connection takes no further request after this; 0 = no limit.");
  f.optional("maxStreamDuration", s.max_stream_duration,
             "A request and its answer may take this long altogether, else 408; 0 = no limit.");
  f.optional("delayedCloseTimeout", s.delayed_close_timeout,
             "How long a client has to close a connection that ends; 0 = it is closed at once, and what it still sends "
             "may destroy the answer.");
  f.optional("maxRequestsPerConnection", s.max_requests_per_connection,
             "Requests on a client connection, the last of which ends it; 0 = no limit.");
  f.not_negative("maxConnectionDuration", s.max_connection_duration);
  f.not_negative("maxStreamDuration", s.max_stream_duration);
  f.not_negative("delayedCloseTimeout", s.delayed_close_timeout);
  f.optional(
      "drainTimeout", s.drain_timeout,
      "How long a client of HTTP/2 that is asked to go may still begin requests, unless it says before that it has "
      "heard of it.");
  f.not_negative("drainTimeout", s.drain_timeout);
}

void bind_http1(Fields& f, HttpConnectionManagerSettings& s) {
  f.optional("acceptHttp10", s.accept_http_10, "Serve HTTP/1.0, which else is answered 426.");
  f.optional("defaultHostForHttp10", s.default_host_for_http_10,
             "The host of requests in HTTP/1.0 that name none, which else are answered 400.");
  f.optional(
      "allowChunkedLength", s.allow_chunked_length,
      "Read a request with Transfer-Encoding and Content-Length by the former, and end its connection; else 400.");
  f.optional("enableTrailers", s.enable_trailers,
             "Pass trailers on to and from HTTP/1 clients; when absent, where the client says `te: trailers`.");
  f.optional("properCaseHeaderKeyFormat", s.proper_case_header_key_format,
             "Write the names of response headers as `Content-Type` to HTTP/1 clients.");
  f.optional("preserveCaseHeaderKeyFormat", s.preserve_case_header_key_format,
             "Write the names of request headers to HTTP/1 upstreams as an HTTP/1 client wrote them.");
  f.optional("proxy100Continue", s.proxy_100_continue,
             "Have the upstream say whether a client that waits for 100 may send its body; false: it may at once.");
  f.one_of({"properCaseHeaderKeyFormat", "preserveCaseHeaderKeyFormat"});
  if (f.present("defaultHostForHttp10")) {
    f.check(is_authority(s.default_host_for_http_10), "defaultHostForHttp10", "must be a host, perhaps with a port");
    if (!s.accept_http_10) f.warning("defaultHostForHttp10", "has no effect without acceptHttp10");
  }
}

void bind_request_rules(Fields& f, HttpConnectionManagerSettings& s) {
  f.optional(
      "serverHeaderTransformation", s.server_header_transformation,
      "Whether serverName takes the place of an upstream's `server` header, is set where there is none, or never.");
  f.optional(
      "pathWithEscapedSlashesAction", s.path_with_escaped_slashes_action,
      "What happens to `%2F` and `%5C` in paths: they stay, are refused with 400, or are taken for slashes, with "
      "a redirect (307) or without. The default is to keep them.");
  f.optional("headersWithUnderscoresAction", s.headers_with_underscores_action,
             "What happens to headers with `_` in their names: they stay, the request is refused with 400, or they are "
             "dropped.");
  f.optional("earlyHeaderManipulation", s.early_header_manipulation, "Header changes before a route is chosen.");
  UuidRequestIdConfig traces;
  f.optional("uuidRequestIdConfig", traces, "What `x-request-id` says of traces.");
}

// Gloo passes over them in silence.
void warn_of_other_codec(Fields& f, const HttpConnectionManagerSettings& s) {
  if (s.codec_type == CodecType::http1 && f.present("http2ProtocolOptions"))
    f.warning("http2ProtocolOptions", "has no effect: codecType is HTTP1");
  if (s.codec_type != CodecType::http2) return;
  for (const auto& [name, is_wanted] :
       {std::pair("acceptHttp10", s.accept_http_10), std::pair("defaultHostForHttp10", s.accept_http_10),
        std::pair("allowChunkedLength", s.allow_chunked_length), std::pair("enableTrailers", true),
        std::pair("properCaseHeaderKeyFormat", s.proper_case_header_key_format),
        std::pair("preserveCaseHeaderKeyFormat", s.preserve_case_header_key_format)})
    if (is_wanted && f.present(name)) f.warning(name, "has no effect: codecType is HTTP2");
}

}  // namespace

std::span<const EnumName> enum_names(CodecType) {
  return kCodecTypes;
}

void bind(Fields& f, Http2ProtocolOptions& o) {
  f.optional("maxConcurrentStreams", o.max_concurrent_streams, "Requests under way at once on a connection.");
  f.optional("initialStreamWindowSize", o.initial_stream_window_size,
             "Bytes of one request's body that may wait to be read.");
  f.optional("initialConnectionWindowSize", o.initial_connection_window_size,
             "Bytes of all bodies on a connection that may wait to be read.");
  f.optional("overrideStreamErrorOnInvalidHttpMessage", o.override_stream_error_on_invalid_http_message,
             "A request that breaks HTTP's rules ends only its stream; false: its connection.");
  f.in_range("maxConcurrentStreams", o.max_concurrent_streams, 1, INT32_MAX);
  f.in_range("initialStreamWindowSize", o.initial_stream_window_size, 65'535, INT32_MAX);
  f.in_range("initialConnectionWindowSize", o.initial_connection_window_size, 65'535, INT32_MAX);
}

std::span<const EnumName> enum_names(ForwardClientCertDetails) {
  return kClientCert;
}

void bind(Fields& f, SetCurrentClientCertDetails& d) {
  f.optional("subject", d.subject, "The subject of its certificate.");
  f.optional("cert", d.cert, "The certificate itself, as percent-encoded PEM.");
  f.optional("chain", d.chain, "All certificates that it sent, as percent-encoded PEM.");
  f.optional("dns", d.dns, "The DNS names of its certificate.");
  f.optional("uri", d.uri, "The URIs of its certificate.");
}

void bind(Fields& f, HttpConnectionManagerSettings& s) {
  f.optional("idleTimeout", s.idle_timeout, "A client connection without requests is closed after this; 0 = never.");
  f.optional("streamIdleTimeout", s.stream_idle_timeout,
             "A request on which nothing moves ends after this; 0 = never.");
  f.optional("requestTimeout", s.request_timeout,
             "The whole request must have arrived in this time, else 408; 0 = no limit.");
  f.optional("requestHeadersTimeout", s.request_headers_timeout,
             "The head of a request must have arrived in this time, else 408; 0 = no limit.");
  f.optional("maxRequestHeadersKb", s.max_request_headers_kb, "Size of a request's head in KiB; over it 431.");
  f.optional("maxHeadersCount", s.max_headers_count, "Fields in a request's head; over it 431.");
  f.optional("serverName", s.server_name, "Value of the `server` header of answers.");
  f.optional("generateRequestId", s.generate_request_id, "Set `x-request-id` where there is none.");
  f.optional("preserveExternalRequestId", s.preserve_external_request_id, "Keep the client's `x-request-id`.");
  f.optional("useRemoteAddress", s.use_remote_address,
             "The peer is the client, and is appended to `x-forwarded-for`; false: trust the header as it is.");
  f.optional("xffNumTrustedHops", s.xff_num_trusted_hops,
             "Proxies in front whose `x-forwarded-for` entries are trusted.");
  f.optional("via", s.via, "Appended to `via` on both ways; empty: no `via`.");
  f.optional("stripAnyHostPort", s.strip_any_host_port,
             "Take the port off the host before the virtual host is chosen.");
  f.optional("normalizePath", s.normalize_path, "Normalise paths (RFC 3986 6) before a route is chosen.");
  f.optional("mergeSlashes", s.merge_slashes, "Take `//` in paths for `/`.");
  f.optional("forwardClientCertDetails", s.forward_client_cert_details,
             "What becomes of `x-forwarded-client-cert`: taken out, passed on from clients with a certificate, added "
             "to, replaced by the client's own, or passed on always.");
  f.optional("setCurrentClientCertDetails", s.set_current_client_cert_details,
             "What is said there of the client's certificate besides its hash; with APPEND_FORWARD and SANITIZE_SET.");
  if (f.present("setCurrentClientCertDetails") &&
      s.forward_client_cert_details != ForwardClientCertDetails::append_forward &&
      s.forward_client_cert_details != ForwardClientCertDetails::sanitize_set)
    f.warning("setCurrentClientCertDetails",
              "has no effect unless forwardClientCertDetails is APPEND_FORWARD or SANITIZE_SET");
  bind_upgrades(f, s.upgrades);
  f.optional("codecType", s.codec_type,
             "What clients speak: `AUTO` as they agreed on by ALPN, else as their first bytes are; `HTTP1`, `HTTP2`.");
  f.optional("http2ProtocolOptions", s.http2_protocol_options, "Of connections that speak HTTP/2.");
  bind_client_addresses(f, s);
  bind_lifetimes(f, s);
  bind_http1(f, s);
  bind_request_rules(f, s);
  warn_of_other_codec(f, s);
  f.unsupported({"tracing"});
  f.not_negative("idleTimeout", s.idle_timeout);
  f.not_negative("streamIdleTimeout", s.stream_idle_timeout);
  f.not_negative("requestTimeout", s.request_timeout);
  f.not_negative("requestHeadersTimeout", s.request_headers_timeout);
  f.in_range("maxRequestHeadersKb", s.max_request_headers_kb, 1, 8192);
  f.in_range("maxHeadersCount", s.max_headers_count, 1, 10'000);
  f.check(is_header_value(s.server_name), "serverName", "must not hold control characters");
  f.check(is_header_value(s.via), "via", "must not hold control characters");
  if (s.server_name.empty()) s.server_name = HttpConnectionManagerSettings().server_name;
}

void bind(Fields& f, DynamicForwardProxyConfig& c) {
  f.optional("dnsCacheConfig", c.dns_cache_config, "How names are resolved and remembered.");
  f.optional("saveUpstreamAddress", c.save_upstream_address, "Let later filters and logs see the address.");
  f.optional("circuitBreakers", c.circuit_breakers, "Limits for all destinations together.");
  f.optional("sslConfig", c.ssl_config,
             "TLS to all destinations, also when it is `{}`. Certificates are verified against its CA, or the system's "
             "when it has none, unless `ProxySettings.upstreamTls.verify` is `none`.");
  const Node* sni = f.node("sslConfig") ? f.node("sslConfig")->find("sni") : nullptr;
  constexpr std::string_view kPath[] = {"sslConfig", "sni"};
  if (sni && c.ssl_config && !c.ssl_config->sni.empty())
    f.reader().tell_below(Severity::warning, kPath, sni->place(),
                          "has no effect: each destination is asked for by its own name");
}

void bind(Fields& f, RouterOptions& o) {
  bool dynamic_stats = true;
  f.optional("suppressEnvoyHeaders", o.suppress_envoy_headers,
             "Add no `x-envoy-*` headers to requests and responses on their way.");
  f.optional("dynamicStats", dynamic_stats, "Count requests of each cluster; `false` has no effect.");
  if (!dynamic_stats && f.good("dynamicStats"))
    f.warning("dynamicStats", "has no effect: the counters of clusters cost nothing worth saving, and stay");
}

namespace {

struct HeaderValidationSettings {};
void bind(Fields& f, HeaderValidationSettings&) {
  f.ignored("disableHttp1MethodValidation", "Take every method; this program does so anyway.");
}

}  // namespace

void bind(Fields& f, HttpListenerOptions& o) {
  f.optional("httpConnectionManagerSettings", o.http_connection_manager_settings,
             "Limits and headers of client connections.");
  f.optional("dynamicForwardProxy", o.dynamic_forward_proxy,
             "Lets routes choose their destination from the request; `{}` switches it on.");
  f.optional("connectionLimit", o.connection_limit, "How many clients may be connected.");
  f.optional("router", o.router, "What requests get on their way upstream.");
  HeaderValidationSettings header_validation;
  f.optional("headerValidationSettings", header_validation, "What requests may look like.");
  f.optional("leftmostXffAddress", o.leftmost_xff_address,
             "Take the first address in `x-forwarded-for` for the client's, whoever wrote it.");
  f.options(o.filters, OptionLevel::listener);
}

void bind(Fields& f, HttpGateway& g) {
  f.optional("virtualServices", g.virtual_services, "What is served; all VirtualServices when nothing selects.");
  f.optional("virtualServiceSelector", g.virtual_service_selector,
             "Labels of the VirtualServices that are served; goes before `virtualServices`.");
  f.optional("virtualServiceNamespaces", g.virtual_service_namespaces, "Namespaces they may be in; empty or `*`: all.");
  f.optional("virtualServiceExpressions", g.virtual_service_expressions,
             "Expressions over labels of the VirtualServices that are served; goes before the selector.");
  f.optional("options", g.options, "Settings of the HTTP listener.");
  // Gloo uses one way to select and says nothing of the others (gloo-core 2.2).
  if (g.virtual_service_expressions) {
    for (const std::string_view name : {"virtualServices", "virtualServiceSelector"})
      if (f.present(name)) f.warning(name, "has no effect beside virtualServiceExpressions, which alone selects");
  } else if (!g.virtual_services.empty() && !g.virtual_service_selector.empty())
    f.warning("virtualServices", "has no effect beside virtualServiceSelector, which alone selects");
  else if (!g.virtual_services.empty() && !g.virtual_service_namespaces.empty())
    f.warning("virtualServiceNamespaces", "has no effect on virtualServices: each of them names its namespace");
}

}  // namespace sluice::kinds
