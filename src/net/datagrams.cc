#include "net/datagrams.h"

#include <sys/socket.h>
#include <unistd.h>
#include <cerrno>

#include "io/system_error.h"

namespace sluice {

DatagramSocket::~DatagramSocket() {
  watch_.release();
  if (fd_ >= 0) ::close(fd_);
}

Status DatagramSocket::open(Loop& loop, const SocketAddress& peer, Waiter& reader) {
  fd_ = ::socket(peer.family(), SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd_ < 0) return std::unexpected(errno_error(errno, "socket"));
  if (::connect(fd_, peer.get(), peer.length) != 0) return std::unexpected(errno_error(errno, "", Side::upstream));
  TRY(watch_.attach(loop, fd_));
  watch_.readable = false;
  watch_.reader = reader_ = &reader;
  return {};
}

std::optional<Result<size_t>> DatagramSocket::receive(std::span<char> into) {
  const ssize_t got = ::recv(fd_, into.data(), into.size(), 0);
  if (got >= 0) return static_cast<size_t>(got);
  if (errno != EAGAIN && errno != EINTR) return std::unexpected(errno_error(errno, "", Side::upstream));
  watch_.readable = false;
  watch_.reader = reader_;
  return std::nullopt;
}

Status DatagramSocket::send(std::string_view datagram) {
  if (::send(fd_, datagram.data(), datagram.size(), MSG_NOSIGNAL) >= 0 || errno == EAGAIN || errno == EINTR) return {};
  return std::unexpected(errno_error(errno, "", Side::upstream));
}

}  // namespace sluice
