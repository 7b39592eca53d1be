// Streams that are sockets of the kernel, by the operations of a loop's Ring (io/ring.h).
//
// What comes is in memory when its reader is woken, without a system call. What goes is copied, as far as it is little,
// and sent with all that the loop has to send in this turn. A socket through which much goes, or whose bytes nobody
// reads, goes over to calls, of whose turn the ring tells, and stays so: large messages are cheaper that way, and
// nothing is taken from the kernel that nobody wants.
#pragma once

#include <memory>

#include "io/loop.h"
#include "net/stream.h"
#include "net/tcp_counts.h"

namespace sluice {

// Of a loop that has a Ring. As open_stream() in net/socket_stream.h.
Result<std::unique_ptr<Stream>> open_ring_stream(Loop& loop, int fd, Side side, const TcpObserver* observer);
// Begins to connect. Takes the descriptor over, and closes it when this fails.
Result<std::unique_ptr<Stream>> connect_ring_stream(Loop& loop, int fd, const SocketAddress& address);

}  // namespace sluice
