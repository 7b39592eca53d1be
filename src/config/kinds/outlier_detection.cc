#include "config/kinds/outlier_detection.h"

namespace sluice::kinds {

void bind(Fields& f, OutlierDetection& d) {
  f.optional("consecutive5xx", d.consecutive_5xx, "So many 5xx in a row eject an endpoint; 0 = never.");
  f.required("interval", d.interval, "How often success rates are compared, and cool-downs get shorter again.");
  f.optional("baseEjectionTime", d.base_ejection_time,
             "An endpoint is left out for so long, times how often it was ejected lately; 300s at most, or this.");
  f.optional("maxEjectionPercent", d.max_ejection_percent,
             "So many of the endpoints may be ejected, and one at least; never the last.");
  f.optional("enforcingConsecutive5xx", d.enforcing_consecutive_5xx, "Percent of the cases in which it is done.");
  f.optional("enforcingSuccessRate", d.enforcing_success_rate, "Percent of the cases in which it is done.");
  f.optional("successRateMinimumHosts", d.success_rate_minimum_hosts,
             "Success rates are compared when so many endpoints had enough requests.");
  f.optional("successRateRequestVolume", d.success_rate_request_volume,
             "Requests in one interval that are enough; counted by each worker.");
  f.optional("successRateStdevFactor", d.success_rate_stdev_factor,
             "A success rate is too low so many thousandths of the standard deviation below the mean.");
  f.optional("consecutiveGatewayFailure", d.consecutive_gateway_failure,
             "So many 502, 503 and 504 in a row eject an endpoint; 0 = never.");
  f.optional("enforcingConsecutiveGatewayFailure", d.enforcing_consecutive_gateway_failure,
             "Percent of the cases in which it is done.");
  f.optional("splitExternalLocalOriginErrors", d.split_external_local_origin_errors,
             "Count what fails without an answer by itself, and not as a 5xx.");
  f.optional("consecutiveLocalOriginFailure", d.consecutive_local_origin_failure,
             "So many failures without an answer in a row eject an endpoint; 0 = never. Only when split.");
  f.optional("enforcingConsecutiveLocalOriginFailure", d.enforcing_consecutive_local_origin_failure,
             "Percent of the cases in which it is done.");
  f.optional("enforcingLocalOriginSuccessRate", d.enforcing_local_origin_success_rate,
             "Percent of the cases in which it is done.");
  f.positive("interval", d.interval);
  f.positive("baseEjectionTime", d.base_ejection_time);
  f.in_range("maxEjectionPercent", d.max_ejection_percent, 0, 100);
  f.in_range("enforcingConsecutive5xx", d.enforcing_consecutive_5xx, 0, 100);
  f.in_range("enforcingSuccessRate", d.enforcing_success_rate, 0, 100);
  f.in_range("enforcingConsecutiveGatewayFailure", d.enforcing_consecutive_gateway_failure, 0, 100);
  f.in_range("enforcingConsecutiveLocalOriginFailure", d.enforcing_consecutive_local_origin_failure, 0, 100);
  f.in_range("enforcingLocalOriginSuccessRate", d.enforcing_local_origin_success_rate, 0, 100);
  if (d.split_external_local_origin_errors) return;
  for (const char* name :
       {"consecutiveLocalOriginFailure", "enforcingConsecutiveLocalOriginFailure", "enforcingLocalOriginSuccessRate"})
    if (f.present(name)) f.warning(name, "has no effect without splitExternalLocalOriginErrors");
}

}  // namespace sluice::kinds
