// Gateway `tcpGateway`: clients whose bytes are passed on as they are (reference gloo-core.md 2.6).
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "config/kinds/connection_limit.h"
#include "config/kinds/header_manipulation.h"
#include "config/kinds/ssl_config.h"
#include "config/kinds/virtual_service.h"

namespace sluice::kinds {

struct TcpWeightedDestination {
  Destination destination;
  uint32_t weight = 0;  // no traffic
};
void bind(Fields& f, TcpWeightedDestination& destination);

struct TcpMultiDestination {
  std::vector<TcpWeightedDestination> destinations;  // weights sum up to 1 or more, at most 2^32 - 1
};
void bind(Fields& f, TcpMultiDestination& multi);

// The cluster that has the name the client asks for: `<upstream>_<namespace>`.
struct ForwardSniClusterName {};

struct TcpAction {
  std::variant<Destination, TcpMultiDestination, ForwardSniClusterName> destination;
  uint64_t hash = 0;  // of all of it, as written
};
void bind(Fields& f, TcpAction& action);

struct TcpHost {
  std::string name;  // unique among those of a Gateway
  // Nothing: all connections that no other host takes. With certificates TLS ends here; without, it goes to the
  // destination as it is, which is chosen by the name that the client asks for.
  std::optional<ServerSslConfig> ssl_config;
  TcpAction destination;
};
void bind(Fields& f, TcpHost& host);

// The destination is a proxy of HTTP, and is asked to go on.
struct TunnelingConfig {
  std::string hostname;  // "host:port"; may hold %OPERATORS%
  std::vector<RequestHeaderAddition> headers_to_add;
};
void bind(Fields& f, TunnelingConfig& config);

struct TcpProxySettings {
  uint32_t max_connect_attempts = 1;
  Nanos idle_timeout = 1h;  // 0 = none
  std::optional<TunnelingConfig> tunneling_config;
  std::optional<Nanos> access_log_flush_interval;  // nothing: a line when a connection is over
};
void bind(Fields& f, TcpProxySettings& settings);

struct TcpListenerOptions {
  TcpProxySettings tcp_proxy_settings;
  ConnectionLimit connection_limit;
};
void bind(Fields& f, TcpListenerOptions& options);

struct TcpGateway {
  std::vector<TcpHost> tcp_hosts;
  TcpListenerOptions options;
};
void bind(Fields& f, TcpGateway& gateway);

}  // namespace sluice::kinds
