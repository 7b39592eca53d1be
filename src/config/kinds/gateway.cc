#include "config/kinds/gateway.h"

#include <fmt/format.h>

#include "base/strings.h"
#include "config/field_names.h"
#include "config/kinds/paths.h"

namespace sluice::kinds {
namespace {

constexpr size_t kSocketOptionsMax = 64;

// Gloo says nothing of them.
void warn_of_settings_without_effect(Fields& f, const Gateway& g) {
  if (g.ssl && g.hybrid_gateway)
    f.warning("ssl", "has no effect on a hybridGateway: its matchers have an sslConfig each");
  if (!g.tcp_gateway) return;
  if (g.ssl) f.warning("ssl", "has no effect on a tcpGateway: its tcpHosts have an sslConfig each");
  if (f.present("routeOptions")) f.warning("routeOptions", "has no effect on a tcpGateway, which has no routes");
  const Node* options = f.node("options");
  if (options && find_field(*options, {"perConnectionBufferLimitBytes"}))
    f.warning("options",
              "perConnectionBufferLimitBytes has no effect on a tcpGateway: bytes are passed on as they come");
}

}  // namespace

void bind(Fields& f, FileSink& s) {
  f.required("path", s.path, "File to append to; `/dev/stdout` is the standard output.");
  f.optional("stringFormat", s.string_format,
             "Line with operators such as `%RESPONSE_CODE%`; Envoy's default when empty.");
  f.optional("jsonFormat", s.json_format, "A JSON object a line; its texts may hold operators.");
  f.one_of({"stringFormat", "jsonFormat"});
  if (f.present("path")) f.check(!s.path.empty(), "path", "must not be empty");
  if (s.json_format) f.check(s.json_format->map() != nullptr, "jsonFormat", "must be a map");
}

void bind(Fields& f, AccessLog& l) {
  f.optional("fileSink", l.file_sink, "Write to a file.");
  f.unsupported({"grpcService", "openTelemetryService", "filter"});
  f.exactly_one({"fileSink", "grpcService", "openTelemetryService"});
}

void bind(Fields& f, AccessLoggingService& s) {
  f.optional("accessLog", s.access_log, "The logs, each to one place.");
}

void bind(Fields& f, ListenerOptions& o) {
  f.optional("accessLoggingService", o.access_logging_service, "Access logs; standard output when absent.");
  f.optional("perConnectionBufferLimitBytes", o.per_connection_buffer_limit_bytes,
             "Bytes of a body held at most while something needs it whole; 0 is the default.");
  f.optional("proxyProtocol", o.proxy_protocol,
             "Connections begin with a header of the PROXY protocol, version 1 or 2, which names the client.");
  f.optional("socketOptions", o.socket_options,
             "What setsockopt() is told of the listening sockets; the system passes most of it on to the connections.");
  f.optional("connectionBalanceConfig", o.connection_balance_config, "How connections are spread over the workers.");
  f.optional("tcpStats", o.tcp_stats, "Count what the system knows of each connection when it is closed.");
  f.check(o.socket_options.size() <= kSocketOptionsMax, "socketOptions", "must be at most 64");
  f.unsupported({"listenerAccessLoggingService"});
  f.without_effect("extensions", "there are no extensions of listeners to be configured");
  if (o.per_connection_buffer_limit_bytes == 0)
    o.per_connection_buffer_limit_bytes = ListenerOptions().per_connection_buffer_limit_bytes;
}

void bind(Fields& f, RouteConfigurationOptions& o) {
  f.optional("maxDirectResponseBodySizeBytes", o.max_direct_response_body_size_bytes,
             "The longest body of a directResponseAction; a longer one is an error of its VirtualService.");
  f.optional("mostSpecificHeaderMutationsWins", o.most_specific_header_mutations_wins,
             "Where several levels set one header: the weighted destination's or route's stays; false: the virtual "
             "host's.");
}

void bind(Fields& f, Gateway& g) {
  constexpr std::string_view kChoices = "127.0.0.1 is reached from this machine only, :: from everywhere (IPv4 too)";
  f.required("bindAddress", g.bind_address, "IP literal to listen on. An IPv6 wildcard takes IPv4 too.", kChoices);
  f.optional("bindPort", g.bind_port, "Port to listen on; 0: any that is free.");
  f.optional("proxyNames", g.proxy_names, "Proxies that this Gateway is part of.");
  f.optional("options", g.options, "Settings of the listener.");
  f.optional("httpGateway", g.http_gateway, "An HTTP listener.");
  f.optional("tcpGateway", g.tcp_gateway, "A TCP listener.");
  f.optional("hybridGateway", g.hybrid_gateway, "Several listeners of both kinds on one port, each for its clients.");
  f.optional("routeOptions", g.route_options, "Settings for all routes.");
  bool proxy_protocol = false;
  f.optional("ssl", g.ssl, "Serve TLS, and the VirtualServices with sslConfig; false: those without.");
  f.optional("useProxyProto", proxy_protocol,
             "An older spelling of `options.proxyProtocol: {}`, which goes before it.");
  f.ignored("namespacedStatuses", "Kept by Gloo.");
  if (!f.present("bindPort"))
    f.warning("bindPort", "is not set: the system chooses a free port, which `sluice proxy url` tells");
  if (proxy_protocol && !g.options.proxy_protocol) g.options.proxy_protocol.emplace();
  f.exactly_one({"httpGateway", "tcpGateway", "hybridGateway"});
  if (f.present("bindAddress") && !is_ip_literal(g.bind_address))
    f.check(false, "bindAddress",
            fmt::format("bindAddress {} is not a valid IP address; {}", printable(g.bind_address, 60), kChoices));
  if (g.proxy_names.empty()) g.proxy_names = Gateway().proxy_names;
  warn_of_settings_without_effect(f, g);
}

}  // namespace sluice::kinds
