// What a client gets when forwarding fails: one place for statuses, texts, flags and details (gloo-policies 9.2).
#pragma once

#include <string_view>

#include "pipeline/message.h"

namespace sluice {

enum class UpstreamFailure : uint8_t {
  connect,          // refused, unreachable: 503 UF
  connect_timeout,  // 503 UF
  ended,            // closed or reset before a whole head: 503 UC
  protocol,         // what came is no HTTP: 502 UPE
  overflow,         // a circuit breaker: 503 UO
  timeout,          // the route's timeout: 504 UT
  per_try_timeout,  // 504 UT
  idle,             // nothing came for streamIdleTimeout: 504 SI
  idle_client,      // the same before the request was complete: 408 SI
  no_host,          // 503 UH
  no_cluster,       // 503 NC
};

// `transport`: what the system said, "Connection refused"; empty for none.
Response upstream_failure(Request& request, UpstreamFailure failure, std::string_view transport = {});

}  // namespace sluice
