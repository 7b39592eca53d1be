// What is counted of names and resolvers, under Envoy's names. Envoy has the name of its cache within the metric's;
// ours are counted together, as one cache called "dynamic".
#pragma once

#include <vector>

#include "base/metrics.h"

namespace sluice {

struct ResolverStats;

class DnsMetrics {
 public:
  explicit DnsMetrics(Metrics& metrics);

  // What this thread has counted so far, all its resolvers together.
  void set(const ResolverStats& stats) const;

  Gauge* const waiting;  // requests; changed by each that comes or goes

 private:
  struct One {
    Metric* metric;
    uint64_t (*read)(const ResolverStats&);
  };
  std::vector<One> all_;
};

std::vector<MetricFamily> dns_metric_families();

}  // namespace sluice
