// `outlierDetection` of an Upstream: endpoints that fail are left out for a while (reference gloo-core.md 6.7).
#pragma once

#include <cstdint>

#include "base/time.h"
#include "config/bind.h"

namespace sluice::kinds {

struct OutlierDetection {
  uint32_t consecutive_5xx = 5;  // 0: never by it, as for the other two
  Nanos interval = 10s;
  Nanos base_ejection_time = 30s;
  uint32_t max_ejection_percent = 10;
  uint32_t enforcing_consecutive_5xx = 100;  // percent of what is found that is acted upon
  uint32_t enforcing_success_rate = 100;
  uint32_t success_rate_minimum_hosts = 5;
  uint32_t success_rate_request_volume = 100;
  uint32_t success_rate_stdev_factor = 1900;  // thousandths
  uint32_t consecutive_gateway_failure = 5;
  uint32_t enforcing_consecutive_gateway_failure = 0;
  bool split_external_local_origin_errors = false;
  uint32_t consecutive_local_origin_failure = 5;
  uint32_t enforcing_consecutive_local_origin_failure = 100;
  uint32_t enforcing_local_origin_success_rate = 100;
};
void bind(Fields& f, OutlierDetection& detection);

}  // namespace sluice::kinds
