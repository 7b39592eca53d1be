#include "config/kinds/testing.h"

namespace sluice::kinds {
namespace {

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
      codecType: HTTP2
      http2ProtocolOptions:
        maxConcurrentStreams: 5
        initialStreamWindowSize: 65535
        initialConnectionWindowSize: 65536
        overrideStreamErrorOnInvalidHttpMessage: false
    connectionLimit: {maxActiveConnections: 7, delayBeforeClose: 2s}
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
            - socketAddress: {address: '::1', portValue: 53, protocol: TCP, ipv4Compat: false}
          dnsResolverOptions: {useTcpForDnsLookups: true, noDefaultSearchDomain: false}
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
  EXPECT_EQ(http.codec_type, CodecType::http2);
  EXPECT_EQ(http.http2_protocol_options.max_concurrent_streams, 5U);
  EXPECT_EQ(http.http2_protocol_options.initial_stream_window_size, 65'535U);
  EXPECT_EQ(http.http2_protocol_options.initial_connection_window_size, 65'536U);
  EXPECT_FALSE(http.http2_protocol_options.override_stream_error_on_invalid_http_message);
  EXPECT_EQ(g.http_gateway.options.connection_limit.max_active_connections, 7U);
  EXPECT_EQ(g.http_gateway.options.connection_limit.delay_before_close, 2s);
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
  EXPECT_EQ(http.codec_type, CodecType::automatic);
  EXPECT_TRUE(http.normalize_path && http.generate_request_id && http.upgrades.websocket);
  const auto& dns = g.http_gateway.options.dynamic_forward_proxy->dns_cache_config;
  EXPECT_EQ(dns.dns_lookup_family, DnsLookupFamily::v4_preferred);
  EXPECT_EQ(dns.dns_refresh_rate, 60s);
  EXPECT_EQ(dns.host_ttl, 5min);
  EXPECT_EQ(dns.max_hosts, 1024u);
  EXPECT_EQ(dns.dns_query_timeout, 5s);
  EXPECT_FALSE(dns.cares_dns);
}

TEST(Gateway, takes_a_range_of_addresses_by_the_bits_that_count) {
  const auto g =
      good<Gateway>("gw",
                    "{bindAddress: '::', bindPort: 1, httpGateway: {options: {httpConnectionManagerSettings: "
                    "{internalAddressConfig: {cidrRanges: [{addressPrefix: 10.1.2.3, prefixLen: 8}, "
                    "{addressPrefix: 'fd00::1', prefixLen: 70}, {addressPrefix: 0.0.0.0}]}}}}}");
  const auto& ranges = g.http_gateway.options.http_connection_manager_settings.internal_address_config.cidr_ranges;
  EXPECT_EQ(ranges[0].range.to_string(), "10.0.0.0/8");
  EXPECT_EQ(ranges[1].range.to_string(), "fd00::/70");
  EXPECT_EQ(ranges[2].range.to_string(), "0.0.0.0/0");
}

TEST(Gateway, says_which_way_to_select_does_nothing) {
  const auto said = [](std::string_view http) {
    return read_kind("gw", fmt::format("{{bindAddress: '::', bindPort: 1, httpGateway: {{{}}}}}", http)).said;
  };
  const std::string refs = "virtualServices: [{name: a, namespace: b}]";
  EXPECT_EQ(said(refs + ", virtualServiceSelector: {a: b}"),
            "httpGateway.virtualServices: warning: has no effect beside virtualServiceSelector, which alone selects");
  EXPECT_EQ(said(refs + ", virtualServiceNamespaces: [b]"),
            "httpGateway.virtualServiceNamespaces: warning: has no effect on virtualServices: each of them names its "
            "namespace");
  EXPECT_EQ(said(refs + ", virtualServiceSelector: {}"), "");
  EXPECT_EQ(said("virtualServiceSelector: {a: b}, virtualServiceNamespaces: [b]"), "");
}

TEST(Gateway, with_a_mistake_is_refused) {
  const auto with = [](std::string_view more) { return fmt::format("bindAddress: 127.0.0.1\nbindPort: 1\n{}", more); };
  const auto http = [](std::string_view options) {
    return fmt::format("bindAddress: 127.0.0.1\nbindPort: 1\nhttpGateway: {{options: {{{}}}}}", options);
  };
  const auto manager = [&](std::string_view s) {
    return http(fmt::format("httpConnectionManagerSettings: {{{}}}", s));
  };
  const auto expression = [&](std::string_view one) {
    return with(fmt::format("httpGateway: {{virtualServiceExpressions: {{expressions: [{{{}}}]}}}}", one));
  };
  const auto dns = [&](std::string_view s) {
    return http(fmt::format("dynamicForwardProxy: {{dnsCacheConfig: {{{}}}}}", s));
  };
  expect_bad(
      "gw",
      {
          {"bindPort: 1\nhttpGateway: {}",
           "bindAddress: is required: 127.0.0.1 is reached from this machine only, :: from everywhere"},
          {"bindAddress: localhost\nbindPort: 1\nhttpGateway: {}",
           "bindAddress: bindAddress localhost is not a valid IP address; 127.0.0.1 is"},
          {"bindAddress: 127.0.0.1:80\nbindPort: 1\nhttpGateway: {}",
           "bindAddress: bindAddress 127.0.0.1:80 is not a valid IP"},
          {"bindAddress: '[::1]'\nbindPort: 1\nhttpGateway: {}", "bindAddress: bindAddress [::1] is not"},
          {"bindAddress: 1.2.3\nbindPort: 1\nhttpGateway: {}", "bindAddress: bindAddress 1.2.3 is not"},
          {"bindAddress: ''\nbindPort: 1\nhttpGateway: {}", "bindAddress: bindAddress  is not"},
          {"bindAddress: ::1\nbindPort: 65536\nhttpGateway: {}",
           "bindPort: expected a whole number from 0 to 65535, got 65536"},
          {"bindAddress: ::1\nbindPort: -1\nhttpGateway: {}",
           "bindPort: expected a whole number from 0 to 65535, got -1"},
          {with(""), ": one of httpGateway, tcpGateway, hybridGateway must be set"},
          {with("httpGateway: {}\ntcpGateway: {}"), "tcpGateway: only one of httpGateway, tcpGateway may be set"},
          {http("connectionLimit: {maxActiveConnections: 0}"),
           "httpGateway.options.connectionLimit.maxActiveConnections: must be from 1 to 4294967295, not 0"},
          {http("connectionLimit: {maxActiveConnections: 1, delayBeforeClose: -1s}"),
           "httpGateway.options.connectionLimit.delayBeforeClose: must not be negative"},
          {http("connectionLimit: {delayBeforeClose: 1s}"),
           "httpGateway.options.connectionLimit.delayBeforeClose: warning: has no effect without maxActiveConnections"},
          {manager("maxConnectionDuration: -1s"),
           "httpGateway.options.httpConnectionManagerSettings.maxConnectionDuration: must not be negative"},
          {manager("maxStreamDuration: -1s"),
           "httpGateway.options.httpConnectionManagerSettings.maxStreamDuration: must not be negative"},
          {manager("delayedCloseTimeout: -1s"),
           "httpGateway.options.httpConnectionManagerSettings.delayedCloseTimeout: must not be negative"},
          {manager("maxRequestsPerConnection: -1"),
           "httpGateway.options.httpConnectionManagerSettings.maxRequestsPerConnection: expected a whole number"},
          {manager("serverHeaderTransformation: APPEND"),
           "httpGateway.options.httpConnectionManagerSettings.serverHeaderTransformation: "},
          {manager("pathWithEscapedSlashesAction: UNESCAPE"),
           "httpGateway.options.httpConnectionManagerSettings.pathWithEscapedSlashesAction: "},
          {manager("headersWithUnderscoresAction: REJECT_REQUEST"),
           "httpGateway.options.httpConnectionManagerSettings.headersWithUnderscoresAction: "},
          {manager("defaultHostForHttp10: h"),
           "httpGateway.options.httpConnectionManagerSettings.defaultHostForHttp10: warning: has no effect without "
           "acceptHttp10"},
          {manager("acceptHttp10: true, defaultHostForHttp10: 'a b'"),
           "httpGateway.options.httpConnectionManagerSettings.defaultHostForHttp10: must be a host"},
          {manager("properCaseHeaderKeyFormat: true, preserveCaseHeaderKeyFormat: true"),
           "httpGateway.options.httpConnectionManagerSettings.preserveCaseHeaderKeyFormat: only one of "
           "properCaseHeaderKeyFormat, preserveCaseHeaderKeyFormat may be set"},
          {manager("internalAddressConfig: {cidrRanges: [{addressPrefix: 10.0.0, prefixLen: 8}]}"),
           "httpGateway.options.httpConnectionManagerSettings.internalAddressConfig.cidrRanges[0].addressPrefix: "
           "malformed IP address: 10.0.0"},
          {manager("internalAddressConfig: {cidrRanges: [{addressPrefix: 10.0.0.0, prefixLen: 33}]}"),
           "httpGateway.options.httpConnectionManagerSettings.internalAddressConfig.cidrRanges[0].prefixLen: must be "
           "from 0 to 32, not 33"},
          {manager("internalAddressConfig: {cidrRanges: [{prefixLen: 8}]}"),
           "httpGateway.options.httpConnectionManagerSettings.internalAddressConfig.cidrRanges[0].addressPrefix: is "
           "required"},
          {manager("earlyHeaderManipulation: {headersToAdd: [{header: {key: ':path', value: /}}]}"),
           "httpGateway.options.httpConnectionManagerSettings.earlyHeaderManipulation.headersToAdd[0]: "},
          {manager("earlyHeaderManipulation: {headersToRemove: [host]}"),
           "httpGateway.options.httpConnectionManagerSettings.earlyHeaderManipulation.headersToRemove[0]: host cannot"},
          {manager("forwardClientCertDetails: SANITISE"),
           "httpGateway.options.httpConnectionManagerSettings.forwardClientCertDetails: "},
          {manager("setCurrentClientCertDetails: {subject: true}"),
           "httpGateway.options.httpConnectionManagerSettings.setCurrentClientCertDetails: warning: has no effect "
           "unless"},
          {manager("codecType: HTTP1, http2ProtocolOptions: {maxConcurrentStreams: 1}"),
           "httpGateway.options.httpConnectionManagerSettings.http2ProtocolOptions: warning: has no effect: codecType "
           "is HTTP1"},
          {manager("codecType: HTTP2, acceptHttp10: true, defaultHostForHttp10: h, allowChunkedLength: true, "
                   "enableTrailers: false, properCaseHeaderKeyFormat: true"),
           "httpGateway.options.httpConnectionManagerSettings.acceptHttp10: warning: has no effect: codecType is "
           "HTTP2\n"
           "httpGateway.options.httpConnectionManagerSettings.defaultHostForHttp10: warning: has no effect: codecType "
           "is HTTP2\n"
           "httpGateway.options.httpConnectionManagerSettings.allowChunkedLength: warning: has no effect: codecType is "
           "HTTP2\n"
           "httpGateway.options.httpConnectionManagerSettings.enableTrailers: warning: has no effect: codecType is "
           "HTTP2\n"
           "httpGateway.options.httpConnectionManagerSettings.properCaseHeaderKeyFormat: warning: has no effect: "
           "codecType is HTTP2"},
          {manager("codecType: HTTP2, preserveCaseHeaderKeyFormat: true"),
           "httpGateway.options.httpConnectionManagerSettings.preserveCaseHeaderKeyFormat: warning: has no effect: "
           "codecType is HTTP2"},
          {http("dynamicForwardProxy: {sslConfig: {sni: a}}"),
           "httpGateway.options.dynamicForwardProxy.sslConfig.sni: warning: has no effect: each destination is asked "
           "for by its own name"},
          {with("httpGateway: {}\nssl: maybe"), "ssl: expected true or false"},
          {with("httpGateway: {}\nrouteOptions: {maxDirectResponseBodySizeBytes: -1}"),
           "routeOptions.maxDirectResponseBodySizeBytes: expected a whole number"},
          {http("router: {dynamicStats: false}"), "httpGateway.options.router.dynamicStats: warning: has no effect"},
          {http("sanitizeClusterHeader: true"), "httpGateway.options.sanitizeClusterHeader: not supported yet"},
          {with("httpGateway: {}\nbindAddres: x"), "bindAddres: unknown field; did you mean \"bindAddress\"?"},
          {expression("operator: Exists"), "httpGateway.virtualServiceExpressions.expressions[0].key: is required"},
          {expression("key: 'a b', operator: Exists"),
           "httpGateway.virtualServiceExpressions.expressions[0].key: \"a b\" is no key"},
          {expression("key: a, operator: Has"), "httpGateway.virtualServiceExpressions.expressions[0].operator: "},
          {expression("key: a, operator: In"),
           "httpGateway.virtualServiceExpressions.expressions[0].values: for 'in', 'notin' operators, values set can't "
           "be empty"},
          {expression("key: a"),
           "httpGateway.virtualServiceExpressions.expressions[0].values: exact-match compatibility requires one single "
           "value"},
          {expression("key: a, values: [b, c]"),
           "httpGateway.virtualServiceExpressions.expressions[0].values: exact-match compatibility requires one single "
           "value"},
          {expression("key: a, operator: Exists, values: [b]"),
           "httpGateway.virtualServiceExpressions.expressions[0].values: values set must be empty for exists and does "
           "not exist"},
          {expression("key: a, operator: LessThan, values: [b]"),
           "httpGateway.virtualServiceExpressions.expressions[0].values: for 'Gt', 'Lt' operators, the value must be "
           "an integer"},
          {expression("key: a, operator: GreaterThan"),
           "httpGateway.virtualServiceExpressions.expressions[0].values: for 'Gt', 'Lt' operators, exactly one value "
           "is required"},
          {expression("key: a, values: ['b c']"),
           "httpGateway.virtualServiceExpressions.expressions[0].values[0]: \"b c\" is no label value"},
          {with("httpGateway: {virtualServices: [{namespace: a}]}"),
           "httpGateway.virtualServices[0].name: is required"},
          {with("httpGateway: {}\noptions: {socketOptions: [{intValue: 1}]}"),
           "options.socketOptions[0].name: is required"},
          {with("httpGateway: {}\noptions: {socketOptions: [{name: 9}]}"),
           "options.socketOptions[0]: one of intValue, bufValue must be set"},
          {with("httpGateway: {}\noptions: {socketOptions: [{name: 9, intValue: 1, bufValue: AA==}]}"),
           "options.socketOptions[0].bufValue: only one of intValue, bufValue may be set"},
          {with("httpGateway: {}\noptions: {socketOptions: [{name: 9, bufValue: 'a'}]}"),
           "options.socketOptions[0].bufValue: must be base64, with padding, of 1 to 1024 bytes"},
          {with("httpGateway: {}\noptions: {socketOptions: [{name: 9, bufValue: ''}]}"),
           "options.socketOptions[0].bufValue: must be base64, with padding, of 1 to 1024 bytes"},
          {with("httpGateway: {}\noptions: {socketOptions: [{name: 9, intValue: 1, state: STATE_OPEN}]}"),
           "options.socketOptions[0].state: "},
          {with("httpGateway: {}\noptions: {connectionBalanceConfig: {}}"),
           "options.connectionBalanceConfig.exactBalance: is required"},
          {http("httpConnectionManagerSettings: {drainTimeout: -1s}"),
           "httpGateway.options.httpConnectionManagerSettings.drainTimeout: must not be negative"},
          {with("httpGateway: {}\noptions: {extensions: {a: {}}}"),
           "options.extensions: warning: has no effect: there"},
          {with("httpGateway: {}\noptions: {proxyProtocol: {rules: [{tlvType: 256, onTlvPresent: {key: a}}]}}"),
           "options.proxyProtocol.rules[0].tlvType: must be from 0 to 255, not 256"},
          {with("httpGateway: {}\noptions: {proxyProtocol: {rules: [{tlvType: 1}]}}"),
           "options.proxyProtocol.rules[0].onTlvPresent: is required"},
          {with("httpGateway: {}\noptions: {proxyProtocol: {rules: [{onTlvPresent: {key: ''}}]}}"),
           "options.proxyProtocol.rules[0].onTlvPresent.key: must not be empty"},
          {with("httpGateway: {}\noptions: {accessLoggingService: {accessLog: [{}]}}"),
           "options.accessLoggingService.accessLog[0]: fileSink must be set"},
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
          {manager("codecType: HTTP3"), "httpGateway.options.httpConnectionManagerSettings.codecType: expected"},
          {manager("http2ProtocolOptions: {maxConcurrentStreams: 0}"),
           "httpGateway.options.httpConnectionManagerSettings.http2ProtocolOptions.maxConcurrentStreams: must be from "
           "1 to 2147483647, not 0"},
          {manager("http2ProtocolOptions: {initialStreamWindowSize: 65534}"),
           "httpGateway.options.httpConnectionManagerSettings.http2ProtocolOptions.initialStreamWindowSize: must be "
           "from 65535 to 2147483647, not 65534"},
          {manager("http2ProtocolOptions: {initialConnectionWindowSize: 2147483648}"),
           "httpGateway.options.httpConnectionManagerSettings.http2ProtocolOptions.initialConnectionWindowSize: must "
           "be from 65535 to 2147483647"},
          {manager("tracing: {}"), "httpGateway.options.httpConnectionManagerSettings.tracing: not supported yet"},
          {manager("upgrades: [{websocket: {}}, {websocket: {}}]"),
           "httpGateway.options.httpConnectionManagerSettings.upgrades[1]: upgrade config websocket is not unique"},
          {manager("upgrades: [{connect: {}}]"),
           "httpGateway.options.httpConnectionManagerSettings.upgrades[0].connect: not supported yet"},
          {manager("upgrades: [{}]"),
           "httpGateway.options.httpConnectionManagerSettings.upgrades[0]: websocket must be set"},
          {http("dynamicForwardProxy: {sslConfig: {sds: {}}}"),
           "httpGateway.options.dynamicForwardProxy.sslConfig.sds: cannot be had here"},
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

TEST(Gateway, expects_the_PROXY_protocol_by_either_spelling) {
  EXPECT_FALSE(good<Gateway>("gw", "bindAddress: ::1\nbindPort: 1\nhttpGateway: {}").options.proxy_protocol);
  EXPECT_TRUE(good<Gateway>("gw", "bindAddress: ::1\nbindPort: 1\nhttpGateway: {}\nuseProxyProto: true")
                  .options.proxy_protocol);
  const Gateway both =
      good<Gateway>("gw",
                    "bindAddress: ::1\nbindPort: 1\nhttpGateway: {}\nuseProxyProto: true\noptions: {proxyProtocol: {"
                    "allowRequestsWithoutProxyProtocol: true, rules: [{tlvType: 234, onTlvPresent: {key: vpce}}]}}");
  ASSERT_TRUE(both.options.proxy_protocol);
  EXPECT_TRUE(both.options.proxy_protocol->allow_requests_without_proxy_protocol);
  ASSERT_EQ(both.options.proxy_protocol->rules.size(), 1U);
  EXPECT_EQ(both.options.proxy_protocol->rules[0].tlv_type, 234U);
  EXPECT_EQ(both.options.proxy_protocol->rules[0].on_tlv_present.metadata_namespace,
            "envoy.filters.listener.proxy_protocol");
}

}  // namespace
}  // namespace sluice::kinds
