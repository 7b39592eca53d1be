// Two clocks: steady time for waiting, wall time for people, tokens and logs.
//
// Nothing asks the system for the time while it handles a request: the event loop reads both clocks once a turn and
// hands them down, so that a test can turn them by hand.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace sluice {

using Nanos = std::chrono::nanoseconds;
using Millis = std::chrono::milliseconds;
using Seconds = std::chrono::seconds;
using SteadyTime = std::chrono::time_point<std::chrono::steady_clock, Nanos>;
using WallTime = std::chrono::time_point<std::chrono::system_clock, Nanos>;
using namespace std::chrono_literals;

inline SteadyTime steady_now() {
  return std::chrono::steady_clock::now();
}
inline WallTime wall_now() {
  return std::chrono::time_point_cast<Nanos>(std::chrono::system_clock::now());
}
inline int64_t unix_seconds(WallTime t) {
  return std::chrono::floor<Seconds>(t).time_since_epoch().count();
}

// `now + by`, which for durations that somebody configured may lie beyond what the clock can count: then never.
inline SteadyTime later(SteadyTime now, Nanos by) {
  return by > Nanos(0) && by >= SteadyTime::max() - now ? SteadyTime::max() : now + by;
}
// When `limit` is over; never where it is 0, which stands for no limit.
inline SteadyTime deadline_after(SteadyTime now, Nanos limit) {
  return limit > Nanos(0) ? later(now, limit) : SteadyTime::max();
}
// `duration * times`, at most the longest duration there is.
inline Nanos times(Nanos duration, int64_t times) {
  int64_t product = 0;
  return __builtin_mul_overflow(duration.count(), times, &product) ? Nanos::max() : Nanos(product);
}

// A duration in Go's spelling: "250ms", "1m30s", "0.5s", "0s", "-1s". Units ns, us, ms, s, m, h.
Result<Nanos> parse_duration(std::string_view text);
std::string format_duration(Nanos duration);  // "1m30s"; parse_duration reads it back

// "2026-01-02T03:04:05.678Z"
std::string format_iso(WallTime t);
std::string format_iso_seconds(WallTime t);  // "2026-01-02T03:04:05Z", as Kubernetes writes it
std::optional<WallTime> parse_iso(std::string_view text);
// "Fri, 02 Jan 2026 03:04:05 GMT" (RFC 9110 5.6.7)
std::string format_http_date(WallTime t);

}  // namespace sluice
