// Listening sockets.
#pragma once

#include <functional>
#include <memory>

#include "io/loop.h"
#include "net/stream.h"

namespace sluice {

// A connection that has come. It is closed unless it is taken.
class Incoming {
 public:
  Incoming(Loop& loop, int fd, const SocketAddress& from) : peer(from), loop_(loop), fd_(fd) {}
  Incoming(const Incoming&) = delete;
  Incoming& operator=(const Incoming&) = delete;
  ~Incoming();

  const SocketAddress peer;
  // Once. Errors of the stream are the downstream's.
  Result<std::unique_ptr<Stream>> take();

 private:
  Loop& loop_;
  int fd_;
};

// A listening socket.
class ListenSocket final : private Waiter {
 public:
  using Accepted = std::move_only_function<void(Incoming& incoming)>;

  ListenSocket() = default;
  ~ListenSocket() { close(); }
  ListenSocket(const ListenSocket&) = delete;
  ListenSocket& operator=(const ListenSocket&) = delete;

  // Binds and listens with SO_REUSEPORT where several workers share the address. Message names address and remedy.
  static Result<int> open(const SocketAddress& address, bool share_port);
  static constexpr int kAcceptsATurn = 32;
  // Accepts on `fd` (taken over, and closed when this fails) until close(); so many in one turn of the loop.
  Status start(Loop& loop, int fd, Accepted accepted);
  void close();
  bool listening() const { return fd_ >= 0; }
  SocketAddress local() const;

 private:
  void wake() override;
  void cancel() override {}
  bool accept_some();

  int fd_ = -1;
  int spare_ = -1;  // given up for a moment when the process has no descriptors left, to refuse politely
  Loop* loop_ = nullptr;
  Watch watch_;
  Timer retry_;
  bool deferred_ = false;  // goes on in the next turn
  Accepted accepted_;
};

}  // namespace sluice
