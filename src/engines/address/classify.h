// What kind of place an address is: the class words of an EgressPolicy.
//
// The ranges are those of the IANA special-purpose registries (RFC 6890 and its successors) and of the cloud providers'
// metadata services; classify_test.cc has every first and last address.
#pragma once

#include <array>
#include <optional>
#include <string_view>
#include <vector>

#include "base/ip.h"

namespace sluice {

// In the order in which an address of several is reported: the strictest first.
enum class AddressClass : uint8_t {
  metadata,     // instance metadata and control addresses of clouds: credentials for the asking
  unspecified,  // 0.0.0.0/8, ::
  multicast,
  loopback,
  self,         // an address of this machine or of a listener
  cluster,      // declared pod, service and node ranges
  private_use,  // "private"
  shared,       // carrier-grade NAT
  link_local,   // "link-local"
  ietf,
  documentation,
  benchmarking,
  relay,
  discard,
  reserved,
  transition,  // an IPv4 address wrapped in an IPv6 one
  global,
};
inline constexpr size_t kAddressClasses = static_cast<size_t>(AddressClass::global) + 1;

std::string_view class_word(AddressClass address_class);
std::optional<AddressClass> parse_class_word(std::string_view word);
const std::array<std::string_view, kAddressClasses>& class_words();  // indexed by the class

// What is known about the place where this process runs.
struct LocalAddresses {
  std::vector<IpAddress> self;  // interface and listener addresses
  std::vector<Cidr> cluster;    // before the table: a declared 10.42.0.0/16 is `cluster`, the rest of 10/8 `private`
  std::vector<Cidr> nat64;  // operator's NAT64 prefixes of /32, /40, /48, /56, /64 or /96: the inner address decides
};

// One class, the first that fits: metadata, unspecified, multicast, loopback, self, cluster, then the longest range of
// the table. Of a wrapped address, inner and outer are classified and the stricter counts: [64:ff9b::7f00:1] is
// loopback.
AddressClass classify(const IpAddress& address, const LocalAddresses& local);

// The addresses hidden in a wrapped one (RFC 4291 mapped and compatible, SIIT, NAT64, 6to4, Teredo, ISATAP).
struct Unwrapped {
  std::array<IpAddress, 4> inner;
  size_t count = 0;
  bool outer_counts = true;  // false behind a declared NAT64 prefix

  std::span<const IpAddress> addresses() const { return std::span(inner).first(count); }
};
Unwrapped unwrap(const IpAddress& address, const LocalAddresses& local);

// The class of the address as it stands, nothing unwrapped.
AddressClass classify_outer(const IpAddress& address, const LocalAddresses& local);

}  // namespace sluice
