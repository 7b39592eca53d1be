// Masks with the predefined patterns, in order, each on the output of the former.
//
// Every match starts in or just before a *cluster*: digit runs joined by single separators. Text outside clusters is
// skipped many bytes at a time and leaves at once. A cluster with fewer than nine digits, or whose digit
// runs no pattern starts with, is let go unseen by the patterns. Masking removes digits and never makes any, so
// clusters found in the text as it came hold all matches of the later patterns too.
//
// Boundaries are looked at, not consumed: one byte may close a number and open the next.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "engines/masking/builtin_patterns.h"
#include "engines/masking/window.h"

namespace sluice::masking {

class BuiltinStage {
 public:
  // Where the stage is in one body. Positions count from the start of the window.
  struct State {
    static constexpr size_t kNone = static_cast<size_t>(-1);
    size_t cluster = kNone;         // start of the cluster being read
    size_t cursor = 0;              // how far it was read
    size_t reach = 0;               // it goes on at least to here (end of a track)
    size_t digits = 0;              // in it so far
    bool tracked = false;           // it holds what only the track patterns join
    std::vector<size_t> positions;  // of each pattern, while they run on a cluster whose end is not there yet
    void shift(size_t bytes);
  };

  // `counter`: index of the action's count. `shadow`: count only. The mask is the default one.
  void add(BuiltinPattern pattern, size_t counter, bool shadow);
  bool empty() const { return patterns_.empty(); }

  // Masks in [progress.done, limit) what is certain and moves progress.done behind it.
  void run(Window window, size_t limit, End end, Progress& progress, State& state, std::span<uint64_t> counts) const;

 private:
  struct Entry {
    BuiltinPattern pattern;
    size_t counter;
    bool shadow;
  };
  struct Run;  // one call of run()

  std::vector<Entry> patterns_;
  DigitRuns first_runs_{};  // that some bounded pattern may begin with
  bool tracks_ = false;     // any pattern that does not start at the start of a digit run
};

}  // namespace sluice::masking
