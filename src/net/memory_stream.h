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

class MemoryStream;

// A connection that somebody dials, at the end of whom it is for: until that says something, the dialler waits.
// Destroyed before, it refuses.
class MemoryCall {
 public:
  // `upstream` is the dialler's end.
  struct Dialled;
  static Dialled dial(Loop& loop, size_t capacity = 64U << 10);

  MemoryCall(MemoryCall&&) noexcept;
  MemoryCall& operator=(MemoryCall&&) = delete;
  ~MemoryCall();

  // The far end of the connection, which is established now. Once.
  std::unique_ptr<Stream> accept();
  // "Connection refused".
  void refuse();
  // Nobody waits for it any more.
  bool given_up() const;

 private:
  explicit MemoryCall(std::unique_ptr<MemoryStream> far);
  std::unique_ptr<MemoryStream> far_;  // null: it has been decided
};

struct MemoryCall::Dialled {
  std::unique_ptr<Stream> upstream;
  MemoryCall call;
};

}  // namespace sluice
