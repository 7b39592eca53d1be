#include "http/h2/floods.h"

#include <algorithm>

namespace sluice::h2 {
namespace {

struct Terms {
  uint32_t burst;
  uint32_t a_second;
  uint32_t a_work;  // for each piece of work
};

// Resets are of streams that had no answer yet: a page that is left has some hundred, a proxy in front with many users
// more; nghttp2's own bound is 1,000 and 33 a second. They earn nothing by work, as to open a stream is part of it.
// PRIORITY: 100 a stream, as Envoy has it. WINDOW_UPDATE: Envoy's 10 a frame. PING: gRPC sends one a read to measure.
// Empty DATA carries nothing that its sender could not leave out; some send one in front of an end. An upstream is
// trusted further: control frames of whatever kind, of which a DATA frame to it excuses four, as it opens windows.
constexpr std::array<Terms, static_cast<size_t>(Cheap::count)> kTerms{{
    {.burst = 1000, .a_second = 33, .a_work = 0},
    {.burst = 1000, .a_second = 10, .a_work = 2},
    {.burst = 100, .a_second = 1, .a_work = 0},
    {.burst = 100, .a_second = 0, .a_work = 100},
    {.burst = 1000, .a_second = 10, .a_work = 10},
    {.burst = 100, .a_second = 10, .a_work = 0},
    {.burst = 1000, .a_second = 1000, .a_work = 4},
}};

}  // namespace

bool Floods::admits(Cheap kind, SteadyTime now) {
  Allowance& allowance = allowances_[static_cast<size_t>(kind)];
  const Terms& terms = kTerms[static_cast<size_t>(kind)];
  const int64_t seconds = std::chrono::duration_cast<std::chrono::seconds>(now - allowance.since).count();
  const uint64_t earned = static_cast<uint64_t>(std::clamp<int64_t>(seconds, 0, UINT32_MAX)) * terms.a_second +
                          uint64_t{work_ - allowance.work} * terms.a_work;
  if (earned > 0) {
    allowance.used -= static_cast<uint32_t>(std::min<uint64_t>(allowance.used, earned));
    allowance.work = work_;
    if (seconds > 0) allowance.since = now;
  }
  if (allowance.used >= terms.burst) return false;
  ++allowance.used;
  return true;
}

}  // namespace sluice::h2
