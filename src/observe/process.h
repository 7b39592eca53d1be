// What is told of the process itself, read anew at each scrape: Envoy's `server.*` where it has the metric, and the
// `process_*` set that Prometheus's own client libraries export.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/metrics.h"
#include "base/time.h"

namespace sluice {

enum class ServerState : uint8_t { live = 0, draining = 1, pre_initializing = 2, initializing = 3 };  // Envoy's numbers

struct ProcessFacts {
  std::string_view version;  // "0.1.0"
  ServerState state = ServerState::live;
  unsigned workers = 1;
  Nanos uptime{0};
};

// In Prometheus' text format. What the system does not tell is left out.
std::string process_text(const ProcessFacts& facts);

std::vector<MetricFamily> process_metric_families();

}  // namespace sluice
