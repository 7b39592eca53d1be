#include "base/metrics.h"

#include <algorithm>

namespace sluice {

int64_t Metric::value() const {
  int64_t sum = 0;
  for (unsigned i = 0; i < count_; ++i) sum += slots_[i].value.load(std::memory_order_relaxed);
  return sum;
}

void Histogram::record_nanos(int64_t nanos) {
  const double milliseconds = static_cast<double>(nanos) / 1e6;
  const auto at = std::ranges::lower_bound(kBounds, milliseconds) - kBounds.begin();
  buckets_[static_cast<size_t>(at)]->add();
  sum_->add(nanos);
}

Metric* Metrics::make_metric() {
  metrics_.push_back(std::unique_ptr<Metric>(new Metric(threads_)));
  return metrics_.back().get();
}

Metric* Metrics::metric(const MetricFamily& family, const Labels& labels) {
  const std::scoped_lock lock(mutex_);
  Entry& entry = entries_.try_emplace(std::string(family.name), std::string(family.help), family.type).first->second;
  Series& series = entry.series[labels];
  if (!series.metric) series.metric = make_metric();
  return series.metric;
}

Histogram* Metrics::histogram(const MetricFamily& family, const Labels& labels) {
  const std::scoped_lock lock(mutex_);
  Entry& entry =
      entries_.try_emplace(std::string(family.name), std::string(family.help), MetricType::histogram).first->second;
  Series& series = entry.series[labels];
  if (!series.histogram) {
    histograms_.push_back(std::make_unique<Histogram>());
    series.histogram = histograms_.back().get();
    for (size_t i = 0; i <= Histogram::kBounds.size(); ++i) series.histogram->buckets_.push_back(make_metric());
    series.histogram->sum_ = make_metric();
  }
  return series.histogram;
}

std::vector<Metrics::Family> Metrics::collect() const {
  const std::scoped_lock lock(mutex_);
  std::vector<Family> out;
  for (const auto& [name, entry] : entries_) {
    Family family{name, entry.help, entry.type, {}};
    for (const auto& [labels, series] : entry.series)
      family.samples.push_back({labels, series.metric ? series.metric->value() : 0, series.histogram});
    out.push_back(std::move(family));
  }
  return out;
}

}  // namespace sluice
