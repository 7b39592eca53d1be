// Reads the texts of resolv.conf(5) and hosts(5). What cannot be read in them is passed over, as libc does.
#pragma once

#include <string_view>
#include <vector>

#include "base/ip.h"
#include "base/strings.h"

namespace sluice::dns {

inline constexpr size_t kServersMax = 8;
inline constexpr size_t kHostsMax = 100000;

// The nameservers, at most kServersMax; addresses with a zone are passed over. Empty: resolv.conf(5) then means the
// server at 127.0.0.1, which the caller adds.
std::vector<Endpoint> parse_resolv_conf(std::string_view text);

// Canonical name -> its addresses in the file's order, at most kHostsMax names.
StringMap<std::vector<IpAddress>> parse_hosts(std::string_view text);

}  // namespace sluice::dns
