// Masks with one regular expression of the user's.
//
// RE2 in Latin-1 mode: a character is a byte, so a number beside an invalid UTF-8 byte is found. An expression whose
// longest match is at most kWidthMax bytes streams: only what may be the beginning of a match is held back. Any
// other one waits for the whole body.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "engines/masking/mask.h"
#include "engines/masking/window.h"

namespace re2 {
class RE2;
}

namespace sluice::masking {

class CustomStage {
 public:
  static constexpr size_t kWidthMax = 4096;

  // Masks group `subgroup` of every match (0: the whole match). Errors name what RE2 cannot do and the remedy.
  static Result<CustomStage> create(std::string_view regex, size_t subgroup, Mask mask, size_t counter, bool shadow);

  // A match may be of any length, so the whole body must be there.
  bool unbounded() const { return !width_; }

  // As BuiltinStage::run.
  void run(Window window, size_t limit, End end, Progress& progress, std::span<uint64_t> counts) const;

 private:
  CustomStage() = default;
  size_t first_alive(Window window, size_t from, size_t limit) const;
  void mask_matches(Window window, size_t limit, size_t safe, Progress& progress, std::span<uint64_t> counts) const;

  std::shared_ptr<const re2::RE2> regex_;
  std::shared_ptr<const re2::RE2> beginning_;  // a beginning of a match, up to the end of the text; may be missing
  std::optional<size_t> width_;
  size_t subgroup_ = 0;
  Mask mask_;
  size_t counter_ = 0;
  bool shadow_ = false;
};

}  // namespace sluice::masking
