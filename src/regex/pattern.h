// Finds the matches of a regular expression in a text, one after the other, at a cost that the text's size bounds.
//
// One match is found in linear time, all of them are not: to know where a match ends, RE2 may look far beyond it. With
// `a(?:.*b)?` on "aaaa..." it looks for a "b" to the end of the text, at each "a". And linear may be slow: where a text
// leads RE2 into too many states for its memory, a byte costs a step for each place of the expression. So whoever
// searches pays by a Budget that grows with the text: small expressions that decide near their matches never notice it,
// others end in Found::too_costly instead of holding a worker.
//
// The expression is one over bytes (byte_options()). What RE2 does not tell, how far it looked, is found out by
// searching in windows: shape.h makes an expression for the beginnings of a match, and where no beginning reaches the
// window's end, what lies behind it cannot change the answer.
#pragma once

#include <re2/re2.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "regex/compile.h"

namespace sluice::regex {

// What the searches in one text may cost. The unit is a byte looked at while RE2 has memory for its states, some 10 ns
// at most; where it has not, a byte costs more (effort.h).
struct Budget {
  static constexpr size_t kUnmeasuredPerByte = 4;
  static constexpr size_t kMeasuredPerByte = 32;
  static constexpr size_t kStart = 2U << 20;  // some milliseconds: a short text costs what it will

  size_t unmeasured = kStart;  // bytes that searches may have looked at, at most: enough for nearly all texts
  size_t measured = kStart;    // what they took; how far they look is learnt by second searches, in the end

  // More of the text is there.
  void grow(size_t bytes) {
    unmeasured += kUnmeasuredPerByte * bytes;
    measured += kMeasuredPerByte * bytes;
  }
  static Budget for_text(size_t bytes) {
    Budget budget;
    budget.grow(bytes);
    return budget;
  }
};

enum class Found : uint8_t { no, yes, too_costly };
constexpr Found found_if(bool found) {
  return found ? Found::yes : Found::no;
}

// Never changes; any thread may use it.
class Pattern {
 public:
  // Up to this width a match counts as near: what is held back for it is little.
  static constexpr size_t kNearMax = 4096;

  // An expression that RE2 has accepted, compiled with byte_options().
  explicit Pattern(std::shared_ptr<const re2::RE2> regex);

  const re2::RE2& re2() const { return *regex_; }
  // Bytes of the longest match, where that is at most kNearMax.
  std::optional<size_t> width_max() const { return width_max_; }

  // The leftmost match in `text` from `from` on, as RE2::Match has it; the bytes before `from` are seen by `^` and
  // `\b`.
  Found find(re2::StringPiece text, size_t from, std::span<re2::StringPiece> groups, Budget& budget) const;

  // The first byte in [from, end) where a match may begin that bytes from `end` on decide; `end` when there is none.
  // Where the budget has not enough for the search, an earlier one by the width.
  size_t first_open(re2::StringPiece text, size_t from, size_t end, Budget& budget) const;

 private:
  Found find_measured(re2::StringPiece text, size_t from, std::span<re2::StringPiece> groups, Budget& budget) const;

  std::shared_ptr<const re2::RE2> regex_;
  std::shared_ptr<const re2::RE2> beginning_;  // of a match, read backwards from the end of the text; may be missing
  std::optional<size_t> width_max_;
  size_t places_ = 0;
  size_t beginning_places_ = 0;
};

// One match and no more, as RE2::Match has it. too_costly where the text is too long for so large an expression,
// whatever it says; below some 200 instructions (RE2::ProgramSize) and 3 groups none is, with 1,000 one of 130 kB.
Found match_once(const re2::RE2& regex, re2::StringPiece text, re2::RE2::Anchor anchor,
                 std::span<re2::StringPiece> groups);

// RE2::GlobalReplace within the budget of such a text. `rewrite` has passed CheckRewriteString.
Result<std::string> replace_all(const Pattern& pattern, std::string_view text, const std::string& rewrite);

// For people, when it was too_costly for the expression that was written so.
Error too_costly(std::string_view regex);

}  // namespace sluice::regex
