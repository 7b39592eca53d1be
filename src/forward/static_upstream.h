// The end of a chain that forwards to an Upstream with static hosts.
#pragma once

#include "base/ip.h"
#include "forward/dns/resolver.h"
#include "forward/upstreams.h"
#include "pipeline/filter.h"

namespace sluice {

// Hosts are chosen in turn, by weight. A host that is a name is resolved when it is used; its addresses are the
// operator's own word, so no EgressPolicy is asked.
class StaticPools;

struct StaticCluster {
  explicit StaticCluster(const WorkerLoops& loops);

  struct Host {
    std::string name;                  // "" for a literal
    std::optional<IpAddress> address;  // of a literal
    uint16_t port = 0;
    uint32_t weight = 1;
    std::string sni;  // what TLS asks for; empty: nothing
  };
  std::shared_ptr<const Cluster> cluster;
  std::vector<Host> hosts;                 // at least one
  std::shared_ptr<ResolverView> resolver;  // when a host is a name
  Local<StaticPools, Upstreams&> pools;    // each worker's
};

std::shared_ptr<const Service> make_static_upstream(std::shared_ptr<const StaticCluster> cluster);

// The end of a chain whose cluster does not exist: 503, flag NC.
std::shared_ptr<const Service> make_no_cluster(std::string cluster_name);

}  // namespace sluice
