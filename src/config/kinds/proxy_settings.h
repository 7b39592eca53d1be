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

// Of routes whose destination comes from the request.
struct Destinations {
  bool list = false;    // a text may name several hosts, which are tried in this order
  bool scheme = false;  // "https://" and port 443 in it mean TLS, "http://" plain
};
void bind(Fields& f, Destinations& destinations);

// Whether certificates of dynamic destinations are looked at where the Gateway's sslConfig names no CA.
enum class VerifyUpstream : uint8_t { system, none };
std::span<const EnumName> enum_names(VerifyUpstream);

struct UpstreamTls {
  VerifyUpstream verify = VerifyUpstream::system;
};
void bind(Fields& f, UpstreamTls& tls);

// Responses are compressed by it for clients that like it as well as gzip, or better.
struct Brotli {
  uint32_t quality = 3;  // 0 .. 9
  uint32_t window_bits = 18;
};
void bind(Fields& f, Brotli& brotli);

enum class LocalAnswers : uint8_t { envoy, proxy };
std::span<const EnumName> enum_names(LocalAnswers);

struct ProxySettings {
  std::vector<TargetRef> target_refs;  // Gateways; at least one
  JwtCache jwt_cache;
  LocalAnswers local_answers = LocalAnswers::envoy;
  Nanos drain_timeout = 30s;
  Destinations destinations;
  UpstreamTls upstream_tls;
  std::optional<Brotli> brotli;  // nothing: off
};
void bind(Fields& f, ProxySettings& settings);

}  // namespace sluice::kinds
