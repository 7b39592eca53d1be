// Counters, gauges and histograms that cost a plain increment.
//
// A metric has one slot per thread that may count (the workers and the control thread), each on a cache line of its
// own; a thread writes only its slot, a scrape adds them up. Ask for a metric at config time and keep the pointer:
// the same family and labels give the same metric. A metric that is asked of Metrics lives as long as that; one whose
// labels come from configuration, which changes, is asked of a MetricSet and goes when the last set that has it goes.
//
// The names are in Prometheus form; observe/ prints them. Labels must come from configuration, never from requests.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/worker_index.h"

namespace sluice {

using Labels = std::vector<std::pair<std::string, std::string>>;

enum class MetricType : uint8_t { counter, gauge, histogram };

// What is told of a metric to people; keep these as constants so that docs/metrics.md can list them.
struct MetricFamily {
  std::string_view name;  // Envoy's where it has the metric; else sluice_..., counters end in _total
  std::string_view help;
  MetricType type = MetricType::counter;
};

class Metric {
 public:
  // Only the thread's own slot is written, so no read-modify-write is needed.
  void add(int64_t n = 1) {
    auto& slot = slots_[worker_index].value;
    slot.store(slot.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
  }
  void sub(int64_t n = 1) { add(-n); }
  // For a gauge that one thread owns.
  void set(int64_t n) { slots_[worker_index].value.store(n, std::memory_order_relaxed); }
  int64_t value() const;
  // What this thread has counted.
  int64_t mine() const { return slots_[worker_index].value.load(std::memory_order_relaxed); }

 private:
  friend class Metrics;
  explicit Metric(unsigned slots) : slots_(std::make_unique<Slot[]>(slots)), count_(slots) {}
  struct alignas(64) Slot {
    std::atomic<int64_t> value{0};
  };
  std::unique_ptr<Slot[]> slots_;
  unsigned count_;
};

using Counter = Metric;
using Gauge = Metric;

// Durations in milliseconds over Envoy's bounds, so that quantiles of its dashboards come out the same.
class Histogram {
 public:
  static constexpr std::array<double, 19> kBounds = {
      0.5, 1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000, 30000, 60000, 300000, 600000, 1800000, 3600000};
  void record_nanos(int64_t nanos);
  int64_t bucket(size_t i) const { return buckets_[i]->value(); }  // not cumulative; the last is "above all bounds"
  double sum_milliseconds() const { return static_cast<double>(sum_->value()) / 1e6; }

 private:
  friend class Metrics;
  std::vector<std::unique_ptr<Metric>> buckets_;
  std::unique_ptr<Metric> sum_;
};

class Metrics {
 public:
  explicit Metrics(unsigned threads) : threads_(threads) {}
  Metrics(const Metrics&) = delete;
  Metrics& operator=(const Metrics&) = delete;

  Metric* metric(const MetricFamily& family, const Labels& labels = {});
  Histogram* histogram(const MetricFamily& family, const Labels& labels = {});

  struct Sample {
    Labels labels;
    int64_t value = 0;
    std::shared_ptr<const Histogram> histogram;
  };
  struct Family {
    std::string name;
    std::string help;
    MetricType type;
    std::vector<Sample> samples;
  };
  // Everything counted so far, sorted by name. Any thread.
  std::vector<Family> collect() const;
  size_t series() const;

 private:
  friend class MetricSet;
  struct Series {
    std::unique_ptr<Metric> metric;
    std::shared_ptr<Histogram> histogram;
    // Instead of a metric: what is left of a limit.
    const Metric* used = nullptr;
    int64_t limit = 0;
    size_t sets = 0;        // that have it
    bool for_ever = false;  // asked for without a set
  };
  struct Entry {
    std::string help;
    MetricType type;
    std::map<Labels, Series> series;
  };
  using Key = std::pair<std::string, Labels>;

  Series& find(const MetricFamily& family, MetricType type, const Labels& labels);
  Metric* metric_of(Series& series) const;
  Histogram* histogram_of(Series& series) const;
  void release(const Key& key);

  unsigned threads_;
  mutable std::mutex mutex_;  // only for asking and scraping, never for counting
  std::map<std::string, Entry, std::less<>> entries_;
};

// The metrics of something that comes and goes with the configuration, such as an upstream. What an equal set counted
// that is still there goes on being counted. Nothing may count any more when it goes; its Metrics must outlive it.
class MetricSet {
 public:
  explicit MetricSet(Metrics& metrics) : metrics_(metrics) {}
  MetricSet(const MetricSet&) = delete;
  MetricSet& operator=(const MetricSet&) = delete;
  ~MetricSet();

  Metric* metric(const MetricFamily& family, const Labels& labels = {});
  Histogram* histogram(const MetricFamily& family, const Labels& labels = {});
  // A gauge of what is left of `limit`: worked out when it is read, so that it cannot drift. `used` is of this set. The
  // limit that was said last counts.
  void remaining(const MetricFamily& family, const Labels& labels, int64_t limit, const Metric& used);

 private:
  void take(Metrics::Series& series, const MetricFamily& family, const Labels& labels);

  Metrics& metrics_;
  std::vector<Metrics::Key> taken_;
};

}  // namespace sluice
