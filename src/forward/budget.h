// How many connections to upstreams a worker may have open, and which idle ones it gives up for new ones.
//
//   ConnectionBudget      one worker, all clusters: its part of the process's descriptors (io/descriptors.h)
//   ClusterConnections    one worker, one cluster, all its destinations
//
// Clusters whose hosts the operator wrote down may take all of a worker's budget. Dynamic ones, whose destinations
// clients choose, may take three quarters: a flood of names leaves static routes theirs. At a bound the connections
// that have been idle longest are closed, dynamic ones first; only busy ones can use a budget up. All of it belongs to
// the worker's thread.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "base/random.h"
#include "forward/cluster.h"
#include "io/loop.h"
#include "net/dialer.h"

namespace sluice {

class UpstreamConnection;
class ClusterConnections;

enum class HostsBy : uint8_t { operator_, client };  // who chose the hosts of a cluster

struct BudgetMetrics {
  BudgetMetrics() = default;  // counts nothing
  explicit BudgetMetrics(Metrics& metrics);
  Counter* given_up = nullptr;  // idle ones that were closed for others
  Counter* overflow = nullptr;  // requests that were refused for want of room
};
std::vector<MetricFamily> budget_metric_families();

class ConnectionBudget {
 public:
  // Without limit: for tests and the control thread.
  ConnectionBudget() = default;
  ConnectionBudget(size_t connections_max, const BudgetMetrics& metrics);
  ConnectionBudget(const ConnectionBudget&) = delete;
  ConnectionBudget& operator=(const ConnectionBudget&) = delete;

  size_t open() const { return open_[0] + open_[1]; }
  // Closes the connection that has been idle longest, a dynamic one if there is any; false when none is idle.
  bool give_up_any();
  void count_overflow() {
    if (metrics_.overflow) metrics_.overflow->add();
  }

 private:
  friend class ClusterConnections;
  bool make_room(HostsBy kind);
  bool give_up(HostsBy kind);
  size_t& open_of(HostsBy kind) { return open_[static_cast<size_t>(kind)]; }

  size_t max_ = SIZE_MAX;
  size_t dynamic_max_ = SIZE_MAX;
  BudgetMetrics metrics_;
  size_t open_[2] = {};
  std::vector<ClusterConnections*> clusters_;
};

class ClusterConnections {
 public:
  ClusterConnections(ConnectionBudget& budget, std::shared_ptr<const Cluster> cluster, HostsBy hosts_by,
                     Dialer& dialer = socket_dialer(), uint64_t seed = random_seed());
  ClusterConnections(const ClusterConnections&) = delete;
  ClusterConnections& operator=(const ClusterConnections&) = delete;
  ~ClusterConnections();

  // Whether one more may be opened for a destination that has `open_there` already; closes idle ones to others for it.
  // A destination without any may always have one as far as the cluster's own limit goes, as with Envoy.
  bool make_room(size_t open_there);

  // Until no request refers to any of its pools: then they may end. One may wait.
  Task<void> until_unused(Loop& loop);

  ConnectionBudget& budget;
  const std::shared_ptr<const Cluster> cluster;
  const EndpointSet::Options endpoint_options;  // of all its destinations
  Dialer& dialer;
  Random random;  // for choices and jitter

 private:
  friend class ConnectionPlace;
  friend class UpstreamConnection;
  friend class ConnectionPool;
  friend class ConnectionBudget;
  void request_begins() { ++requests_; }
  void request_ends(Loop& loop) {
    if (--requests_ == 0 && ending_) [[unlikely]]
      unused_.notify(loop);
  }
  void opened() { ++budget.open_of(hosts_by_); }
  void closed() { --budget.open_of(hosts_by_); }
  void add_idle(UpstreamConnection& connection);
  void remove_idle(UpstreamConnection& connection);
  bool give_up_oldest();

  const HostsBy hosts_by_;
  size_t requests_ = 0;  // that refer to a pool
  bool ending_ = false;
  Event unused_;
  UpstreamConnection* newest_ = nullptr;  // of the idle ones
  UpstreamConnection* oldest_ = nullptr;
};

}  // namespace sluice
