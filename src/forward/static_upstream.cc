#include "forward/static_upstream.h"

#include "forward/failures.h"
#include "forward/static_pools.h"

namespace sluice {

StaticCluster::StaticCluster(const WorkerLoops& loops)
    : pools(loops, [this](Loop&, Upstreams& upstreams) { return std::make_unique<StaticPools>(upstreams, *this); }) {}

namespace {

// One request's way from endpoint to endpoint. Names are resolved when one of their endpoints is chosen.
class InTurn final : public OtherTargets {
 public:
  explicit InTurn(StaticPools& pools) : pools_(pools) {}

  Task<std::optional<ForwardTarget>> next(Request& request, Tried tried) override {
    return pools_.next(request.endpoint_wish, tried);
  }

 private:
  StaticPools& pools_;
};

class StaticUpstream final : public Service {
 public:
  explicit StaticUpstream(std::shared_ptr<const StaticCluster> cluster) : cluster_(std::move(cluster)) {}

  Task<Response> handle(Request& request) const override {
    StaticPools& pools = cluster_->pools.here(*request.upstreams);
    if (pools.is_single() && !request.endpoint_wish)
      return forward(request, pools.target(*pools.set().pick({}, request.loop.now())));
    auto* others = request.arena.make<InTurn>(pools);
    if (pools.has_names() || request.endpoint_wish) return choose_and_forward(request, *others);
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
  Task<Response> choose_and_forward(Request& request, InTurn& others) const {
    auto choosing = others.next(request, {});
    auto target = CO_TRY(co_await choosing);
    if (!target) co_return no_endpoint(request, *cluster_->cluster);
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
