// What is counted of HTTP/2, with the names of Envoy's codec where it has them.
#pragma once

#include <vector>

#include "base/metrics.h"

namespace sluice::h2 {

struct Http2Metrics {
  explicit Http2Metrics(Metrics& metrics);

  Gauge* streams_active;
  Counter* resets_received;
  Counter* resets_sent;
  Counter* messaging_errors;
  Counter* trailers;
  Counter* goaways_sent;
  Counter* streams_refused;
  Counter* flush_timeouts;   // a peer did not open its window
  Counter* header_overflow;  // also trailers that ended their stream alone
  // Connections that ended because of:
  Counter* empty_frames_flood;
  Counter* priority_flood;
  Counter* window_update_flood;
  Counter* outbound_control_flood;
  Counter* reset_flood;
  Counter* ping_flood;
  Counter* settings_flood;
  Counter* continuation_flood;
};
std::vector<MetricFamily> http2_metric_families();

}  // namespace sluice::h2
