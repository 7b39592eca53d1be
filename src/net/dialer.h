// Who makes connections to others.
#pragma once

#include <memory>

#include "net/stream.h"

namespace sluice {

// Any loop may use it, each on its own thread.
class Dialer {
 public:
  virtual ~Dialer() = default;
  // Begins to connect: await established(). Errors of the stream are the upstream's.
  virtual Result<std::unique_ptr<Stream>> dial(Loop& loop, const SocketAddress& address) = 0;
};

// By sockets of the kernel.
Dialer& socket_dialer();

}  // namespace sluice
