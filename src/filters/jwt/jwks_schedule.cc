#include "filters/jwt/jwks_schedule.h"

#include <algorithm>

namespace sluice::jwt {

SteadyTime JwksSchedule::ends_at() const {
  return fetched_at_ ? later(later(*fetched_at_, cache_duration_), kStaleMax) : SteadyTime::max();
}

SteadyTime JwksSchedule::wakes_at() const {
  return std::min(ends_at(), asked_for_ && !fetching_ ? next_ : SteadyTime::max());
}

void JwksSchedule::fetch_begins() {
  asked_for_ = fetching_ = true;
}

void JwksSchedule::fetch_begins_for_unknown_key(SteadyTime now) {
  fetch_begins();
  unknown_key_at_ = later(now, kUnknownKeyPause);
}

void JwksSchedule::fetch_succeeded(SteadyTime now) {
  fetching_ = false;
  failures_ = 0;
  fetched_at_ = now;
  next_ = later(now, cache_duration_ - std::min(kAheadMax, cache_duration_ / 10));
}

void JwksSchedule::fetch_failed(SteadyTime now) {
  fetching_ = false;
  const Nanos pause = std::min(kFailurePauseFirst * (1U << std::min(failures_, 8U)), kFailurePauseMax);
  ++failures_;
  next_ = later(now, pause);
}

bool JwksSchedule::drop_ended(SteadyTime now) {
  if (now < ends_at()) return false;
  fetched_at_.reset();
  return true;
}

}  // namespace sluice::jwt
