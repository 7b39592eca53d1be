#include "forward/static_upstream.h"

#include "forward/exchange.h"
#include "forward/failures.h"

namespace sluice {
namespace {

// The hosts of a cluster as one worker sees them.
class StaticPools final : public ClusterState {
 public:
  struct Host {
    Host(Loop& loop, ClusterConnections& connections, const StaticCluster::Host& h)
        : config(h), pool(loop, connections) {
      if (h.address) addresses.push_back(to_socket_address(*h.address, h.port));
    }
    const StaticCluster::Host& config;
    ConnectionPool pool;
    std::vector<SocketAddress> addresses;
    uint64_t generation = 0;  // of the address set that `addresses` were made from
    int64_t credit = 0;
  };

  StaticPools(Upstreams& upstreams, std::shared_ptr<const StaticCluster> cluster)
      : cluster_(std::move(cluster)), connections_(upstreams.budget, cluster_->cluster, HostsBy::operator_) {
    for (const auto& host : cluster_->hosts) {
      hosts_.push_back(std::make_unique<Host>(upstreams.loop, connections_, host));
      total_ += host.weight;
    }
  }

  // Smooth weighted round robin: in each run of `total_` picks every host gets its weight, spread out evenly.
  Host& pick() {
    if (hosts_.size() == 1) return *hosts_.front();
    Host* best = nullptr;
    for (const auto& host : hosts_) {
      host->credit += host->config.weight;
      if (!best || host->credit > best->credit) best = host.get();
    }
    best->credit -= total_;
    return *best;
  }

  bool unused() const override {
    return std::ranges::all_of(hosts_, [](const auto& host) { return host->pool.exchanges == 0; });
  }

 private:
  std::shared_ptr<const StaticCluster> cluster_;
  ClusterConnections connections_;
  std::vector<std::unique_ptr<Host>> hosts_;
  int64_t total_ = 0;
};

class StaticUpstream final : public Filter {
 public:
  explicit StaticUpstream(std::shared_ptr<const StaticCluster> cluster) : cluster_(std::move(cluster)) {}

  Task<Response> handle(Request& request, Next) const override {
    if (request.explanation) return explain(request);
    auto& pools = request.upstreams->get<StaticPools>(
        cluster_->id, [this](Upstreams& upstreams) { return std::make_unique<StaticPools>(upstreams, cluster_); });
    StaticPools::Host& host = pools.pick();
    if (host.config.address) return forward(request, {host.pool, host.addresses});
    return resolve_and_forward(request, host);
  }

 private:
  Response explain(Request& request) const {
    Explanation& out = *request.explanation;
    out.reached = true;
    out.cluster = cluster_->cluster->name;
    for (const StaticCluster::Host& host : cluster_->hosts) {
      if (!out.destination.empty()) out.destination += ", ";
      out.destination +=
          host.address ? Endpoint{*host.address, host.port}.to_string() : fmt::format("{}:{}", host.name, host.port);
    }
    return local_reply(request, 200, "", "explained");
  }

  Task<Response> resolve_and_forward(Request& request, StaticPools::Host& host) const {
    // The pools must still be there when the answer comes, though no snapshot has the cluster any more.
    const ConnectionPool::User user(host.pool);
    auto resolving = cluster_->resolver->mine().resolve(host.config.name);
    const NameState state = CO_TRY(co_await resolving);
    if (!state.addresses || state.addresses->addresses.empty()) {
      request.info.upstream_cluster = cluster_->cluster->name;
      co_return upstream_failure(request, UpstreamFailure::no_host);
    }
    if (host.generation != state.addresses->generation) {
      host.generation = state.addresses->generation;
      host.addresses.clear();
      for (const IpAddress& address : state.addresses->addresses)
        host.addresses.push_back(to_socket_address(address, host.config.port));
      host.pool.drop_others(host.addresses);
    }
    // A copy: the set may change while this request waits for its connection.
    auto* addresses = request.arena.make<std::vector<SocketAddress>>(host.addresses);
    auto forwarding = forward(request, {host.pool, *addresses});
    co_return co_await forwarding;
  }

  std::shared_ptr<const StaticCluster> cluster_;
};

class NoCluster final : public Filter {
 public:
  explicit NoCluster(std::string name) : name_(std::move(name)) {}
  Task<Response> handle(Request& request, Next) const override {
    request.info.upstream_cluster = name_;
    return upstream_failure(request, UpstreamFailure::no_cluster);
  }

 private:
  std::string name_;
};

}  // namespace

SocketAddress to_socket_address(const IpAddress& address, uint16_t port) {
  SocketAddress out;
  sockaddr_storage storage{};
  out.length = Endpoint{address, port}.to_sockaddr(storage);
  std::memcpy(&out.v6_address, &storage, out.length);
  return out;
}

std::shared_ptr<const Filter> make_static_upstream(std::shared_ptr<const StaticCluster> cluster) {
  return std::make_shared<StaticUpstream>(std::move(cluster));
}

std::shared_ptr<const Filter> make_no_cluster(std::string cluster_name) {
  return std::make_shared<NoCluster>(std::move(cluster_name));
}

}  // namespace sluice
