#include "engines/masking/builtin_stage.h"

#include <algorithm>

#include "base/strings.h"
#include "engines/masking/find_digit.h"
#include "engines/masking/mask.h"

namespace sluice::masking {
namespace {

constexpr size_t kDigitsMin = 9;  // no pattern has fewer

}  // namespace

void BuiltinStage::State::shift(size_t bytes) {
  if (cluster == kNone) return;
  // The start of a cluster may have left already; only its unread part matters then.
  cluster = cluster > bytes ? cluster - bytes : 0;
  cursor -= bytes;
  reach = reach > bytes ? reach - bytes : 0;
  for (size_t& position : positions) position -= bytes;
}

void BuiltinStage::add(BuiltinPattern pattern, size_t counter, bool shadow) {
  tracks_ = tracks_ || pattern.kind() != BuiltinPattern::Kind::digits || !pattern.bounded_before();
  if (pattern.bounded_before() && pattern.kind() == BuiltinPattern::Kind::digits) pattern.add_first_runs(first_runs_);
  patterns_.push_back({std::move(pattern), counter, shadow});
}

struct BuiltinStage::Run {
  const BuiltinStage& stage;
  Window window;
  size_t limit;
  bool final;
  Progress& progress;
  State& state;
  std::span<uint64_t> counts;

  bool digit_at(size_t at) const { return ascii_digit(window[at]); }
  bool digit_before(size_t at) const {
    if (at == progress.done) return !progress.at_start && ascii_digit(progress.before);
    return ascii_digit(window[at - 1]);
  }
  void advance(size_t to) {
    if (to != progress.done) progress.advance(to, window[to - 1]);
  }

  // A mark that opens a track, when a digit follows.
  bool opens_track(size_t at) const {
    const char c = window[at];
    return stage.tracks_ && (c == 'B' || c == 'b' || c == ';');
  }
  bool joins(char c) const { return c == ' ' || c == '-' || (c == '^' && stage.tracks_); }

  void run_all();
  bool find_cluster();
  bool read_cluster();
  bool read_track();
  DigitRuns runs_of_cluster() const;
  bool may_begin(const DigitRuns& runs) const;
  void mask_cluster();
  void run_patterns(size_t end, bool ended);
  size_t run_pattern(const Entry& entry, size_t from, size_t end, bool ended);
  void close_cluster();
};

void BuiltinStage::run(Window window, size_t limit, End end, Progress& progress, State& state,
                       std::span<uint64_t> counts) const {
  Run{*this, window, limit, end == End::final, progress, state, counts}.run_all();
}

void BuiltinStage::Run::run_all() {
  while (state.cluster != State::kNone || find_cluster()) {
    if (!read_cluster()) {
      if (state.digits >= kDigitsMin) run_patterns(limit, false);
      return;
    }
    close_cluster();
  }
}

// Opens the next cluster; without one, lets everything go but what may open a track with the next bytes.
bool BuiltinStage::Run::find_cluster() {
  const char* end = window + limit;
  const char* digit = find_digit(skip_short_numbers(window + progress.done, end), end);
  size_t start = static_cast<size_t>(digit - window);
  const bool found = start != limit;
  if (stage.tracks_ && (found || !final)) {
    if (start > progress.done && opens_track(start - 1)) --start;
    if (start > progress.done && window[start - 1] == '%' && (!found || window[start] != ';')) --start;
  }
  advance(start);
  if (!found) return false;
  state.cluster = state.cursor = state.reach = start;
  state.digits = 0;
  state.tracked = false;
  return true;
}

// Moves the cursor to the cluster's end. False: the end is not there yet.
bool BuiltinStage::Run::read_cluster() {
  for (;;) {
    if (state.cursor == limit) return final;
    const char c = window[state.cursor];
    if (ascii_digit(c)) {
      ++state.digits;
    } else if (opens_track(state.cursor) && (state.cursor < state.reach || state.cursor <= state.cluster + 1)) {
      if (!read_track()) return false;
    } else if (state.cursor >= state.reach && !(c == '%' && state.cursor == state.cluster)) {
      if (!joins(c)) return true;
      if (state.cursor + 1 == limit) return final;
      if (!digit_at(state.cursor + 1)) return true;
      state.tracked = state.tracked || c == '^';
    }
    ++state.cursor;
  }
}

// The cursor is at a mark that may open a track: takes the whole track into the cluster. False: it may go on.
bool BuiltinStage::Run::read_track() {
  for (const Entry& entry : stage.patterns_) {
    if (entry.pattern.kind() == BuiltinPattern::Kind::digits) continue;
    if (!entry.pattern.may_start_with(window[state.cursor])) continue;
    const Walk walk = entry.pattern.walk(window + state.cursor, window + limit, final);
    if (walk.fit == Fit::more) return false;
    if (walk.fit == Fit::no) continue;
    state.reach = std::max(state.reach, state.cursor + walk.length);
    state.tracked = true;
  }
  return true;
}

void BuiltinStage::Run::close_cluster() {
  if (!state.positions.empty()) {
    run_patterns(state.cursor, true);
  } else if (state.digits >= kDigitsMin) {
    mask_cluster();
  }
  state.positions.clear();
  advance(state.cursor);
  state.cluster = State::kNone;
}

DigitRuns BuiltinStage::Run::runs_of_cluster() const {
  DigitRuns runs{};
  for (size_t at = state.cluster; at < state.cursor; ++at) {
    if (!digit_at(at)) continue;
    const size_t start = at;
    while (at < state.cursor && digit_at(at)) ++at;
    runs[static_cast<size_t>(window[start] - '0')] |= 1U << std::min<size_t>(at - start, 31);
  }
  return runs;
}

// The whole cluster is there: only patterns that fit one of its digit runs are tried. Most long numbers are no card
// numbers. What is left of a masked number makes new runs.
void BuiltinStage::Run::mask_cluster() {
  DigitRuns runs = runs_of_cluster();
  if (!state.tracked && !may_begin(runs)) return;
  for (const Entry& entry : stage.patterns_) {
    const bool of_runs = entry.pattern.kind() == BuiltinPattern::Kind::digits && entry.pattern.bounded_before();
    if (of_runs ? !entry.pattern.may_start_with(runs) : !state.tracked) continue;
    const uint64_t found = counts[entry.counter];
    run_pattern(entry, state.cluster, state.cursor, true);
    if (counts[entry.counter] != found) runs = runs_of_cluster();
  }
}

bool BuiltinStage::Run::may_begin(const DigitRuns& runs) const {
  uint32_t both = 0;
  for (size_t i = 0; i < runs.size(); ++i) both |= runs[i] & stage.first_runs_[i];
  return both != 0;
}

// Each pattern goes as far as the former has finished.
void BuiltinStage::Run::run_patterns(size_t end, bool ended) {
  if (state.positions.empty()) state.positions.assign(stage.patterns_.size(), state.cluster);
  for (size_t i = 0; i < stage.patterns_.size(); ++i) {
    end = state.positions[i] = run_pattern(stage.patterns_[i], state.positions[i], end, ended);
  }
  advance(end);
  // All patterns may have passed a mark that seemed to open a track: an earlier one masked its digits.
  state.cursor = std::max(state.cursor, end);
}

// Masks the matches of one pattern and returns where it waits for more bytes. The last byte of a match is never
// masked (three quarters are), so the byte before a later start is always as it came.
size_t BuiltinStage::Run::run_pattern(const Entry& entry, size_t from, size_t end, bool ended) {
  const bool bounded = entry.pattern.bounded_before();
  for (size_t at = from; at < end;) {
    if (!entry.pattern.may_start_with(window[at]) || (bounded && digit_before(at))) {
      ++at;
      continue;
    }
    const Walk walk = entry.pattern.walk(window + at, window + end, ended);
    if (walk.fit == Fit::more) return at;
    if (walk.fit == Fit::no) {
      ++at;
      continue;
    }
    ++counts[entry.counter];
    if (!entry.shadow) Mask{}.apply({window + at, walk.length});
    at += walk.length;
  }
  return end;
}

}  // namespace sluice::masking
