#include "net/socket_stream.h"

#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cerrno>

#include "io/system_error.h"
#include "net/dialer.h"
#include "net/ring_stream.h"
#include "net/socket_base.h"

namespace sluice {
namespace {

class SocketStream final : public SocketBase, private Waiter {
 public:
  explicit SocketStream(Side side, const TcpObserver* observer = nullptr) : SocketBase(side, observer) {}
  SocketStream(const SocketStream&) = delete;
  SocketStream& operator=(const SocketStream&) = delete;
  ~SocketStream() override {
    if (!now_.attached()) return;
    if (telling_) loop().undefer(*this);
    const int fd = now_.fd();
    tell_observer();
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
  size_t buffered_bytes() override { return bytes_at(now_.fd()); }
  Attempt try_read(std::span<char> into) override;

  Attempt try_write(std::span<const iovec> parts) override;
  Attempt try_read_into_pipe(int pipe, size_t most) override;
  Attempt try_write_from_pipe(int pipe, size_t bytes) override;
  void end_writing() override;

  void abort() override {
    aborted_ = true;
    ::shutdown(now_.fd(), SHUT_RDWR);  // makes an event for those who wait
  }

 private:
  int descriptor() const override { return now_.fd(); }
  void wake() override;
  void cancel() override {}

  bool telling_ = false;
};

Stream::Attempt SocketStream::try_read(std::span<char> into) {
  Attempt got = try_receive(now_.fd(), into, now_, side_);
  if (aborted_) [[unlikely]]
    return given_up();
  return got;
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

// Not every kind of socket tells whoever waits for room in it.
void SocketStream::end_writing() {
  ::shutdown(now_.fd(), SHUT_WR);
  if (now_.writer && !std::exchange(telling_, true)) loop().defer(*this);
}

void SocketStream::wake() {
  telling_ = false;
  now_.writable = true;  // to meet an error
  if (now_.writer) std::exchange(now_.writer, nullptr)->wake();
}

Status SocketStream::connect(const SocketAddress& address) {
  now_.readable = false;
  TRY(connect_to(address));
  now_.writable = !connecting_;
  return {};
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
