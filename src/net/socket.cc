#include "net/socket.h"

#include <fmt/format.h>
#include <netinet/tcp.h>
#include <unistd.h>
#include <cerrno>
#include <cstring>

namespace sluice {

Error errno_error(int code, std::string_view what, Side side) {
  ErrorKind kind = ErrorKind::io;
  if (code == ECONNRESET || code == EPIPE) kind = ErrorKind::reset;
  if (code == ECONNREFUSED) kind = ErrorKind::refused;
  if (code == ETIMEDOUT) kind = ErrorKind::timeout;
  if (code == EHOSTUNREACH || code == ENETUNREACH) kind = ErrorKind::unreachable;
  const std::string reason = std::strerror(code);
  return {
      .kind = kind, .message = what.empty() ? reason : fmt::format("{}: {}", what, reason), .side = side, .code = code};
}

// --- Socket -----------------------------------------------------------------------------------------------------

Status Socket::adopt(Loop& loop, int fd, Side side) {
  fd_ = fd;
  side_ = side;
  loop_ = &loop;
  const int one = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  Status attached = watch_.attach(loop, fd);
  if (!attached) close();
  return attached;
}

void Socket::close() {
  if (fd_ < 0) return;
  watch_.release();
  ::close(fd_);
  fd_ = -1;
}

void Socket::reset() {
  if (fd_ < 0) return;
  const linger hard{.l_onoff = 1, .l_linger = 0};
  setsockopt(fd_, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
  close();
}

SocketAddress Socket::local_address() const {
  SocketAddress out;
  out.length = sizeof out.v6_address;
  getsockname(fd_, out.get(), &out.length);
  return out;
}

void Socket::shutdown_write() {
  ::shutdown(fd_, SHUT_WR);
}

Status Socket::start_connect(Loop& loop, const SocketAddress& address) {
  const int fd = ::socket(address.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return std::unexpected(errno_error(errno, "socket"));
  TRY(adopt(loop, fd, Side::upstream));
  watch_.writable = watch_.readable = false;
  if (::connect(fd, address.get(), address.length) == 0) {
    watch_.writable = true;
    return {};
  }
  if (errno != EINPROGRESS) return std::unexpected(errno_error(errno, "", Side::upstream));
  return {};
}

Status Socket::connect_result() const {
  int code = 0;
  socklen_t size = sizeof code;
  getsockopt(fd_, SOL_SOCKET, SO_ERROR, &code, &size);
  if (code != 0) return std::unexpected(errno_error(code, "", Side::upstream));
  return {};
}

std::optional<Result<size_t>> Socket::try_read(std::span<char> into) {
  const ssize_t got = ::recv(fd_, into.data(), into.size(), 0);
  if (got > 0) {
    // Short: the socket is empty, and the edge for more will come. Not so once the end has been announced.
    if (static_cast<size_t>(got) < into.size() && !watch_.peer_closed && !watch_.broken) watch_.readable = false;
    return static_cast<size_t>(got);
  }
  if (got == 0) {
    watch_.peer_closed = true;
    return size_t{0};
  }
  if (errno == EAGAIN || errno == EINTR) {
    watch_.readable = errno == EINTR;
    return std::nullopt;
  }
  return std::unexpected(errno_error(errno, "", side_));
}

std::optional<Result<size_t>> Socket::try_write(std::span<const iovec> parts) {
  msghdr message{};
  message.msg_iov = const_cast<iovec*>(parts.data());
  message.msg_iovlen = parts.size();
  const ssize_t put = ::sendmsg(fd_, &message, MSG_NOSIGNAL);
  if (put >= 0) return static_cast<size_t>(put);
  if (errno == EAGAIN || errno == EINTR) {
    watch_.writable = errno == EINTR;
    return std::nullopt;
  }
  return std::unexpected(errno_error(errno, "", side_));
}

std::optional<Result<size_t>> Socket::try_write(std::string_view bytes) {
  const ssize_t put = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
  if (put >= 0) return static_cast<size_t>(put);
  if (errno == EAGAIN || errno == EINTR) {
    watch_.writable = errno == EINTR;
    return std::nullopt;
  }
  return std::unexpected(errno_error(errno, "", side_));
}

Task<size_t> Socket::read(std::span<char> into, SteadyTime deadline) {
  if (watch_.readable)
    if (auto got = try_read(into)) return std::move(*got);
  return read_waiting(into, deadline);
}

Task<size_t> Socket::read_waiting(std::span<char> into, SteadyTime deadline) {
  for (;;) {
    auto ready = readable(deadline);
    CO_TRY(co_await ready);
    if (auto got = try_read(into)) co_return std::move(*got);
  }
}

Task<void> Socket::write_all(std::string_view bytes, Nanos idle) {
  if (auto put = try_write(bytes)) {
    if (!*put) return std::unexpected(std::move(*put).error());
    bytes.remove_prefix(**put);
    if (bytes.empty()) return Status{};
  }
  return write_rest(bytes, idle);
}

Task<void> Socket::write_rest(std::string_view bytes, Nanos idle) {
  while (!bytes.empty()) {
    auto ready = writable(deadline_after(loop_->now(), idle));
    CO_TRY(co_await ready);
    if (auto put = try_write(bytes)) bytes.remove_prefix(CO_TRY(std::move(*put)));
  }
  co_return Status{};
}

namespace {

// Drops the bytes that have gone from the front.
std::span<iovec> advance(std::span<iovec> parts, size_t bytes) {
  while (!parts.empty() && bytes >= parts.front().iov_len) {
    bytes -= parts.front().iov_len;
    parts = parts.subspan(1);
  }
  if (bytes > 0) {
    parts.front().iov_base = static_cast<char*>(parts.front().iov_base) + bytes;
    parts.front().iov_len -= bytes;
  }
  return parts;
}

}  // namespace

Task<void> Socket::write_all(std::span<iovec> parts, Nanos idle) {
  if (auto put = try_write(parts)) {
    if (!*put) return std::unexpected(std::move(*put).error());
    parts = advance(parts, **put);
    if (parts.empty()) return Status{};
  }
  return write_rest(parts, idle);
}

Task<void> Socket::write_rest(std::span<iovec> parts, Nanos idle) {
  while (!parts.empty()) {
    auto ready = writable(deadline_after(loop_->now(), idle));
    CO_TRY(co_await ready);
    if (auto put = try_write(parts)) parts = advance(parts, CO_TRY(std::move(*put)));
  }
  co_return Status{};
}

Task<void> connect(Socket& socket, Loop& loop, SocketAddress address, Nanos timeout) {
  CO_TRY(socket.start_connect(loop, address));
  auto ready = socket.writable(later(loop.now(), timeout));
  CO_TRY(co_await ready);
  co_return socket.connect_result();
}

}  // namespace sluice
