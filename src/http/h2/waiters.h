// Waiters as members of whom they wake.
#pragma once

#include <utility>

#include "io/loop.h"

namespace sluice::h2 {

template <class T, void (T::*kCall)()>
class Wakes final : public Waiter {
 public:
  explicit Wakes(T& owner) : owner_(owner) {}
  void wake() override { (owner_.*kCall)(); }
  void cancel() override {}

 private:
  T& owner_;
};

// What is to be done when the loop comes to it: once, however often it is asked for, and not any more once this ends.
template <class T, void (T::*kCall)()>
class Deferred final : private Waiter {
 public:
  Deferred(Loop& loop, T& owner) : loop_(loop), owner_(owner) {}
  Deferred(const Deferred&) = delete;
  Deferred& operator=(const Deferred&) = delete;
  ~Deferred() {
    if (due_) loop_.undefer(*this);
  }
  void in_this_turn() {
    if (!std::exchange(due_, true)) loop_.defer(*this);
  }
  void in_the_next_turn() {
    if (!std::exchange(due_, true)) loop_.defer_to_next_turn(*this);
  }

 private:
  void wake() override {
    due_ = false;
    (owner_.*kCall)();  // perhaps the end of this
  }
  void cancel() override {}

  Loop& loop_;
  T& owner_;
  bool due_ = false;
};

}  // namespace sluice::h2
