// Bytes from one socket to another that nobody looks at: they go through a pipe in the kernel and never into memory
// (splice(2)). The program must ignore SIGPIPE: there is no flag for it here, as there is for sending.
#pragma once

#include <optional>

#include "net/stream.h"

namespace sluice {

// The longest waits for either side; 0: no limit.
struct SpliceIdle {
  Nanos from;
  Nanos to;
};

// Moves `count` bytes that `from` still has to give. `moved` goes up as they are given to `to`. After an Error, whose
// side says who failed, bytes are lost. Nothing: it cannot be done, as one of them is no plain socket or the loop has
// no pipe free; nothing has been moved then.
std::optional<Task<void>> splice(Stream& from, Stream& to, uint64_t count, SpliceIdle idle, uint64_t& moved);

// Is told of bytes as they are given on.
class SpliceListener {
 public:
  virtual void moved(uint64_t bytes) = 0;

 protected:
  ~SpliceListener() = default;
};

// Moves what `from` has at hand, as long as it has: true when that is its end, false when it would have to wait.
// `idle`: the longest wait for `to`; 0: no limit. Otherwise as splice().
std::optional<Task<bool>> splice_at_hand(Stream& from, Stream& to, Nanos idle, SpliceListener& listener);

}  // namespace sluice
