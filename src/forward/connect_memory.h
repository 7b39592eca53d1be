// What connecting to the addresses of one destination has taught: an address that nobody could be connected to is left
// out for a while, twice as long with each failure, so that requests do not meet it again and again.
//
// A worker's own, like the pool it belongs to. Holds failing addresses only: usually none.
#pragma once

#include <span>
#include <vector>

#include "base/time.h"
#include "net/address.h"

namespace sluice {

class ConnectMemory {
 public:
  static constexpr Nanos kPauseFirst = 2s;
  static constexpr Nanos kPauseMax = 60s;
  static constexpr size_t kAddressesMax = 64;  // as many as an answer of DNS may have; more are not remembered

  // The pause that begins with it; 0 when it was left out already.
  Nanos failed(const SocketAddress& address, SteadyTime now);
  // Whether it had failed before.
  bool connected(const SocketAddress& address) { return !failing_.empty() && forget(address); }
  // Addresses that are none of the destination's any more.
  void forget_others(std::span<const SocketAddress> addresses);

  bool left_out(const SocketAddress& address, SteadyTime now) const;
  // Not one of them may be tried without disappointment.
  bool all_left_out(std::span<const SocketAddress> addresses, SteadyTime now) const;
  bool empty() const { return failing_.empty(); }

 private:
  struct Failing {
    SocketAddress address;
    Nanos pause;
    SteadyTime until;
  };
  bool forget(const SocketAddress& address);

  std::vector<Failing> failing_;
};

}  // namespace sluice
