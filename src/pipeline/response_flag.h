// Envoy's response flags, as %RESPONSE_FLAGS% prints them (gloo-policies 9.1).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace sluice {

enum class ResponseFlag : uint8_t {
  no_healthy_upstream,          // UH
  upstream_connection_failure,  // UF
  upstream_overflow,            // UO
  no_route,                     // NR
  upstream_timeout,             // UT
  upstream_connection_ended,    // UC
  upstream_remote_reset,        // UR
  local_reset,                  // LR
  retry_limit,                  // URX
  no_cluster,                   // NC
  duration_timeout,             // DT
  downstream_connection_ended,  // DC
  stream_idle_timeout,          // SI
  downstream_protocol_error,    // DPE
  upstream_protocol_error,      // UPE
  dns_failure,                  // DF
  rate_limited,                 // RL
  unauthorized,                 // UAEX
  overload,                     // OM
  count,
};
static_assert(static_cast<size_t>(ResponseFlag::count) <= 32, "StreamInfo::flags has a bit for each");
std::string_view response_flag_name(ResponseFlag flag);

}  // namespace sluice
