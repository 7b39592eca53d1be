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

Task<std::optional<ForwardTarget>> StaticPools::next(const EndpointWish* wish, Tried tried) {
  if (has_names()) return next_with_names(wish, tried);
  UpstreamEndpoint* endpoint = pick_endpoint(set_, wish, tried, loop_.now());
  if (!endpoint) return std::optional<ForwardTarget>();
  return std::optional(target(*endpoint));
}

// The endpoint that is wished for may be an address of a name that nobody has asked for yet.
UpstreamEndpoint* StaticPools::pick_by_name(const EndpointWish* wish, Tried tried) {
  if (wish) [[unlikely]]
    for (const SocketAddress& address : {wish->address, SocketAddress{}})
      if (auto* endpoint = set_.pick_at(address, tried, loop_.now())) return endpoint;
  return pick_endpoint(set_, wish, tried, loop_.now());
}

Task<std::optional<ForwardTarget>> StaticPools::next_with_names(const EndpointWish* wish, Tried tried) {
  std::vector<EndpointSet::Id> passed(tried.begin(), tried.end());
  for (;;) {
    UpstreamEndpoint* endpoint = pick_by_name(wish, passed);
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
