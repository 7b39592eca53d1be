// The end of a chain whose destination is made from the request: Gloo's dynamic forward proxy (gloo-core 4,
// dynamic-forward-proxy 8).
//
// The authority is computed once, after the last transformation. Its name is resolved while the request waits; every
// address is held against the rules before anything is connected to; one that is refused refuses the request.
#pragma once

#include "engines/address/rules.h"
#include "forward/dns/resolver.h"
#include "forward/upstreams.h"
#include "pipeline/filter.h"

namespace sluice {

// What the destinations of one Gateway's forward proxy have in common; kept over snapshots.
class Destinations;
struct DynamicMetrics;

struct DynamicCluster {
  explicit DynamicCluster(const WorkerLoops& loops);

  // With its `tls` all destinations are protected, but for those that a rule has go in the clear.
  std::shared_ptr<const Cluster> cluster;
  // Of destinations that a request asks for by TLS (DynamicRoute::schemes), or a rule. Null: none may be.
  std::shared_ptr<const TlsClientContext> scheme_tls;
  // Of those whose rule names whom the certificate must be for: verifies that. Null likewise.
  std::shared_ptr<const TlsClientContext> named_tls;
  std::shared_ptr<ResolverView> resolver;
  bool save_upstream_address = false;
  // Each worker's: in the clear, and protected.
  Local<Destinations, Upstreams&, const std::shared_ptr<const DynamicMetrics>&> destinations, tls_destinations;

  // Destinations that one worker remembers; over it, those that nobody used lately go, connections and all.
  static constexpr size_t kDestinationsMax = 8192;
  // Verdicts that are remembered of one destination, each by other rules; over it, the oldest goes.
  static constexpr size_t kJudgementsMax = 8;
};

// Which addresses a route's destinations may have. Each has a number of its own, so that a verdict that was remembered
// is known to be of these rules and no others.
struct AddressGuard {
  AddressRules rules;
  std::string suggestion_name;  // of the Gateway, for the policy that the log suggests
  UniqueNumber number;
};

// Which rules hold now, by place: a VirtualService on a Gateway. Verdicts that are remembered, and what is under way,
// are held against them when they change.
struct EgressNow {
  struct Standing {
    std::shared_ptr<const AddressGuard> guard;  // null: everything is refused
    ConnectionPool::UnderWay::Denial refusal;
  };
  StringMap<Standing> places;
  Standing elsewhere;       // Gateways that are not there any more
  bool says_of_tls = true;  // some of these rules do; false: whoever made it has looked, and none does

  // "ns/gateway|ns/service"; without a service the rules of the Gateway alone, which hold for services that are gone.
  static std::string place(std::string_view gateway, std::string_view service) {
    return fmt::format("{}|{}", gateway, service);
  }
  const Standing& at(std::string_view place) const;
};

struct DynamicRoute {
  std::string host_rewrite;  // a literal authority; wins over the header
  std::string host_header;   // lower case; its first value is the authority, when it is there
  // EgressNow::place(): shared with the other routes of the place and with what is remembered of its rules.
  std::shared_ptr<const std::string> place = std::make_shared<const std::string>();
  bool schemes = false;  // ProxySettings.destinations.scheme: `https://` and port 443 are TLS
  bool lists = false;    // ProxySettings.destinations.list: "a.example, b.example" are hosts in order
};

struct DynamicMetrics {
  explicit DynamicMetrics(Metrics& metrics);
  Counter* refused;         // an address rule said no
  Counter* tls_refused;     // one wants TLS with the destination otherwise than the request
  Counter* closed;          // a policy of the route is not in force: whoever refuses counts here
  Counter* mixed;           // refused although some addresses were allowed: a sign of DNS rebinding
  Counter* shadow_refused;  // a shadow rule would have said no
  Counter* invalid;         // the authority is none
  Counter* unresolved;
  Counter* judged;  // destinations that were held against rules, not remembered verdicts
  Counter* ended;   // what was under way when a changed policy denied it
};
std::vector<MetricFamily> dynamic_metric_families();

std::shared_ptr<const Service> make_dynamic_upstream(std::shared_ptr<const DynamicCluster> cluster,
                                                     std::shared_ptr<const AddressGuard> guard, DynamicRoute route,
                                                     std::shared_ptr<const DynamicMetrics> metrics);

}  // namespace sluice
