// A text as the key of a map of very many: 8 bytes beside its characters, where a std::string takes 32. Never changes.
//
//   TextMap<Known> known;                           // asked with a string_view
//   auto at = known.try_emplace(TextKey(name)).first;
//   at->second.key = &at->first;                    // stays where it is as long as the entry
#pragma once

#include <cstdint>
#include <cstring>
#include <limits>
#include <memory>
#include <string_view>
#include <unordered_map>

#include "base/check.h"
#include "base/strings.h"

namespace sluice {

class TextKey {
 public:
  explicit TextKey(std::string_view text) : bytes_(new char[sizeof(uint32_t) + text.size()]) {
    CHECK(text.size() <= std::numeric_limits<uint32_t>::max());
    const auto length = static_cast<uint32_t>(text.size());
    std::memcpy(bytes_.get(), &length, sizeof length);
    if (length > 0) std::memcpy(bytes_.get() + sizeof length, text.data(), length);
  }

  std::string_view view() const {
    uint32_t length = 0;
    std::memcpy(&length, bytes_.get(), sizeof length);
    return {bytes_.get() + sizeof length, length};
  }
  operator std::string_view() const { return view(); }  // NOLINT(google-explicit-constructor): it is one

 private:
  std::unique_ptr<char[]> bytes_;  // the length, the characters
};

struct TextEqual {
  using is_transparent = void;
  bool operator()(std::string_view a, std::string_view b) const { return a == b; }
};
template <class T>
using TextMap = std::unordered_map<TextKey, T, StringHash, TextEqual>;

}  // namespace sluice
