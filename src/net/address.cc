#include "net/address.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <cstring>

namespace sluice {

SocketAddress SocketAddress::v4(uint32_t address, uint16_t port) {
  SocketAddress out;
  auto* in = &out.v4_address;
  in->sin_family = AF_INET;
  in->sin_port = htons(port);
  in->sin_addr.s_addr = htonl(address);
  out.length = sizeof(sockaddr_in);
  return out;
}

SocketAddress SocketAddress::of(const Endpoint& endpoint) {
  SocketAddress out;
  sockaddr_storage storage{};
  out.length = endpoint.to_sockaddr(storage);
  std::memcpy(&out.v6_address, &storage, out.length);
  return out;
}

std::optional<SocketAddress> SocketAddress::parse(std::string_view ip, uint16_t port) {
  SocketAddress out;
  const std::string text(ip);
  auto* v4 = &out.v4_address;
  auto* v6 = &out.v6_address;
  if (inet_pton(AF_INET, text.c_str(), &v4->sin_addr) == 1) {
    v4->sin_family = AF_INET;
    v4->sin_port = htons(port);
    out.length = sizeof(sockaddr_in);
    return out;
  }
  if (inet_pton(AF_INET6, text.c_str(), &v6->sin6_addr) == 1) {
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(port);
    out.length = sizeof(sockaddr_in6);
    return out;
  }
  return std::nullopt;
}

uint16_t SocketAddress::port() const {
  return family() == AF_INET6 ? ntohs(v6_address.sin6_port) : ntohs(v4_address.sin_port);
}

std::optional<Endpoint> SocketAddress::endpoint() const {
  if (family() == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&v6_address.sin6_addr)) {
    uint32_t bits = 0;
    std::memcpy(&bits, v6_address.sin6_addr.s6_addr + 12, sizeof bits);
    return Endpoint{IpAddress::v4(ntohl(bits)), port()};
  }
  return Endpoint::from_sockaddr(base);
}

std::string SocketAddress::ip() const {
  char text[INET6_ADDRSTRLEN] = "";
  if (family() == AF_INET) {
    inet_ntop(AF_INET, &v4_address.sin_addr, text, sizeof text);
  } else if (family() == AF_INET6) {
    const in6_addr& address = v6_address.sin6_addr;
    // A dual-stack listener shows IPv4 clients as mapped addresses; people know them by the short form.
    if (IN6_IS_ADDR_V4MAPPED(&address))
      inet_ntop(AF_INET, address.s6_addr + 12, text, sizeof text);
    else
      inet_ntop(AF_INET6, &address, text, sizeof text);
  }
  return text;
}

std::string SocketAddress::to_string() const {
  const std::string address = ip();
  return address.contains(':') ? fmt::format("[{}]:{}", address, port()) : fmt::format("{}:{}", address, port());
}

bool operator==(const SocketAddress& a, const SocketAddress& b) {
  if (a.family() != b.family()) return false;
  if (a.family() == AF_INET)
    return a.v4_address.sin_port == b.v4_address.sin_port &&
           a.v4_address.sin_addr.s_addr == b.v4_address.sin_addr.s_addr;
  return a.v6_address.sin6_port == b.v6_address.sin6_port &&
         std::memcmp(&a.v6_address.sin6_addr, &b.v6_address.sin6_addr, sizeof(in6_addr)) == 0;
}

}  // namespace sluice
