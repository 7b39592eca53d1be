// Places of a pool for the attempts of a race of connects.
#pragma once

#include <list>
#include <utility>

#include "forward/connection.h"
#include "upstream/connect_race.h"

namespace sluice {

// The attempts of a race hold descriptors, as connections do.
class RacePlaces final : public AttemptPlaces {
 public:
  explicit RacePlaces(ConnectionPool& pool) : pool_(pool) {}
  bool take() override {
    if (!pool_.make_room_for_attempt()) {
      if (!std::exchange(put_off_, true)) pool_.connections.budget.count_put_off();
      return false;
    }
    taken_.emplace_back(pool_);
    return true;
  }
  void give_back() override { taken_.pop_back(); }

 private:
  ConnectionPool& pool_;
  std::list<AttemptPlace> taken_;
  bool put_off_ = false;  // once, and counted
};

}  // namespace sluice
