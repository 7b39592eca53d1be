// Upstream (gloo.solo.io/v1): a destination. Static hosts so far (reference gloo-core.md 6).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/time.h"
#include "config/kinds/circuit_breakers.h"
#include "config/kinds/load_balancer.h"
#include "config/kinds/outlier_detection.h"
#include "config/kinds/ssl_config.h"

namespace sluice::kinds {

struct StaticHost {
  std::string addr;  // an IP literal or a name
  uint16_t port = 0;
  uint32_t load_balancing_weight = 1;
  std::string sni_addr;  // the name to ask for by TLS; "": see StaticUpstream::auto_sni_rewrite
};
void bind(Fields& f, StaticHost& host);

struct StaticUpstream {
  std::vector<StaticHost> hosts;  // at least one
  std::optional<bool> use_tls;    // nothing: when a host has port 443
  bool auto_sni_rewrite = true;   // a host's name is what it is asked for by TLS
  bool speaks_tls() const;
};
void bind(Fields& f, StaticUpstream& upstream);

struct ConnectionConfig {
  Nanos connect_timeout = 5s;
};
void bind(Fields& f, ConnectionConfig& config);

enum class ProtocolSelection : uint8_t { configured, downstream };
std::span<const EnumName> enum_names(ProtocolSelection);
enum class ProxyProtocolVersion : uint8_t { v1 = 1, v2 = 2 };
std::span<const EnumName> enum_names(ProxyProtocolVersion);

struct Upstream {
  StaticUpstream static_hosts;  // `static`
  bool use_http2 = false;
  // Of HTTP/2:
  std::optional<uint32_t> initial_stream_window_size;
  std::optional<uint32_t> initial_connection_window_size;
  std::optional<uint32_t> max_concurrent_streams;
  bool override_stream_error_on_invalid_http_message = false;
  ProtocolSelection protocol_selection = ProtocolSelection::configured;
  std::optional<ProxyProtocolVersion> proxy_protocol_version;  // nothing: connections begin with their protocol
  ConnectionConfig connection_config;
  std::optional<UpstreamSslConfig> ssl_config;  // nothing: TLS without it, or plain, as static_hosts says
  std::optional<CircuitBreakers> circuit_breakers;
  LoadBalancerConfig load_balancer_config;
  std::optional<OutlierDetection> outlier_detection;  // nothing: only connects that fail leave a host out
};
void bind(Fields& f, Upstream& upstream);

}  // namespace sluice::kinds
