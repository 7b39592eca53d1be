// For tests: turning a loop by hand.
#pragma once

#include "io/loop.h"

namespace sluice {

// Turns the loop until `done()` holds; false when it does not within some thousand turns.
template <class Condition>
bool turn_until(Loop& loop, Condition&& done) {
  for (int turns = 0; turns < 3000; ++turns) {
    if (done()) return true;
    loop.turn(1ms);
  }
  return done();
}

// Lets everything happen that can happen without time going by.
inline void settle(Loop& loop) {
  for (int turns = 0; turns < 20; ++turns) loop.turn(1ms);
}

// The same where nothing comes from the kernel, so that there is nothing to wait for.
inline void settle_in_memory(Loop& loop) {
  for (int turns = 0; turns < 20; ++turns) loop.turn(0s);
}

}  // namespace sluice
