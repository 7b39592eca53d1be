// Internet addresses as values: IpAddress, Cidr (a range of them), Endpoint (an address and a port).
//
// Cheap to copy, ordered, hashable; nothing here allocates but what returns a std::string.
#pragma once

#include <sys/socket.h>

#include <array>
#include <compare>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace sluice {

enum class AddressFamily : uint8_t { v4, v6 };

// An IPv4 or IPv6 address. An IPv4-mapped IPv6 address (::ffff:1.2.3.4) stays what it is: an IPv6 address.
class IpAddress {
 public:
  constexpr IpAddress() = default;  // "::"
  static constexpr IpAddress v4(uint32_t bits) { return IpAddress(uint64_t{bits} << 32, 0, AddressFamily::v4); }
  static constexpr IpAddress v4(uint8_t a, uint8_t b, uint8_t c, uint8_t d) {
    return v4(uint32_t{a} << 24 | uint32_t{b} << 16 | uint32_t{c} << 8 | d);
  }
  static constexpr IpAddress v6(uint64_t high, uint64_t low) { return IpAddress(high, low, AddressFamily::v6); }

  // Strict: four decimal parts without leading zeros, or RFC 4291 2.2 without brackets and zone. Nothing otherwise.
  static std::optional<IpAddress> parse(std::string_view text);
  // 4 or 16 bytes in network order; nothing for another length.
  static std::optional<IpAddress> from_bytes(std::span<const uint8_t> bytes);
  // Nothing when it is neither AF_INET nor AF_INET6.
  static std::optional<IpAddress> from_sockaddr(const sockaddr& from);

  constexpr AddressFamily family() const { return family_; }
  constexpr bool is_v4() const { return family_ == AddressFamily::v4; }
  constexpr unsigned bit_count() const { return is_v4() ? 32 : 128; }
  constexpr uint32_t v4_bits() const { return static_cast<uint32_t>(high_ >> 32); }  // of an IPv4 address
  constexpr uint64_t high() const { return high_; }  // the first 64 bits; an IPv4 address is in the upper half of them
  constexpr uint64_t low() const { return low_; }

  // As RFC 5952 prints it, no brackets.
  std::string to_string() const;
  static constexpr size_t kTextBytesMax = 46;
  std::string_view print(std::span<char, kTextBytesMax> buffer) const;

  // Both families by their bits; every IPv4 address before every IPv6 address.
  friend constexpr bool operator==(const IpAddress&, const IpAddress&) = default;
  friend constexpr auto operator<=>(const IpAddress&, const IpAddress&) = default;

 private:
  constexpr IpAddress(uint64_t high, uint64_t low, AddressFamily family) : family_(family), high_(high), low_(low) {}

  AddressFamily family_ = AddressFamily::v6;
  uint64_t high_ = 0;  // the address is left-aligned, so that a prefix is the same in both families
  uint64_t low_ = 0;
};

// All addresses that share the first `length` bits of `network`. The bits behind them are zero.
struct Cidr {
  IpAddress network;
  uint8_t length = 0;

  // "10.0.0.0/8", "fc00::/7", or an address, which is a range of one. Bits behind the length are an error that
  // suggests the range meant.
  static Result<Cidr> parse(std::string_view text);

  constexpr bool contains(const IpAddress& address) const {
    if (address.family() != network.family()) return false;
    if (length == 0) return true;
    if (length <= 64) return ((address.high() ^ network.high()) >> (64 - length)) == 0;
    return address.high() == network.high() && ((address.low() ^ network.low()) >> (128 - length)) == 0;
  }
  constexpr bool contains(const Cidr& other) const { return other.length >= length && contains(other.network); }
  constexpr bool is_one_address() const { return length == network.bit_count(); }
  std::string to_string() const;

  friend constexpr bool operator==(const Cidr&, const Cidr&) = default;
};

// The address with all bits behind the first `length` set to zero.
constexpr IpAddress masked(const IpAddress& address, unsigned length) {
  const auto keep = [](uint64_t bits, unsigned count) {
    return count == 0 ? 0 : count >= 64 ? bits : bits & ~(~uint64_t{0} >> count);
  };
  const uint64_t high = keep(address.high(), length);
  if (address.is_v4()) return IpAddress::v4(static_cast<uint32_t>(high >> 32));
  return IpAddress::v6(high, length <= 64 ? 0 : keep(address.low(), length - 64));
}

struct Endpoint {
  IpAddress address;
  uint16_t port = 0;

  // "127.0.0.1:53", "[::1]:53"; without a port (the brackets are then optional) only where there is a default.
  static Result<Endpoint> parse(std::string_view text, std::optional<uint16_t> default_port = std::nullopt);
  static std::optional<Endpoint> from_sockaddr(const sockaddr& from);

  // Fills `to` and returns the length that system calls want with it.
  socklen_t to_sockaddr(sockaddr_storage& to) const;
  std::string to_string() const;

  friend constexpr bool operator==(const Endpoint&, const Endpoint&) = default;
  friend constexpr auto operator<=>(const Endpoint&, const Endpoint&) = default;
};

// The addresses of this machine's interfaces just now, each once. Empty when the system does not tell.
std::vector<IpAddress> interface_addresses();

// 1..65535 in decimal digits without sign or leading zero.
std::optional<uint16_t> parse_port(std::string_view text);

}  // namespace sluice

template <>
struct std::hash<sluice::IpAddress> {
  size_t operator()(const sluice::IpAddress& address) const noexcept {
    uint64_t mixed = (address.high() ^ (address.low() * 0x9E3779B97F4A7C15u)) + static_cast<uint64_t>(address.family());
    mixed = (mixed ^ (mixed >> 32)) * 0xD6E8FEB86659FD93u;
    return mixed ^ (mixed >> 32);
  }
};

template <>
struct std::hash<sluice::Endpoint> {
  size_t operator()(const sluice::Endpoint& endpoint) const noexcept {
    return std::hash<sluice::IpAddress>{}(endpoint.address) * 31 + endpoint.port;
  }
};
