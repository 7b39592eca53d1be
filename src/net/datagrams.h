// UDP to one peer, on a Loop.
#pragma once

#include <optional>
#include <span>
#include <string_view>

#include "io/loop.h"
#include "net/address.h"

namespace sluice {

class DatagramSocket {
 public:
  DatagramSocket() = default;
  DatagramSocket(const DatagramSocket&) = delete;
  DatagramSocket& operator=(const DatagramSocket&) = delete;
  ~DatagramSocket();

  // From a random port of the kernel's choice. Connected: the kernel drops what comes from elsewhere, and tells when
  // nobody listens there. `reader` is told of what comes. Once.
  Status open(Loop& loop, const SocketAddress& peer, Waiter& reader);

  // One datagram, cut off where `into` is too small. Nothing when there is none: then the reader will be told of the
  // next.
  std::optional<Result<size_t>> receive(std::span<char> into);
  // What the kernel cannot take is lost, like any datagram.
  Status send(std::string_view datagram);

 private:
  int fd_ = -1;
  Waiter* reader_ = nullptr;
  Watch watch_;
};

}  // namespace sluice
