// A set of an enum's values: one word as long as there are no more than 64 of them, and right for any number.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>

namespace sluice {

// The values are 0 to kCount - 1.
template <class Enum, size_t kCount>
class EnumSet {
 public:
  constexpr EnumSet() = default;
  constexpr EnumSet(std::initializer_list<Enum> list) {
    for (const Enum value : list) add(value);
  }
  constexpr void add(Enum value) { words_[word(value)] |= bit(value); }
  constexpr bool has(Enum value) const { return (words_[word(value)] & bit(value)) != 0; }
  constexpr bool has_any(const EnumSet& others) const {
    for (size_t i = 0; i < words_.size(); ++i)
      if (words_[i] & others.words_[i]) return true;
    return false;
  }

 private:
  static constexpr size_t word(Enum value) { return static_cast<size_t>(value) / 64; }
  static constexpr uint64_t bit(Enum value) { return uint64_t{1} << (static_cast<size_t>(value) % 64); }

  std::array<uint64_t, (kCount + 63) / 64> words_{};
};

}  // namespace sluice
