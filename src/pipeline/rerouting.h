// What happens to a request whose route was chosen again on its way (Request::choose_route_again).
//
// The route that serves a request has all its policies applied, whatever stage the request had reached: it goes through
// the new route's whole chain, and only filters that have run already are left out. The same filter is the same object:
// the translation gives equal configurations one filter (FilterBuild::share).
#pragma once

#include <array>
#include <vector>

#include "pipeline/filter.h"

namespace sluice {

// Of one request; in its arena once its route has changed.
class Rerouting {
 public:
  static constexpr unsigned kChangesMax = 8;

  // The request leaves `chain`, of which its first `passed` filters have run or were left out.
  void leave(const Chain& chain, size_t passed);

  // Whether the filter need not run: it ran, and none like it after it. What ran last is what holds now: a second
  // check may have replaced the headers that the first one made. What only changes the response never need run twice.
  bool has_run(const StagedFilter& filter) const;

  // Whether a filter that ran before the route changed is such.
  template <class Is>
  bool any_ran(Is&& is) const {
    for (size_t leg = 0; leg < count_; ++leg)
      for (size_t i = 0; i < legs_[leg].passed; ++i)
        if (is(*legs_[leg].chain->filters[i].filter)) return true;
    return false;
  }

  // To run around everything once there is a response: what belongs outermost cannot get there any more from where the
  // request is.
  void run_outermost(const Filter& filter) { outermost_.push_back(&filter); }
  std::span<const Filter* const> outermost() const { return outermost_; }

 private:
  struct Leg {
    const Chain* chain;
    size_t passed;
  };
  std::array<Leg, kChangesMax + 1> legs_;
  size_t count_ = 0;
  std::vector<const Filter*> outermost_;
};

// The next filter, or the end of the chain, for a request whose route has changed.
Task<Response> go_on_rerouted(Request& request, const Chain& chain, size_t at);

// For whoever called the outermost service, when request.rerouting is set: lets the response through the filters that
// stand around everything.
Task<Response> finish_rerouted(Request& request, Response response);

// Chains without filters: 404 where no route fits; 500 where it would take too long to say which fits, and where the
// route was chosen too often.
const Chain& no_route_chain();
const Chain& too_costly_chain();
const Chain& endless_chain();

}  // namespace sluice
