#include "engines/dns/system_files.h"

#include <algorithm>

namespace sluice::dns {
namespace {

constexpr uint16_t kDnsPort = 53;

// The words of each line, without what is behind a '#' (or ';').
template <class Take>
void for_each_line(std::string_view text, std::string_view comments, Take take) {
  for (std::string_view line : split(text, '\n')) {
    line = line.substr(0, line.find_first_of(comments));
    std::vector<std::string_view> words;
    for (size_t at = 0; at < line.size();) {
      if (ascii_space(line[at])) {
        ++at;
        continue;
      }
      size_t end = at;
      while (end < line.size() && !ascii_space(line[end])) ++end;
      words.push_back(line.substr(at, end - at));
      at = end;
    }
    if (words.size() >= 2) take(words);
  }
}

}  // namespace

std::vector<Endpoint> parse_resolv_conf(std::string_view text) {
  std::vector<Endpoint> servers;
  for_each_line(text, "#;", [&servers](const std::vector<std::string_view>& words) {
    if (words[0] != "nameserver" || servers.size() == kServersMax) return;
    if (const auto address = IpAddress::parse(words[1])) servers.push_back({*address, kDnsPort});
  });
  return servers;
}

StringMap<std::vector<IpAddress>> parse_hosts(std::string_view text) {
  StringMap<std::vector<IpAddress>> hosts;
  for_each_line(text, "#", [&hosts](const std::vector<std::string_view>& words) {
    const auto address = IpAddress::parse(words[0]);
    if (!address) return;
    for (size_t i = 1; i < words.size() && hosts.size() < kHostsMax; ++i) {
      std::string_view name = words[i];
      if (name.ends_with('.')) name.remove_suffix(1);
      std::vector<IpAddress>& addresses = hosts[to_lower(name)];
      if (std::ranges::find(addresses, *address) == addresses.end()) addresses.push_back(*address);
    }
  });
  return hosts;
}

}  // namespace sluice::dns
