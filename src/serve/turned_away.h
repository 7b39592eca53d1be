// The clients of one worker that a connectionLimit turned away and whose delayBeforeClose is not over, over all its
// listeners. Nothing is read from them. Each has a place of the process, so that those who come again and again cannot
// take all descriptors; they are few at a time, and the first to give way to anybody else.
#pragma once

#include <list>
#include <memory>

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

  // A place for one more, which nobody but another of them gives way for. False: there is none.
  bool take_place();
  void give_place() const {
    if (limit_) limit_->give();
  }
  // Keeps it and the place for so long. `whose` is who may call close_all_of().
  void keep(std::unique_ptr<Stream> stream, Nanos delay, const void* whose);
  // The one that came first. False: there is none.
  bool close_oldest();
  void close_all_of(const void* whose);
  size_t size() const { return kept_.size(); }

 private:
  struct Kept final : Waiter {
    Kept(TurnedAway& a, std::unique_ptr<Stream> s, Nanos delay, const void* w);
    ~Kept();
    void wake() override { all.kept_.erase(self); }  // its time is over, or its client has left
    void cancel() override {}
    TurnedAway& all;
    const void* const whose;
    std::list<Kept>::iterator self;
    std::unique_ptr<Stream> stream;
    Timer timer;
  };

  Loop& loop_;
  ConnectionLimit* const limit_;
  std::list<Kept> kept_;  // the one that came first in front
};

}  // namespace sluice
