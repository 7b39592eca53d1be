// Gateway `httpGateway`: clients that speak HTTP, and what is served to them (reference gloo-core.md 2.2, 2.4, 2.5).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/time.h"
#include "config/kinds/circuit_breakers.h"
#include "config/kinds/connection_limit.h"
#include "config/kinds/dns_cache.h"
#include "config/kinds/label_expression.h"
#include "config/kinds/request_rules.h"
#include "config/kinds/ssl_config.h"
#include "config/option_field.h"

namespace sluice::kinds {

struct Upgrades {
  bool websocket = true;
};

enum class CodecType : uint8_t { automatic, http1, http2 };
std::span<const EnumName> enum_names(CodecType);

struct Http2ProtocolOptions {
  // Gloo's are 2^31-1 streams and windows of 256 MiB, which no process can keep for every client (decision 0061).
  uint32_t max_concurrent_streams = 100;
  uint32_t initial_stream_window_size = 256 << 10;
  uint32_t initial_connection_window_size = 1 << 20;
  bool override_stream_error_on_invalid_http_message = true;
};
void bind(Fields& f, Http2ProtocolOptions& options);

// x-forwarded-client-cert; numbers are those of the API.
enum class ForwardClientCertDetails : uint8_t {
  sanitize = 0,
  forward_only = 1,
  append_forward = 2,
  sanitize_set = 3,
  always_forward_only = 4
};
std::span<const EnumName> enum_names(ForwardClientCertDetails);

struct SetCurrentClientCertDetails {
  bool subject = false;
  bool cert = false;
  bool chain = false;
  bool dns = false;
  bool uri = false;
};
void bind(Fields& f, SetCurrentClientCertDetails& details);

struct HttpConnectionManagerSettings {
  Nanos idle_timeout = 1h;               // of a client connection; 0 = none
  Nanos stream_idle_timeout = 5min;      // 0 = none
  std::optional<Nanos> request_timeout;  // nothing or 0: none
  Nanos request_headers_timeout = 30s;   // design.md: Gloo has no limit here; 0 = none
  uint32_t max_request_headers_kb = 60;  // 1 .. 8192
  uint32_t max_headers_count = 100;
  std::string server_name = "envoy";
  bool generate_request_id = true;
  bool preserve_external_request_id = false;
  bool use_remote_address = false;
  uint32_t xff_num_trusted_hops = 0;
  std::string via;
  bool strip_any_host_port = false;
  ForwardClientCertDetails forward_client_cert_details = ForwardClientCertDetails::sanitize;
  SetCurrentClientCertDetails set_current_client_cert_details;
  bool normalize_path = true;
  bool merge_slashes = false;
  Upgrades upgrades;
  CodecType codec_type = CodecType::automatic;
  Http2ProtocolOptions http2_protocol_options;
  bool skip_xff_append = false;
  bool append_x_forwarded_port = false;
  InternalAddressConfig internal_address_config;
  EarlyHeaderManipulation early_header_manipulation;
  bool proxy_100_continue = true;            // design: the upstream's word is asked for; Gloo does not by default
  Nanos max_connection_duration{};           // 0: none
  Nanos max_stream_duration{};               // 0: none
  Nanos delayed_close_timeout = 1s;          // 0: closed at once
  Nanos drain_timeout = 5s;                  // 0: at once
  uint32_t max_requests_per_connection = 0;  // 0: any number
  ServerHeaderTransformation server_header_transformation = ServerHeaderTransformation::overwrite;
  bool accept_http_10 = false;
  std::string default_host_for_http_10;
  bool allow_chunked_length = false;
  std::optional<bool> enable_trailers;  // nothing: where the client says that it takes them
  bool proper_case_header_key_format = false;
  bool preserve_case_header_key_format = false;
  EscapedSlashesAction path_with_escaped_slashes_action = EscapedSlashesAction::by_default;
  UnderscoresAction headers_with_underscores_action = UnderscoresAction::allow;
};
void bind(Fields& f, HttpConnectionManagerSettings& settings);

struct DynamicForwardProxyConfig {
  DnsCacheConfig dns_cache_config;
  bool save_upstream_address = false;
  std::optional<CircuitBreakers> circuit_breakers;
  std::optional<UpstreamSslConfig> ssl_config;  // nothing: plain
};
void bind(Fields& f, DynamicForwardProxyConfig& config);

struct RouterOptions {
  bool suppress_envoy_headers = false;
};
void bind(Fields& f, RouterOptions& options);

struct HttpListenerOptions {
  HttpConnectionManagerSettings http_connection_manager_settings;
  std::optional<DynamicForwardProxyConfig> dynamic_forward_proxy;  // nothing: off
  ConnectionLimit connection_limit;
  RouterOptions router;
  bool leftmost_xff_address = false;
  OptionSet filters;  // OptionLevel::listener
};
void bind(Fields& f, HttpListenerOptions& options);

struct HttpGateway {
  std::optional<LabelExpressions> virtual_service_expressions;  // goes before the others
  std::vector<ObjectRef> virtual_services;                      // used only when the selector is empty
  std::map<std::string, std::string> virtual_service_selector;  // labels
  std::vector<std::string> virtual_service_namespaces;          // empty or "*": all; not for refs
  HttpListenerOptions options;
};
void bind(Fields& f, HttpGateway& gateway);

}  // namespace sluice::kinds
