// Waiting until a read (write) is worth trying: for those who make Streams.
#pragma once

#include "io/loop.h"

namespace sluice {

// ErrorKind::timeout after `deadline`.
template <bool kRead>
class Ready final : public Wait<Ready<kRead>, void> {
 public:
  Ready(Loop& loop, Readiness& of, Side side, SteadyTime deadline)
      : loop_(loop), of_(of), side_(side), deadline_(deadline) {}
  bool start() {
    if (kRead ? of_.readable : of_.writable) return true;
    slot() = this;
    timer_.arm(loop_, deadline_, expiry_);
    return false;
  }
  void stop() {
    timer_.disarm();
    if (slot() == this) slot() = nullptr;
  }
  Result<void> result() {
    if (timed_out_) return fail(ErrorKind::timeout, "timed out", side_);
    return {};
  }
  void wake() override {
    timer_.disarm();
    Wait<Ready<kRead>, void>::wake();
  }

 private:
  struct Expiry final : Waiter {
    explicit Expiry(Ready& r) : ready(r) {}
    void wake() override {
      ready.timed_out_ = true;
      ready.stop();
      ready.wake();
    }
    void cancel() override {}
    Ready& ready;
  };
  Waiter*& slot() { return kRead ? of_.reader : of_.writer; }

  Loop& loop_;
  Readiness& of_;
  const Side side_;
  const SteadyTime deadline_;
  Timer timer_;
  Expiry expiry_{*this};
  bool timed_out_ = false;
};

}  // namespace sluice
