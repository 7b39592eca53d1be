#include "net/listen.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cerrno>

#include "base/log.h"
#include "base/strings.h"
#include "io/system_error.h"
#include "net/socket_calls.h"
#include "net/socket_stream.h"

namespace sluice {
namespace {

constexpr int kBacklog = 4096;  // that may wait to be accepted

}  // namespace

Incoming::~Incoming() {
  if (fd_ >= 0) ::close(fd_);
}

Result<std::unique_ptr<Stream>> Incoming::take(const TcpObserver* observer) {
  return open_stream(loop_, std::exchange(fd_, -1), Side::downstream, observer);
}

void Incoming::hand_over(Loop& to, std::move_only_function<void(Incoming& incoming)> then) {
  auto there = std::make_unique<Incoming>(to, std::exchange(fd_, -1), peer);
  to.post([there = std::move(there), then = std::move(then)]() mutable { then(*there); });
}

namespace {

Status set_options(int fd, std::span<const SocketOption> options, SocketOption::When when) {
  for (const SocketOption& option : options) {
    if (option.when != when) continue;
    if (setsockopt(fd, option.level, option.name, option.value.data(), static_cast<socklen_t>(option.value.size())) ==
        0)
      continue;
    return std::unexpected(errno_error(
        errno, fmt::format("the system refuses the socket option{} (level {}, name {})",
                           option.description.empty() ? "" : " " + json_quote(printable(option.description, 80)),
                           option.level, option.name)));
  }
  return {};
}

}  // namespace

Result<int> ListenSocket::open(const SocketAddress& address, bool share_port, std::span<const SocketOption> options) {
  using enum SocketOption::When;
  const int fd = ::socket(address.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return std::unexpected(errno_error(errno, "socket"));
  const int one = 1, zero = 0;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  if (share_port) setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one);
  if (address.family() == AF_INET6) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof zero);
  const auto refused = [&](SocketOption::When when) {
    Status set = set_options(fd, options, when);
    if (set) return set;
    ::close(fd);
    return Status(std::unexpected(std::move(set).error().in(fmt::format("cannot listen on {}", address.to_string()))));
  };
  TRY(refused(before_bind));
  bool done = ::bind(fd, address.get(), address.length) == 0;
  if (done) TRY(refused(before_listen));
  done = done && ::listen(fd, kBacklog) == 0;
  const int code = errno;
  if (done) TRY(refused(after_listen));
  if (done) return fd;
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

Status ListenSocket::replace(int fd) {
  // No more than had room to wait: who comes faster than they are accepted does not keep the loop here.
  for (int rounds = 0; rounds < kBacklog / kAcceptsATurn && fd_ >= 0 && accept_some(); ++rounds) {
  }
  if (fd_ < 0) {  // closed by what it told
    ::close(fd);
    return {};
  }
  Loop& loop = *loop_;
  Accepted accepted = std::move(accepted_);
  close();
  return start(loop, fd, std::move(accepted));
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
  return local_address_of(fd_);
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
      Incoming incoming(*loop_, fd, peer);
      accepted_(incoming);
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
