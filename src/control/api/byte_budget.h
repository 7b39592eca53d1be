// How many bytes all requests of the API may hold together: bodies that come in, answers and events that go out.
//
// One request is bounded by itself (the size of a body, of an object, of the configuration); this bounds how many of
// them may wait for slow clients. Belongs to the control thread.
#pragma once

#include <cstddef>
#include <utility>

#include "base/metrics.h"

namespace sluice {

// Where it is counted; either may be missing.
struct ByteCounts {
  Gauge* held = nullptr;
  Counter* refused = nullptr;
};

class ByteBudget {
 public:
  explicit ByteBudget(size_t bytes_max, ByteCounts counts = {}) : bytes_max_(bytes_max), counts_(counts) {}
  ByteBudget(const ByteBudget&) = delete;
  ByteBudget& operator=(const ByteBudget&) = delete;

  size_t held() const { return held_; }

  // A part of the budget, given back when it goes. Must not outlive the budget.
  class Share {
   public:
    explicit Share(ByteBudget& budget) : budget_(budget) {}
    Share(const Share&) = delete;
    Share& operator=(const Share&) = delete;
    ~Share() { budget_.change(bytes_, 0); }

    // False, and nothing changes, when all together would hold too much. Less always fits.
    bool resize(size_t bytes) {
      if (!budget_.change(bytes_, bytes)) return false;
      bytes_ = bytes;
      return true;
    }

   private:
    ByteBudget& budget_;
    size_t bytes_ = 0;
  };

 private:
  bool change(size_t from, size_t to) {
    if (to > from && to - from > bytes_max_ - held_) {
      if (counts_.refused) counts_.refused->add();
      return false;
    }
    held_ = held_ - from + to;
    if (counts_.held) counts_.held->set(static_cast<int64_t>(held_));
    return true;
  }

  size_t bytes_max_;
  ByteCounts counts_;
  size_t held_ = 0;
};

}  // namespace sluice
