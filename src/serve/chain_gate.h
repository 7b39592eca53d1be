// In front of a chain: how many connections it may have. One too many is kept for a while, unread, and closed.
#pragma once

#include <memory>

#include "serve/entrance.h"

namespace sluice {

struct ChainLimit {
  std::shared_ptr<OpenConnections> open;  // of all workers; null: there is no limit
  size_t most = 0;
  Nanos delay_before_close{};
};

class ChainGate final : public Entrance {
 public:
  // `next` outlives this.
  ChainGate(Loop& l, StreamHandler& next) : Entrance(l), next_(next) {}
  ~ChainGate() override { end_waiting(); }
  // For connections that come from now on. `counts` may be null.
  void configure(ChainLimit limit, std::shared_ptr<const ListenerMetrics> counts);

 private:
  // Of one that has got a place.
  struct Inside final : StreamHandler {
    explicit Inside(ChainGate& g) : gate(g) {}
    void take(Arrival arrival) override;
    ChainGate& gate;
  };
  StreamHandler* passes(const Arrival& arrival) override;
  Task<StreamHandler*> look(Arrival& arrival, SteadyTime deadline) override;
  bool make_room_behind() override { return next_.make_room(); }

  StreamHandler& next_;
  Inside inside_{*this};
  ChainLimit limit_;
  std::shared_ptr<const ListenerMetrics> counts_;
};

}  // namespace sluice
