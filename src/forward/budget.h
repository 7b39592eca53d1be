// How many connections to upstreams a worker may have open, and which idle ones it gives up for new ones.
//
//   ConnectionBudget      one worker, all clusters: its part of the process's descriptors (io/descriptors.h)
//   ClusterConnections    one worker, one cluster, all its destinations
//
// Clusters whose hosts the operator wrote down may take all of a worker's budget. Dynamic ones, whose destinations
// clients choose, may take three quarters: a flood of names leaves static routes theirs. At a bound the connections
// that have been idle longest are closed, dynamic ones first; only busy ones can use a budget up.
//
// What a race of connects opens besides its first attempt (upstream/connect_race.h) is for speed alone, and comes from
// spare room: an eighth of a budget at most, while under half of it and of the cluster's own limit is busy. Idle
// connections to dynamic hosts go for it, no others. So a host with many addresses that are all dead takes nobody's
// place. All of it belongs to the worker's thread.
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
  Counter* put_off = nullptr;   // races whose next attempt waited for spare room
};
std::vector<MetricFamily> budget_metric_families();

class ConnectionBudget {
 public:
  // Without limit: for tests and the control thread.
  ConnectionBudget() = default;
  ConnectionBudget(size_t connections_max, const BudgetMetrics& metrics);
  ConnectionBudget(const ConnectionBudget&) = delete;
  ConnectionBudget& operator=(const ConnectionBudget&) = delete;

  size_t open() const { return of_[0].open + of_[1].open; }
  // Closes the connection that has been idle longest, a dynamic one if there is any; false when none is idle.
  bool give_up_any();
  void count_overflow() {
    if (metrics_.overflow) metrics_.overflow->add();
  }
  void count_put_off() {
    if (metrics_.put_off) metrics_.put_off->add();
  }

 private:
  friend class ClusterConnections;
  bool make_room(HostsBy kind);
  bool make_room_for_attempt(HostsBy kind);
  bool give_up(HostsBy kind);
  size_t& open_of(HostsBy kind) { return of_[static_cast<size_t>(kind)].open; }
  size_t& idle_of(HostsBy kind) { return of_[static_cast<size_t>(kind)].idle; }
  size_t& attempts_of(HostsBy kind) { return of_[static_cast<size_t>(kind)].attempts; }
  size_t busy() const { return of_[0].busy() + of_[1].busy(); }
  size_t attempts() const { return of_[0].attempts + of_[1].attempts; }

  struct Counts {
    size_t open = 0;
    size_t idle = 0;      // of them
    size_t attempts = 0;  // of them: of races, besides their first
    size_t busy() const { return open - idle; }
  };
  size_t max_ = SIZE_MAX;
  size_t dynamic_max_ = SIZE_MAX;
  size_t attempts_max_ = SIZE_MAX;
  size_t dynamic_attempts_max_ = SIZE_MAX;
  BudgetMetrics metrics_;
  Counts of_[2];
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
  // The same for another attempt of a race, from spare room alone.
  bool make_room_for_attempt();

  // Until no request refers to any of its pools: then they may end. One may wait.
  Task<void> until_unused(Loop& loop);

  ConnectionBudget& budget;
  const std::shared_ptr<const Cluster> cluster;
  const EndpointSet::Options endpoint_options;  // of all its destinations
  Dialer& dialer;
  Random random;  // for choices and jitter

 private:
  friend class AttemptPlace;
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
  void attempt_began() { ++budget.attempts_of(hosts_by_); }
  void attempt_ended() { --budget.attempts_of(hosts_by_); }
  void add_idle(UpstreamConnection& connection);
  void remove_idle(UpstreamConnection& connection);
  bool give_up_oldest();

  const HostsBy hosts_by_;
  size_t requests_ = 0;  // that refer to a pool
  bool ending_ = false;
  Event unused_;
  UpstreamConnection* newest_ = nullptr;  // of the idle ones
  UpstreamConnection* oldest_ = nullptr;
  uint32_t idle_ = 0;
};

}  // namespace sluice
