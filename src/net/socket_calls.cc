#include "net/socket_calls.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <array>
#include <cerrno>
#include <cstring>

#include "base/sanitizers.h"
#include "io/system_error.h"

namespace sluice {
namespace {

// Less is copied in less time than the kernel takes to read a message's header and its list of parts.
constexpr size_t kTogetherMax = 1024;

// What a call gave, and whether to wait: `ready` is cleared where it is worth nothing to try again.
Stream::Attempt attempt(ssize_t got, bool& ready, Side side) {
  if (got >= 0) return static_cast<size_t>(got);
  if (errno == EAGAIN || errno == EINTR) {
    ready = errno == EINTR;
    return std::nullopt;
  }
  return std::unexpected(errno_error(errno, "", side));
}

// Those of libc are cancellation points, and in a process with threads pay for that with two atomic exchanges each;
// nobody here cancels a thread.
ssize_t receive_now(int fd, std::span<char> into) {
#ifdef SLUICE_WATCHED  // the sanitizers look at what these of libc read and write
  return ::recv(fd, into.data(), into.size(), 0);
#else
  return ::syscall(SYS_recvfrom, fd, into.data(), into.size(), 0, nullptr, nullptr);
#endif
}

ssize_t send_parts(int fd, std::span<const iovec> parts) {
  if (parts.size() == 1) return send_now(fd, {static_cast<const char*>(parts[0].iov_base), parts[0].iov_len});
  size_t bytes = 0;
  for (const iovec& part : parts) bytes += part.iov_len;
  if (bytes <= kTogetherMax) {
    std::array<char, kTogetherMax> together;
    char* end = together.data();
    for (const iovec& part : parts) {
      if (part.iov_len > 0) std::memcpy(end, part.iov_base, part.iov_len);
      end += part.iov_len;
    }
    return send_now(fd, {together.data(), bytes});
  }
  msghdr message{};
  message.msg_iov = const_cast<iovec*>(parts.data());
  message.msg_iovlen = parts.size();
  return ::sendmsg(fd, &message, MSG_NOSIGNAL);
}

}  // namespace

// As receive_now().
ssize_t send_now(int fd, std::string_view bytes) {
#ifdef SLUICE_WATCHED  // the sanitizers look at what these of libc read and write
  return ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
#else
  return ::syscall(SYS_sendto, fd, bytes.data(), bytes.size(), MSG_NOSIGNAL, nullptr, 0);
#endif
}

Stream::Attempt try_receive(int fd, std::span<char> into, Readiness& now, Side side) {
  const ssize_t got = receive_now(fd, into);
  if (got == 0) now.peer_closed = true;
  // Short: the socket is empty, and the edge for more will come. Not so once the end has been announced.
  if (got > 0 && static_cast<size_t>(got) < into.size() && !now.peer_closed && !now.broken) now.readable = false;
  return attempt(got, now.readable, side);
}

Stream::Attempt try_receive_into_pipe(int fd, int pipe, size_t most, Readiness& now, Side side) {
  const ssize_t got = ::splice(fd, nullptr, pipe, nullptr, most, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
  if (got == 0) now.peer_closed = true;
  return attempt(got, now.readable, side);
}

Stream::Attempt try_send(int fd, std::span<const iovec> parts, Readiness& now, Side side) {
  return attempt(send_parts(fd, parts), now.writable, side);
}

Stream::Attempt try_send_from_pipe(int fd, int pipe, size_t bytes, Readiness& now, Side side) {
  return attempt(::splice(pipe, nullptr, fd, nullptr, bytes, SPLICE_F_MOVE | SPLICE_F_NONBLOCK), now.writable, side);
}

size_t bytes_at(int fd) {
  int bytes = 0;
  return ::ioctl(fd, FIONREAD, &bytes) == 0 ? static_cast<size_t>(bytes) : 0;
}

SocketAddress local_address_of(int fd) {
  SocketAddress out;
  out.length = sizeof out.v6_address;
  getsockname(fd, out.get(), &out.length);
  return out;
}

}  // namespace sluice
