// Addresses of sockets.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>
#include <optional>
#include <string>
#include <string_view>

#include "base/ip.h"

namespace sluice {

// An address as the kernel takes it.
struct SocketAddress {
  union {
    sockaddr base;
    sockaddr_in v4_address;
    sockaddr_in6 v6_address{};
  };
  socklen_t length = 0;

  int family() const { return base.sa_family; }
  const sockaddr* get() const { return &base; }
  sockaddr* get() { return &base; }
  static SocketAddress v4(uint32_t address, uint16_t port);
  static SocketAddress of(const Endpoint& endpoint);
  // An IP literal without brackets; nothing otherwise.
  static std::optional<SocketAddress> parse(std::string_view ip, uint16_t port);
  uint16_t port() const;
  // An IPv4 client of a dual-stack listener as one of IPv4. Nothing: it is no internet address.
  std::optional<Endpoint> endpoint() const;
  std::string ip() const;         // "127.0.0.1", "::1"
  std::string to_string() const;  // "127.0.0.1:80", "[::1]:80"

  friend bool operator==(const SocketAddress& a, const SocketAddress& b);  // address and port
};

}  // namespace sluice
