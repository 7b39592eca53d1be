// When the keys of a URL are fetched, and how long they count. Knows no network and no clock: it is told what happens,
// and when.
//
//   - fresh for `cache_duration`; fetched again a bit before that is over, so that nobody waits;
//   - where that fails, the keys that are there count on, for kStaleMax at most, and are asked for again after a pause
//     that doubles;
//   - a token with an unknown key has them fetched at once, but only once in kUnknownKeyPause: anybody can make one up.
#pragma once

#include <optional>

#include "base/time.h"

namespace sluice::jwt {

class JwksSchedule {
 public:
  static constexpr Nanos kAheadMax = 5s;
  static constexpr Nanos kStaleMax = 1h;
  static constexpr Nanos kFailurePauseFirst = 1s;
  static constexpr Nanos kFailurePauseMax = 10s;
  static constexpr Nanos kUnknownKeyPause = 10s;

  explicit JwksSchedule(Nanos cache_duration) : cache_duration_(cache_duration) {}

  bool has_keys() const { return fetched_at_.has_value(); }
  bool is_fetching() const { return fetching_; }
  // The last fetch failed, so the keys that are there are older than they should be, or soon will be.
  bool is_failing() const { return failures_ > 0; }
  bool is_stale(SteadyTime now) const { return has_keys() && now >= later(*fetched_at_, cache_duration_); }
  // From when on somebody who has no keys, or one who does not find his, may have them fetched.
  SteadyTime missing_at() const { return next_; }
  SteadyTime unknown_key_at() const { return unknown_key_at_; }

  // When something is due by itself: a fetch, or the end of the keys. The largest time: never.
  SteadyTime wakes_at() const;
  bool is_fetch_due(SteadyTime now) const { return asked_for_ && !fetching_ && now >= next_; }

  void fetch_begins();
  // The same for the sake of a key that is not there.
  void fetch_begins_for_unknown_key(SteadyTime now);
  void fetch_succeeded(SteadyTime now);
  void fetch_failed(SteadyTime now);
  // Whether keys have just come to their end.
  bool drop_ended(SteadyTime now);

 private:
  SteadyTime ends_at() const;

  Nanos cache_duration_;
  bool asked_for_ = false;  // once: from then on it goes by itself
  bool fetching_ = false;
  unsigned failures_ = 0;                 // in a row
  std::optional<SteadyTime> fetched_at_;  // the keys that are there
  SteadyTime next_ = SteadyTime::min();   // fetch
  SteadyTime unknown_key_at_ = SteadyTime::min();
};

}  // namespace sluice::jwt
