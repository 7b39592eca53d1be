#include "forward/static_upstream.h"

#include "forward/exchange.h"
#include "forward/failures.h"

namespace sluice {

using UpstreamEndpoint = EndpointSet::Endpoint;

namespace {

PoolTls::Offer offer_of(UpstreamProtocol protocol) {
  switch (protocol) {
    case UpstreamProtocol::http1: return PoolTls::Offer::http1;
    case UpstreamProtocol::http2: return PoolTls::Offer::http2;
    case UpstreamProtocol::as_client: break;
  }
  return PoolTls::Offer::as_asked;
}

}  // namespace

// The hosts of a cluster as one worker sees them: a pool for each, and one set of all their addresses. A host whose
// name has not been resolved stands in the set as an endpoint without an address.
class StaticPools {
 public:
  struct Host {
    Host(Loop& loop, ClusterConnections& connections, const StaticCluster::Host& h)
        : config(h), pool(loop, connections) {
      if (h.address) addresses.push_back(SocketAddress::of({*h.address, h.port}));
      const Cluster& cluster = *connections.cluster;
      if (cluster.tls) pool.tls = std::make_unique<PoolTls>(cluster.tls, h.sni, offer_of(cluster.protocol));
    }
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

  // What the name of a host is now. False: nothing.
  bool take_addresses(Host& host, const AddressSet* known) {
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

  ForwardTarget target(UpstreamEndpoint& endpoint) {
    return {host_of(endpoint).pool, EndpointSet::Use(set_, endpoint), {}};
  }

  // Requests that began with a snapshot that had the cluster may go on without it.
  Task<void> stop() { return connections_.until_unused(loop_); }

 private:
  void fill_set() {
    std::vector<EndpointSet::Member> members;
    for (uint32_t i = 0; i < hosts_.size(); ++i) {
      const Host& host = *hosts_[i];
      for (const SocketAddress& address : host.addresses) members.push_back({address, host.config.weight, i});
      if (host.addresses.empty()) members.push_back({{}, host.config.weight, i});
    }
    set_.change(members);
  }

  Loop& loop_;
  const std::shared_ptr<ResolverView> resolver_;
  ClusterConnections connections_;
  EndpointSet set_;
  std::vector<std::unique_ptr<Host>> hosts_;
  bool has_names_ = false;
};

StaticCluster::StaticCluster(const WorkerLoops& loops)
    : pools(loops, [this](Loop&, Upstreams& upstreams) { return std::make_unique<StaticPools>(upstreams, *this); }) {}

namespace {

// One request's way from endpoint to endpoint. Names are resolved when one of their endpoints is chosen.
class InTurn final : public OtherTargets {
 public:
  explicit InTurn(StaticPools& pools) : pools_(pools) {}

  Task<std::optional<ForwardTarget>> next(Request& request, Tried tried) override {
    if (!pools_.has_names()) {
      UpstreamEndpoint* endpoint = pools_.set().pick(tried, request.loop.now());
      if (!endpoint) return std::optional<ForwardTarget>();
      return std::optional(pools_.target(*endpoint));
    }
    return next_with_names(request, tried);
  }

 private:
  Task<std::optional<ForwardTarget>> next_with_names(Request& request, Tried tried) {
    std::vector<EndpointSet::Id> passed(tried.begin(), tried.end());
    for (;;) {
      UpstreamEndpoint* endpoint = pools_.set().pick(passed, request.loop.now());
      if (!endpoint) co_return std::nullopt;
      StaticPools::Host& host = pools_.host_of(*endpoint);
      if (host.config.address) co_return pools_.target(*endpoint);
      // The endpoint must be there when an answer comes.
      const ConnectionPool::User user(host.pool);
      EndpointSet::Use use(pools_.set(), *endpoint);
      const uint64_t before = host.generation;
      auto resolving = pools_.resolver().here().resolve(host.config.name, dns::Standing::in_use);
      const NameState state = CO_TRY(co_await resolving);
      if (!pools_.take_addresses(host, state.addresses.get())) {
        passed.push_back(endpoint->id());
        continue;
      }
      if (host.generation == before) co_return ForwardTarget{host.pool, std::move(use), {}};
    }
  }

  StaticPools& pools_;
};

class StaticUpstream final : public Service {
 public:
  explicit StaticUpstream(std::shared_ptr<const StaticCluster> cluster) : cluster_(std::move(cluster)) {}

  Task<Response> handle(Request& request) const override {
    StaticPools& pools = cluster_->pools.here(*request.upstreams);
    if (pools.is_single()) return forward(request, pools.target(*pools.set().pick({}, request.loop.now())));
    auto* others = request.arena.make<InTurn>(pools);
    if (pools.has_names()) return resolve_and_forward(request, *others);
    return forward(request, pools.target(*pools.set().pick({}, request.loop.now())), others);
  }

  Task<Response> explain(Request& request, Explanation& out) const override {
    out.reached = true;
    out.cluster = cluster_->cluster->name;
    for (const StaticCluster::Host& host : cluster_->hosts) {
      if (!out.destination.empty()) out.destination += ", ";
      out.destination +=
          host.address ? Endpoint{*host.address, host.port}.to_string() : fmt::format("{}:{}", host.name, host.port);
    }
    return local_reply(request, 200, "", "explained");
  }

 private:
  Task<Response> resolve_and_forward(Request& request, InTurn& others) const {
    auto choosing = others.next(request, {});
    auto target = CO_TRY(co_await choosing);
    if (!target) {
      request.info.upstream_cluster = cluster_->cluster->name;
      Response answer = upstream_failure(request, OutcomeKind::no_healthy_upstream);
      cluster_->cluster->metrics.count_response(answer.status);
      co_return answer;
    }
    auto forwarding = forward(request, *std::move(target), &others);
    co_return co_await forwarding;
  }

  std::shared_ptr<const StaticCluster> cluster_;
};

class NoCluster final : public AnsweringService {
 public:
  explicit NoCluster(std::string name) : name_(std::move(name)) {}
  Task<Response> handle(Request& request) const override {
    request.info.upstream_cluster = name_;
    return upstream_failure(request, OutcomeKind::no_cluster);
  }

 private:
  std::string name_;
};

}  // namespace

std::shared_ptr<const Service> make_static_upstream(std::shared_ptr<const StaticCluster> cluster) {
  return std::make_shared<StaticUpstream>(std::move(cluster));
}

std::shared_ptr<const Service> make_no_cluster(std::string cluster_name) {
  return std::make_shared<NoCluster>(std::move(cluster_name));
}

}  // namespace sluice
