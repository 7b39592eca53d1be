// Masks with one regular expression of the user's.
//
// RE2 in Latin-1 mode: a character is a byte, so a number beside an invalid UTF-8 byte is found. An expression whose
// longest match is at most Pattern::kNearMax bytes streams: only what may be the beginning of a match is held back. Any
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
#include "regex/pattern.h"

namespace sluice::masking {

class CustomStage {
 public:
  // What finding the matches in one body may still cost.
  struct State {
    regex::Budget budget;
    size_t granted = 0;  // bytes behind Progress::done that the budget has grown by
  };

  // Masks group `subgroup` of every match (0: the whole match). Errors name what RE2 cannot do and the remedy.
  static Result<CustomStage> create(std::string_view regex, size_t subgroup, Mask mask, size_t counter, bool shadow);

  // Instructions it compiled to (RE2's program size).
  size_t program_size() const { return static_cast<size_t>(pattern_->re2().ProgramSize()); }
  // A match may be of any length, so the whole body must be there.
  bool unbounded() const { return !pattern_->width_max(); }

  // As BuiltinStage::run. Fails when the expression looks too far beyond its matches; what is done then is not to
  // leave.
  Status run(Window window, size_t limit, End end, Progress& progress, State& state, std::span<uint64_t> counts) const;

 private:
  CustomStage() = default;
  Status mask_matches(Window window, size_t limit, size_t safe, Progress& progress, regex::Budget& budget,
                      std::span<uint64_t> counts) const;

  std::shared_ptr<const regex::Pattern> pattern_;
  size_t subgroup_ = 0;
  Mask mask_;
  size_t counter_ = 0;
  bool shadow_ = false;
};

}  // namespace sluice::masking
