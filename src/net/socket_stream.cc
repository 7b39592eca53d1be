#include "net/socket_stream.h"

#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cerrno>

#include "io/system_error.h"
#include "net/dialer.h"
#include "net/ready.h"
#include "net/ring_stream.h"
#include "net/socket_calls.h"

namespace sluice {
namespace {

class SocketStream final : public ReadyStream<Watch> {
 public:
  explicit SocketStream(Side side, const TcpObserver* observer = nullptr) : ReadyStream(side), observer_(observer) {}
  SocketStream(const SocketStream&) = delete;
  SocketStream& operator=(const SocketStream&) = delete;
  ~SocketStream() override {
    if (!now_.attached()) return;
    const int fd = now_.fd();
    if (observer_) tell_of_tcp(fd, *observer_);
    now_.release();
    ::close(fd);
  }

  // Closes the descriptor when this fails.
  Status open(Loop& loop, int fd) {
    const int one = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    Status attached = now_.attach(loop, fd);
    if (!attached) ::close(fd);
    return attached;
  }
  Status connect(const SocketAddress& address);

  Loop& loop() const override { return now_.loop(); }
  SocketAddress local_address() const override { return local_address_of(now_.fd()); }

  Task<void> established(SteadyTime deadline) override;

  size_t buffered_bytes() override { return bytes_at(now_.fd()); }
  bool may_have_input() const override { return now_.readable || loop().may_have_news(now_); }
  Attempt try_read(std::span<char> into) override;
  bool is_silent() override;

  Attempt try_write(std::span<const iovec> parts) override;
  bool can_splice() const override { return true; }
  Attempt try_read_into_pipe(int pipe, size_t most) override;
  Attempt try_write_from_pipe(int pipe, size_t bytes) override;
  void end_writing() override { ::shutdown(now_.fd(), SHUT_WR); }

  void abort() override {
    aborted_ = true;
    ::shutdown(now_.fd(), SHUT_RDWR);  // makes an event for those who wait
  }

 private:
  Task<void> connected(SteadyTime deadline);

  const TcpObserver* const observer_;
  bool connecting_ = false;
};

Stream::Attempt SocketStream::try_read(std::span<char> into) {
  Attempt got = try_receive(now_.fd(), into, now_, side_);
  if (aborted_) [[unlikely]]
    return given_up();
  return got;
}

// What came makes an event, and whoever keeps the stream is told; but the event may stand behind the one that is being
// handled just now, and only then the socket is asked.
bool SocketStream::is_silent() {
  if (now_.peer_closed || now_.broken || aborted_) return false;
  if (!may_have_input()) return true;
  char byte;
  return !try_read({&byte, 1}).has_value();  // a byte, the end, or an error
}

Stream::Attempt SocketStream::try_write(std::span<const iovec> parts) {
  return try_send(now_.fd(), parts, now_, side_);
}

Stream::Attempt SocketStream::try_read_into_pipe(int pipe, size_t most) {
  Attempt got = try_receive_into_pipe(now_.fd(), pipe, most, now_, side_);
  if (aborted_) [[unlikely]]
    return given_up();
  return got;
}

Stream::Attempt SocketStream::try_write_from_pipe(int pipe, size_t bytes) {
  return try_send_from_pipe(now_.fd(), pipe, bytes, now_, side_);
}

Status SocketStream::connect(const SocketAddress& address) {
  now_.writable = now_.readable = false;
  connecting_ = ::connect(now_.fd(), address.get(), address.length) != 0;
  if (connecting_ && errno != EINPROGRESS) return std::unexpected(errno_error(errno, "", side_));
  now_.writable = !connecting_;
  return {};
}

Task<void> SocketStream::established(SteadyTime deadline) {
  if (aborted_) return given_up();
  if (!connecting_) return Status{};
  return connected(deadline);
}

Task<void> SocketStream::connected(SteadyTime deadline) {
  auto ready = Ready<false>(loop(), now_, side_, deadline);
  CO_TRY(co_await ready);
  if (aborted_) co_return given_up();
  if (Status outcome = connect_outcome(now_.fd(), side_); !outcome) {
    aborted_ = true;  // the kernel tells only once
    co_return outcome;
  }
  connecting_ = false;
  co_return Status{};
}

}  // namespace

Result<std::unique_ptr<Stream>> open_stream(Loop& loop, int fd, Side side, const TcpObserver* observer) {
  if (loop.ring()) return open_ring_stream(loop, fd, side, observer);
  auto stream = std::make_unique<SocketStream>(side, observer);
  TRY(stream->open(loop, fd));
  return stream;
}

namespace {

class SocketDialer final : public Dialer {
 public:
  Result<std::unique_ptr<Stream>> dial(Loop& loop, const SocketAddress& address) override {
    const int fd = ::socket(address.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return std::unexpected(errno_error(errno, "socket"));
    if (loop.ring()) return connect_ring_stream(loop, fd, address);
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
