// ProxySettings (sluice.dev/v1alpha1): what Gloo's Gateway has no field for (design.md 2, "Own kinds").
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/time.h"
#include "config/kinds/egress_policy.h"

namespace sluice::kinds {

struct JwtCache {
  uint32_t entries_max = 10'000;  // 0: off
  Nanos ttl_max = 5min;
};
void bind(Fields& f, JwtCache& cache);

enum class LocalAnswers : uint8_t { envoy, proxy };
std::span<const EnumName> enum_names(LocalAnswers);

struct ProxySettings {
  std::vector<TargetRef> target_refs;  // Gateways; at least one
  JwtCache jwt_cache;
  LocalAnswers local_answers = LocalAnswers::envoy;
  Nanos drain_timeout = 30s;
};
void bind(Fields& f, ProxySettings& settings);

}  // namespace sluice::kinds
