// Limits on the use of a destination (reference gloo-core.md 4.1, 6.4).
#pragma once

#include <cstdint>
#include <optional>

#include "config/bind.h"

namespace sluice::kinds {

struct CircuitBreakers {
  std::optional<uint32_t> max_connections;       // 1024
  std::optional<uint32_t> max_pending_requests;  // 1024
  std::optional<uint32_t> max_requests;          // 1024
  std::optional<uint32_t> max_retries;           // 3
  bool track_remaining = false;
};
void bind(Fields& f, CircuitBreakers& breakers);

}  // namespace sluice::kinds
