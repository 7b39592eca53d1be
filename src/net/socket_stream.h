// Streams that are sockets of the kernel, as they are: nothing is done to the bytes.
#pragma once

#include <memory>

#include "io/loop.h"
#include "net/stream.h"

namespace sluice {

// Takes a connected, non-blocking descriptor over, and closes it when this fails; side: whose fault errors are.
Result<std::unique_ptr<Stream>> open_stream(Loop& loop, int fd, Side side);

}  // namespace sluice
