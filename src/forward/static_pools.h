// The hosts of a static cluster as one worker sees them; only for the files beside it.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "forward/exchange.h"
#include "forward/static_upstream.h"

namespace sluice {

using UpstreamEndpoint = EndpointSet::Endpoint;

// The hosts of a cluster as one worker sees them: a pool for each, and one set of all their addresses. A host whose
// name has not been resolved stands in the set as an endpoint without an address.
class StaticPools {
 public:
  struct Host {
    Host(Loop& loop, ClusterConnections& connections, const StaticCluster::Host& host);
    const StaticCluster::Host config;
    ConnectionPool pool;
    std::vector<SocketAddress> addresses;
    uint64_t generation = 0;  // of the name's addresses
  };

  StaticPools(Upstreams& upstreams, const StaticCluster& cluster)
      : loop_(upstreams.loop),
        resolver_(cluster.resolver),
        connections_(upstreams.budget, cluster.cluster, HostsBy::operator_, upstreams.dialer, upstreams.random.next()),
        set_(connections_.endpoint_options, connections_.random.next()) {
    for (const auto& host : cluster.hosts) {
      hosts_.push_back(std::make_unique<Host>(upstreams.loop, connections_, host));
      has_names_ |= !host.address;
    }
    fill_set();
  }

  ResolverView& resolver() const { return *resolver_; }
  EndpointSet& set() { return set_; }
  Host& host_of(const UpstreamEndpoint& endpoint) { return *hosts_[endpoint.host()]; }
  bool has_names() const { return has_names_; }
  bool is_single() const { return hosts_.size() == 1 && !has_names_; }

  // The next endpoint, not one of `tried`; nothing when all have been. Names are resolved when one of their endpoints
  // is chosen.
  Task<std::optional<ForwardTarget>> next(const EndpointWish* wish, Tried tried);
  ForwardTarget target(UpstreamEndpoint& endpoint) {
    return {host_of(endpoint).pool, EndpointSet::Use(set_, endpoint), {}};
  }

  // Requests that began with a snapshot that had the cluster may go on without it.
  Task<void> stop() { return connections_.until_unused(loop_); }

 private:
  bool take_addresses(Host& host, const AddressSet* known);
  Task<std::optional<ForwardTarget>> next_with_names(const EndpointWish* wish, Tried tried);
  UpstreamEndpoint* pick_by_name(const EndpointWish* wish, Tried tried);
  void fill_set();

  Loop& loop_;
  const std::shared_ptr<ResolverView> resolver_;
  ClusterConnections connections_;
  EndpointSet set_;
  std::vector<std::unique_ptr<Host>> hosts_;
  bool has_names_ = false;
};

}  // namespace sluice
