#include "forward/static_pools.h"

namespace sluice {

StaticPools::Host::Host(Loop& loop, ClusterConnections& connections, const StaticCluster::Host& host)
    : config(host), pool(loop, connections) {
  if (host.address) addresses.push_back(SocketAddress::of({*host.address, host.port}));
  if (const auto& tls = connections.cluster->tls)
    pool.tls = std::make_unique<PoolTls>(tls, host.sni, PoolTls::Offer::asked);
}

// What the name of a host is now. False: nothing.
bool StaticPools::take_addresses(Host& host, const AddressSet* known) {
  if (!known || known->addresses.empty()) return false;
  if (host.generation == known->generation) return true;
  host.generation = known->generation;
  host.addresses.clear();
  for (const IpAddress& address : known->addresses)
    host.addresses.push_back(SocketAddress::of({address, host.config.port}));
  host.pool.drop_others(host.addresses);
  fill_set();
  return true;
}

void StaticPools::fill_set() {
  std::vector<EndpointSet::Member> members;
  for (uint32_t i = 0; i < hosts_.size(); ++i) {
    const Host& host = *hosts_[i];
    for (const SocketAddress& address : host.addresses) members.push_back({address, host.config.weight, i});
    if (host.addresses.empty()) members.push_back({{}, host.config.weight, i});
  }
  set_.change(members);
}

Task<std::optional<ForwardTarget>> StaticPools::next(SteadyTime now, Tried tried) {
  if (has_names()) return next_with_names(now, tried);
  UpstreamEndpoint* endpoint = set_.pick(tried, now);
  if (!endpoint) return std::optional<ForwardTarget>();
  return std::optional(target(*endpoint));
}

Task<std::optional<ForwardTarget>> StaticPools::next_with_names(SteadyTime now, Tried tried) {
  std::vector<EndpointSet::Id> passed(tried.begin(), tried.end());
  for (;; now = loop_.now()) {
    UpstreamEndpoint* endpoint = set_.pick(passed, now);
    if (!endpoint) co_return std::nullopt;
    Host& host = host_of(*endpoint);
    if (host.config.address) co_return target(*endpoint);
    // The endpoint must be there when an answer comes.
    const ConnectionPool::User user(host.pool);
    EndpointSet::Use use(set_, *endpoint);
    const uint64_t before = host.generation;
    auto resolving = resolver_->here().resolve(host.config.name, dns::Standing::in_use);
    const NameState state = CO_TRY(co_await resolving);
    if (!take_addresses(host, state.addresses.get())) {
      passed.push_back(endpoint->id());
      continue;
    }
    if (host.generation == before) co_return ForwardTarget{host.pool, std::move(use), {}};
  }
}

}  // namespace sluice
