#include "engines/masking/masker.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/check.h"

namespace sluice::masking {
namespace {

// So much of the next bytes is put behind those held back, to see what becomes of them.
constexpr size_t kJoinBytes = 1024;

}  // namespace

Masker::Masker(std::shared_ptr<const Rules> rules, size_t held_bytes_max, std::span<uint64_t> counts)
    : rules_(std::move(rules)),
      counts_(counts),
      held_bytes_max_(held_bytes_max),
      states_(rules_->stage_count()),
      held_(1, '\0') {
  CHECK(counts_.size() == rules_->counter_names().size());
}

Result<Masker::Output> Masker::feed(std::span<char> bytes, End end) {
  if (bytes.empty() && end == End::open) return Output{};
  if (Status fits = check_room(bytes.size()); !fits) return std::unexpected(std::move(fits).error());
  const bool first = !std::exchange(started_, true);
  // A regex looks at the byte before, which only held_ has room for.
  if (rules_->has_custom()) return first && end == End::final ? feed_in_place(bytes, end) : feed_held(bytes, end);
  if (held_.size() == 1) return feed_in_place(bytes, end);
  return bytes.size() > kJoinBytes ? feed_joined(bytes, end) : feed_held(bytes, end);
}

Status Masker::check_room(size_t more) const {
  if (!rules_->needs_whole_body() || held_.size() - 1 + more <= held_bytes_max_) return {};
  return fail(ErrorKind::limit,
              fmt::format("the body is longer than {} bytes, and a regex without a bound needs all of it: give the "
                          "regex a bound such as {{1,100}}, or raise perConnectionBufferLimitBytes",
                          held_bytes_max_));
}

Result<size_t> Masker::run(Window window, size_t size, End end) {
  return rules_->run(window, size, end, states_, counts_);
}

// Nothing is held back from before.
Result<Masker::Output> Masker::feed_in_place(std::span<char> bytes, End end) {
  const size_t done = TRY(run(bytes.data(), bytes.size(), end));
  hold(bytes.subspan(done));
  shift(done);
  return Output{.fresh = bytes.first(done)};
}

Result<Masker::Output> Masker::feed_held(std::span<char> bytes, End end) {
  hold(bytes);
  return Output{.held = leave(TRY(run(held_.data() + 1, held_.size() - 1, end)))};
}

// Puts some bytes behind those held back, to see what becomes of them, and the rest is masked where it lies.
Result<Masker::Output> Masker::feed_joined(std::span<char> bytes, End end) {
  const size_t before = held_.size() - 1;
  hold(bytes.first(kJoinBytes));
  const size_t done = TRY(run(held_.data() + 1, held_.size() - 1, End::open));
  if (done < before) return feed_held(bytes.subspan(kJoinBytes), end);
  std::copy(held_.end() - kJoinBytes, held_.end(), bytes.begin());
  held_.resize(1 + before);
  Output output{.held = leave(before)};
  output.fresh = TRY(feed_in_place(bytes, end)).fresh;
  return output;
}

// Takes the first bytes out of held_.
std::span<char> Masker::leave(size_t bytes) {
  leaving_.assign(held_, 1, bytes);
  held_.erase(1, bytes);
  shift(bytes);
  return leaving_;
}

void Masker::hold(std::span<const char> bytes) {
  held_.append(bytes.data(), bytes.size());
}

void Masker::shift(size_t bytes) {
  for (StageState& state : states_) {
    state.progress.done -= bytes;
    state.builtin.shift(bytes);
  }
}

}  // namespace sluice::masking
