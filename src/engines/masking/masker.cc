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

Result<Masker::Output> Masker::feed(std::span<char> bytes) {
  if (bytes.empty()) return Output{};
  // A regex looks at the byte before, which only held_ has room for.
  const bool in_place = held_.size() == 1 && (!started_ || !rules_->has_custom());
  started_ = true;
  if (in_place && !rules_->needs_whole_body()) return feed_in_place(bytes);
  return feed_held(bytes);
}

std::string_view Masker::finish() {
  run(held_.data() + 1, held_.size() - 1, End::final);
  return leave(held_.size() - 1);
}

size_t Masker::run(Window window, size_t size, End end) {
  return rules_->run(window, size, end, states_, counts_);
}

Masker::Output Masker::feed_in_place(std::span<char> bytes) {
  const size_t done = run(bytes.data(), bytes.size(), End::open);
  hold(bytes.subspan(done));
  shift(done);
  return {.fresh = {bytes.data(), done}};
}

Result<Masker::Output> Masker::feed_held(std::span<char> bytes) {
  const size_t before = held_.size() - 1;
  const bool all = rules_->has_custom() || bytes.size() <= kJoinBytes;
  const size_t joined = all ? bytes.size() : kJoinBytes;
  if (rules_->needs_whole_body() && before + joined > held_bytes_max_) {
    return fail(ErrorKind::limit,
                fmt::format("the body is longer than {} bytes, and a regex without a bound needs all of it: give the "
                            "regex a bound such as {{1,100}}, or raise perConnectionBufferLimitBytes",
                            held_bytes_max_));
  }
  hold(bytes.first(joined));
  const size_t done = run(held_.data() + 1, held_.size() - 1, End::open);
  if (all || done < before) {
    if (!all) {
      hold(bytes.subspan(joined));
      const size_t more = run(held_.data() + 1, held_.size() - 1, End::open);
      return Output{.held = leave(more)};
    }
    return Output{.held = leave(done)};
  }
  // What was held back can leave: give the rest back to where it came from and go on there.
  std::copy(held_.begin() + 1 + static_cast<ptrdiff_t>(before), held_.end(), bytes.begin());
  held_.resize(1 + before);
  const std::string_view leaving = leave(before);
  Output output = feed_in_place(bytes);
  output.held = leaving;
  return output;
}

// Takes the first bytes out of held_.
std::string_view Masker::leave(size_t bytes) {
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
