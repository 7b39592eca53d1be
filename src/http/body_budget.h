// How many bytes of bodies the process collects at once, over all workers, for filters that must see a whole body. One
// body has its own bound (perConnectionBufferLimitBytes); this is the bound of all together. Counted is the memory that
// is set aside for them. (The API has a bound of its own, control/api/byte_budget.h.)
#pragma once

#include <atomic>
#include <cstddef>

#include "base/metrics.h"
#include "base/result.h"

namespace sluice {

class BodyBudget {
 public:
  // A body of so few bytes costs nothing: they are within what its exchange has anyway, and the many small bodies touch
  // nothing that is shared. A larger one pays for all it has, in steps of about what a read gives.
  static constexpr size_t kFree = 8U << 10;
  static constexpr size_t kStep = 16U << 10;

  BodyBudget(size_t most, Metrics& metrics);
  BodyBudget(const BodyBudget&) = delete;
  BodyBudget& operator=(const BodyBudget&) = delete;

  // While it is closed, as memory is nearly exhausted, no body gets more than it has. Any thread.
  void close(bool closed) { closed_.store(closed, std::memory_order_relaxed); }

  // What one body has taken; given back at its end.
  class Share {
   public:
    explicit Share(BodyBudget& budget) : budget_(budget) {}
    Share(const Share&) = delete;
    Share& operator=(const Share&) = delete;
    ~Share();
    // The body has this many bytes in all now. False, and counted: the process may have no more.
    bool covers(size_t bytes);
    // It has no more than this any more.
    void only(size_t bytes);

   private:
    static size_t paid_for(size_t bytes) { return bytes <= kFree ? 0 : (bytes + kStep - 1) / kStep * kStep; }
    void give_back(size_t bytes);

    BodyBudget& budget_;
    size_t taken_ = 0;
  };

 private:
  const size_t most_;
  std::atomic<size_t> taken_{0};
  std::atomic<bool> closed_{false};
  Gauge* const bytes_;
  Counter* const refused_;
};
std::vector<MetricFamily> body_budget_metric_families();
// Share::covers(), as an error: ErrorKind::overload. Without a share everything is paid for.
Status pay(BodyBudget::Share* share, size_t bytes);

}  // namespace sluice
