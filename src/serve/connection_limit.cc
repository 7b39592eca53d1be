#include "serve/connection_limit.h"

namespace sluice {
namespace {

constexpr MetricFamily kRefused{"sluice_downstream_cx_refused_total",
                                "Client connections closed at once because the process may have no more."};
constexpr MetricFamily kGivenUp{"sluice_downstream_cx_given_up_total",
                                "Client connections that waited for a request and were ended to make room."};
constexpr MetricFamily kHeadsGivenUp{"sluice_downstream_heads_given_up_total",
                                     "Client connections ended in the middle of a request's head: there was too little "
                                     "memory or, at one of the program's own ports, no place for others."};
constexpr MetricFamily kMost{"sluice_downstream_cx_max", "Client connections that the process may have at once.",
                             MetricType::gauge};

}  // namespace

ConnectionLimit::ConnectionLimit(size_t most, const std::string& whose, Metrics& metrics)
    : most_(most),
      refused_(metrics.metric(kRefused, {{"listeners", whose}})),
      given_up_(metrics.metric(kGivenUp, {{"listeners", whose}})),
      heads_given_up_(metrics.metric(kHeadsGivenUp, {{"listeners", whose}})) {
  metrics.metric(kMost, {{"listeners", whose}})->set(static_cast<int64_t>(most));
}

std::vector<MetricFamily> connection_limit_metric_families() {
  return {kRefused, kGivenUp, kHeadsGivenUp, kMost};
}

}  // namespace sluice
