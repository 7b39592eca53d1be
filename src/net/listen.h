// Listening sockets.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>

#include "io/loop.h"
#include "net/stream.h"
#include "net/tcp_counts.h"

namespace sluice {

// A connection that has come. It is closed unless it is taken.
class Incoming {
 public:
  Incoming(Loop& loop, int fd, const SocketAddress& from) : peer(from), loop_(loop), fd_(fd) {}
  Incoming(const Incoming&) = delete;
  Incoming& operator=(const Incoming&) = delete;
  ~Incoming();

  const SocketAddress peer;
  // Once. Errors of the stream are the downstream's. `observer`, if any, is told of it at its end, and outlives it.
  Result<std::unique_ptr<Stream>> take(const TcpObserver* observer = nullptr);
  // In place of that: `then` is called with it on another loop. It is closed where that one runs no more.
  void hand_over(Loop& to, std::move_only_function<void(Incoming& incoming)> then);

 private:
  Loop& loop_;
  int fd_;
};

// What the operator has to say of listening sockets, and so of those that they accept, as far as the kernel passes it
// on.
struct SocketOption {
  enum class When : uint8_t { before_bind, before_listen, after_listen };
  std::string description;  // for messages; may be empty
  int level = 0;
  int name = 0;
  std::string value;  // as setsockopt() takes it
  When when = When::before_bind;
  bool operator==(const SocketOption&) const = default;
};

// A listening socket.
class ListenSocket final : private Waiter {
 public:
  using Accepted = std::move_only_function<void(Incoming& incoming)>;

  ListenSocket() = default;
  ~ListenSocket() { close(); }
  ListenSocket(const ListenSocket&) = delete;
  ListenSocket& operator=(const ListenSocket&) = delete;

  // Binds and listens, with SO_REUSEPORT where sockets share the address. Messages name address and remedy, or the
  // option that is refused.
  static Result<int> open(const SocketAddress& address, bool share_port, std::span<const SocketOption> options = {});
  static constexpr int kAcceptsATurn = 32;
  // Accepts on `fd` (taken over, and closed when this fails) until close(); so many in one turn of the loop.
  Status start(Loop& loop, int fd, Accepted accepted);
  // Goes on with another descriptor of the same address. Who waits to be accepted by the one before is, first.
  Status replace(int fd);
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
