// For tests: the other end of a connection, played by hand on the same thread as the loop under test.
#pragma once

#include <sys/socket.h>
#include <unistd.h>
#include <cerrno>
#include <deque>
#include <string>
#include <string_view>

#include "io/testing.h"
#include "net/listen.h"
#include "net/socket_stream.h"

namespace sluice {

// A raw socket: says what it is told to, remembers what it hears.
class TestPeer {
 public:
  explicit TestPeer(int fd) : fd_(fd) {}
  // Connects to a listener on loopback.
  explicit TestPeer(const SocketAddress& to) : fd_(::socket(to.family(), SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    CHECK(::connect(fd_, to.get(), to.length) == 0);
  }
  TestPeer(const TestPeer&) = delete;
  TestPeer& operator=(const TestPeer&) = delete;
  ~TestPeer() { close(); }

  // What the kernel takes of it now; the bytes taken.
  size_t say(std::string_view bytes) {
    const ssize_t put = ::send(fd_, bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    return put > 0 ? static_cast<size_t>(put) : 0;
  }
  // Everything that has come so far, with what came before.
  const std::string& heard() {
    char buffer[16384];
    while (fd_ >= 0 && !ended_) {
      const ssize_t got = ::recv(fd_, buffer, sizeof buffer, MSG_DONTWAIT);
      if (got > 0)
        heard_.append(buffer, static_cast<size_t>(got));
      else if (got == 0 || (errno != EAGAIN && errno != EINTR))
        ended_ = true;
      else
        break;
    }
    return heard_;
  }
  bool hears(std::string_view text) { return heard().find(text) != std::string::npos; }
  void forget() { heard_.clear(); }
  // The other side closed or reset.
  bool ended() {
    heard();
    return ended_;
  }
  void end_sending() { ::shutdown(fd_, SHUT_WR); }
  void close() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }
  void reset() {
    const linger hard{.l_onoff = 1, .l_linger = 0};
    setsockopt(fd_, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    close();
  }

 private:
  int fd_;
  std::string heard_;
  bool ended_ = false;
};

// A listener, on a port of its own if none is named, that hands over raw ends; nothing is said unless the test says it.
class TestUpstream final : private Waiter {
 public:
  explicit TestUpstream(Loop& loop, uint32_t host = INADDR_LOOPBACK, uint16_t port = 0) {
    auto fd = ListenSocket::open(SocketAddress::v4(host, port), false);
    CHECK(fd.has_value());
    fd_ = *fd;
    address.length = sizeof address.v6_address;
    CHECK(::getsockname(fd_, address.get(), &address.length) == 0);
    CHECK(watch_.attach(loop, fd_).has_value());
    watch_.reader = this;
  }
  TestUpstream(const TestUpstream&) = delete;
  TestUpstream& operator=(const TestUpstream&) = delete;
  ~TestUpstream() { stop(); }
  void stop() {
    watch_.release();
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }

  std::deque<TestPeer> peers;  // in the order of their coming
  SocketAddress address;

 private:
  void wake() override {
    for (int fd; (fd = ::accept4(fd_, nullptr, nullptr, SOCK_CLOEXEC)) >= 0;) peers.emplace_back(fd);
    watch_.readable = false;
    watch_.reader = this;
  }
  void cancel() override {}

  int fd_ = -1;
  Watch watch_;
};

// A stream and its raw other end.
struct StreamAndPeer {
  explicit StreamAndPeer(Loop& loop, Side side = Side::downstream) {
    int ends[2];
    CHECK(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) == 0);
    peer.emplace(ends[0]);
    auto opened = open_stream(loop, ends[1], side);
    CHECK(opened.has_value());
    stream = *std::move(opened);
  }
  std::optional<TestPeer> peer;
  std::unique_ptr<Stream> stream;
};

}  // namespace sluice
