#include "io/socket.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/tcp.h>
#include <unistd.h>
#include <cerrno>
#include <cstring>

#include "base/log.h"

namespace sluice {

SocketAddress SocketAddress::v4(uint32_t address, uint16_t port) {
  SocketAddress out;
  auto* in = &out.v4_address;
  in->sin_family = AF_INET;
  in->sin_port = htons(port);
  in->sin_addr.s_addr = htonl(address);
  out.length = sizeof(sockaddr_in);
  return out;
}

SocketAddress SocketAddress::of(const Endpoint& endpoint) {
  SocketAddress out;
  sockaddr_storage storage{};
  out.length = endpoint.to_sockaddr(storage);
  std::memcpy(&out.v6_address, &storage, out.length);
  return out;
}

std::optional<SocketAddress> SocketAddress::parse(std::string_view ip, uint16_t port) {
  SocketAddress out;
  const std::string text(ip);
  auto* v4 = &out.v4_address;
  auto* v6 = &out.v6_address;
  if (inet_pton(AF_INET, text.c_str(), &v4->sin_addr) == 1) {
    v4->sin_family = AF_INET;
    v4->sin_port = htons(port);
    out.length = sizeof(sockaddr_in);
    return out;
  }
  if (inet_pton(AF_INET6, text.c_str(), &v6->sin6_addr) == 1) {
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(port);
    out.length = sizeof(sockaddr_in6);
    return out;
  }
  return std::nullopt;
}

uint16_t SocketAddress::port() const {
  return family() == AF_INET6 ? ntohs(v6_address.sin6_port) : ntohs(v4_address.sin_port);
}

std::string SocketAddress::ip() const {
  char text[INET6_ADDRSTRLEN] = "";
  if (family() == AF_INET) {
    inet_ntop(AF_INET, &v4_address.sin_addr, text, sizeof text);
  } else if (family() == AF_INET6) {
    const in6_addr& address = v6_address.sin6_addr;
    // A dual-stack listener shows IPv4 clients as mapped addresses; people know them by the short form.
    if (IN6_IS_ADDR_V4MAPPED(&address))
      inet_ntop(AF_INET, address.s6_addr + 12, text, sizeof text);
    else
      inet_ntop(AF_INET6, &address, text, sizeof text);
  }
  return text;
}

std::string SocketAddress::to_string() const {
  const std::string address = ip();
  return address.contains(':') ? fmt::format("[{}]:{}", address, port()) : fmt::format("{}:{}", address, port());
}

bool operator==(const SocketAddress& a, const SocketAddress& b) {
  if (a.family() != b.family()) return false;
  if (a.family() == AF_INET)
    return a.v4_address.sin_port == b.v4_address.sin_port &&
           a.v4_address.sin_addr.s_addr == b.v4_address.sin_addr.s_addr;
  return a.v6_address.sin6_port == b.v6_address.sin6_port &&
         std::memcmp(&a.v6_address.sin6_addr, &b.v6_address.sin6_addr, sizeof(in6_addr)) == 0;
}

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

// --- ListenSocket -----------------------------------------------------------------------------------------------

Result<int> ListenSocket::open(const SocketAddress& address, bool share_port) {
  const int fd = ::socket(address.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return std::unexpected(errno_error(errno, "socket"));
  const int one = 1, zero = 0;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  if (share_port) setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one);
  if (address.family() == AF_INET6) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof zero);
  if (::bind(fd, address.get(), address.length) == 0 && ::listen(fd, 4096) == 0) return fd;
  const int code = errno;
  ::close(fd);
  Error error = errno_error(code, fmt::format("cannot listen on {}", address.to_string()));
  if (code == EADDRINUSE) error.message += "; another program has this port: stop it or choose another";
  if (code == EACCES) error.message += "; ports below 1024 need root or CAP_NET_BIND_SERVICE";
  return std::unexpected(std::move(error));
}

Status ListenSocket::start(Loop& loop, int fd, Accepted accepted) {
  fd_ = fd;
  loop_ = &loop;
  accepted_ = std::move(accepted);
  spare_ = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  Status attached = watch_.attach(loop, fd);
  if (!attached) {
    close();
    return attached;
  }
  watch_.reader = this;
  return {};
}

void ListenSocket::close() {
  if (fd_ < 0) return;
  retry_.disarm();
  if (std::exchange(deferred_, false)) loop_->undefer(*this);
  watch_.release();
  ::close(fd_);
  if (spare_ >= 0) ::close(spare_);
  fd_ = spare_ = -1;
}

SocketAddress ListenSocket::local() const {
  SocketAddress out;
  out.length = sizeof out.v6_address;
  getsockname(fd_, out.get(), &out.length);
  return out;
}

void ListenSocket::wake() {
  if (spare_ < 0) spare_ = ::open("/dev/null", O_RDONLY | O_CLOEXEC);  // another thread was quicker the last time
  if (std::exchange(deferred_, false)) loop_->undefer(*this);
  const bool more = accept_some();
  if (fd_ < 0) return;
  if (more) {
    deferred_ = true;
    loop_->defer_to_next_turn(*this);
  } else {
    watch_.reader = this;
  }
}

// True: there may be more.
bool ListenSocket::accept_some() {
  for (int accepts = 0; accepts < kAcceptsATurn; ++accepts) {
    SocketAddress peer;
    peer.length = sizeof peer.v6_address;
    const int fd = ::accept4(fd_, peer.get(), &peer.length, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
      accepted_(fd, peer);
      if (fd_ < 0) return false;  // closed by what it told
      continue;
    }
    const int code = errno;
    if (code == EINTR || code == ECONNABORTED) continue;
    if ((code == EMFILE || code == ENFILE) && spare_ >= 0) {
      // No descriptors: take one connection with the spare and close it, so that its client knows.
      ::close(spare_);
      const int refused = ::accept4(fd_, nullptr, nullptr, SOCK_CLOEXEC);
      if (refused >= 0) ::close(refused);
      spare_ = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
      static log::Site site{LogLevel::warn, "listener",
                            "no file descriptors left, connections are refused; raise LimitNOFILE"};
      if (site.admits()) site.write({});
      if (refused >= 0) continue;
    }
    // Whatever it was, those who wait in the queue make no new edge: look again soon.
    if (code != EAGAIN) retry_.arm(*loop_, loop_->now() + 100ms, *this);
    watch_.readable = false;
    return false;
  }
  return true;
}

}  // namespace sluice
