#include "upstream/balancer.h"

#include <algorithm>
#include <functional>

#include "base/check.h"

namespace sluice {
namespace {

// The heap's top is the earliest; of equal ones that which stands first in the set.
struct Later {
  template <class Turn>
  bool operator()(const Turn& a, const Turn& b) const {
    const auto ahead = static_cast<int64_t>(a.time - b.time);
    return ahead != 0 ? ahead > 0 : a.endpoint > b.endpoint;
  }
};

}  // namespace

Balancer::Balancer(Balancing how, std::span<const uint32_t> weights, uint64_t seed, uint32_t choices)
    : how_(how), choices_(std::max(choices, 1U)), random_(seed), weights_(weights.begin(), weights.end()) {
  if (weights_.empty()) return;
  CHECK(std::ranges::min(weights_) > 0);
  const bool equal = std::ranges::adjacent_find(weights_, std::not_equal_to<>()) == weights_.end();
  if (how == Balancing::round_robin) {
    // The shortest stride is 2^20 or more, so that rounding does not show; the longest is below 2^53, and so no two
    // turns are ever so far apart that their order is in doubt.
    stride_total_ = uint64_t{std::ranges::max(weights_)} << 20;
    turns_.reserve(weights_.size());
    // Somewhere in the first stride: workers do not all begin with the same endpoint, nor do sets that change often.
    for (uint32_t i = 0; i < weights_.size(); ++i)
      turns_.push_back({random_.below(stride(weights_[i])), i, weights_[i]});
    std::ranges::make_heap(turns_, Later());
  } else if (!equal) {
    uint64_t end = 0;
    for (const uint32_t weight : weights_) ends_.push_back(end += weight);
  }
}

void Balancer::pop_turn(size_t count) {
  std::pop_heap(turns_.begin(), turns_.begin() + static_cast<ptrdiff_t>(count), Later());
}

// The first of them was chosen at `now`, its own time, and so keeps its share exactly; what was put aside had its turn
// before.
void Balancer::push_turns(size_t from) {
  const uint64_t now = turns_[from].time;
  for (size_t i = from; i < turns_.size(); ++i) {
    turns_[i].time = now + stride(turns_[i].weight);
    std::push_heap(turns_.begin(), turns_.begin() + static_cast<ptrdiff_t>(i) + 1, Later());
  }
}

void Balancer::restore_turns() {
  std::ranges::make_heap(turns_, Later());
}

size_t Balancer::draw() {
  if (ends_.empty()) return random_.below(weights_.size());
  return static_cast<size_t>(std::ranges::upper_bound(ends_, random_.below(ends_.back())) - ends_.begin());
}

}  // namespace sluice
