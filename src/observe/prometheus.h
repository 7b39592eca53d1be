// Metrics as Prometheus' text exposition format 0.0.4, and as a page of documentation.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "base/metrics.h"

namespace sluice {

inline constexpr std::string_view kPrometheusContentType = "text/plain; version=0.0.4; charset=utf-8";

// Families in the order given; histograms cumulative with `le` in seconds.
std::string prometheus_text(std::span<const Metrics::Family> families);

// docs/metrics.md: a table of name, type and meaning, sorted by name.
std::string metrics_markdown(std::span<const MetricFamily> families);

}  // namespace sluice
