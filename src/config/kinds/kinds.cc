#include "config/kinds/kinds.h"

#include <fmt/format.h>
#include <algorithm>
#include <iterator>
#include <vector>

#include "base/strings.h"

namespace sluice::kinds {
namespace {

template <class T>
void read_spec(const Node& spec, Reader& reader, Spec& out) {
  read_value(kValueType<T>, spec, &out.emplace<T>(), reader);
}

constexpr std::string_view kVirtualServiceShort[] = {"vs", "gvs"};
constexpr std::string_view kGatewayShort[] = {"gw", "ggw"};
constexpr std::string_view kUpstreamShort[] = {"us", "gus"};
constexpr std::string_view kConfigMapShort[] = {"cm"};
constexpr std::string_view kEgressPolicyShort[] = {"egp"};
constexpr std::string_view kProxySettingsShort[] = {"pxs"};
constexpr std::string_view kRouteTableShort[] = {"rt", "grt"};
constexpr std::string_view kUpstreamGroupShort[] = {"ug", "gug"};
constexpr std::string_view kSettingsShort[] = {"st", "gst"};
constexpr std::string_view kProxyShort[] = {"px", "gpx"};
constexpr std::string_view kVirtualHostOptionShort[] = {"vho", "vhopts", "gvho"};
constexpr std::string_view kRouteOptionShort[] = {"rto", "rtopts", "grto"};
constexpr std::string_view kListenerOptionShort[] = {"lisopts", "glisopts"};
constexpr std::string_view kHttpListenerOptionShort[] = {"hlisopts", "ghlisopts"};
constexpr std::string_view kHttpGatewayShort[] = {"hgw", "ghgw"};
constexpr std::string_view kTcpGatewayShort[] = {"tgw", "gtgw"};
constexpr std::string_view kAuthConfigShort[] = {"ac", "gac"};
constexpr std::string_view kRateLimitConfigShort[] = {"rlc", "grlc"};

template <class T>
constexpr KindInfo kind(std::string_view name, std::string_view group, std::string_view version,
                        std::string_view plural, std::string_view singular,
                        std::span<const std::string_view> short_names, bool has_spec = true) {
  return {.kind = name,
          .group = group,
          .version = version,
          .plural = plural,
          .singular = singular,
          .short_names = short_names,
          .supported = true,
          .has_spec = has_spec,
          .read = read_spec<T>,
          .describe = describe<T>};
}

constexpr KindInfo later(std::string_view name, std::string_view group, std::string_view version,
                         std::string_view plural, std::string_view singular,
                         std::span<const std::string_view> short_names) {
  return {.kind = name,
          .group = group,
          .version = version,
          .plural = plural,
          .singular = singular,
          .short_names = short_names,
          .supported = false};
}

constexpr std::string_view kGatewayGroup = "gateway.solo.io", kGlooGroup = "gloo.solo.io", kOwnGroup = "sluice.dev";

constexpr KindInfo kKinds[] = {
    kind<VirtualService>("VirtualService", kGatewayGroup, "v1", "virtualservices", "virtualservice",
                         kVirtualServiceShort),
    kind<Gateway>("Gateway", kGatewayGroup, "v1", "gateways", "gateway", kGatewayShort),
    kind<MatchableHttpGateway>("MatchableHttpGateway", kGatewayGroup, "v1", "httpgateways", "httpgateway",
                               kHttpGatewayShort),
    kind<MatchableTcpGateway>("MatchableTcpGateway", kGatewayGroup, "v1", "tcpgateways", "tcpgateway",
                              kTcpGatewayShort),
    kind<Upstream>("Upstream", kGlooGroup, "v1", "upstreams", "upstream", kUpstreamShort),
    kind<EgressPolicy>("EgressPolicy", kOwnGroup, "v1alpha1", "egresspolicies", "egresspolicy", kEgressPolicyShort),
    kind<ProxySettings>("ProxySettings", kOwnGroup, "v1alpha1", "proxysettings", "proxysettings", kProxySettingsShort),
    kind<Secret>("Secret", "", "v1", "secrets", "secret", {}, false),
    kind<ConfigMap>("ConfigMap", "", "v1", "configmaps", "configmap", kConfigMapShort, false),
    later("RouteTable", kGatewayGroup, "v1", "routetables", "routetable", kRouteTableShort),
    later("UpstreamGroup", kGlooGroup, "v1", "upstreamgroups", "upstreamgroup", kUpstreamGroupShort),
    later("Settings", kGlooGroup, "v1", "settings", "settings", kSettingsShort),
    later("Proxy", kGlooGroup, "v1", "proxies", "proxy", kProxyShort),
    later("VirtualHostOption", kGatewayGroup, "v1", "virtualhostoptions", "virtualhostoption", kVirtualHostOptionShort),
    later("RouteOption", kGatewayGroup, "v1", "routeoptions", "routeoption", kRouteOptionShort),
    later("ListenerOption", kGatewayGroup, "v1", "listeneroptions", "listeneroption", kListenerOptionShort),
    later("HttpListenerOption", kGatewayGroup, "v1", "httplisteneroptions", "httplisteneroption",
          kHttpListenerOptionShort),
    later("AuthConfig", "enterprise.gloo.solo.io", "v1", "authconfigs", "authconfig", kAuthConfigShort),
    later("RateLimitConfig", "ratelimit.solo.io", "v1alpha1", "ratelimitconfigs", "ratelimitconfig",
          kRateLimitConfigShort),
    later("EgressListener", kOwnGroup, "v1alpha1", "egresslisteners", "egresslistener", {}),
    later("ResolverView", kOwnGroup, "v1alpha1", "resolverviews", "resolverview", {}),
};

}  // namespace

std::string KindInfo::api_version() const {
  return group.empty() ? std::string(version) : fmt::format("{}/{}", group, version);
}

std::span<const KindInfo> all_kinds() {
  return kKinds;
}

const KindInfo* find_kind(std::string_view api_version, std::string_view kind) {
  for (const KindInfo& info : kKinds)
    if (info.kind == kind && info.api_version() == api_version) return &info;
  return nullptr;
}

const KindInfo* kind_named(std::string_view kind) {
  const auto it = std::ranges::find(kKinds, kind, &KindInfo::kind);
  return it == std::end(kKinds) ? nullptr : &*it;
}

std::string_view nearest_kind(std::string_view kind) {
  std::vector<std::string_view> names;
  for (const KindInfo& info : kKinds) names.push_back(info.kind);
  return nearest(kind, names).value_or("");
}

const KindInfo* find_resource(std::string_view word) {
  const std::string lower = to_lower(word);
  for (const KindInfo& info : kKinds) {
    if (info.plural == lower || info.singular == lower || to_lower(info.kind) == lower) return &info;
    for (const std::string_view name : info.short_names)
      if (name == lower) return &info;
  }
  return nullptr;
}

}  // namespace sluice::kinds
