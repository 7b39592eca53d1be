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
  for (char digit = '0'; digit <= '9'; ++digit) {
    if (pattern.bounded_before()) first_runs_[static_cast<size_t>(digit - '0')] |= pattern.first_run_lengths(digit);
  }
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
  bool plausible() const;
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
  const char* digit = find_digit(window + progress.done, window + limit);
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
  const bool running = !state.positions.empty();
  if (running || (state.digits >= kDigitsMin && plausible())) run_patterns(state.cursor, true);
  state.positions.clear();
  advance(state.cursor);
  state.cluster = State::kNone;
}

// Does any digit run of the cluster begin as a pattern does? Most long numbers are no card numbers.
bool BuiltinStage::Run::plausible() const {
  if (state.tracked) return true;
  for (size_t at = state.cluster; at < state.cursor;) {
    if (!digit_at(at)) {
      ++at;
      continue;
    }
    const size_t run = at;
    while (at < state.cursor && digit_at(at)) ++at;
    const size_t length = std::min<size_t>(at - run, 31);
    if (stage.first_runs_[static_cast<size_t>(window[run] - '0')] >> length & 1) return true;
  }
  return false;
}

// Each pattern goes as far as the former has finished.
void BuiltinStage::Run::run_patterns(size_t end, bool ended) {
  const size_t count = stage.patterns_.size();
  if (ended && state.positions.empty()) {
    for (const Entry& entry : stage.patterns_) run_pattern(entry, state.cluster, end, true);
    return;
  }
  if (state.positions.empty()) state.positions.assign(count, state.cluster);
  for (size_t i = 0; i < count; ++i) {
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
