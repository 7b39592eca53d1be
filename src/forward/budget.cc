#include "forward/budget.h"

#include <algorithm>

#include "base/check.h"
#include "forward/connection.h"

namespace sluice {
namespace {

constexpr MetricFamily kGivenUp{"sluice_upstream_connections_given_up_total",
                                "Idle connections that were closed because others needed their place."};
constexpr MetricFamily kOverflow{"sluice_upstream_connections_overflow_total",
                                 "Requests refused because all connections the process may have are busy."};

}  // namespace

std::vector<MetricFamily> budget_metric_families() {
  return {kGivenUp, kOverflow};
}

BudgetMetrics::BudgetMetrics(Metrics& metrics)
    : given_up(metrics.metric(kGivenUp)), overflow(metrics.metric(kOverflow)) {}

ConnectionBudget::ConnectionBudget(size_t connections_max, const BudgetMetrics& metrics)
    : max_(connections_max),
      dynamic_max_(std::max<size_t>(1, connections_max - connections_max / 4)),
      metrics_(metrics) {}

bool ConnectionBudget::make_room(HostsBy kind) {
  while (kind == HostsBy::client && open_of(kind) >= dynamic_max_)
    if (!give_up(HostsBy::client)) return false;
  while (open() >= max_)
    if (!give_up_any()) return false;
  return true;
}

bool ConnectionBudget::give_up_any() {
  return give_up(HostsBy::client) || give_up(HostsBy::operator_);
}

bool ConnectionBudget::give_up(HostsBy kind) {
  ClusterConnections* longest = nullptr;
  for (ClusterConnections* cluster : clusters_) {
    if (cluster->hosts_by_ != kind || !cluster->oldest_) continue;
    if (!longest || cluster->oldest_->idle_since() < longest->oldest_->idle_since()) longest = cluster;
  }
  return longest && longest->give_up_oldest();
}

ClusterConnections::ClusterConnections(ConnectionBudget& b, std::shared_ptr<const Cluster> c, HostsBy hosts_by,
                                       Dialer& d, uint64_t seed)
    : budget(b),
      cluster(std::move(c)),
      endpoint_options(cluster->endpoint_options()),
      dialer(d),
      random(seed),
      hosts_by_(hosts_by) {
  budget.clusters_.push_back(this);
}

ClusterConnections::~ClusterConnections() {
  CHECK(!oldest_);
  std::erase(budget.clusters_, this);
}

bool ClusterConnections::make_room(size_t open_there) {
  if (!cluster->fits(*cluster->metrics.connections_active, cluster->connections_max)) {
    // One of its own will become free; but without any, idle ones to other places must not shut it out.
    if (open_there > 0) return false;
    give_up_oldest();
  }
  return budget.make_room(hosts_by_);
}

bool ClusterConnections::give_up_oldest() {
  if (!oldest_) return false;
  oldest_->give_up();
  if (budget.metrics_.given_up) budget.metrics_.given_up->add();
  return true;
}

void ClusterConnections::add_idle(UpstreamConnection& connection) {
  connection.newer_ = nullptr;
  connection.older_ = newest_;
  (newest_ ? newest_->newer_ : oldest_) = &connection;
  newest_ = &connection;
}

void ClusterConnections::remove_idle(UpstreamConnection& connection) {
  (connection.newer_ ? connection.newer_->older_ : newest_) = connection.older_;
  (connection.older_ ? connection.older_->newer_ : oldest_) = connection.newer_;
  connection.newer_ = connection.older_ = nullptr;
}

Task<void> ClusterConnections::until_unused(Loop& loop) {
  ending_ = true;
  while (requests_ > 0) {
    auto waiting = unused_.wait(loop);
    CO_TRY(co_await waiting);
  }
  co_return Status{};
}

}  // namespace sluice
