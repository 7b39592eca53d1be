#include "forward/dns/dns_metrics.h"

#include "forward/dns/resolver.h"

namespace sluice {
namespace {

using enum MetricType;

struct Counted {
  MetricFamily family;
  uint64_t (*read)(const ResolverStats&);
};

constexpr Counted kCounted[] = {
    {{"envoy_dns_cache_dynamic_dns_query_attempt", "Times a name was asked for, A and AAAA together."},
     [](const ResolverStats& s) { return s.names.query_attempt; }},
    {{"envoy_dns_cache_dynamic_dns_query_success", "Of these, those that brought addresses."},
     [](const ResolverStats& s) { return s.names.query_success; }},
    {{"envoy_dns_cache_dynamic_dns_query_failure", "Of these, those that brought none."},
     [](const ResolverStats& s) { return s.names.query_failure; }},
    {{"envoy_dns_cache_dynamic_dns_query_timeout", "Of these, those that ran into dnsQueryTimeout."},
     [](const ResolverStats& s) { return s.names.query_timeout; }},
    {{"envoy_dns_cache_dynamic_host_added", "Names that were taken in."},
     [](const ResolverStats& s) { return s.names.host_added; }},
    {{"envoy_dns_cache_dynamic_host_removed", "Names that were forgotten."},
     [](const ResolverStats& s) { return s.names.host_removed; }},
    {{"envoy_dns_cache_dynamic_host_address_changed", "Times a name got other addresses."},
     [](const ResolverStats& s) { return s.names.host_address_changed; }},
    {{"envoy_dns_cache_dynamic_host_overflow", "Names refused because of maxHosts (503 dns_cache_overflow)."},
     [](const ResolverStats& s) { return s.names.host_overflow; }},
    {{"envoy_dns_cache_dynamic_dns_rq_pending_overflow", "Requests refused because too many wait for names."},
     [](const ResolverStats& s) { return s.pending_overflow; }},
    {{"envoy_dns_cache_dynamic_num_hosts", "Names known just now, with or without addresses.", gauge},
     [](const ResolverStats& s) { return uint64_t{s.hosts}; }},
    {{"envoy_dns_cares_resolve_total", "Questions put to the DNS servers, one for each name and type."},
     [](const ResolverStats& s) { return s.questions; }},
    {{"envoy_dns_cares_pending_resolutions", "Questions on their way.", gauge},
     [](const ResolverStats& s) { return uint64_t{s.questions_active}; }},
    {{"envoy_dns_cares_not_found", "Answers that there is no such name or record."},
     [](const ResolverStats& s) { return s.not_found; }},
    {{"envoy_dns_cares_get_addr_failure", "Questions that servers refused, failed or could not be asked."},
     [](const ResolverStats& s) { return s.failures; }},
    {{"envoy_dns_cares_timeouts", "Tries that a server let wait until the next was asked."},
     [](const ResolverStats& s) { return s.sockets.timeouts; }},
    {{"sluice_dns_sockets_active", "Sockets to DNS servers that are open.", gauge},
     [](const ResolverStats& s) { return uint64_t{s.sockets.open}; }},
    {{"sluice_dns_questions_waited_total", "Questions that found no room on a socket at first."},
     [](const ResolverStats& s) { return s.sockets.waited; }},
};
constexpr MetricFamily kWaiting{"sluice_dns_requests_waiting", "Requests that wait for a name.", gauge};

}  // namespace

DnsMetrics::DnsMetrics(Metrics& metrics) : waiting(metrics.metric(kWaiting)) {
  for (const Counted& one : kCounted) all_.push_back({metrics.metric(one.family), one.read});
}

void DnsMetrics::set(const ResolverStats& stats) const {
  for (const One& one : all_) one.metric->set(static_cast<int64_t>(one.read(stats)));
}

std::vector<MetricFamily> dns_metric_families() {
  std::vector<MetricFamily> out = {kWaiting};
  for (const Counted& one : kCounted) out.push_back(one.family);
  return out;
}

}  // namespace sluice
