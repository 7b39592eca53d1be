#include "config/option_field.h"

#include <algorithm>

#include "base/check.h"

namespace sluice {
namespace {

// Reference gloo-policies.md 1.3 and gloo-core.md 2.4, 5. Fields that the kinds read themselves come first in bind()
// and are not listed.
constexpr std::string_view kListenerOptions[] = {"buffer",
                                                 "caching",
                                                 "csrf",
                                                 "disableExtProcEarly",
                                                 "disableExtProc",
                                                 "disableExtProcLate",
                                                 "dlp",
                                                 "extProc",
                                                 "extProcEarly",
                                                 "extProcLate",
                                                 "extauth",
                                                 "extensions",
                                                 "grpcJsonTranscoder",
                                                 "grpcWeb",
                                                 "gzip",
                                                 "healthCheck",
                                                 "httpLocalRatelimit",
                                                 "networkLocalRatelimit",
                                                 "proxyLatency",
                                                 "ratelimitServer",
                                                 "sanitizeClusterHeader",
                                                 "tap",
                                                 "waf",
                                                 "wasm"};

constexpr std::string_view kVirtualHostOptions[] = {"bufferPerRoute",
                                                    "cors",
                                                    "corsPolicyMergeSettings",
                                                    "csrf",
                                                    "dlp",
                                                    "extProc",
                                                    "extauth",
                                                    "extensions",
                                                    "includeAttemptCountInResponse",
                                                    "includeRequestAttemptCount",
                                                    "jwt",
                                                    "jwtStaged",
                                                    "rateLimitConfigs",
                                                    "rateLimitEarlyConfigs",
                                                    "rateLimitRegularConfigs",
                                                    "ratelimit",
                                                    "ratelimitBasic",
                                                    "ratelimitEarly",
                                                    "ratelimitRegular",
                                                    "rbac",
                                                    "stagedTransformations",
                                                    "stats",
                                                    "transformations",
                                                    "waf"};

constexpr std::string_view kRouteOptions[] = {"ai",
                                              "appendXForwardedHost",
                                              "autoHostRewrite",
                                              "bufferPerRoute",
                                              "cors",
                                              "csrf",
                                              "dlp",
                                              "envoyMetadata",
                                              "extProc",
                                              "extauth",
                                              "extensions",
                                              "faults",
                                              "hostRewriteHeader",
                                              "hostRewritePathRegex",
                                              "jwt",
                                              "jwtProvidersStaged",
                                              "jwtStaged",
                                              "lbHash",
                                              "maxStreamDuration",
                                              "rateLimitConfigs",
                                              "rateLimitEarlyConfigs",
                                              "rateLimitRegularConfigs",
                                              "ratelimit",
                                              "ratelimitBasic",
                                              "ratelimitEarly",
                                              "ratelimitRegular",
                                              "rbac",
                                              "regexRewrite",
                                              "shadowing",
                                              "stagedTransformations",
                                              "tracing",
                                              "transformations",
                                              "upgrades",
                                              "waf"};

constexpr std::string_view kWeightedDestinationOptions[] = {
    "bufferPerRoute", "csrf", "extauth", "extensions", "stagedTransformations", "transformations"};

}  // namespace

std::string_view option_level_name(OptionLevel level) {
  switch (level) {
    case OptionLevel::listener: return "listener";
    case OptionLevel::virtual_host: return "virtual host";
    case OptionLevel::route: return "route";
    case OptionLevel::weighted_destination: return "weighted destination";
  }
  return {};
}

std::span<const std::string_view> known_option_names(OptionLevel level) {
  switch (level) {
    case OptionLevel::listener: return kListenerOptions;
    case OptionLevel::virtual_host: return kVirtualHostOptions;
    case OptionLevel::route: return kRouteOptions;
    case OptionLevel::weighted_destination: return kWeightedDestinationOptions;
  }
  return {};
}

bool OptionSet::has(std::string_view name) const {
  return std::ranges::find(entries_, name, &Entry::name) != entries_.end();
}

void OptionSet::put(Entry entry) {
  const auto it = std::ranges::find(entries_, entry.name, &Entry::name);
  if (it == entries_.end())
    entries_.push_back(std::move(entry));
  else
    *it = std::move(entry);
}

const void* OptionSet::get(std::string_view name, const ValueType& type) const {
  const auto it = std::ranges::find(entries_, name, &Entry::name);
  if (it == entries_.end()) return nullptr;
  CHECK(it->type == &type);
  return it->value.get();
}

}  // namespace sluice
