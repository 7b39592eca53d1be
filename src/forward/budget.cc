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
constexpr MetricFamily kPutOff{
    "sluice_upstream_attempts_put_off_total",
    "Races of connects to a host's addresses that tried their next one later for want of spare connections."};

// Of the places for attempts, or of all, those that requests to hosts of the clients' choice may have.
size_t part_of_dynamic(size_t places) {
  return std::max<size_t>(1, places - places / 4);
}

}  // namespace

std::vector<MetricFamily> budget_metric_families() {
  return {kGivenUp, kOverflow, kPutOff};
}

BudgetMetrics::BudgetMetrics(Metrics& metrics)
    : given_up(metrics.metric(kGivenUp)), overflow(metrics.metric(kOverflow)), put_off(metrics.metric(kPutOff)) {}

ConnectionBudget::ConnectionBudget(size_t connections_max, const BudgetMetrics& metrics)
    : max_(connections_max),
      dynamic_max_(part_of_dynamic(connections_max)),
      attempts_max_(std::max<size_t>(1, connections_max / 8)),
      dynamic_attempts_max_(part_of_dynamic(attempts_max_)),
      metrics_(metrics) {}

bool ConnectionBudget::make_room(HostsBy kind) {
  while (kind == HostsBy::client && open_of(kind) >= dynamic_max_)
    if (!give_up(HostsBy::client)) return false;
  while (open() >= max_)
    if (!give_up_any()) return false;
  return true;
}

bool ConnectionBudget::make_room_for_attempt(HostsBy kind) {
  const Counts& its = of_[static_cast<size_t>(kind)];
  const bool is_dynamic = kind == HostsBy::client;
  if (attempts() >= attempts_max_ || busy() >= max_ / 2) return false;
  if (is_dynamic && (its.attempts >= dynamic_attempts_max_ || its.busy() >= dynamic_max_ / 2)) return false;
  while (open() >= max_ || (is_dynamic && its.open >= dynamic_max_))
    if (!give_up(HostsBy::client)) return false;
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
    // One of its own will become free; but without any, idle ones to other places must not shut it out, nor ones for
    // other clients, which never become free for this one.
    if (open_there > 0 && !cluster->proxy_protocol) return false;
    if (!give_up_oldest() && open_there > 0) return false;
  }
  return budget.make_room(hosts_by_);
}

bool ClusterConnections::make_room_for_attempt() {
  const Gauge& active = *cluster->metrics.connections_active;
  if (!cluster->fits(active, cluster->connections_max)) return false;
  return cluster->fits(active, cluster->connections_max / 2 + idle_) && budget.make_room_for_attempt(hosts_by_);
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
  ++idle_;
  ++budget.idle_of(hosts_by_);
}

void ClusterConnections::remove_idle(UpstreamConnection& connection) {
  (connection.newer_ ? connection.newer_->older_ : newest_) = connection.older_;
  (connection.older_ ? connection.older_->newer_ : oldest_) = connection.newer_;
  connection.newer_ = connection.older_ = nullptr;
  --idle_;
  --budget.idle_of(hosts_by_);
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
