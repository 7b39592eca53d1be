// How much of what costs the peer nothing and us something a connection may send: each kind of frame has an allowance
// that fills up with time and with the work that is done for the peer, as who asks for much may say much.
//
// Of the known attacks: rapid reset (CVE-2023-44487, and CVE-2025-8671 by which this end says it), PING, SETTINGS,
// PRIORITY and WINDOW_UPDATE floods and empty DATA frames (CVE-2019-9511 to 9518).
#pragma once

#include <array>
#include <cstdint>

#include "base/time.h"

namespace sluice::h2 {

enum class Cheap : uint8_t { reset, ping, settings, priority, window_update, empty_data, control, count };

class Floods {
 public:
  // Counts one such frame. False: it is one too many.
  bool admits(Cheap kind, SteadyTime now);
  // Something was done for the peer: a stream was opened, a DATA frame went either way.
  void worked() { ++work_; }

 private:
  struct Allowance {
    uint32_t used = 0;  // of the burst
    uint32_t work = 0;  // how much had been done when it was looked at last
    SteadyTime since{};
  };
  std::array<Allowance, static_cast<size_t>(Cheap::count)> allowances_{};
  uint32_t work_ = 0;
};

}  // namespace sluice::h2
