#include "base/metrics.h"

#include <algorithm>
#include <ranges>

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

// ---- Metrics ----

Metrics::Series& Metrics::find(const MetricFamily& family, MetricType type, const Labels& labels) {
  Entry& entry = entries_.try_emplace(std::string(family.name), std::string(family.help), type).first->second;
  return entry.series[labels];
}

Metric* Metrics::metric_of(Series& series) const {
  if (!series.metric) series.metric.reset(new Metric(threads_));
  return series.metric.get();
}

Histogram* Metrics::histogram_of(Series& series) const {
  if (series.histogram) return series.histogram.get();
  series.histogram = std::make_shared<Histogram>();
  for (size_t i = 0; i <= Histogram::kBounds.size(); ++i) series.histogram->buckets_.emplace_back(new Metric(threads_));
  series.histogram->sum_.reset(new Metric(threads_));
  return series.histogram.get();
}

Metric* Metrics::metric(const MetricFamily& family, const Labels& labels) {
  const std::scoped_lock lock(mutex_);
  Series& series = find(family, family.type, labels);
  series.for_ever = true;
  return metric_of(series);
}

Histogram* Metrics::histogram(const MetricFamily& family, const Labels& labels) {
  const std::scoped_lock lock(mutex_);
  Series& series = find(family, MetricType::histogram, labels);
  series.for_ever = true;
  return histogram_of(series);
}

void Metrics::release(const Key& key) {
  const auto entry = entries_.find(key.first);
  const auto series = entry->second.series.find(key.second);
  if (--series->second.sets > 0 || series->second.for_ever) return;
  entry->second.series.erase(series);
  if (entry->second.series.empty()) entries_.erase(entry);
}

std::vector<Metrics::Family> Metrics::collect() const {
  const std::scoped_lock lock(mutex_);
  std::vector<Family> out;
  for (const auto& [name, entry] : entries_) {
    Family family{name, entry.help, entry.type, {}};
    for (const auto& [labels, series] : entry.series) {
      const int64_t value = series.used     ? series.limit - series.used->value()
                            : series.metric ? series.metric->value()
                                            : 0;
      family.samples.push_back({labels, value, series.histogram});
    }
    out.push_back(std::move(family));
  }
  return out;
}

size_t Metrics::series() const {
  const std::scoped_lock lock(mutex_);
  size_t count = 0;
  for (const auto& [name, entry] : entries_) count += entry.series.size();
  return count;
}

// ---- MetricSet ----

// In the order they were taken last first: what is left of a limit looks at the metric that it is counted by.
MetricSet::~MetricSet() {
  const std::scoped_lock lock(metrics_.mutex_);
  for (const Metrics::Key& key : taken_ | std::views::reverse) metrics_.release(key);
}

void MetricSet::take(Metrics::Series& series, const MetricFamily& family, const Labels& labels) {
  Metrics::Key key(family.name, labels);
  if (std::ranges::find(taken_, key) != taken_.end()) return;
  ++series.sets;
  taken_.push_back(std::move(key));
}

Metric* MetricSet::metric(const MetricFamily& family, const Labels& labels) {
  const std::scoped_lock lock(metrics_.mutex_);
  Metrics::Series& series = metrics_.find(family, family.type, labels);
  take(series, family, labels);
  return metrics_.metric_of(series);
}

Histogram* MetricSet::histogram(const MetricFamily& family, const Labels& labels) {
  const std::scoped_lock lock(metrics_.mutex_);
  Metrics::Series& series = metrics_.find(family, MetricType::histogram, labels);
  take(series, family, labels);
  return metrics_.histogram_of(series);
}

void MetricSet::remaining(const MetricFamily& family, const Labels& labels, int64_t limit, const Metric& used) {
  const std::scoped_lock lock(metrics_.mutex_);
  Metrics::Series& series = metrics_.find(family, MetricType::gauge, labels);
  take(series, family, labels);
  series.used = &used;
  series.limit = limit;
}

}  // namespace sluice
