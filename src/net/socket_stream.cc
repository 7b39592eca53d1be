#include "net/socket_stream.h"

#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <array>
#include <cerrno>
#include <cstring>

#include "base/sanitizers.h"
#include "io/system_error.h"
#include "net/dialer.h"
#include "net/ready.h"

namespace sluice {
namespace {

// As recv() and send(). Those of libc are cancellation points, and in a process with threads pay for that with two
// atomic exchanges each; nobody here cancels a thread.
ssize_t receive(int fd, std::span<char> into) {
#ifdef SLUICE_WATCHED  // the sanitizers look at what these of libc read and write
  return ::recv(fd, into.data(), into.size(), 0);
#else
  return ::syscall(SYS_recvfrom, fd, into.data(), into.size(), 0, nullptr, nullptr);
#endif
}

ssize_t send(int fd, std::string_view bytes) {
#ifdef SLUICE_WATCHED  // the sanitizers look at what these of libc read and write
  return ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
#else
  return ::syscall(SYS_sendto, fd, bytes.data(), bytes.size(), MSG_NOSIGNAL, nullptr, 0);
#endif
}

// Less is copied in less time than the kernel takes to read a message's header and its list of parts.
constexpr size_t kTogetherMax = 1024;

ssize_t send(int fd, std::span<const iovec> parts) {
  size_t bytes = 0;
  for (const iovec& part : parts) bytes += part.iov_len;
  if (bytes <= kTogetherMax) {
    std::array<char, kTogetherMax> together;
    char* end = together.data();
    for (const iovec& part : parts) {
      if (part.iov_len > 0) std::memcpy(end, part.iov_base, part.iov_len);
      end += part.iov_len;
    }
    return send(fd, {together.data(), bytes});
  }
  msghdr message{};
  message.msg_iov = const_cast<iovec*>(parts.data());
  message.msg_iovlen = parts.size();
  return ::sendmsg(fd, &message, MSG_NOSIGNAL);
}

class SocketStream final : public ReadyStream<Watch> {
 public:
  explicit SocketStream(Side side) : ReadyStream(side) {}
  SocketStream(const SocketStream&) = delete;
  SocketStream& operator=(const SocketStream&) = delete;
  ~SocketStream() override {
    if (!now_.attached()) return;
    const int fd = now_.fd();
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
  SocketAddress local_address() const override {
    SocketAddress out;
    out.length = sizeof out.v6_address;
    getsockname(now_.fd(), out.get(), &out.length);
    return out;
  }

  Task<void> established(SteadyTime deadline) override;

  size_t buffered_bytes() override {
    int bytes = 0;
    return ::ioctl(now_.fd(), FIONREAD, &bytes) == 0 ? static_cast<size_t>(bytes) : 0;
  }
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

  bool connecting_ = false;
};

Stream::Attempt SocketStream::try_read(std::span<char> into) {
  const ssize_t got = receive(now_.fd(), into);
  if (aborted_) [[unlikely]]
    return given_up();
  if (got > 0) {
    // Short: the socket is empty, and the edge for more will come. Not so once the end has been announced.
    if (static_cast<size_t>(got) < into.size() && !now_.peer_closed && !now_.broken) now_.readable = false;
    return static_cast<size_t>(got);
  }
  if (got == 0) {
    now_.peer_closed = true;
    return size_t{0};
  }
  if (errno == EAGAIN || errno == EINTR) {
    now_.readable = errno == EINTR;
    return std::nullopt;
  }
  return std::unexpected(errno_error(errno, "", side_));
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
  const ssize_t put = parts.size() == 1
                          ? send(now_.fd(), {static_cast<const char*>(parts[0].iov_base), parts[0].iov_len})
                          : send(now_.fd(), parts);
  if (put >= 0) return static_cast<size_t>(put);
  if (errno == EAGAIN || errno == EINTR) {
    now_.writable = errno == EINTR;
    return std::nullopt;
  }
  return std::unexpected(errno_error(errno, "", side_));
}

Stream::Attempt SocketStream::try_read_into_pipe(int pipe, size_t most) {
  const ssize_t got = ::splice(now_.fd(), nullptr, pipe, nullptr, most, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
  if (aborted_) [[unlikely]]
    return given_up();
  if (got == 0) now_.peer_closed = true;
  if (got >= 0) return static_cast<size_t>(got);
  if (errno == EAGAIN || errno == EINTR) {
    now_.readable = errno == EINTR;
    return std::nullopt;
  }
  return std::unexpected(errno_error(errno, "", side_));
}

Stream::Attempt SocketStream::try_write_from_pipe(int pipe, size_t bytes) {
  const ssize_t put = ::splice(pipe, nullptr, now_.fd(), nullptr, bytes, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
  if (put >= 0) return static_cast<size_t>(put);
  if (errno == EAGAIN || errno == EINTR) {
    now_.writable = errno == EINTR;
    return std::nullopt;
  }
  return std::unexpected(errno_error(errno, "", side_));
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
  int code = 0;
  socklen_t size = sizeof code;
  getsockopt(now_.fd(), SOL_SOCKET, SO_ERROR, &code, &size);
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
