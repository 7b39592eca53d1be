// Which endpoints of a set are left out for a while, because of how tries with them ended.
//
//   connects      always. One that cannot be connected to is left out for 2 s, twice as long with each failure after
//                 that, up to 60 s; the first connection that succeeds makes up for all.
//   ejections     where an Upstream has `outlierDetection`, as Envoy's outlier detector does them: so many bad answers
//                 or failures in a row, or a success rate far below that of the others. An ejected endpoint is back
//                 after baseEjectionTime, times how often that happened lately; each `interval` in good health since
//                 takes one off again. Never the last endpoint, and never more than maxEjectionPercent, but for the
//                 first.
//
// Where most are ejected (healthyPanicThreshold) they are used all the same: it is better to spread what there is.
// Whoever chooses (upstream/balancer.h) takes those left out when there are no others.
//
// Knows endpoints by their place in the set. One worker's own: each worker counts for itself. No timers, the time is
// handed in. As long as nothing fails it holds nothing and costs a comparison, unless success rates are compared.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/random.h"
#include "base/time.h"
#include "config/kinds/outlier_detection.h"

namespace sluice {

enum class EjectionCause : uint8_t {
  connect,
  consecutive_5xx,
  consecutive_gateway_failure,
  consecutive_local_origin_failure,
  success_rate,
  local_origin_success_rate,
};

enum class EjectionDecision : uint8_t {
  ejected,
  not_enforced,  // `enforcing...` says that this time nothing is done
  too_many,      // are ejected already
};

// Is told of each decision, for logs and metrics.
class EjectionListener {
 public:
  virtual void decided(size_t endpoint, EjectionCause cause, EjectionDecision decision, Nanos lasts) = 0;

 protected:
  ~EjectionListener() = default;
};

class Ejections {
 public:
  static constexpr Nanos kPauseFirst = 2s;
  static constexpr Nanos kPauseMax = 60s;
  static constexpr Nanos kEjectionMax = 300s;  // or baseEjectionTime, if that is longer
  static constexpr double kPanicThreshold = 50;

  struct Options {
    const kinds::OutlierDetection* detection = nullptr;  // none: connects alone
    double panic_threshold = kPanicThreshold;            // percent
    EjectionListener* listener = nullptr;                // none: nobody is told
    uint64_t seed = 1;
  };
  // What the options point to outlives it.
  Ejections(size_t endpoints, const Options& options);

  // Whether nobody should go there unless there is no other.
  bool left_out(size_t endpoint, SteadyTime now) {
    if (now >= all_back_) [[likely]]
      return false;
    return is_out(endpoint, now);
  }

  // --- how tries ended ---

  enum class Failure : uint8_t {
    connect,          // refused, unreachable
    connect_timeout,  // no connection in time
    reset,            // the connection ended before a whole response head
    timeout,          // no response in time
  };
  void failed(size_t endpoint, Failure how, SteadyTime now);
  // Whether it had failed before.
  bool connected(size_t endpoint);
  // With a response.
  void answered(size_t endpoint, uint16_t status, SteadyTime now);

  // --- the set changes ---

  static constexpr size_t kNew = SIZE_MAX;
  // from[i]: the place that the endpoint at place i had until now, or kNew.
  void change_set(std::span<const size_t> from);

  size_t ejected(SteadyTime now) const;  // just now, without those that cannot be connected to
  bool holds_nothing() const { return records_.empty(); }

 private:
  struct Rate {
    uint32_t tries = 0;
    uint32_t good = 0;
  };
  struct Record {
    Nanos pause{};  // 0: the last connect, if any, succeeded
    SteadyTime paused_until{};
    SteadyTime ejected_until{};
    uint32_t ejections = 0;  // lately: the factor of the next one
    uint32_t bad_answers = 0;
    uint32_t gateway_failures = 0;
    uint32_t local_failures = 0;
    Rate rates[2];  // since the last comparison: of answers, of local origin
  };
  enum Origin : uint8_t { external, local };

  Record& record(size_t endpoint);
  bool compares_rates() const;
  bool is_out(size_t endpoint, SteadyTime now);
  void recount(SteadyTime now);
  void pause(size_t endpoint, SteadyTime now);
  void count_answer(size_t endpoint, uint16_t status, SteadyTime now);
  void count_local_failure(size_t endpoint, SteadyTime now);
  void compare_when_due(SteadyTime now);
  void compare(Origin origin, EjectionCause cause, uint32_t enforcing, SteadyTime now);
  void eject(size_t endpoint, EjectionCause cause, uint32_t enforcing, SteadyTime now);
  Nanos begin_ejection(Record& record, SteadyTime now) const;
  void tell(size_t endpoint, EjectionCause cause, EjectionDecision decision, Nanos lasts);

  size_t endpoints_;
  Options options_;
  Random random_;
  std::vector<Record> records_;  // empty until there is something to remember
  SteadyTime all_back_{};        // nobody is left out from then on
  SteadyTime next_back_{};       // the next that comes back from an ejection: `panic_` holds until then
  SteadyTime next_comparison_{};
  bool panic_ = false;
};

}  // namespace sluice
