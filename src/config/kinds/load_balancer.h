// `loadBalancerConfig` of an Upstream: which endpoint a request goes to (reference gloo-core.md 6.5).
#pragma once

#include <cstdint>

#include "config/bind.h"

namespace sluice::kinds {

enum class Balancing : uint8_t { round_robin, least_request, random };

struct LoadBalancerConfig {
  Balancing balancing = Balancing::round_robin;
  uint32_t choice_count = 2;            // of least request
  double healthy_panic_threshold = 50;  // percent; 0: no panic
};
void bind(Fields& f, LoadBalancerConfig& config);

}  // namespace sluice::kinds
