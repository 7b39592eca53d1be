#include "config/kinds/dns_cache.h"

#include <fmt/format.h>

#include "base/strings.h"
#include "config/kinds/paths.h"

namespace sluice::kinds {
namespace {

constexpr EnumName kFamilies[] = {{"V4_PREFERRED", 0}, {"V4_ONLY", 1}, {"V6_ONLY", 2}, {"AUTO", 3}, {"ALL", 4}};
constexpr EnumName kProtocols[] = {{"TCP", 0}, {"UDP", 1}};

// The document's shapes around what we keep.
struct SocketAddress {
  DnsServer server;
};
struct Address {
  SocketAddress socket_address;
};
struct ResolverOptions {
  bool use_tcp = false;
};

void bind(Fields& f, SocketAddress& a) {
  uint32_t port = 0;
  f.required("address", a.server.address, "IP literal of the DNS server.");
  f.optional("portValue", port, "Its port.");
  f.optional("protocol", a.server.protocol, "UDP, then TCP for truncated answers; or TCP from the start.");
  f.without_effect("ipv4Compat", "an IPv6 address is taken as written");
  f.unsupported("namedPort");
  f.unsupported("resolverName");
  if (f.present("address"))
    f.check(is_ip_literal(a.server.address), "address",
            "is not a valid IP address; a DNS server cannot be given by name");
  f.one_of({"portValue", "namedPort"});
  if (!f.present("namedPort") && f.reading() && !f.present("portValue"))
    f.error("portValue", "is required: DNS servers listen on 53");
  if (f.present("portValue")) f.in_range("portValue", port, 1, 65535);
  a.server.port = static_cast<uint16_t>(port);
}

void bind(Fields& f, Address& a) {
  f.optional("socketAddress", a.socket_address, "Where the DNS server listens.");
  f.unsupported("pipe", "A Unix socket.");
  f.exactly_one({"socketAddress", "pipe"});
}

void bind(Fields& f, ResolverOptions& o) {
  f.optional("useTcpForDnsLookups", o.use_tcp, "Ask by TCP only.");
  f.without_effect("noDefaultSearchDomain", "names are absolute, there is no search list");
}

}  // namespace

std::span<const EnumName> enum_names(DnsLookupFamily) {
  return kFamilies;
}
std::span<const EnumName> enum_names(SocketProtocol) {
  return kProtocols;
}

void bind(Fields& f, CaresDns& c) {
  std::vector<Address> resolvers;
  ResolverOptions options;
  f.required("resolvers", resolvers, "DNS servers, asked in this order.");
  f.optional("dnsResolverOptions", options, "How they are asked.");
  if (f.present("resolvers")) f.check(!resolvers.empty(), "resolvers", "must name at least one DNS server");
  for (Address& resolver : resolvers) c.resolvers.push_back(std::move(resolver.socket_address.server));
  c.use_tcp = options.use_tcp;
}

void bind(Fields& f, DnsFailureRefreshRate& r) {
  f.required("baseInterval", r.base_interval, "Wait after the first failure; doubles from there.");
  f.optional("maxInterval", r.max_interval, "Longest wait (10 times the base when absent).");
  if (f.present("baseInterval")) f.check(r.base_interval > 1ms, "baseInterval", "must be more than 1ms");
  if (r.max_interval) f.check(*r.max_interval >= r.base_interval, "maxInterval", "must be at least baseInterval");
}

void bind(Fields& f, DnsCacheConfig& c) {
  f.optional("dnsLookupFamily", c.dns_lookup_family, "Which addresses are asked for and preferred.");
  f.optional("dnsRefreshRate", c.dns_refresh_rate, "How often a name is asked for while it has not been resolved.");
  f.optional("hostTtl", c.host_ttl, "A name that was not used for so long is forgotten.");
  f.optional("maxHosts", c.max_hosts, "Names with addresses that are remembered at most, and as many again without.");
  f.optional("dnsFailureRefreshRate", c.dns_failure_refresh_rate, "Waits between attempts while a name fails.");
  f.optional("caresDns", c.cares_dns, "DNS servers to ask in place of the system's.");
  std::optional<Empty> apple_dns;
  f.optional("appleDns", apple_dns, "Taken as the system's resolver.");
  f.optional("dnsQueryTimeout", c.dns_query_timeout, "Longest time for one name.");
  f.unsupported("preresolveHostnames", "Names resolved when the configuration is loaded.");
  f.unsupported("dnsCacheCircuitBreaker", "Limit on requests that wait for a name.");
  f.one_of({"caresDns", "appleDns"});
  f.check(c.dns_refresh_rate >= 1ms, "dnsRefreshRate", "must be at least 1ms");
  f.positive("hostTtl", c.host_ttl);
  f.check(c.max_hosts > 0, "maxHosts", "must be more than 0");
  f.positive("dnsQueryTimeout", c.dns_query_timeout);
}

}  // namespace sluice::kinds
