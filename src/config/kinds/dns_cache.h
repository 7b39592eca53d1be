// How a Gateway's dynamic forward proxy resolves names (reference gloo-core.md 4.2).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/time.h"
#include "config/bind.h"

namespace sluice::kinds {

// Numbers are those of the API.
enum class DnsLookupFamily : uint8_t { v4_preferred = 0, v4_only = 1, v6_only = 2, automatic = 3, all = 4 };
std::span<const EnumName> enum_names(DnsLookupFamily);

enum class SocketProtocol : uint8_t { tcp = 0, udp = 1 };
std::span<const EnumName> enum_names(SocketProtocol);

// A DNS server: an IP literal and a port.
struct DnsServer {
  std::string address;
  uint16_t port = 53;
  SocketProtocol protocol = SocketProtocol::udp;
};

struct CaresDns {
  std::vector<DnsServer> resolvers;  // at least one
  bool use_tcp = false;              // dnsResolverOptions.useTcpForDnsLookups
};
void bind(Fields& f, CaresDns& cares);

struct DnsFailureRefreshRate {
  Nanos base_interval{};              // over 1 ms
  std::optional<Nanos> max_interval;  // at least the base; 10 x base when absent
};
void bind(Fields& f, DnsFailureRefreshRate& rate);

struct DnsCacheConfig {
  DnsLookupFamily dns_lookup_family = DnsLookupFamily::v4_preferred;
  Nanos dns_refresh_rate = 60s;
  Nanos host_ttl = 5min;
  uint32_t max_hosts = 1024;
  std::optional<DnsFailureRefreshRate> dns_failure_refresh_rate;
  std::optional<CaresDns> cares_dns;  // nothing: the system's resolver
  Nanos dns_query_timeout = 5s;
};
void bind(Fields& f, DnsCacheConfig& config);

}  // namespace sluice::kinds
