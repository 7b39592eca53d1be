// What streams of sockets do alike, however they wait: for those in this folder.
#pragma once

#include "net/ready.h"
#include "net/socket_calls.h"
#include "net/tcp_counts.h"

namespace sluice {

class SocketBase : public ReadyStream<Watch> {
 public:
  SocketAddress local_address() const final { return local_address_of(descriptor()); }
  Task<void> established(SteadyTime deadline) final;
  bool may_have_input() const final { return now_.readable || loop().may_have_news(now_); }
  bool is_silent() final;
  bool can_splice() const final { return true; }

 protected:
  // `observer` may be null.
  SocketBase(Side side, const TcpObserver* observer) : ReadyStream(side), observer_(observer) {}

  virtual int descriptor() const = 0;
  // Begins to connect, or has connected already: connecting_.
  Status connect_to(const SocketAddress& address);
  // Told once it has.
  virtual void connected() {}
  // Before the descriptor is closed.
  void tell_observer() const {
    if (observer_) tell_of_tcp(descriptor(), *observer_);
  }

  bool connecting_ = false;

 private:
  Task<void> wait_until_connected(SteadyTime deadline);

  const TcpObserver* const observer_;
};

}  // namespace sluice
