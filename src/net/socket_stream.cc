#include "net/socket_stream.h"

#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cerrno>

#include "io/system_error.h"
#include "net/dialer.h"
#include "net/ready.h"

namespace sluice {
namespace {

class SocketStream final : public Stream {
 public:
  explicit SocketStream(Side side) : side_(side) {}
  SocketStream(const SocketStream&) = delete;
  SocketStream& operator=(const SocketStream&) = delete;
  ~SocketStream() override {
    if (!watch_.attached()) return;
    const int fd = watch_.fd();
    watch_.release();
    ::close(fd);
  }

  // Closes the descriptor when this fails.
  Status open(Loop& loop, int fd) {
    const int one = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    Status attached = watch_.attach(loop, fd);
    if (!attached) ::close(fd);
    return attached;
  }
  Status connect(const SocketAddress& address);

  Loop& loop() const override { return watch_.loop(); }
  SocketAddress local_address() const override {
    SocketAddress out;
    out.length = sizeof out.v6_address;
    getsockname(watch_.fd(), out.get(), &out.length);
    return out;
  }

  Task<void> established(SteadyTime deadline) override;

  bool has_buffered() const override { return watch_.readable; }
  size_t buffered_bytes() const override {
    int bytes = 0;
    return ::ioctl(watch_.fd(), FIONREAD, &bytes) == 0 ? static_cast<size_t>(bytes) : 0;
  }
  Attempt try_read(std::span<char> into) override;
  Task<size_t> read(std::span<char> into, SteadyTime deadline) override;
  void when_readable(Waiter* waiter) override { watch_.reader = waiter; }
  bool is_silent() override;

  Attempt try_write(std::span<const iovec> parts) override;
  void end_writing() override { ::shutdown(watch_.fd(), SHUT_WR); }

  bool peer_ended() const override { return watch_.peer_closed; }
  bool is_broken() const override { return watch_.broken; }
  void when_hung_up(Waiter* waiter) override { watch_.on_hangup = waiter; }
  void abort() override {
    aborted_ = true;
    ::shutdown(watch_.fd(), SHUT_RDWR);  // makes an event for those who wait
  }

 protected:
  Task<void> writable(SteadyTime deadline) override {
    auto ready = Ready<false>(loop(), watch_, side_, deadline);
    co_return co_await ready;
  }

 private:
  Task<size_t> read_waiting(std::span<char> into, SteadyTime deadline);
  Task<void> connected(SteadyTime deadline);
  std::unexpected<Error> aborted() const { return fail(ErrorKind::reset, "the connection was given up", side_); }

  const Side side_;
  bool connecting_ = false;
  bool aborted_ = false;
  Watch watch_;
};

Stream::Attempt SocketStream::try_read(std::span<char> into) {
  const ssize_t got = ::recv(watch_.fd(), into.data(), into.size(), 0);
  if (aborted_) [[unlikely]]
    return aborted();
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

Task<size_t> SocketStream::read(std::span<char> into, SteadyTime deadline) {
  if (watch_.readable)
    if (auto got = try_read(into)) return std::move(*got);
  return read_waiting(into, deadline);
}

Task<size_t> SocketStream::read_waiting(std::span<char> into, SteadyTime deadline) {
  for (;;) {
    auto ready = Ready<true>(loop(), watch_, side_, deadline);
    CO_TRY(co_await ready);
    if (auto got = try_read(into)) co_return std::move(*got);
  }
}

// What came makes an event, and whoever keeps the stream is told; but the event may stand behind the one that is being
// handled just now, and only then the socket is asked.
bool SocketStream::is_silent() {
  if (watch_.peer_closed || watch_.broken || aborted_) return false;
  if (!watch_.readable && !loop().may_have_news(watch_)) return true;
  char byte;
  return !try_read({&byte, 1}).has_value();  // a byte, the end, or an error
}

Stream::Attempt SocketStream::try_write(std::span<const iovec> parts) {
  ssize_t put;
  if (parts.size() == 1) {
    put = ::send(watch_.fd(), parts[0].iov_base, parts[0].iov_len, MSG_NOSIGNAL);
  } else {
    msghdr message{};
    message.msg_iov = const_cast<iovec*>(parts.data());
    message.msg_iovlen = parts.size();
    put = ::sendmsg(watch_.fd(), &message, MSG_NOSIGNAL);
  }
  if (put >= 0) return static_cast<size_t>(put);
  if (errno == EAGAIN || errno == EINTR) {
    watch_.writable = errno == EINTR;
    return std::nullopt;
  }
  return std::unexpected(errno_error(errno, "", side_));
}

Status SocketStream::connect(const SocketAddress& address) {
  watch_.writable = watch_.readable = false;
  connecting_ = ::connect(watch_.fd(), address.get(), address.length) != 0;
  if (connecting_ && errno != EINPROGRESS) return std::unexpected(errno_error(errno, "", side_));
  watch_.writable = !connecting_;
  return {};
}

Task<void> SocketStream::established(SteadyTime deadline) {
  if (aborted_) return aborted();
  if (!connecting_) return Status{};
  return connected(deadline);
}

Task<void> SocketStream::connected(SteadyTime deadline) {
  auto ready = Ready<false>(loop(), watch_, side_, deadline);
  CO_TRY(co_await ready);
  if (aborted_) co_return aborted();
  int code = 0;
  socklen_t size = sizeof code;
  getsockopt(watch_.fd(), SOL_SOCKET, SO_ERROR, &code, &size);
  if (code != 0) {
    aborted_ = true;  // the kernel tells only once
    co_return std::unexpected(errno_error(code, "", side_));
  }
  connecting_ = false;
  co_return Status{};
}

}  // namespace

Result<std::unique_ptr<Stream>> open_stream(Loop& loop, int fd, Side side) {
  auto stream = std::make_unique<SocketStream>(side);
  TRY(stream->open(loop, fd));
  return stream;
}

namespace {

class SocketDialer final : public Dialer {
 public:
  Result<std::unique_ptr<Stream>> dial(Loop& loop, const SocketAddress& address) override {
    const int fd = ::socket(address.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return std::unexpected(errno_error(errno, "socket"));
    auto stream = std::make_unique<SocketStream>(Side::upstream);
    TRY(stream->open(loop, fd));
    TRY(stream->connect(address));
    return stream;
  }
};

}  // namespace

Dialer& socket_dialer() {
  static SocketDialer dialer;
  return dialer;
}

}  // namespace sluice
