#include "observe/prometheus.h"

#include <gtest/gtest.h>
#include <unistd.h>
#include <cstdio>
#include <cstdlib>

namespace sluice {
namespace {

TEST(PrometheusText, writes_counters_and_gauges_with_their_labels_escaped) {
  Metrics metrics(1);
  metrics.metric({"b_total", "Counts \\ and\nbreaks \"lines\".", MetricType::counter})->add(3);
  metrics.metric({"a", "A gauge.", MetricType::gauge}, {{"name", "x\"y\\z\nw"}, {"other", ""}})->set(-2);
  EXPECT_EQ(prometheus_text(metrics.collect()),
            "# HELP a A gauge.\n"
            "# TYPE a gauge\n"
            "a{name=\"x\\\"y\\\\z\\nw\",other=\"\"} -2\n"
            "# HELP b_total Counts \\\\ and\\nbreaks \"lines\".\n"
            "# TYPE b_total counter\n"
            "b_total 3\n");
}

TEST(PrometheusText, writes_histograms_cumulative_and_in_milliseconds_as_envoy) {
  Metrics metrics(1);
  Histogram* histogram = metrics.histogram({"t_ms", "Time.", MetricType::histogram}, {{"x", "1"}});
  histogram->record_nanos(1'000'000);  // on a bound: below it
  histogram->record_nanos(2'000'000);
  histogram->record_nanos(4'000'000'000'000);  // above all
  const std::string text = prometheus_text(metrics.collect());
  for (const char* line :
       {"t_ms_bucket{x=\"1\",le=\"0.5\"} 0\n", "t_ms_bucket{x=\"1\",le=\"1\"} 1\n", "t_ms_bucket{x=\"1\",le=\"5\"} 2\n",
        "t_ms_bucket{x=\"1\",le=\"3600000\"} 2\n", "t_ms_bucket{x=\"1\",le=\"+Inf\"} 3\n",
        "t_ms_sum{x=\"1\"} 4000003\n", "t_ms_count{x=\"1\"} 3\n", "# TYPE t_ms histogram\n"})
    EXPECT_NE(text.find(line), std::string::npos) << line << text;
}

TEST(PrometheusText, is_empty_without_metrics) {
  EXPECT_EQ(prometheus_text({}), "");
}

TEST(PrometheusText, writes_histograms_that_say_so_in_seconds) {
  Metrics metrics(1);
  metrics.histogram({"t_seconds", "Time.", MetricType::histogram})->record_nanos(1'500'000);
  const std::string text = prometheus_text(metrics.collect());
  EXPECT_NE(text.find("t_seconds_bucket{le=\"0.001\"} 0\nt_seconds_bucket{le=\"0.005\"} 1\n"), std::string::npos)
      << text;
  EXPECT_NE(text.find("t_seconds_sum 0.0015\n"), std::string::npos) << text;
}

TEST(PrometheusText, passes_promtool) {
  if (std::system("command -v promtool >/dev/null 2>&1") != 0) GTEST_SKIP() << "promtool is not installed";
  Metrics metrics(1);
  metrics.metric({"sluice_things_total", "Things, \"quoted\" and \\ escaped.", MetricType::counter}, {{"a", "\"\\\n"}})
      ->add(1);
  metrics.metric({"sluice_level", "A level.", MetricType::gauge})->set(4);
  metrics.histogram({"sluice_wait_seconds", "Waiting.", MetricType::histogram})->record_nanos(12345);
  metrics.histogram({"sluice_wait_seconds", "Waiting.", MetricType::histogram}, {{"a", "b"}})->record_nanos(1);
  FILE* check = ::popen("promtool check metrics", "w");
  ASSERT_NE(check, nullptr);
  const std::string text = prometheus_text(metrics.collect());
  std::fwrite(text.data(), 1, text.size(), check);
  EXPECT_EQ(::pclose(check), 0) << text;
}

TEST(MetricsMarkdown, lists_the_families_by_name) {
  const MetricFamily families[] = {{"b_total", "One | two.", MetricType::counter}, {"a", "Level.", MetricType::gauge}};
  EXPECT_EQ(metrics_markdown(families),
            "| metric | type | meaning |\n| --- | --- | --- |\n"
            "| `a` | gauge | Level. |\n"
            "| `b_total` | counter | One \\| two. |\n");
}

}  // namespace
}  // namespace sluice
