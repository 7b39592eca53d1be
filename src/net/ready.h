// What Streams that know of their readiness have in common: for those who make one.
#pragma once

#include <utility>

#include "io/loop.h"
#include "net/stream.h"

namespace sluice {

// Until a read (write) is worth trying; ErrorKind::timeout after `deadline`.
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

// `State` is a Readiness that the stream keeps up to date.
template <class State>
class ReadyStream : public Stream {
 public:
  bool has_buffered() const final { return now_.readable; }
  Task<size_t> read(std::span<char> into, SteadyTime deadline) final {
    if (now_.readable)
      if (auto got = try_read(into)) return std::move(*got);
    return read_waiting(into, deadline);
  }
  Task<void> readable(SteadyTime deadline) final {
    auto ready = Ready<true>(loop(), now_, side_, deadline);
    co_return co_await ready;
  }
  Task<void> writable(SteadyTime deadline) final {
    auto ready = Ready<false>(loop(), now_, side_, deadline);
    co_return co_await ready;
  }
  Side side() const final { return side_; }
  void when_readable(Waiter* waiter) final { now_.reader = waiter; }
  bool peer_ended() const final { return now_.peer_closed; }
  bool is_broken() const final { return now_.broken; }
  void when_hung_up(Waiter* waiter) final { now_.on_hangup = waiter; }

 protected:
  explicit ReadyStream(Side side) : side_(side) {}

  std::unexpected<Error> given_up() const { return fail(ErrorKind::reset, "the connection was given up", side_); }

  const Side side_;       // whose fault errors are
  bool aborted_ = false;  // by this end
  State now_;

 private:
  Task<size_t> read_waiting(std::span<char> into, SteadyTime deadline) {
    for (;;) {
      auto ready = Ready<true>(loop(), now_, side_, deadline);
      CO_TRY(co_await ready);
      if (auto got = try_read(into)) co_return std::move(*got);
    }
  }
};

}  // namespace sluice
