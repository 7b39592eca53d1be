#include "forward/connect_memory.h"

#include <algorithm>
#include <cstring>

namespace sluice {

bool same_address(const SocketAddress& a, const SocketAddress& b) {
  if (a.family() != b.family()) return false;
  if (a.family() == AF_INET)
    return a.v4_address.sin_port == b.v4_address.sin_port &&
           a.v4_address.sin_addr.s_addr == b.v4_address.sin_addr.s_addr;
  return a.v6_address.sin6_port == b.v6_address.sin6_port &&
         std::memcmp(&a.v6_address.sin6_addr, &b.v6_address.sin6_addr, sizeof(in6_addr)) == 0;
}

void ConnectMemory::failed(const SocketAddress& address, SteadyTime now) {
  const auto known = std::ranges::find_if(failing_, [&](const Failing& f) { return same_address(f.address, address); });
  if (known == failing_.end()) {
    if (failing_.size() < kAddressesMax) failing_.push_back({address, kPauseFirst, now + kPauseFirst});
    return;
  }
  if (now < known->until) return;  // one of several that were under way when the first failed
  known->pause = std::min(2 * known->pause, kPauseMax);
  known->until = now + known->pause;
}

void ConnectMemory::forget(const SocketAddress& address) {
  std::erase_if(failing_, [&](const Failing& f) { return same_address(f.address, address); });
}

void ConnectMemory::forget_others(std::span<const SocketAddress> addresses) {
  std::erase_if(failing_, [&](const Failing& f) {
    return std::ranges::none_of(addresses, [&](const SocketAddress& one) { return same_address(f.address, one); });
  });
}

bool ConnectMemory::left_out(const SocketAddress& address, SteadyTime now) const {
  return std::ranges::any_of(failing_,
                             [&](const Failing& f) { return now < f.until && same_address(f.address, address); });
}

bool ConnectMemory::all_left_out(std::span<const SocketAddress> addresses, SteadyTime now) const {
  if (failing_.empty() || addresses.empty()) return false;
  return std::ranges::all_of(addresses, [&](const SocketAddress& one) { return left_out(one, now); });
}

}  // namespace sluice
