// How many bytes of bodies the process collects at once, over all workers, for filters that must see a whole body. One
// body has its own bound (perConnectionBufferLimitBytes); this is the bound of all together. Counted is the memory that
// is set aside for them. (The API has a bound of its own, control/api/byte_budget.h.)
#pragma once

#include <atomic>
#include <cstddef>

#include "base/metrics.h"

namespace sluice {

class BodyBudget {
 public:
  // The first bytes of each body cost nothing: they are within what a connection may have anyway, and the many small
  // bodies touch nothing that is shared. Beyond them a body pays in steps of the same size.
  static constexpr size_t kStep = 64U << 10;

  BodyBudget(size_t most, Metrics& metrics);
  BodyBudget(const BodyBudget&) = delete;
  BodyBudget& operator=(const BodyBudget&) = delete;

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
    static size_t paid_for(size_t bytes) { return bytes <= kStep ? 0 : (bytes - 1) / kStep * kStep; }
    void give_back(size_t bytes);

    BodyBudget& budget_;
    size_t taken_ = 0;
  };

 private:
  const size_t most_;
  std::atomic<size_t> taken_{0};
  Gauge* const bytes_;
  Counter* const refused_;
};
std::vector<MetricFamily> body_budget_metric_families();

}  // namespace sluice
