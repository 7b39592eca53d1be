#include "serve/turned_away.h"

namespace sluice {

TurnedAway::Kept::Kept(TurnedAway& a, std::unique_ptr<Stream> s, Nanos delay, const void* w)
    : all(a), whose(w), stream(std::move(s)) {
  stream->when_hung_up(this);
  timer.arm(all.loop_, later(all.loop_.now(), delay), *this);
}

TurnedAway::Kept::~Kept() {
  stream.reset();
  all.give_place();
}

bool TurnedAway::take_place() {
  if (kept_.size() >= kMost) close_oldest();
  // Another worker may be quicker to take the place that was made.
  while (limit_ && !limit_->take())
    if (!close_oldest()) return false;
  return true;
}

void TurnedAway::keep(std::unique_ptr<Stream> stream, Nanos delay, const void* whose) {
  kept_.emplace_back(*this, std::move(stream), delay, whose);
  kept_.back().self = std::prev(kept_.end());
}

bool TurnedAway::close_oldest() {
  if (kept_.empty()) return false;
  kept_.pop_front();
  return true;
}

void TurnedAway::close_all_of(const void* whose) {
  kept_.remove_if([&](const Kept& kept) { return kept.whose == whose; });
}

}  // namespace sluice
