// The clients of one worker that a connectionLimit turned away and whose delayBeforeClose is not over, over all its
// listeners. Nothing is read from them. Each has a place of the process, so that those who come again and again cannot
// take all descriptors; they are few at a time, and the first to give way to anybody else, on whichever worker he is.
//
//   a newcomer on worker 2, no place -> take_over_place()    a client of worker 2, else of another has lost its place
//                                    -> worker 1 is told     and closes its oldest
//
// Who takes a place over has it at once; until the other worker has heard of it there is a connection more than places.
#pragma once

#include <atomic>
#include <list>
#include <memory>
#include <span>
#include <vector>

#include "io/loop.h"
#include "net/stream.h"
#include "serve/connection_limit.h"

namespace sluice {

class TurnedAway {
 public:
  static constexpr size_t kMost = 64;  // over all listeners; for one more the oldest is closed before its time

  // `limit`, if any, outlives this.
  TurnedAway(Loop& loop, ConnectionLimit* limit) : loop_(loop), limit_(limit) {}
  TurnedAway(const TurnedAway&) = delete;
  TurnedAway& operator=(const TurnedAway&) = delete;
  ~TurnedAway();
  // Once, before anybody comes: those of all workers, of the same limit, this one among them. None of them goes while
  // another one's worker runs.
  void share_with(std::span<TurnedAway* const> all);

  // A place for one more, which nobody but another of them gives way for. False: there is none.
  bool take_place();
  void give_place() const {
    if (limit_) limit_->give();
  }
  // Keeps it and the place for so long. `whose` is who may call close_all_of().
  void keep(std::unique_ptr<Stream> stream, Nanos delay, const void* whose);
  // The place of the one that came first, here or else on another worker. False: nobody has one.
  bool take_over_place();
  void close_all_of(const void* whose);
  size_t size() const { return kept_.size(); }

 private:
  struct Kept final : Waiter {
    Kept(TurnedAway& a, std::unique_ptr<Stream> s, Nanos delay, const void* w);
    void wake() override { all.close(self); }  // its time is over, or its client has left
    void cancel() override {}
    TurnedAway& all;
    const void* const whose;
    std::list<Kept>::iterator self;
    std::unique_ptr<Stream> stream;
    Timer timer;
  };

  void close(std::list<Kept>::iterator one);
  bool lose_place();
  void close_those_without_place();

  Loop& loop_;
  ConnectionLimit* const limit_;
  std::vector<TurnedAway*> others_;
  std::list<Kept> kept_;           // the one that came first in front
  std::atomic<size_t> places_{0};  // that they have; fewer than they are where one was taken over a moment ago
};

}  // namespace sluice
