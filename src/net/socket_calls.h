// Calls of connected sockets that do not block.
#pragma once

#include <sys/types.h>
#include <sys/uio.h>
#include <cstddef>
#include <span>
#include <string_view>

#include "io/loop.h"
#include "net/stream.h"

namespace sluice {

// As send(): the bytes, or -1 and errno.
ssize_t send_now(int fd, std::string_view bytes);

// As Stream's of these names, for a socket of which `now` is what is known.
Stream::Attempt try_receive(int fd, std::span<char> into, Readiness& now, Side side);
Stream::Attempt try_receive_into_pipe(int fd, int pipe, size_t most, Readiness& now, Side side);
Stream::Attempt try_send(int fd, std::span<const iovec> parts, Readiness& now, Side side);
Stream::Attempt try_send_from_pipe(int fd, int pipe, size_t bytes, Readiness& now, Side side);

size_t bytes_at(int fd);  // that have come and were not read
SocketAddress local_address_of(int fd);

}  // namespace sluice
