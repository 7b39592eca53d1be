// Which of several endpoints the next request goes to.
//
// A Balancer is made for one set of endpoints, which it knows by their place in it, and does not change with it:
// another set, another Balancer. One worker's own. Choosing allocates nothing and costs some comparisons, however many
// endpoints there are, as long as most of them may be chosen.
//
//   round robin     in turn. By weight: in each run of as many choices as the weights add up to, every endpoint has its
//                   weight, spread out evenly (earliest deadline first, as Envoy's).
//   least request   of `choices` taken at random (by weight) the one with the fewest requests under way for its weight;
//                   the first taken where that is equal. Idle, that is `random`; busy, load is level with the weights.
//                   (Envoy takes at random only where all weights are equal, and else turns by weight over load.)
//   random          at random, by weight
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/random.h"
#include "config/kinds/load_balancer.h"

namespace sluice {

using kinds::Balancing;

class Balancer {
 public:
  static constexpr uint32_t kChoicesUsual = 2;

  // Weights are at least 1, and fewer than 2^32 endpoints. `choices` is for least request.
  Balancer(Balancing how, std::span<const uint32_t> weights, uint64_t seed, uint32_t choices = kChoicesUsual);

  size_t size() const { return weights_.size(); }

  // Among those that `candidates` calls neither tried nor left out; where all the others are left out, among those that
  // have not been tried: it is better to try one that seems to be down than none. Nothing when all have been tried:
  // what to do then is for the caller, who may ask again without having tried any.
  //
  //   bool tried(size_t endpoint) const;     by this request
  //   bool left_out(size_t endpoint) const;  nobody should go there just now
  //   uint64_t load(size_t endpoint) const;  requests under way
  template <class Candidates>
  std::optional<size_t> pick(const Candidates& candidates) {
    const auto wanted = [&](size_t i) { return !candidates.tried(i) && !candidates.left_out(i); };
    if (size() == 0) return std::nullopt;
    if (size() == 1) return candidates.tried(0) ? std::nullopt : std::optional<size_t>(0);
    if (const auto found = pick_among(wanted, candidates)) return found;
    return pick_among([&](size_t i) { return !candidates.tried(i); }, candidates);
  }

 private:
  // Endpoints of round robin in a heap by their next turn. Only differences of times count: they may wrap.
  struct Turn {
    uint64_t time;
    uint32_t endpoint;
    uint32_t weight;
  };

  template <class Fits, class Candidates>
  std::optional<size_t> pick_among(const Fits& fits, const Candidates& candidates) {
    switch (how_) {
      case Balancing::round_robin: return next_in_turn(fits);
      case Balancing::least_request: return least_loaded(fits, candidates);
      case Balancing::random: return any(fits);
    }
    return std::nullopt;
  }

  // Those that do not fit are put aside, at the heap's end, and have lost this turn: one that comes back is not given
  // at once all that it missed.
  template <class Fits>
  std::optional<size_t> next_in_turn(const Fits& fits) {
    for (size_t left = turns_.size(); left > 0; --left) {
      pop_turn(left);
      const Turn& next = turns_[left - 1];
      if (!fits(size_t{next.endpoint})) continue;
      const size_t found = next.endpoint;
      push_turns(left - 1);
      return found;
    }
    restore_turns();  // nothing has been chosen: nobody's turn is over
    return std::nullopt;
  }

  template <class Fits>
  std::optional<size_t> any(const Fits& fits) {
    // Nearly always the first one fits; where few do they are counted.
    for (unsigned tries = 0; tries < kTriesMax; ++tries)
      if (const size_t i = draw(); fits(i)) return i;
    uint64_t total = 0;
    for (size_t i = 0; i < size(); ++i)
      if (fits(i)) total += weights_[i];
    if (total == 0) return std::nullopt;
    uint64_t at = random_.below(total);
    for (size_t i = 0; i < size(); ++i) {
      if (!fits(i)) continue;
      if (at < weights_[i]) return i;
      at -= weights_[i];
    }
    return std::nullopt;
  }

  template <class Fits, class Candidates>
  std::optional<size_t> least_loaded(const Fits& fits, const Candidates& candidates) {
    if (choices_ >= size()) return least_of_all(fits, candidates);
    std::optional<size_t> best = any(fits);
    for (uint32_t taken = 1; best && taken < choices_; ++taken) {
      const auto other = any(fits);
      if (other && is_less_loaded(*other, *best, candidates)) best = other;
    }
    return best;
  }

  // From a random place on, so that not always the first of the idle ones is chosen.
  template <class Fits, class Candidates>
  std::optional<size_t> least_of_all(const Fits& fits, const Candidates& candidates) {
    std::optional<size_t> best = any(fits);
    for (size_t i = 0; best && i < size(); ++i)
      if (fits(i) && is_less_loaded(i, *best, candidates)) best = i;
    return best;
  }

  template <class Candidates>
  bool is_less_loaded(size_t a, size_t b, const Candidates& candidates) const {
    return static_cast<__uint128_t>(candidates.load(a)) * weights_[b] <
           static_cast<__uint128_t>(candidates.load(b)) * weights_[a];
  }

  static constexpr unsigned kTriesMax = 4;

  // Moves the earliest of the first `count` turns behind the others of them.
  void pop_turn(size_t count);
  // The one at `from` is chosen: it and all that were put aside behind it go back into the heap with their next turn.
  void push_turns(size_t from);
  void restore_turns();
  uint64_t stride(uint32_t weight) const { return stride_total_ / weight; }
  size_t draw();

  Balancing how_;
  uint32_t choices_;
  Random random_;
  std::vector<uint32_t> weights_;
  std::vector<uint64_t> ends_;  // of each endpoint's share of all weights; empty where all are equal
  std::vector<Turn> turns_;     // of round robin
  uint64_t stride_total_ = 0;   // between two turns of an endpoint of weight 1
};

}  // namespace sluice
