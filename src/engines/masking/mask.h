// What masking does to the bytes of one match.
#pragma once

#include <cmath>
#include <cstddef>
#include <span>

#include "base/strings.h"

namespace sluice::masking {

struct Mask {
  char character = 'X';
  double percent = 75;  // of the match's bytes, from its start: 0..100

  // How many leading bytes count as masked: rounded to the nearest, halves away from zero.
  size_t reach(size_t length) const {
    return static_cast<size_t>(std::llround(static_cast<double>(length) * percent / 100));
  }

  // Letters and digits within reach are replaced; separators count but stay visible. The length never changes.
  void apply(std::span<char> match) const {
    for (char& c : match.first(reach(match.size()))) {
      if (ascii_digit(c) || ascii_alpha(c)) c = character;
    }
  }
};

}  // namespace sluice::masking
