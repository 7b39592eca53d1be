// Listening sockets.
#pragma once

#include <functional>

#include "io/loop.h"
#include "net/address.h"

namespace sluice {

// A listening socket. accept() hands out non-blocking descriptors.
class ListenSocket final : private Waiter {
 public:
  using Accepted = std::move_only_function<void(int fd, const SocketAddress& peer)>;

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
