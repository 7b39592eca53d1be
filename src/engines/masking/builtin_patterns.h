// The patterns of the predefined actions: numbers of a fixed shape, walked byte by byte.
//
// Every pattern is deterministic: at each byte there is one way on, so a walk needs no backtracking and a prefix
// of a match is known as such. That is what lets a body stream with only the bytes held back that may still match.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace sluice::masking {

enum class Fit : uint8_t { no, more, yes };  // more: all bytes there fit, the next ones decide

struct Walk {
  Fit fit = Fit::no;
  size_t length = 0;  // of the match, when yes
};

// Digit runs by first digit and length. Bit n of an entry: there is one of n digits (31: or more).
using DigitRuns = std::array<uint32_t, 10>;

class BuiltinPattern {
 public:
  enum class Kind : uint8_t { digits, track1, track2 };

  // `shape` for Kind::digits: a byte stands for itself, `d` for a digit, `[a-b]` for a range, `~` for one space, one
  // dash or nothing. A bounded side must not touch a digit.
  static BuiltinPattern digits(std::string_view shape, bool bounded = true);
  static BuiltinPattern track1();  // magnetic stripe: %B<13-19 digits>^<name>^<7 digits>
  static BuiltinPattern track2();  // ;<13-19 digits>=<0, 3 digits><4 digits or =>

  // Does a match start at `from`? `final`: the text ends at `end`. The byte before `from` is the caller's business.
  Walk walk(const char* from, const char* end, bool final) const;

  bool may_start_with(char c) const { return starts_[static_cast<unsigned char>(c)]; }
  bool bounded_before() const { return bounded_before_; }
  Kind kind() const { return kind_; }

  // For a bounded pattern of Kind::digits: may a match begin with one of these runs?
  bool may_start_with(const DigitRuns& runs) const;
  // As may_start_with would need it: adds what this pattern's matches may begin with.
  void add_first_runs(DigitRuns& runs) const;

  // Longest match; nothing longer is ever held back for this pattern (but one byte to see a boundary).
  size_t length_max() const { return length_max_; }

 private:
  struct Atom {
    char low = 0;
    char high = 0;
    bool separator = false;
  };

  BuiltinPattern() = default;
  Walk walk_digits(const char* from, const char* end, bool final) const;

  std::vector<Atom> atoms_;
  std::array<bool, 256> starts_{};
  size_t length_max_ = 0;
  uint32_t first_runs_ = 0;
  Kind kind_ = Kind::digits;
  bool bounded_before_ = true;
  bool bounded_after_ = true;
};

}  // namespace sluice::masking
