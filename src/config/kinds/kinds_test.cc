#include "config/kinds/kinds.h"

#include "config/documents.h"
#include "config/load.h"

namespace sluice::kinds {
namespace {

// One object of a kind from its spec in YAML, and what was said about it.
struct Outcome {
  Spec spec;
  std::string said;  // a line each, without the name of the object
};

Outcome read_kind(std::string_view kind, std::string_view spec, bool warnings = true) {
  const KindInfo* info = find_resource(kind);
  EXPECT_NE(info, nullptr) << kind;
  const auto documents = parse_documents(spec);
  EXPECT_TRUE(documents.has_value()) << spec << ": " << (documents ? "" : documents.error().message);
  Outcome out;
  if (!documents) return out;
  Diagnostics diagnostics;
  ReadContext context{
      .file = {}, .object = {}, .diagnostics = &diagnostics, .option_fields = {}, .redact = kind == "secret"};
  Reader reader(context);
  info->read(documents->empty() ? Node::make_map() : documents->front().node, reader, out.spec);
  diagnostics.sort_by_line();
  for (const Diagnostic& d : diagnostics.all()) {
    if (d.severity == Severity::warning && !warnings) continue;
    out.said += fmt::format("{}{}: {}{}", out.said.empty() ? "" : "\n", d.path,
                            d.severity == Severity::warning ? "warning: " : "", d.sentence());
  }
  return out;
}

template <class T>
T good(std::string_view kind, std::string_view spec) {
  Outcome out = read_kind(kind, spec);
  EXPECT_EQ(out.said, "") << spec;
  return std::get<T>(std::move(out.spec));
}

struct BadRow {
  std::string spec;
  const char* said;  // the beginning of it
};
void expect_bad(std::string_view kind, std::initializer_list<BadRow> rows) {
  for (const BadRow& row : rows) {
    const std::string said = read_kind(kind, row.spec).said;
    EXPECT_TRUE(said.starts_with(row.said)) << row.spec << "\n  got:  " << said << "\n  want: " << row.said;
  }
}

// ---- Gateway ----

TEST(Gateway, reads_all_fields_of_this_step) {
  const auto g = good<Gateway>("gw", R"(
bindAddress: '::'
bindPort: 8080
proxyNames: [edge]
ssl: false
useProxyProto: false
options:
  perConnectionBufferLimitBytes: 65536
  accessLoggingService:
    accessLog:
      - fileSink: {path: /dev/stdout, stringFormat: "%RESPONSE_CODE%\n"}
      - fileSink: {path: /tmp/log, jsonFormat: {code: "%RESPONSE_CODE%", x: {a: "%DURATION%"}}}
httpGateway:
  virtualServices: [{name: a, namespace: b}]
  virtualServiceSelector: {team: edge}
  virtualServiceNamespaces: ['*']
  options:
    httpConnectionManagerSettings:
      idleTimeout: 60s
      streamIdleTimeout: 0s
      requestTimeout: 30s
      requestHeadersTimeout: 5s
      maxRequestHeadersKb: 96
      maxHeadersCount: 50
      serverName: edge
      generateRequestId: false
      preserveExternalRequestId: true
      useRemoteAddress: true
      xffNumTrustedHops: 2
      via: edge
      stripAnyHostPort: true
      normalizePath: false
      mergeSlashes: true
      upgrades: [{websocket: {enabled: false}}]
    dynamicForwardProxy:
      saveUpstreamAddress: true
      circuitBreakers: {maxConnections: 1, maxPendingRequests: 2, maxRequests: 3, maxRetries: 0, trackRemaining: true}
      dnsCacheConfig:
        dnsLookupFamily: ALL
        dnsRefreshRate: 1ms
        hostTtl: 1h
        maxHosts: 5
        dnsFailureRefreshRate: {baseInterval: 2ms, maxInterval: 2ms}
        dnsQueryTimeout: 2s
        caresDns:
          resolvers:
            - socketAddress: {address: 127.0.0.1, portValue: 5353}
            - socketAddress: {address: '::1', portValue: 53, protocol: TCP, ipv4Compat: true}
          dnsResolverOptions: {useTcpForDnsLookups: true, noDefaultSearchDomain: true}
)");
  EXPECT_EQ(g.bind_address, "::");
  EXPECT_EQ(g.proxy_names, std::vector<std::string>{"edge"});
  EXPECT_EQ(g.options.per_connection_buffer_limit_bytes, 65536u);
  ASSERT_EQ(g.options.access_logging_service->access_log.size(), 2u);
  EXPECT_EQ(to_json(*g.options.access_logging_service->access_log[1].file_sink.json_format),
            R"({"code":"%RESPONSE_CODE%","x":{"a":"%DURATION%"}})");
  const auto& http = g.http_gateway.options.http_connection_manager_settings;
  EXPECT_EQ(http.stream_idle_timeout, Nanos(0));
  EXPECT_EQ(http.request_timeout, 30s);
  EXPECT_FALSE(http.upgrades.websocket);
  EXPECT_FALSE(http.normalize_path);
  const auto& dns = g.http_gateway.options.dynamic_forward_proxy->dns_cache_config;
  EXPECT_EQ(dns.dns_lookup_family, DnsLookupFamily::all);
  ASSERT_EQ(dns.cares_dns->resolvers.size(), 2u);
  EXPECT_EQ(dns.cares_dns->resolvers[0].port, 5353);
  EXPECT_EQ(dns.cares_dns->resolvers[0].protocol, SocketProtocol::udp);
  EXPECT_EQ(dns.cares_dns->resolvers[1].protocol, SocketProtocol::tcp);
  EXPECT_TRUE(dns.cares_dns->use_tcp);
  EXPECT_EQ(g.http_gateway.options.dynamic_forward_proxy->circuit_breakers->max_retries, 0u);
}

TEST(Gateway, has_gloos_defaults) {
  const auto g = good<Gateway>("gw",
                               "{bindAddress: 127.0.0.1, bindPort: 80, httpGateway: {options: {dynamicForwardProxy: "
                               "{}}}, options: {perConnectionBufferLimitBytes: 0}}");
  EXPECT_EQ(g.proxy_names, std::vector<std::string>{"gateway-proxy"});
  EXPECT_EQ(g.options.per_connection_buffer_limit_bytes, 1u << 20);
  EXPECT_FALSE(g.options.access_logging_service);
  const auto& http = g.http_gateway.options.http_connection_manager_settings;
  EXPECT_EQ(http.idle_timeout, 1h);
  EXPECT_EQ(http.stream_idle_timeout, 5min);
  EXPECT_EQ(http.max_request_headers_kb, 60u);
  EXPECT_EQ(http.server_name, "envoy");
  EXPECT_TRUE(http.normalize_path && http.generate_request_id && http.upgrades.websocket);
  const auto& dns = g.http_gateway.options.dynamic_forward_proxy->dns_cache_config;
  EXPECT_EQ(dns.dns_lookup_family, DnsLookupFamily::v4_preferred);
  EXPECT_EQ(dns.dns_refresh_rate, 60s);
  EXPECT_EQ(dns.host_ttl, 5min);
  EXPECT_EQ(dns.max_hosts, 1024u);
  EXPECT_EQ(dns.dns_query_timeout, 5s);
  EXPECT_FALSE(dns.cares_dns);
}

TEST(Gateway, with_a_mistake_is_refused) {
  const auto with = [](std::string_view more) { return fmt::format("bindAddress: 127.0.0.1\nbindPort: 1\n{}", more); };
  const auto http = [](std::string_view options) {
    return fmt::format("bindAddress: 127.0.0.1\nhttpGateway: {{options: {{{}}}}}", options);
  };
  const auto manager = [&](std::string_view s) {
    return http(fmt::format("httpConnectionManagerSettings: {{{}}}", s));
  };
  const auto dns = [&](std::string_view s) {
    return http(fmt::format("dynamicForwardProxy: {{dnsCacheConfig: {{{}}}}}", s));
  };
  expect_bad(
      "gw",
      {
          {"httpGateway: {}",
           "bindAddress: is required: 127.0.0.1 is reached from this machine only, :: from everywhere"},
          {"bindAddress: localhost\nhttpGateway: {}",
           "bindAddress: bindAddress localhost is not a valid IP address; 127.0.0.1 is"},
          {"bindAddress: 127.0.0.1:80\nhttpGateway: {}", "bindAddress: bindAddress 127.0.0.1:80 is not a valid IP"},
          {"bindAddress: '[::1]'\nhttpGateway: {}", "bindAddress: bindAddress [::1] is not"},
          {"bindAddress: 1.2.3\nhttpGateway: {}", "bindAddress: bindAddress 1.2.3 is not"},
          {"bindAddress: ''\nhttpGateway: {}", "bindAddress: bindAddress  is not"},
          {"bindAddress: ::1\nbindPort: 65536\nhttpGateway: {}",
           "bindPort: expected a whole number from 0 to 65535, got 65536"},
          {"bindAddress: ::1\nbindPort: -1\nhttpGateway: {}",
           "bindPort: expected a whole number from 0 to 65535, got -1"},
          {with(""), ": one of httpGateway, tcpGateway, hybridGateway must be set"},
          {with("httpGateway: {}\ntcpGateway: {}"),
           "tcpGateway: not supported yet\ntcpGateway: only one of httpGateway, tcpGateway may be set"},
          {with("tcpGateway: {}"), "tcpGateway: not supported yet"},
          {with("hybridGateway: {}"), "hybridGateway: not supported yet"},
          {with("httpGateway: {}\nssl: true"), "ssl: not supported yet"},
          {with("httpGateway: {}\nuseProxyProto: true"), "useProxyProto: not supported yet"},
          {with("httpGateway: {}\nrouteOptions: {}"), "routeOptions: not supported yet"},
          {with("httpGateway: {}\nbindAddres: x"), "bindAddres: unknown field; did you mean \"bindAddress\"?"},
          {with("httpGateway: {virtualServiceExpressions: {}}"),
           "httpGateway.virtualServiceExpressions: not supported yet"},
          {with("httpGateway: {virtualServices: [{namespace: a}]}"),
           "httpGateway.virtualServices[0].name: is required"},
          {with("httpGateway: {}\noptions: {proxyProtocol: {}}"), "options.proxyProtocol: not supported yet"},
          {with("httpGateway: {}\noptions: {accessLoggingService: {accessLog: [{}]}}"),
           "options.accessLoggingService.accessLog[0]: one of fileSink, grpcService, openTelemetryService must be set"},
          {with("httpGateway: {}\noptions: {accessLoggingService: {accessLog: [{grpcService: {}}]}}"),
           "options.accessLoggingService.accessLog[0].grpcService: not supported yet"},
          {with("httpGateway: {}\noptions: {accessLoggingService: {accessLog: [{fileSink: {path: x, stringFormat: a, "
                "jsonFormat: {}}}]}}"),
           "options.accessLoggingService.accessLog[0].fileSink.jsonFormat: only one of stringFormat, jsonFormat may be "
           "set"},
          {with("httpGateway: {}\noptions: {accessLoggingService: {accessLog: [{fileSink: {path: x, jsonFormat: "
                "abc}}]}}"),
           "options.accessLoggingService.accessLog[0].fileSink.jsonFormat: must be a map"},
          {with("httpGateway: {}\noptions: {accessLoggingService: {accessLog: [{fileSink: {path: ''}}]}}"),
           "options.accessLoggingService.accessLog[0].fileSink.path: must not be empty"},
          {http("waf: {}"), "httpGateway.options.waf: not supported yet"},
          {http("gzip: {}"), "httpGateway.options.gzip: not supported yet"},
          {http("dynamicForwardProxi: {}"),
           "httpGateway.options.dynamicForwardProxi: unknown field; did you mean \"dynamicForwardProxy\"?"},
          {manager("idleTimeout: -1s"),
           "httpGateway.options.httpConnectionManagerSettings.idleTimeout: must not be negative"},
          {manager("maxRequestHeadersKb: 0"),
           "httpGateway.options.httpConnectionManagerSettings.maxRequestHeadersKb: must be from 1 to 8192, not 0"},
          {manager("maxRequestHeadersKb: 8193"),
           "httpGateway.options.httpConnectionManagerSettings.maxRequestHeadersKb: must be"},
          {manager("maxHeadersCount: 0"), "httpGateway.options.httpConnectionManagerSettings.maxHeadersCount: must be"},
          {manager("serverName: \"a\\nb\""),
           "httpGateway.options.httpConnectionManagerSettings.serverName: must not hold control"},
          {manager("codecType: HTTP2"),
           "httpGateway.options.httpConnectionManagerSettings.codecType: not supported yet"},
          {manager("tracing: {}"), "httpGateway.options.httpConnectionManagerSettings.tracing: not supported yet"},
          {manager("upgrades: [{websocket: {}}, {websocket: {}}]"),
           "httpGateway.options.httpConnectionManagerSettings.upgrades[1]: upgrade config websocket is not unique"},
          {manager("upgrades: [{connect: {}}]"),
           "httpGateway.options.httpConnectionManagerSettings.upgrades[0].connect: not supported yet"},
          {manager("upgrades: [{}]"),
           "httpGateway.options.httpConnectionManagerSettings.upgrades[0]: one of websocket,"},
          {http("dynamicForwardProxy: {sslConfig: {}}"),
           "httpGateway.options.dynamicForwardProxy.sslConfig: not supported yet"},
          {dns("dnsLookupFamily: V5"),
           "httpGateway.options.dynamicForwardProxy.dnsCacheConfig.dnsLookupFamily: expected one of V4_PREFERRED, "
           "V4_ONLY, V6_ONLY, AUTO, ALL, got \"V5\""},
          {dns("dnsRefreshRate: 100us"),
           "httpGateway.options.dynamicForwardProxy.dnsCacheConfig.dnsRefreshRate: must be at least 1ms"},
          {dns("hostTtl: 0s"), "httpGateway.options.dynamicForwardProxy.dnsCacheConfig.hostTtl: must be more than 0"},
          {dns("maxHosts: 0"), "httpGateway.options.dynamicForwardProxy.dnsCacheConfig.maxHosts: must be more than 0"},
          {dns("dnsQueryTimeout: 0s"),
           "httpGateway.options.dynamicForwardProxy.dnsCacheConfig.dnsQueryTimeout: must be more than 0"},
          {dns("dnsFailureRefreshRate: {}"),
           "httpGateway.options.dynamicForwardProxy.dnsCacheConfig.dnsFailureRefreshRate.baseInterval: is required"},
          {dns("dnsFailureRefreshRate: {baseInterval: 1ms}"),
           "httpGateway.options.dynamicForwardProxy.dnsCacheConfig.dnsFailureRefreshRate.baseInterval: must be more "
           "than 1ms"},
          {dns("dnsFailureRefreshRate: {baseInterval: 2s, maxInterval: 1s}"),
           "httpGateway.options.dynamicForwardProxy.dnsCacheConfig.dnsFailureRefreshRate.maxInterval: must be at least "
           "baseInterval"},
          {dns("caresDns: {}"),
           "httpGateway.options.dynamicForwardProxy.dnsCacheConfig.caresDns.resolvers: is required"},
          {dns("caresDns: {resolvers: []}"),
           "httpGateway.options.dynamicForwardProxy.dnsCacheConfig.caresDns.resolvers: must name at least one"},
          {dns("caresDns: {resolvers: [{socketAddress: {address: 1.1.1.1}}]}"),
           "httpGateway.options.dynamicForwardProxy.dnsCacheConfig.caresDns.resolvers[0].socketAddress.portValue: is "
           "required"},
          {dns("caresDns: {resolvers: [{socketAddress: {address: dns.test, portValue: 53}}]}"),
           "httpGateway.options.dynamicForwardProxy.dnsCacheConfig.caresDns.resolvers[0].socketAddress.address: is not "
           "a valid IP address"},
          {dns("caresDns: {resolvers: [{socketAddress: {address: 1.1.1.1, portValue: 0}}]}"),
           "httpGateway.options.dynamicForwardProxy.dnsCacheConfig.caresDns.resolvers[0].socketAddress.portValue: must "
           "be from 1 to 65535"},
          {dns("caresDns: {resolvers: [{pipe: {path: x}}]}"),
           "httpGateway.options.dynamicForwardProxy.dnsCacheConfig.caresDns.resolvers[0].pipe: not supported yet"},
          {dns("caresDns: {resolvers: [{socketAddress: {address: 1.1.1.1, portValue: 53}}]}, appleDns: {}"),
           "httpGateway.options.dynamicForwardProxy.dnsCacheConfig.appleDns: only one of"},
          {dns("preresolveHostnames: []"),
           "httpGateway.options.dynamicForwardProxy.dnsCacheConfig.preresolveHostnames: not supported yet"},
          {dns("dnsCacheCircuitBreaker: {}"),
           "httpGateway.options.dynamicForwardProxy.dnsCacheConfig.dnsCacheCircuitBreaker: not supported yet"},
      });
}

// ---- VirtualService ----

VirtualHost host(std::string_view spec) {
  return *good<VirtualService>("vs", spec).virtual_host;
}

Route route(std::string_view spec) {
  return host(fmt::format("virtualHost: {{routes: [{{{}}}]}}", spec)).routes.at(0);
}

TEST(VirtualService, reads_matchers) {
  const Route r = route(R"(matchers: [{exact: /a, caseSensitive: false, methods: [GET, 'P.*'],
    headers: [{name: x, value: 'a.*', regex: true, invertMatch: true}, {name: ':method'}],
    queryParameters: [{name: q, value: '1'}]}, {regex: '/b/[0-9]+'}, {prefix: /c}], routeAction: {dynamicForwardProxy: {}})");
  ASSERT_EQ(r.matchers.size(), 3u);
  EXPECT_EQ(r.matchers[0].path_match, PathMatch::exact);
  EXPECT_EQ(r.matchers[0].path, "/a");
  EXPECT_FALSE(r.matchers[0].case_sensitive);
  EXPECT_EQ(r.matchers[0].methods, (std::vector<std::string>{"GET", "P.*"}));
  EXPECT_TRUE(r.matchers[0].headers[0].regex && r.matchers[0].headers[0].invert_match);
  EXPECT_EQ(r.matchers[0].query_parameters[0].value, "1");
  EXPECT_EQ(r.matchers[1].path_match, PathMatch::regex);
  EXPECT_EQ(r.matchers[2].path_match, PathMatch::prefix);
}

TEST(VirtualService, serves_everything_where_domains_and_matchers_are_absent) {
  const VirtualHost h = host("virtualHost: {routes: [{directResponseAction: {status: 200}}]}");
  EXPECT_EQ(h.domains, std::vector<std::string>{"*"});
  EXPECT_TRUE(h.domains_absent);
  EXPECT_EQ(h.routes[0].matchers.at(0).path, "/");
  EXPECT_FALSE(host("virtualHost: {domains: ['*']}").domains_absent);
}

TEST(VirtualService, takes_every_form_of_domain) {
  for (const char* domain :
       {"a.com", "A.com:8080", "*.a.com", "*-bar.a.com", "a.*", "*", "127.0.0.1", "[::1]:80", "a_b"})
    EXPECT_EQ(host(fmt::format("virtualHost: {{domains: ['{}']}}", domain)).domains.at(0), domain);
}

TEST(VirtualService, reads_actions) {
  const auto single = std::get<RouteAction>(route("routeAction: {single: {upstream: {name: u, namespace: x}}}").action);
  EXPECT_EQ(std::get<Destination>(single.destination).upstream, (ObjectRef{"u", "x"}));
  const auto multi = std::get<RouteAction>(route("routeAction: {multi: {destinations: [{destination: {upstream: {name: "
                                                 "u}}, weight: 1}, {destination: {upstream: {name: v}}}]}}")
                                               .action);
  EXPECT_EQ(std::get<MultiDestination>(multi.destination).destinations.at(0).weight, 1u);
  const auto header =
      std::get<RouteAction>(route("routeAction: {dynamicForwardProxy: {autoHostRewriteHeader: x-to}}").action);
  EXPECT_EQ(std::get<DynamicForwardProxyRoute>(header.destination).auto_host_rewrite_header, "x-to");
  const auto fixed =
      std::get<RouteAction>(route("routeAction: {dynamicForwardProxy: {hostRewrite: 'a.test:81'}}").action);
  EXPECT_EQ(std::get<DynamicForwardProxyRoute>(fixed.destination).host_rewrite, "a.test:81");
  const auto redirect = std::get<RedirectAction>(
      route(R"(redirectAction: {hostRedirect: b.test, regexRewrite: {pattern: {regex: '^/a/(.*)'}, substitution: '/\1'},
               httpsRedirect: true, portRedirect: 8443, stripQuery: true, responseCode: PERMANENT_REDIRECT})")
          .action);
  EXPECT_EQ(redirect.status(), 308);
  EXPECT_EQ(redirect.regex_rewrite->regex, "^/a/(.*)");
  EXPECT_EQ(redirect.port_redirect, 8443);
  const auto direct = std::get<DirectResponseAction>(route("directResponseAction: {status: 418, body: tea}").action);
  EXPECT_EQ(direct.body, "tea");
}

TEST(VirtualService, warns_where_gloo_does) {
  EXPECT_EQ(read_kind("vs", "{}").said, "virtualHost: warning: is absent: nothing is served");
  EXPECT_EQ(read_kind("vs", "virtualHost: {routes: [{routeAction: {}}]}").said,
            "virtualHost.routes[0].routeAction: warning: no destination is set: requests are answered 503");
}

TEST(VirtualService, reads_options_of_routes_and_hosts) {
  const Route r =
      route(R"(routeAction: {dynamicForwardProxy: {}}, options: {timeout: 0s, idleTimeout: 1m, prefixRewrite: /x,
    hostRewrite: 'h.test:80', headerManipulation: {requestHeadersToAdd: [{header: {key: a, value: '%REQ(b)%'}, append: false},
    {headerSecretRef: {name: s, namespace: t}}], requestHeadersToRemove: [b], responseHeadersToAdd: [{header: {key: c}}],
    responseHeadersToRemove: [server]}})");
  EXPECT_EQ(r.options.timeout, Nanos(0));
  EXPECT_EQ(r.options.prefix_rewrite, "/x");
  const HeaderManipulation& m = r.options.header_manipulation;
  EXPECT_FALSE(m.request_headers_to_add[0].append);
  EXPECT_TRUE(m.response_headers_to_add[0].append);
  EXPECT_EQ(m.request_headers_to_add[1].header_secret_ref->name, "s");
  EXPECT_FALSE(m.empty());
}

TEST(VirtualService, with_a_mistake_is_refused) {
  const auto in_route = [](std::string_view s) { return fmt::format("virtualHost: {{routes: [{{{}}}]}}", s); };
  const auto matcher = [&](std::string_view s) {
    return in_route(fmt::format("directResponseAction: {{status: 200}}, matchers: [{{{}}}]", s));
  };
  const auto options = [&](std::string_view s) {
    return in_route(fmt::format("directResponseAction: {{status: 200}}, options: {{{}}}", s));
  };
  const auto headers = [&](std::string_view s) { return options(fmt::format("headerManipulation: {{{}}}", s)); };
  expect_bad(
      "vs",
      {
          {"virtualHost: {domains: ['']}", "virtualHost.domains[0]: an empty domain"},
          {"virtualHost: {domains: ['a b']}", "virtualHost.domains[0]: \"a b\" is no domain"},
          {"virtualHost: {domains: ['*a*']}", "virtualHost.domains[0]: \"*a*\" is no domain"},
          {"virtualHost: {domains: [a.*.com]}", "virtualHost.domains[0]: \"a.*.com\" is no domain"},
          {"virtualHost: {domains: ['http://a']}", "virtualHost.domains[0]: \"http://a\" is no domain"},
          {"virtualHost: {domains: ['**']}", "virtualHost.domains[0]: \"**\" is no domain"},
          {"virtualHost: {domains: a.com}", "virtualHost.domains: expected a list, got \"a.com\""},
          {"virtualHost: {optionsConfigRefs: {}}", "virtualHost.optionsConfigRefs: not supported yet"},
          {"virtualHost: {}\nsslConfig: {}", "sslConfig: not supported yet"},
          {"virtualHost: {}\nvirtualHosts: {}", "virtualHosts: unknown field; did you mean \"virtualHost\"?"},
          {"virtualHost: {options: {timeout: 5s}}", "virtualHost.options.timeout: unknown field"},
          {"virtualHost: {options: {jwt: {}}}", "virtualHost.options.jwt: not supported yet"},
          {"virtualHost: {options: {retries: {}}}", "virtualHost.options.retries: not supported yet"},
          {in_route(""), "virtualHost.routes[0].routeAction: invalid route: route must specify an action"},
          {in_route("routeAction: {}, redirectAction: {}"), "virtualHost.routes[0].redirectAction: only one of"},
          {in_route("delegateAction: {}"), "virtualHost.routes[0].delegateAction: not supported yet"},
          {in_route("routeAction: {single: {}}"),
           "virtualHost.routes[0].routeAction.single: one of upstream, kube, consul must be set"},
          {in_route("routeAction: {single: {upstream: {}}}"),
           "virtualHost.routes[0].routeAction.single.upstream.name: is required"},
          {in_route("routeAction: {single: {kube: {}}}"),
           "virtualHost.routes[0].routeAction.single.kube: not supported yet"},
          {in_route("routeAction: {upstreamGroup: {}}"),
           "virtualHost.routes[0].routeAction.upstreamGroup: not supported yet"},
          {in_route("routeAction: {clusterHeader: x}"),
           "virtualHost.routes[0].routeAction.clusterHeader: not supported yet"},
          {in_route("routeAction: {single: {upstream: {name: u}}, dynamicForwardProxy: {}}"),
           "virtualHost.routes[0].routeAction.dynamicForwardProxy: only one of single, dynamicForwardProxy may be set"},
          {in_route("routeAction: {multi: {destinations: []}}"),
           "virtualHost.routes[0].routeAction.multi.destinations: require a total weight"},
          {in_route("routeAction: {multi: {destinations: [{destination: {upstream: {name: u}}}]}}"),
           "virtualHost.routes[0].routeAction.multi.destinations: require a total weight"},
          {in_route("routeAction: {multi: {destinations: [{destination: {upstream: {name: u}}, weight: 4294967295}, "
                    "{destination: {upstream: {name: u}}, weight: 1}]}}"),
           "virtualHost.routes[0].routeAction.multi.destinations: weights add up"},
          {in_route("routeAction: {dynamicForwardProxy: {hostRewrite: a, autoHostRewriteHeader: b}}"),
           "virtualHost.routes[0].routeAction.dynamicForwardProxy.autoHostRewriteHeader: only one of"},
          {in_route("routeAction: {dynamicForwardProxy: {hostRewrite: 'http://a'}}"),
           "virtualHost.routes[0].routeAction.dynamicForwardProxy.hostRewrite: expected a host"},
          {in_route("routeAction: {dynamicForwardProxy: {hostRewrite: 'a:0'}}"),
           "virtualHost.routes[0].routeAction.dynamicForwardProxy.hostRewrite: expected a host"},
          {in_route("routeAction: {dynamicForwardProxy: {hostRewrite: 'u@a'}}"),
           "virtualHost.routes[0].routeAction.dynamicForwardProxy.hostRewrite: expected a host"},
          {in_route("routeAction: {dynamicForwardProxy: {autoHostRewriteHeader: 'a b'}}"),
           "virtualHost.routes[0].routeAction.dynamicForwardProxy.autoHostRewriteHeader: is no header name"},
          {in_route("redirectAction: {pathRedirect: /a, prefixRewrite: /b}"),
           "virtualHost.routes[0].redirectAction.prefixRewrite: only one of"},
          {in_route("redirectAction: {pathRedirect: //a}"),
           "virtualHost.routes[0].redirectAction.pathRedirect: the path is invalid: \"//a\" contains \"//\""},
          {in_route("redirectAction: {prefixRewrite: '/a b'}"),
           "virtualHost.routes[0].redirectAction.prefixRewrite: the rewrite is invalid"},
          {in_route("redirectAction: {regexRewrite: {pattern: {regex: '('}}}"),
           "virtualHost.routes[0].redirectAction.regexRewrite.pattern.regex: \"(\" is no regular"},
          {in_route("redirectAction: {regexRewrite: {}}"),
           "virtualHost.routes[0].redirectAction.regexRewrite.pattern: is required"},
          {in_route("redirectAction: {responseCode: 302}"),
           "virtualHost.routes[0].redirectAction.responseCode: expected one of MOVED_PERMANENTLY"},
          {in_route("redirectAction: {portRedirect: 65536}"),
           "virtualHost.routes[0].redirectAction.portRedirect: expected a whole number"},
          {in_route("directResponseAction: {}"), "virtualHost.routes[0].directResponseAction.status: is required"},
          {in_route("directResponseAction: {status: 199}"),
           "virtualHost.routes[0].directResponseAction.status: must be from 200 to 599, not 199"},
          {in_route("directResponseAction: {status: 600}"),
           "virtualHost.routes[0].directResponseAction.status: must be"},
          {in_route("directResponseAction: {status: 200, body: '" + std::string(4097, 'x') + "'}"),
           "virtualHost.routes[0].directResponseAction.body: must have at most 4096 bytes"},
          {matcher("methods: [GET]"),
           "virtualHost.routes[0].matchers[0]: one of prefix, exact, regex, connectMatcher must be set"},
          {matcher("prefix: /a, exact: /b"),
           "virtualHost.routes[0].matchers[0].exact: only one of prefix, exact may be set"},
          {matcher("prefix: ''"), "virtualHost.routes[0].matchers[0].prefix: no path specifier provided"},
          {matcher("prefix: /a%2fb"), "virtualHost.routes[0].matchers[0].prefix: the path is invalid"},
          {matcher("prefix: /a/../b"), "virtualHost.routes[0].matchers[0].prefix: the path is invalid"},
          {matcher("exact: /a/.."), "virtualHost.routes[0].matchers[0].exact: the path is invalid"},
          {matcher("exact: '/a?b'"), "virtualHost.routes[0].matchers[0].exact: the path is invalid"},
          {matcher("exact: '/a%2'"), "virtualHost.routes[0].matchers[0].exact: the path is invalid"},
          {matcher("exact: '/a#b'"), "virtualHost.routes[0].matchers[0].exact: the path is invalid"},
          {matcher("regex: '['"), "virtualHost.routes[0].matchers[0].regex: \"[\" is no regular expression"},
          {matcher("regex: '(a)\\1'"), "virtualHost.routes[0].matchers[0].regex: "},
          {matcher("connectMatcher: {}"), "virtualHost.routes[0].matchers[0].connectMatcher: not supported yet"},
          {matcher("prefix: /, methods: ['']"), "virtualHost.routes[0].matchers[0].methods[0]: must not be empty"},
          {matcher("prefix: /, methods: ['(']"), "virtualHost.routes[0].matchers[0].methods[0]: \"(\" is no regular"},
          {matcher("prefix: /, headers: [{value: a}]"),
           "virtualHost.routes[0].matchers[0].headers[0].name: is required"},
          {matcher("prefix: /, headers: [{name: 'a b'}]"),
           "virtualHost.routes[0].matchers[0].headers[0].name: is no header name"},
          {matcher("prefix: /, headers: [{name: a, value: '(', regex: true}]"),
           "virtualHost.routes[0].matchers[0].headers[0].value: \"(\" is no regular"},
          {matcher("prefix: /, queryParameters: [{name: ''}]"),
           "virtualHost.routes[0].matchers[0].queryParameters[0].name: must not be empty"},
          {matcher("prefx: /"), "virtualHost.routes[0].matchers[0]: one of prefix"},
          {options("timeout: -1s"), "virtualHost.routes[0].options.timeout: must not be negative"},
          {options("timeout: 5 secs"),
           "virtualHost.routes[0].options.timeout: expected a duration such as \"250ms\" or \"5s\", got \"5 secs\""},
          {options("retires: 3"), "virtualHost.routes[0].options.retires: unknown field; did you mean \"retries\"?"},
          {options("prefixRewrite: /a//b"), "virtualHost.routes[0].options.prefixRewrite: the rewrite is invalid"},
          {options("hostRewrite: 'a/b'"), "virtualHost.routes[0].options.hostRewrite: expected a host"},
          {options("autoHostRewrite: true"), "virtualHost.routes[0].options.autoHostRewrite: not supported yet"},
          {options("stagedTransformations: {}"),
           "virtualHost.routes[0].options.stagedTransformations: not supported yet"},
          {options("internalRedirect: {}"), "virtualHost.routes[0].options.internalRedirect: unknown field"},
          {headers("requestHeadersToAdd: [{}]"),
           "virtualHost.routes[0].options.headerManipulation.requestHeadersToAdd[0]: one of header, headerSecretRef "
           "must be set"},
          {headers("requestHeadersToAdd: [{header: {key: Host}}]"),
           "virtualHost.routes[0].options.headerManipulation.requestHeadersToAdd[0]: : -prefixed or host headers may "
           "not be modified. Received 'Host' header"},
          {headers("requestHeadersToAdd: [{header: {key: ':path'}}]"),
           "virtualHost.routes[0].options.headerManipulation.requestHeadersToAdd[0]: : -prefixed"},
          {headers("requestHeadersToAdd: [{header: {key: 'a b'}}]"),
           "virtualHost.routes[0].options.headerManipulation.requestHeadersToAdd[0]: \"a b\" is no header name"},
          {headers("requestHeadersToAdd: [{header: {key: a, value: \"x\\r\\ny: z\"}}]"),
           "virtualHost.routes[0].options.headerManipulation.requestHeadersToAdd[0].header.value: must not hold line "
           "breaks"},
          {headers("requestHeadersToRemove: [host]"),
           "virtualHost.routes[0].options.headerManipulation.requestHeadersToRemove[0]: : -prefixed"},
          {headers("responseHeadersToAdd: [{header: {key: host}}]"),
           "virtualHost.routes[0].options.headerManipulation.responseHeadersToAdd[0]: cannot set Host header in "
           "response headers"},
          {headers("responseHeadersToAdd: [{header: {key: ':status'}}]"),
           "virtualHost.routes[0].options.headerManipulation.responseHeadersToAdd[0]: :-prefixed headers cannot be "
           "set: ':status'"},
          {headers("responseHeadersToAdd: [{append: true}]"),
           "virtualHost.routes[0].options.headerManipulation.responseHeadersToAdd[0].header: is required"},
      });
}

// ---- Upstream ----

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
          {"static: {hosts: [{addr: a, port: 1}]}\nkube: {}",
           "kube: not supported yet\nkube: only one of static, kube may be set"},
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

// ---- Secret, ConfigMap ----

TEST(Secret, decodes_its_values_and_prefers_texts) {
  const auto s = good<Secret>("secret", "type: Opaque\ndata: {a: aGk=, b: \"aG\\nk=\"}\nstringData: {a: text, c: ''}");
  EXPECT_EQ(s.data, (std::map<std::string, std::string>{{"a", "text"}, {"b", "hi"}, {"c", ""}}));
}

TEST(Secret, with_a_mistake_is_refused_without_its_values) {
  expect_bad("secret",
             {
                 {"data: {a: 'not base64!'}", "data: the value of \"a\" is not base64"},
                 {"data: {a: aGk}", "data: the value of \"a\" is not base64"},
                 {"data: {a: 12345}", "data.a: expected text, got a whole number"},
                 {"data: {'a/b': ''}", "data: \"a/b\" is no key"},
                 {"data: [a]", "data: expected a map, got a list"},
                 {"stringData: {a: 1}", "stringData.a: expected text, got a whole number"},
                 {"dta: {}", "dta: unknown field; did you mean \"data\"?"},
                 {"stringData: {a: '" + std::string((1 << 20) + 1, 'x') + "'}", "data: holds more than 1 MiB"},
             });
}

TEST(Secret, is_shown_without_its_values) {
  const Node secret = *parse_json(R"({"kind":"Secret","metadata":{"name":"s","annotations":{"a":"b",
    "kubectl.kubernetes.io/last-applied-configuration":"{\"data\":{\"a\":\"aGk=\"}}"}},"data":{"a":"aGk="},"stringData":{"b":"c"}})");
  EXPECT_EQ(
      to_json(redacted(secret)),
      R"({"kind":"Secret","metadata":{"name":"s","annotations":{"a":"b","kubectl.kubernetes.io/last-applied-configuration":"[redacted]"}},)"
      R"("data":{"a":"[redacted]"},"stringData":{"b":"[redacted]"}})");
  const Node other = *parse_json(R"({"kind":"ConfigMap","data":{"a":"b"}})");
  EXPECT_EQ(redacted(other), other);
}

TEST(ConfigMap, holds_text_and_bytes) {
  const auto m = good<ConfigMap>("cm", "data: {a: b}\nbinaryData: {c: AAE=}");
  EXPECT_EQ(m.data.at("a"), "b");
  EXPECT_EQ(m.binary_data.at("c"), std::string("\0\1", 2));
  expect_bad("cm", {{"data: {a: 1}", "data.a: expected text, got 1; put it in quotes"},
                    {"data: {a: b}\nbinaryData: {a: ''}", "binaryData: \"a\" is in data too"},
                    {"binaryData: {a: '*'}", "binaryData: the value of \"a\" is not base64"},
                    {"spec: {}", "spec: unknown field"}});
}

// ---- Own kinds ----

constexpr std::string_view kTarget = "targetRefs: [{group: gateway.solo.io, kind: Gateway, name: g}]\n";

TEST(EgressPolicy, reads_class_words_and_cidrs) {
  const auto p = good<EgressPolicy>(
      "egp", fmt::format("{}rules: [{{name: a, action: allow, match: {{addresses: [loopback, 10.0.0.0/8, '::1', "
                         "'fd00::/8']}}}}, {{name: b, action: shadow, match: {{addresses: [global]}}}}]",
                         kTarget));
  EXPECT_EQ(p.rules[0].action, EgressAction::allow);
  EXPECT_EQ(p.rules[0].match.addresses.size(), 4u);
  EXPECT_EQ(p.rules[1].action, EgressAction::shadow);
}

TEST(EgressPolicy, with_a_mistake_is_refused) {
  const auto rule = [](std::string_view s) { return fmt::format("{}rules: [{{{}}}]", kTarget, s); };
  const auto addresses = [&](std::string_view s) {
    return rule(fmt::format("name: a, action: allow, match: {{addresses: [{}]}}", s));
  };
  expect_bad(
      "egp",
      {
          {"{}", "targetRefs: is required"},
          {"targetRefs: []", "targetRefs: must name at least one object"},
          {"targetRefs: [{group: gateway.solo.io, kind: Upstream, name: a}]",
           "targetRefs[0]: expected a Gateway or a VirtualService"},
          {"targetRefs: [{group: sluice.dev, kind: EgressListener, name: a}]", "targetRefs[0].kind: not supported yet"},
          {"targetRefs: [{kind: Gateway, name: a}]", "targetRefs[0].group: is required"},
          {"targetRefs: [{group: gateway.solo.io, kind: Gateway, name: A}]", "targetRefs[0].name: \"A\" is no name"},
          {rule("action: allow, match: {addresses: [global]}"), "rules[0].name: is required"},
          {rule("name: a, match: {addresses: [global]}"), "rules[0].action: is required"},
          {rule("name: a, action: alow, match: {addresses: [global]}"),
           "rules[0].action: expected one of allow, deny, shadow, got \"alow\"; did you mean \"allow\"?"},
          {rule("name: a, action: allow"), "rules[0].match: is required"},
          {rule("name: a, action: allow, match: {}"), "rules[0].match.addresses: is required"},
          {rule("name: a, action: allow, match: {addresses: [global], ports: [80]}"),
           "rules[0].match.ports: not supported yet"},
          {addresses(""), "rules[0].match.addresses: must name at least one"},
          {addresses("lopback"),
           "rules[0].match.addresses[0]: expected a CIDR such as \"10.0.0.0/8\" or one of unspecified"},
          {addresses("10.0.0.0/33"), "rules[0].match.addresses[0]: expected a CIDR"},
          {addresses("'::/129'"), "rules[0].match.addresses[0]: expected a CIDR"},
          {addresses("10.0.0/8"), "rules[0].match.addresses[0]: expected a CIDR"},
          {addresses("10.0.0.0/"), "rules[0].match.addresses[0]: expected a CIDR"},
          {addresses("multicast"), "rules[0].match: multicast addresses are never opened"},
          {addresses("unspecified"), "rules[0].match: unspecified addresses are never opened"},
          {fmt::format("{}rules: [{{name: a, action: deny, match: {{addresses: [global]}}}}, {{name: a, action: deny, "
                       "match: {{addresses: [global]}}}}]",
                       kTarget),
           "rules[1]: another rule is called \"a\""},
          {fmt::format("{}limits: {{}}", kTarget), "limits: not supported yet"},
      });
}

TEST(ProxySettings, has_defaults_and_limits) {
  const auto d = good<ProxySettings>("proxysettings", kTarget);
  EXPECT_EQ(d.jwt_cache.entries_max, 10'000u);
  EXPECT_EQ(d.jwt_cache.ttl_max, 5min);
  EXPECT_EQ(d.local_answers, LocalAnswers::envoy);
  const auto s = good<ProxySettings>(
      "proxysettings",
      fmt::format("{}jwtCache: {{entriesMax: 0, ttlMax: 1s}}\nlocalAnswers: proxy\ndrainTimeout: 5s", kTarget));
  EXPECT_EQ(s.jwt_cache.entries_max, 0u);
  EXPECT_EQ(s.local_answers, LocalAnswers::proxy);
  const auto with = [](std::string_view more) { return fmt::format("{}{}", kTarget, more); };
  expect_bad(
      "proxysettings",
      {{with("jwtCache: {ttlMax: 0s}"), "jwtCache.ttlMax: must be more than 0"},
       {with("jwtCache: {entriesMax: 10000001}"), "jwtCache.entriesMax: must be from 0 to 10000000"},
       {with("drainTimeout: 0s"), "drainTimeout: must be more than 0"},
       {with("localAnswers: squid"), "localAnswers: expected one of envoy, proxy"},
       {with("dns: {}"), "dns: not supported yet"},
       {"targetRefs: [{group: gateway.solo.io, kind: VirtualService, name: v}]", "targetRefs[0]: expected a Gateway"}});
}

TEST(Kinds, are_found_by_every_name_that_people_type) {
  struct {
    const char* word;
    const char* kind;
  } rows[] = {{"vs", "VirtualService"},
              {"VirtualServices", "VirtualService"},
              {"gw", "Gateway"},
              {"gateways", "Gateway"},
              {"us", "Upstream"},
              {"secrets", "Secret"},
              {"cm", "ConfigMap"},
              {"rt", "RouteTable"},
              {"egresspolicy", "EgressPolicy"}};
  for (const auto& row : rows) {
    const KindInfo* info = find_resource(row.word);
    ASSERT_NE(info, nullptr) << row.word;
    EXPECT_EQ(info->kind, row.kind);
  }
  for (const char* word : {"", "v", "pods", "vss"}) EXPECT_EQ(find_resource(word), nullptr) << word;
  EXPECT_EQ(find_kind("v1", "Gateway"), nullptr);
  EXPECT_NE(find_kind("gateway.solo.io/v1", "Gateway"), nullptr);
}

TEST(Kinds, that_are_supported_can_be_described) {
  for (const KindInfo& info : all_kinds()) {
    if (!info.supported) continue;
    EXPECT_FALSE(info.describe({}).fields.empty()) << info.kind;
  }
}

}  // namespace
}  // namespace sluice::kinds
