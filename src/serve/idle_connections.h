// The client connections of one worker that wait for a request, over all its listeners of one bound. They give way when
// that bound is reached or nearly so, or memory is short (serve/overload.h): the one that has waited longest goes
// first, as its client is the least likely to miss it, and none before it has waited for kGrace. Where newcomers could
// end each other before their requests arrive, a crowd would get nobody served. Belongs to one loop.
#pragma once

#include <cstddef>

#include "base/metrics.h"
#include "base/time.h"

namespace sluice {

// What a connection has of the list; costs nothing while it is in none.
struct IdleLink {
  IdleLink* next = nullptr;
  IdleLink* previous = nullptr;
  SteadyTime since{};
  bool linked() const { return next != nullptr; }
};

class IdleConnections {
 public:
  // `given_up` counts those that were made to go.
  explicit IdleConnections(Counter* given_up) : given_up_(given_up) { ends_.next = ends_.previous = &ends_; }
  IdleConnections(const IdleConnections&) = delete;
  IdleConnections& operator=(const IdleConnections&) = delete;

  static constexpr Nanos kGrace = 1s;

  // It waits from now on.
  void add(IdleLink& link, SteadyTime now);
  // Of whichever list it is in, if any.
  static void remove(IdleLink& link);

  // Ends the one that has waited longest, in order: its client sees the end of an idle connection, as after
  // `idleTimeout`. False: none has waited long enough.
  bool give_up_one(SteadyTime now);
  // So many, or all that have.
  void give_up(size_t most, SteadyTime now);

 private:
  Counter* const given_up_;
  IdleLink ends_;  // next: waits longest; previous: came last
};

}  // namespace sluice
