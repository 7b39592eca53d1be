#include "engines/address/classify.h"

#include <algorithm>

namespace sluice {
namespace {

using enum AddressClass;

constexpr std::array<std::string_view, kAddressClasses> kWords = {
    "metadata", "unspecified", "multicast",  "loopback",   "self",          "cluster",
    "private",  "shared",      "link-local", "ietf",       "documentation", "benchmarking",
    "relay",    "discard",     "reserved",   "transition", "global"};

constexpr IpAddress six(uint16_t a, uint16_t b = 0, uint16_t c = 0, uint16_t d = 0, uint64_t low = 0) {
  return IpAddress::v6(uint64_t{a} << 48 | uint64_t{b} << 32 | uint64_t{c} << 16 | d, low);
}
constexpr IpAddress four(uint8_t a, uint8_t b = 0, uint8_t c = 0, uint8_t d = 0) {
  return IpAddress::v4(a, b, c, d);
}

constexpr std::array kMetadata = {
    four(169, 254, 169, 254),         // AWS, GCP, Azure, OpenStack, DigitalOcean
    six(0xfd00, 0xec2, 0, 0, 0x254),  // AWS
    six(0xfd20, 0xce, 0, 0, 0x254),   // GCP
    four(169, 254, 170, 2),           // AWS container credentials
    four(169, 254, 170, 23),          // AWS EKS pod identity
    six(0xfd00, 0xec2, 0, 0, 0x23),   // the same
    four(169, 254, 169, 253),         // AWS VPC resolver
    four(168, 63, 129, 16),           // Azure host agent; looks global
    four(100, 100, 100, 200),         // Alibaba
    four(192, 0, 0, 192),             // Oracle
    four(169, 254, 42, 42),           // Scaleway
};

struct Range {
  Cidr cidr;
  AddressClass address_class;
};

// The first that contains the address counts: longer prefixes stand before the shorter ones around them.
constexpr std::array kRanges4 = {
    Range{{four(10), 8}, private_use},
    Range{{four(172, 16), 12}, private_use},
    Range{{four(192, 168), 16}, private_use},
    Range{{four(100, 64), 10}, shared},
    Range{{four(169, 254), 16}, link_local},
    Range{{four(192, 0, 0), 24}, ietf},
    Range{{four(192, 0, 2), 24}, documentation},
    Range{{four(198, 51, 100), 24}, documentation},
    Range{{four(203, 0, 113), 24}, documentation},
    Range{{four(198, 18), 15}, benchmarking},
    Range{{four(192, 88, 99), 24}, relay},   // 6to4 relays
    Range{{four(192, 31, 196), 24}, relay},  // AS112
    Range{{four(192, 52, 193), 24}, relay},  // AMT
    Range{{four(192, 175, 48), 24}, relay},  // AS112
    Range{{four(240), 4}, reserved},
};
constexpr std::array kRanges6 = {
    Range{{six(0x64, 0xff9b), 96}, transition},     // NAT64
    Range{{six(0x64, 0xff9b, 1), 48}, transition},  // NAT64, local use
    Range{{six(0x2002), 16}, transition},           // 6to4
    Range{{six(0x2001), 32}, transition},           // Teredo
    Range{{six(0x2001, 2), 48}, benchmarking},
    Range{{six(0x2001, 3), 32}, relay},             // AMT
    Range{{six(0x2001, 4, 0x112), 48}, relay},      // AS112
    Range{{six(0x2620, 0x4f, 0x8000), 48}, relay},  // AS112
    Range{{six(0x2001, 0xdb8), 32}, documentation},
    Range{{six(0x2001), 23}, ietf},  // ORCHID and the like are inside
    Range{{six(0x3fff), 20}, documentation},
    Range{{six(0x100), 64}, discard},
    Range{{six(0x100, 0, 0, 1), 64}, discard},  // dummy prefix
    Range{{six(0x5f00), 16}, discard},          // segment routing
    Range{{six(0xfc00), 7}, private_use},
    Range{{six(0xfec0), 10}, private_use},  // site-local, deprecated
    Range{{six(0xfe80), 10}, link_local},
};
constexpr Cidr kGlobalUnicast6{six(0x2000), 3};
constexpr Cidr kLoopback4{four(127), 8};
constexpr Cidr kUnspecified4{four(0), 8};
constexpr Cidr kMulticast4{four(224), 4};
constexpr Cidr kMulticast6{six(0xff00), 8};
constexpr IpAddress kLoopback6 = six(0, 0, 0, 0, 1);

constexpr Cidr kMapped{IpAddress::v6(0, 0xffff'0000'0000), 96};
constexpr Cidr kCompatible{IpAddress::v6(0, 0), 96};
constexpr Cidr kSiit{IpAddress::v6(0, 0xffff'0000'0000'0000), 96};
constexpr Cidr kNat64{six(0x64, 0xff9b), 96};
constexpr Cidr kNat64Local{six(0x64, 0xff9b, 1), 48};
constexpr Cidr k6to4{six(0x2002), 16};
constexpr Cidr kTeredo{six(0x2001), 32};

bool is_isatap(const IpAddress& address) {
  const uint64_t interface = address.low() >> 32;
  return !address.is_v4() && (interface == 0x00005efe || interface == 0x02005efe);
}

bool any_contains(const std::vector<Cidr>& ranges, const IpAddress& address) {
  return std::ranges::any_of(ranges, [&](const Cidr& range) { return range.contains(address); });
}

AddressClass class_in(std::span<const Range> ranges, const IpAddress& address, AddressClass otherwise) {
  const auto found = std::ranges::find_if(ranges, [&](const Range& range) { return range.cidr.contains(address); });
  return found == ranges.end() ? otherwise : found->address_class;
}

// RFC 6052 2.2: the IPv4 address follows the prefix and leaves out bits 64..71.
IpAddress inner_of_nat64(const IpAddress& address, unsigned length) {
  if (length == 96) return IpAddress::v4(static_cast<uint32_t>(address.low()));
  const unsigned before = length >= 64 ? 0 : 64 - length;  // bits of it in the first half
  const unsigned count_before = std::min(before, 32u);
  const unsigned count_after = 32 - count_before;
  uint64_t bits = 0;
  if (count_before > 0) bits = (address.high() >> (before - count_before)) & (~uint64_t{0} >> (64 - count_before));
  if (count_after > 0) bits = bits << count_after | ((address.low() << 8) >> (64 - count_after));
  return IpAddress::v4(static_cast<uint32_t>(bits));
}

}  // namespace

std::string_view class_word(AddressClass address_class) {
  return kWords[static_cast<size_t>(address_class)];
}

std::optional<AddressClass> parse_class_word(std::string_view word) {
  const auto found = std::ranges::find(kWords, word);
  if (found == kWords.end()) return std::nullopt;
  return static_cast<AddressClass>(found - kWords.begin());
}

const std::array<std::string_view, kAddressClasses>& class_words() {
  return kWords;
}

Unwrapped unwrap(const IpAddress& address, const LocalAddresses& local) {
  Unwrapped out;
  if (address.is_v4()) return out;
  const auto add = [&out](IpAddress inner) { out.inner[out.count++] = inner; };
  const auto add_bits = [&add](uint64_t bits) { add(IpAddress::v4(static_cast<uint32_t>(bits))); };

  for (const Cidr& prefix : local.nat64) {
    if (!prefix.contains(address)) continue;
    out.outer_counts = false;
    add(inner_of_nat64(address, prefix.length));
    return out;
  }
  if (kMapped.contains(address) || kSiit.contains(address) || kNat64.contains(address)) {
    add_bits(address.low());
  } else if (kCompatible.contains(address)) {
    if (address.low() > 1) add_bits(address.low());  // :: and ::1 are themselves
  } else if (kNat64Local.contains(address)) {
    // Nobody said where the prefix ends. A reading below 0.0.0.0/8 is padding; of the others the strictest counts.
    for (const unsigned length : {48u, 56u, 64u, 96u})
      if (const IpAddress inner = inner_of_nat64(address, length); !kUnspecified4.contains(inner)) add(inner);
  } else if (k6to4.contains(address)) {
    add_bits(address.high() >> 16);
  } else if (kTeredo.contains(address)) {
    add_bits(address.high());  // the server
    add_bits(~address.low());  // the client
  }
  if (is_isatap(address) && out.count < out.inner.size()) add_bits(address.low());
  return out;
}

AddressClass classify_outer(const IpAddress& address, const LocalAddresses& local) {
  if (std::ranges::find(kMetadata, address) != kMetadata.end()) return metadata;
  if (address.is_v4()) {
    if (kUnspecified4.contains(address)) return unspecified;
    if (kMulticast4.contains(address)) return multicast;
    if (kLoopback4.contains(address)) return loopback;
  } else {
    if (address == IpAddress()) return unspecified;
    if (kMulticast6.contains(address)) return multicast;
    if (address == kLoopback6) return loopback;
  }
  if (std::ranges::find(local.self, address) != local.self.end()) return self;
  if (any_contains(local.cluster, address)) return cluster;
  if (address.is_v4()) return class_in(kRanges4, address, global);
  const AddressClass by_range = class_in(kRanges6, address, kGlobalUnicast6.contains(address) ? global : reserved);
  return by_range == global && is_isatap(address) ? transition : by_range;
}

AddressClass classify(const IpAddress& address, const LocalAddresses& local) {
  const Unwrapped wrapped = unwrap(address, local);
  AddressClass strictest = wrapped.outer_counts ? classify_outer(address, local) : global;
  for (const IpAddress& inner : wrapped.addresses()) strictest = std::min(strictest, classify_outer(inner, local));
  return strictest;
}

}  // namespace sluice
