// The format (prometheus.io/docs/instrumenting/exposition_formats):
//
//   # HELP name Help text.
//   # TYPE name counter
//   name{label="value"} 12
#include "observe/prometheus.h"

#include <fmt/format.h>
#include <algorithm>
#include <iterator>
#include <vector>

namespace sluice {
namespace {

std::string_view type_name(MetricType type) {
  switch (type) {
    case MetricType::counter: return "counter";
    case MetricType::gauge: return "gauge";
    case MetricType::histogram: return "histogram";
  }
  return "untyped";
}

// HELP texts escape backslash and line break, label values the quote as well.
void append_escaped(std::string& out, std::string_view text, bool quote_too) {
  for (const char c : text) {
    if (c == '\\')
      out += "\\\\";
    else if (c == '\n')
      out += "\\n";
    else if (c == '"' && quote_too)
      out += "\\\"";
    else
      out += c;
  }
}

// `le`: one more label; "" for none.
void append_labels(std::string& out, const Labels& labels, std::string_view le) {
  if (labels.empty() && le.empty()) return;
  char before = '{';
  for (const auto& [name, value] : labels) {
    out += std::exchange(before, ',');
    out += name;
    out += "=\"";
    append_escaped(out, value, true);
    out += '"';
  }
  if (!le.empty()) fmt::format_to(std::back_inserter(out), "{}le=\"{}\"", before, le);
  out += '}';
}

template <class Number>
void append_line(std::string& out, std::string_view name, std::string_view suffix, const Labels& labels,
                 std::string_view le, Number value) {
  out += name;
  out += suffix;
  append_labels(out, labels, le);
  fmt::format_to(std::back_inserter(out), " {}\n", value);
}

// In milliseconds, as Envoy's are; in seconds where the name says so, as Prometheus wants it of ours.
void append_histogram(std::string& out, std::string_view name, const Metrics::Sample& sample) {
  const double unit = name.ends_with("_seconds") ? 1000 : 1;
  int64_t below = 0;
  for (size_t i = 0; i < Histogram::kBounds.size(); ++i) {
    below += sample.histogram->bucket(i);
    append_line(out, name, "_bucket", sample.labels, fmt::to_string(Histogram::kBounds[i] / unit), below);
  }
  below += sample.histogram->bucket(Histogram::kBounds.size());
  append_line(out, name, "_bucket", sample.labels, "+Inf", below);
  append_line(out, name, "_sum", sample.labels, "", sample.histogram->sum_milliseconds() / unit);
  append_line(out, name, "_count", sample.labels, "", below);
}

}  // namespace

std::string prometheus_text(std::span<const Metrics::Family> families) {
  std::string out;
  for (const Metrics::Family& family : families) {
    fmt::format_to(std::back_inserter(out), "# HELP {} ", family.name);
    append_escaped(out, family.help, false);
    fmt::format_to(std::back_inserter(out), "\n# TYPE {} {}\n", family.name, type_name(family.type));
    for (const Metrics::Sample& sample : family.samples) {
      if (sample.histogram)
        append_histogram(out, family.name, sample);
      else
        append_line(out, family.name, "", sample.labels, "", sample.value);
    }
  }
  return out;
}

std::string metrics_markdown(std::span<const MetricFamily> families) {
  std::vector<MetricFamily> sorted(families.begin(), families.end());
  std::ranges::sort(sorted, {}, &MetricFamily::name);
  std::string out = "| metric | type | meaning |\n| --- | --- | --- |\n";
  for (const MetricFamily& family : sorted) {
    fmt::format_to(std::back_inserter(out), "| `{}` | {} | ", family.name, type_name(family.type));
    for (const char c : family.help) out += c == '|' ? std::string("\\|") : std::string(1, c);
    out += " |\n";
  }
  return out;
}

}  // namespace sluice
