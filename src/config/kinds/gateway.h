// Gateway (gateway.solo.io/v1): one listener, what it serves, and its settings (reference gloo-core.md 2).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "config/kinds/http_gateway.h"
#include "config/kinds/hybrid_gateway.h"
#include "config/kinds/proxy_protocol.h"
#include "config/kinds/socket_option.h"
#include "config/kinds/tcp_gateway.h"

namespace sluice::kinds {

struct FileSink {
  std::string path;
  std::string string_format;        // empty and no JSON: Envoy's default format
  std::optional<Node> json_format;  // a map
};
void bind(Fields& f, FileSink& sink);

struct AccessLog {
  FileSink file_sink;
};
void bind(Fields& f, AccessLog& log);

struct AccessLoggingService {
  std::vector<AccessLog> access_log;
};
void bind(Fields& f, AccessLoggingService& service);

struct ListenerOptions {
  std::optional<AccessLoggingService> access_logging_service;  // nothing: the default log to standard output
  uint32_t per_connection_buffer_limit_bytes = 1 << 20;        // 0 in the document is "not set"
  std::optional<ProxyProtocol> proxy_protocol;                 // nothing: none is expected
  std::vector<SocketOption> socket_options;
  std::optional<ConnectionBalanceConfig> connection_balance_config;  // nothing: as the kernel spreads them
  bool tcp_stats = false;
};
void bind(Fields& f, ListenerOptions& options);

// Of all routes of a Gateway.
struct RouteConfigurationOptions {
  uint32_t max_direct_response_body_size_bytes = 4096;
  bool most_specific_header_mutations_wins = false;
};
void bind(Fields& f, RouteConfigurationOptions& options);

struct Gateway {
  std::string bind_address;  // an IP literal
  uint16_t bind_port = 0;    // 0: any free port
  bool ssl = false;          // serves VirtualServices with sslConfig, by TLS, and no others
  std::vector<std::string> proxy_names{"gateway-proxy"};
  ListenerOptions options;
  RouteConfigurationOptions route_options;
  HttpGateway http_gateway;  // unless it is another
  std::optional<TcpGateway> tcp_gateway;
  std::optional<HybridGateway> hybrid_gateway;
};
void bind(Fields& f, Gateway& gateway);

}  // namespace sluice::kinds
