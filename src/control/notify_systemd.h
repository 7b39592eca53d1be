// sd_notify(3) without its library: one datagram to the socket that systemd names.
#pragma once

#include <string_view>

namespace sluice {
void notify_systemd(std::string_view state);
}  // namespace sluice
