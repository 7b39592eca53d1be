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
      if (h.address) addresses.push_back(SocketAddress::of({*h.address, h.port}));
    }
    const StaticCluster::Host& config;
    ConnectionPool pool;
    std::vector<SocketAddress> addresses;
    uint64_t generation = 0;  // of the address set that `addresses` were made from
    int64_t credit = 0;
  };

  StaticPools(Upstreams& upstreams, std::shared_ptr<const StaticCluster> cluster)
      : cluster_(std::move(cluster)),
        connections_(upstreams.budget, cluster_->cluster, HostsBy::operator_, upstreams.dialer) {
    for (const auto& host : cluster_->hosts) {
      hosts_.push_back(std::make_unique<Host>(upstreams.loop, connections_, host));
    }
  }

  // Among those that can be connected to, or all when none can.
  Host& pick(SteadyTime now) {
    if (hosts_.size() == 1) return *hosts_.front();
    Host* found = pick_if([&](const Host& host) { return !host.pool.memory.all_left_out(host.addresses, now); });
    if (!found) found = pick_if([](const Host&) { return true; });
    CHECK(found != nullptr);  // there is one at least
    return *found;
  }
  // One that is not among `tried`, those that failed lately last.
  Host* pick_other(std::span<const Host* const> tried, SteadyTime now) {
    const auto is_new = [&](const Host& host) { return std::ranges::find(tried, &host) == tried.end(); };
    Host* found =
        pick_if([&](const Host& host) { return is_new(host) && !host.pool.memory.all_left_out(host.addresses, now); });
    return found ? found : pick_if(is_new);
  }
  size_t size() const { return hosts_.size(); }
  const StaticCluster& cluster() const { return *cluster_; }

  bool unused() const override {
    return std::ranges::all_of(hosts_, [](const auto& host) { return host->pool.exchanges == 0; });
  }

 private:
  // Smooth weighted round robin: in each run of as many picks as the weights add up to, every host gets its weight,
  // spread out evenly.
  template <class Fits>
  Host* pick_if(Fits&& fits) {
    Host* best = nullptr;
    int64_t total = 0;
    for (const auto& host : hosts_) {
      if (!fits(*host)) continue;
      total += host->config.weight;
      host->credit += host->config.weight;
      if (!best || host->credit > best->credit) best = host.get();
    }
    if (best) best->credit -= total;
    return best;
  }

  std::shared_ptr<const StaticCluster> cluster_;
  ClusterConnections connections_;
  std::vector<std::unique_ptr<Host>> hosts_;
};

// The addresses of a host just now; none when its name has none.
Task<std::span<const SocketAddress>> addresses_of(Request& request, const StaticCluster& cluster,
                                                  StaticPools::Host& host) {
  if (host.config.address) co_return host.addresses;
  auto resolving = cluster.resolver->mine().resolve(host.config.name, dns::Standing::in_use);
  const NameState state = CO_TRY(co_await resolving);
  if (!state.addresses || state.addresses->addresses.empty()) co_return std::span<const SocketAddress>();
  if (host.generation != state.addresses->generation) {
    host.generation = state.addresses->generation;
    host.addresses.clear();
    for (const IpAddress& address : state.addresses->addresses)
      host.addresses.push_back(SocketAddress::of({address, host.config.port}));
    host.pool.drop_others(host.addresses);
  }
  // A copy: the set may change while this request waits for its connection.
  co_return *request.arena.make<std::vector<SocketAddress>>(host.addresses);
}

// One request's way from host to host, while none can be connected to.
class HostsInTurn final : public OtherHosts {
 public:
  HostsInTurn(StaticPools& pools, StaticPools::Host& first) : pools_(pools), now_(&first) {}

  Task<std::optional<ForwardTarget>> next(Request& request) override {
    for (;;) {
      tried_.push_back(now_);
      now_ = pools_.pick_other(tried_, request.loop.now());
      if (!now_) co_return std::nullopt;
      auto finding = addresses_of(request, pools_.cluster(), *now_);
      const auto addresses = CO_TRY(co_await finding);
      if (!addresses.empty()) co_return ForwardTarget{now_->pool, addresses, this};
    }
  }

 private:
  StaticPools& pools_;
  StaticPools::Host* now_;
  std::vector<const StaticPools::Host*> tried_;
};

class StaticUpstream final : public Filter {
 public:
  explicit StaticUpstream(std::shared_ptr<const StaticCluster> cluster) : cluster_(std::move(cluster)) {}

  Task<Response> handle(Request& request, Next) const override {
    if (request.explanation) return explain(request);
    auto& pools = request.upstreams->get<StaticPools>(
        cluster_->id, [this](Upstreams& upstreams) { return std::make_unique<StaticPools>(upstreams, cluster_); });
    StaticPools::Host& host = pools.pick(request.loop.now());
    OtherHosts* others = pools.size() > 1 ? request.arena.make<HostsInTurn>(pools, host) : nullptr;
    if (host.config.address) return forward(request, {host.pool, host.addresses, others});
    return resolve_and_forward(request, host, others);
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

  Task<Response> resolve_and_forward(Request& request, StaticPools::Host& host, OtherHosts* others) const {
    // The pools of all hosts must still be there when an answer comes, though no snapshot has the cluster any more.
    const ConnectionPool::User user(host.pool);
    auto finding = addresses_of(request, *cluster_, host);
    const auto addresses = CO_TRY(co_await finding);
    std::optional<ForwardTarget> target;
    if (!addresses.empty()) {
      target.emplace(host.pool, addresses, others);
    } else if (others) {
      auto choosing = others->next(request);
      const auto next = CO_TRY(co_await choosing);
      if (next) target.emplace(*next);
    }
    if (!target) {
      request.info.upstream_cluster = cluster_->cluster->name;
      co_return upstream_failure(request, UpstreamFailure::no_host);
    }
    auto forwarding = forward(request, *target);
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

std::shared_ptr<const Filter> make_static_upstream(std::shared_ptr<const StaticCluster> cluster) {
  return std::make_shared<StaticUpstream>(std::move(cluster));
}

std::shared_ptr<const Filter> make_no_cluster(std::string cluster_name) {
  return std::make_shared<NoCluster>(std::move(cluster_name));
}

}  // namespace sluice
