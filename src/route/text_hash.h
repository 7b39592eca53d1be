// A hash of texts that does not see case: of host names and paths, which are looked up without making them lower-case.
#pragma once

#include <cstdint>
#include <cstring>
#include <string_view>

namespace sluice {

// Eight bytes at a time. Setting bit 5 makes letters lower-case; that it makes some other bytes the same as well costs
// a collision at most.
inline uint64_t hash_ignoring_case(std::string_view text) {
  constexpr uint64_t kLower = 0x2020202020202020;
  constexpr uint64_t kFactor = 0x9e3779b97f4a7c15;
  uint64_t hash = text.size() * kFactor;
  const auto mix = [&](uint64_t chunk) {
    hash = (hash ^ (chunk | kLower)) * kFactor;
    hash ^= hash >> 32;
  };
  for (; text.size() >= 8; text.remove_prefix(8)) {
    uint64_t chunk;
    std::memcpy(&chunk, text.data(), 8);
    mix(chunk);
  }
  if (text.empty()) return hash;
  uint64_t rest = 0;
  std::memcpy(&rest, text.data(), text.size());
  mix(rest);
  return hash;
}

}  // namespace sluice
