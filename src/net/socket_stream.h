// Streams that are sockets of the kernel, as they are: nothing is done to the bytes.
#pragma once

#include <memory>

#include "io/loop.h"
#include "net/stream.h"
#include "net/tcp_counts.h"

namespace sluice {

// Takes a connected, non-blocking descriptor over, and closes it when this fails; side: whose fault errors are.
// `observer`, if any, is told of it before it is closed, and outlives it.
Result<std::unique_ptr<Stream>> open_stream(Loop& loop, int fd, Side side, const TcpObserver* observer = nullptr);

}  // namespace sluice
