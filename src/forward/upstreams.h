// What a worker's connections to upstreams have in common, whichever cluster they belong to.
//
// Belongs to the worker's thread. The pools are each cluster's own: a Local of it (StaticCluster, DynamicCluster).
#pragma once

#include <atomic>
#include <memory>
#include <vector>

#include "forward/connection.h"

namespace sluice {

struct EgressNow;  // dynamic_upstream.h

class Upstreams;

// Has requests under way that rules allowed, which may change.
class Judged {
 public:
  Judged(const Judged&) = delete;
  Judged& operator=(const Judged&) = delete;
  virtual void judge_again(const EgressNow& now) = 0;

 protected:
  explicit Judged(Upstreams& upstreams);
  ~Judged();

 private:
  Upstreams& upstreams_;
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

  // From now on dynamic destinations are judged by these rules; what is under way and is not allowed any more ends.
  void set_egress(std::shared_ptr<const EgressNow> egress) {
    const bool same = egress == egress_;
    egress_ = std::move(egress);  // also the same: it may be another snapshot that keeps it
    if (same || !egress_) return;
    for (Judged* one : judged_) one->judge_again(*egress_);
  }
  const EgressNow* egress() const { return egress_.get(); }

  Loop& loop;
  Dialer& dialer;
  ConnectionBudget budget;       // over all clusters
  Random random{random_seed()};  // for the seeds of what is made of it

 private:
  friend class Judged;
  std::shared_ptr<const EgressNow> egress_;
  std::vector<Judged*> judged_;
};

inline Judged::Judged(Upstreams& upstreams) : upstreams_(upstreams) {
  upstreams_.judged_.push_back(this);
}
inline Judged::~Judged() {
  std::erase(upstreams_.judged_, this);
}

}  // namespace sluice
