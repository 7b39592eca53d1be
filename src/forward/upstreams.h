// One worker's connections to upstreams: the pools of every cluster that it has used.
//
// Belongs to the worker's thread. Pools outlive snapshots: a cluster whose configuration did not change keeps its
// connections. Idle ones close by themselves after the cluster's idle time.
#pragma once

#include <atomic>
#include <memory>
#include <vector>

#include "forward/connection.h"

namespace sluice {

struct EgressNow;  // dynamic_upstream.h

// What a worker keeps for one cluster.
class ClusterState {
 public:
  virtual ~ClusterState() = default;
  // The rules of dynamic destinations have changed.
  virtual void judge_again(const EgressNow&) {}
  // No request uses it just now.
  virtual bool unused() const = 0;
};

// The index under which workers find the state of a cluster: the least number that no other cluster has. Given back
// when the cluster goes, which is not before every worker's state of it has gone, as each holds the cluster.
class ClusterId {
 public:
  ClusterId();
  ClusterId(const ClusterId&) = delete;
  ClusterId& operator=(const ClusterId&) = delete;
  ~ClusterId();
  size_t value() const { return value_; }
  static size_t in_use();

 private:
  const size_t value_;
};

// A number that nobody had before nor will have: for telling whether something was made by the same rules.
class UniqueNumber {
 public:
  UniqueNumber() : value_(next()) {}
  uint64_t value() const { return value_; }

 private:
  static uint64_t next() {
    static std::atomic<uint64_t> last{0};
    return last++;
  }
  uint64_t value_;
};

class Upstreams {
 public:
  // Without a bound on connections: for tests, which may want the same choices each time.
  explicit Upstreams(Loop& l, Dialer& d = socket_dialer(), uint64_t seed = random_seed())
      : loop(l), dialer(d), random(seed) {}
  Upstreams(Loop& l, size_t connections_max, const BudgetMetrics& metrics)
      : loop(l), dialer(socket_dialer()), budget(connections_max, metrics) {}
  Upstreams(const Upstreams&) = delete;
  Upstreams& operator=(const Upstreams&) = delete;

  // The state of the cluster with that id, made by `make(*this)` at the first call.
  template <class State, class Make>
  State& get(const ClusterId& id, Make&& make) {
    if (id.value() >= states_.size()) states_.resize(id.value() + 1);
    auto& state = states_[id.value()];
    if (!state) state = make(*this);
    return static_cast<State&>(*state);
  }
  // Ends the state of clusters that no snapshot has any more, once nothing uses them. `alive[id]` tells.
  void sweep(const std::vector<bool>& alive) {
    for (size_t i = 0; i < states_.size(); ++i)
      if (states_[i] && (i >= alive.size() || !alive[i]) && states_[i]->unused()) states_[i].reset();
  }

  // From now on dynamic destinations are judged by these rules; what is under way and is not allowed any more ends.
  void set_egress(std::shared_ptr<const EgressNow> egress) {
    if (egress == egress_) return;
    egress_ = std::move(egress);
    if (!egress_) return;
    for (auto& state : states_)
      if (state) state->judge_again(*egress_);
  }
  const EgressNow* egress() const { return egress_.get(); }

  Loop& loop;
  Dialer& dialer;
  ConnectionBudget budget;       // over all clusters
  Random random{random_seed()};  // for the seeds of what is made of it

 private:
  std::shared_ptr<const EgressNow> egress_;
  std::vector<std::unique_ptr<ClusterState>> states_;
};

}  // namespace sluice
