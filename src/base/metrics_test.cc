#include "base/metrics.h"

#include <gtest/gtest.h>
#include <atomic>
#include <thread>

#include "base/worker_index.h"

namespace sluice {
namespace {

constexpr MetricFamily kSent{"sent_total", "Sent."};
constexpr MetricFamily kActive{"active", "Active.", MetricType::gauge};
constexpr MetricFamily kLeft{"left", "Left.", MetricType::gauge};
constexpr MetricFamily kTime{"time_seconds", "Time.", MetricType::histogram};

Labels label(std::string value) {
  return {{"name", std::move(value)}};
}

int64_t value_of(const Metrics& metrics, std::string_view family, const Labels& labels) {
  for (const Metrics::Family& known : metrics.collect())
    if (known.name == family)
      for (const Metrics::Sample& sample : known.samples)
        if (sample.labels == labels) return sample.value;
  return -1;
}

TEST(Metrics, give_the_same_metric_for_the_same_name_and_labels) {
  Metrics metrics(2);
  EXPECT_EQ(metrics.metric(kSent, label("a")), metrics.metric(kSent, label("a")));
  EXPECT_NE(metrics.metric(kSent, label("a")), metrics.metric(kSent, label("b")));
  EXPECT_EQ(metrics.series(), 2U);
}

TEST(MetricSet, takes_its_series_along_when_the_last_one_goes) {
  Metrics metrics(1);
  auto first = std::make_unique<MetricSet>(metrics);
  first->metric(kSent, label("a"))->add(3);
  first->metric(kSent, label("a"));  // asked twice is had once
  first->histogram(kTime, label("a"))->record_nanos(1);
  auto second = std::make_unique<MetricSet>(metrics);
  second->metric(kSent, label("a"))->add(4);
  first.reset();
  EXPECT_EQ(value_of(metrics, "sent_total", label("a")), 7);
  EXPECT_EQ(metrics.series(), 1U);
  second.reset();
  EXPECT_EQ(metrics.series(), 0U);
  EXPECT_TRUE(metrics.collect().empty());
}

TEST(MetricSet, leaves_what_somebody_asked_for_without_a_set) {
  Metrics metrics(1);
  metrics.metric(kSent, label("a"))->add();
  MetricSet(metrics).metric(kSent, label("a"))->add();
  EXPECT_EQ(value_of(metrics, "sent_total", label("a")), 2);
}

TEST(MetricSet, works_out_what_is_left_of_the_limit_that_was_said_last) {
  Metrics metrics(1);
  MetricSet before(metrics);
  Metric* active = before.metric(kActive, label("a"));
  before.remaining(kLeft, label("a"), 10, *active);
  active->add(4);
  EXPECT_EQ(value_of(metrics, "left", label("a")), 6);
  {
    MetricSet after(metrics);
    EXPECT_EQ(after.metric(kActive, label("a")), active);
    after.remaining(kLeft, label("a"), 20, *active);
    EXPECT_EQ(value_of(metrics, "left", label("a")), 16);
    active->sub(4);
    EXPECT_EQ(value_of(metrics, "left", label("a")), 20);
  }
  before.remaining(kLeft, label("a"), 10, *active);
  EXPECT_EQ(value_of(metrics, "left", label("a")), 10);
}

TEST(MetricSet, leaves_a_histogram_to_who_is_reading_it) {
  Metrics metrics(1);
  auto set = std::make_unique<MetricSet>(metrics);
  set->histogram(kTime)->record_nanos(1'000'000'000);
  const std::vector<Metrics::Family> read = metrics.collect();
  set.reset();
  EXPECT_EQ(read.at(0).samples.at(0).histogram->sum_milliseconds(), 1000);
}

TEST(Histogram, counts_a_time_at_a_bound_below_it_and_one_above_all_bounds_last) {
  Metrics metrics(1);
  Histogram* times = metrics.histogram(kTime);
  constexpr size_t kAbove = Histogram::kBounds.size();
  for (size_t i = 0; i < kAbove; ++i) {
    const auto bound = static_cast<int64_t>(Histogram::kBounds[i] * 1e6);
    times->record_nanos(bound);
    EXPECT_EQ(times->bucket(i), i == 0 ? 1 : 2) << i;
    times->record_nanos(bound + 1);
    EXPECT_EQ(times->bucket(i + 1), 1) << i;
  }
  EXPECT_EQ(times->bucket(kAbove), 1);
  times->record_nanos(0);
  EXPECT_EQ(times->bucket(0), 2);
}

TEST(Metrics, come_sorted_by_name_with_all_labels_of_each) {
  Metrics metrics(1);
  metrics.metric(kSent, label("b"))->add(2);
  metrics.metric(kActive)->add(3);
  metrics.metric(kSent, label("a"))->add(1);
  const auto families = metrics.collect();
  ASSERT_EQ(families.size(), 2U);
  EXPECT_EQ(families[0].name, "active");
  EXPECT_EQ(families[1].name, "sent_total");
  EXPECT_EQ(families[1].help, "Sent.");
  EXPECT_EQ(families[1].samples.size(), 2U);
  EXPECT_EQ(value_of(metrics, "sent_total", label("a")), 1);
  EXPECT_EQ(value_of(metrics, "sent_total", label("b")), 2);
}

// A scrape in the middle sees no counter fall, and in the end nothing is missing.
TEST(Metrics, add_up_while_they_are_scraped_and_others_come_and_go) {
  constexpr unsigned kThreads = 3;
  constexpr int64_t kEach = 20'000;
  Metrics metrics(kThreads + 1);
  Metric* sent = metrics.metric(kSent);
  std::atomic<unsigned> left{kThreads};
  std::vector<std::thread> threads;
  for (unsigned i = 0; i < kThreads; ++i)
    threads.emplace_back([&, i] {
      worker_index = i;
      for (int64_t n = 0; n < kEach; ++n) {
        sent->add();
        if (n % 100 == 0) MetricSet(metrics).metric(kActive, label(std::to_string(i)))->add();
      }
      --left;
    });
  int64_t before = 0;
  while (left > 0) {
    const int64_t now = value_of(metrics, "sent_total", {});
    EXPECT_GE(now, before);
    before = now;
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(value_of(metrics, "sent_total", {}), kThreads * kEach);
  EXPECT_EQ(sent->mine(), kEach);  // of the first worker, as which this thread counts
  EXPECT_EQ(metrics.series(), 1U);
}

}  // namespace
}  // namespace sluice
