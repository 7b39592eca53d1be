#include "serve/turned_away.h"

namespace sluice {

TurnedAway::Kept::Kept(TurnedAway& a, std::unique_ptr<Stream> s, Nanos delay, const void* w)
    : all(a), whose(w), stream(std::move(s)) {
  stream->when_hung_up(this);
  timer.arm(all.loop_, later(all.loop_.now(), delay), *this);
}

TurnedAway::~TurnedAway() {
  while (!kept_.empty()) close(kept_.begin());
}

void TurnedAway::share_with(std::span<TurnedAway* const> all) {
  for (TurnedAway* one : all)
    if (one != this) others_.push_back(one);
}

bool TurnedAway::take_place() {
  if (kept_.size() >= kMost) close(kept_.begin());
  return !limit_ || limit_->take() || take_over_place();
}

void TurnedAway::keep(std::unique_ptr<Stream> stream, Nanos delay, const void* whose) {
  kept_.emplace_back(*this, std::move(stream), delay, whose);
  kept_.back().self = std::prev(kept_.end());
  places_.fetch_add(1, std::memory_order_relaxed);
}

// Any thread. One of them has no place any more; which one its own thread decides.
bool TurnedAway::lose_place() {
  size_t places = places_.load(std::memory_order_relaxed);
  while (places > 0)
    if (places_.compare_exchange_weak(places, places - 1, std::memory_order_relaxed)) return true;
  return false;
}

bool TurnedAway::take_over_place() {
  if (lose_place()) {
    close_those_without_place();
    return true;
  }
  for (TurnedAway* other : others_) {
    if (!other->lose_place()) continue;
    other->loop_.post([other] { other->close_those_without_place(); });
    return true;
  }
  return false;
}

void TurnedAway::close_those_without_place() {
  while (kept_.size() > places_.load(std::memory_order_relaxed)) close(kept_.begin());
}

// Where places are fewer than clients, the one that goes is one without: there is nothing to give back.
void TurnedAway::close(std::list<Kept>::iterator one) {
  size_t places = places_.load(std::memory_order_relaxed);
  bool has_place = false;
  while (!has_place && places == kept_.size())
    has_place = places_.compare_exchange_weak(places, places - 1, std::memory_order_relaxed);
  kept_.erase(one);
  if (has_place) give_place();
}

void TurnedAway::close_all_of(const void* whose) {
  for (auto next = kept_.begin(); next != kept_.end();)
    if (const auto one = next++; one->whose == whose) close(one);
}

}  // namespace sluice
