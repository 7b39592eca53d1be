// Streams in memory: two ends on one loop, without the kernel. They behave as sockets do, with news in the same turn
// of the loop or the next; for tests, and for whoever speaks a protocol to this very process.
#pragma once

#include <memory>

#include "io/loop.h"
#include "net/stream.h"

namespace sluice {

struct StreamPair {
  std::unique_ptr<Stream> downstream;  // its errors are the downstream's fault
  std::unique_ptr<Stream> upstream;
};

// `capacity`: bytes on their way in each direction.
StreamPair memory_streams(Loop& loop, size_t capacity = 64U << 10);

}  // namespace sluice
