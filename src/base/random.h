// Cheap random numbers for choosing and for jitter: splitmix64. Never for secrets. Tests give it a seed.
#pragma once

#include <cstdint>

namespace sluice {

class Random {
 public:
  explicit constexpr Random(uint64_t seed) : state_(seed) {}

  constexpr uint64_t next() {
    uint64_t z = state_ += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }
  // From 0 to `limit` - 1; the bias is below limit / 2^64. `limit` is not 0.
  constexpr uint64_t below(uint64_t limit) {
    return static_cast<uint64_t>((static_cast<__uint128_t>(next()) * limit) >> 64);
  }

 private:
  uint64_t state_;
};

// From the system, for whoever has no reason for another.
uint64_t random_seed();

}  // namespace sluice
