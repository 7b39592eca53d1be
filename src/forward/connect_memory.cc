#include "forward/connect_memory.h"

#include <algorithm>

namespace sluice {

Nanos ConnectMemory::failed(const SocketAddress& address, SteadyTime now) {
  const auto known = std::ranges::find_if(failing_, [&](const Failing& f) { return f.address == address; });
  if (known == failing_.end()) {
    if (failing_.size() == kAddressesMax) return 0s;
    failing_.push_back({address, kPauseFirst, now + kPauseFirst});
    return kPauseFirst;
  }
  if (now < known->until) return 0s;  // one of several that were under way when the first failed
  known->pause = std::min(2 * known->pause, kPauseMax);
  known->until = now + known->pause;
  return known->pause;
}

bool ConnectMemory::forget(const SocketAddress& address) {
  return std::erase_if(failing_, [&](const Failing& f) { return f.address == address; }) > 0;
}

void ConnectMemory::forget_others(std::span<const SocketAddress> addresses) {
  std::erase_if(failing_, [&](const Failing& f) { return std::ranges::find(addresses, f.address) == addresses.end(); });
}

bool ConnectMemory::left_out(const SocketAddress& address, SteadyTime now) const {
  return std::ranges::any_of(failing_, [&](const Failing& f) { return now < f.until && f.address == address; });
}

bool ConnectMemory::all_left_out(std::span<const SocketAddress> addresses, SteadyTime now) const {
  if (failing_.empty() || addresses.empty()) return false;
  return std::ranges::all_of(addresses, [&](const SocketAddress& one) { return left_out(one, now); });
}

}  // namespace sluice
