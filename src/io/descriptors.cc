#include "io/descriptors.h"

#include <sys/resource.h>
#include <algorithm>

namespace sluice {
namespace {

constexpr MetricFamily kMax{"sluice_descriptors_max",
                            "File descriptors that the process may have (use=\"total\"), and the share of each use.",
                            MetricType::gauge};

// More than any machine serves; keeps the arithmetic of "unlimited" sane.
constexpr size_t kTotalMax = size_t{1} << 24;

constexpr size_t kRestOfProcess =
    200;  // standard streams, API, admin and --metrics with their 160 clients, files, libraries
constexpr size_t kRestOfWorker = 24;  // epoll, eventfd, listeners and their spares, log files
constexpr size_t kDnsOfWorkerLeast = 8;
constexpr size_t kDnsOfWorkerMax = 256;
constexpr size_t kPipesOfWorkerMax = 64;

}  // namespace

DescriptorShares share_descriptors(size_t total, unsigned workers) {
  DescriptorShares out;
  out.total = std::min(total, kTotalMax);
  // In a very tight process the rest may not take all.
  out.rest = std::min(kRestOfProcess + kRestOfWorker * workers, out.total / 3);
  const size_t dns_least = std::clamp<size_t>(out.total / 4, workers, kDnsOfWorkerLeast * workers);
  out.dns = std::clamp<size_t>(out.total / 16, dns_least, kDnsOfWorkerMax * workers);
  out.pipes = std::min<size_t>(out.total / 128, kPipesOfWorkerMax * workers);
  const size_t taken = out.rest + out.dns + out.pipes;
  const size_t left = out.total > taken ? out.total - taken : 0;
  // A forwarded request needs one on each side.
  out.upstream = std::max<size_t>(left / 2, workers);
  out.downstream = std::max<size_t>(left - left / 2, workers);
  return out;
}

size_t raise_descriptor_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return 1024;
  if (limit.rlim_cur < limit.rlim_max) {
    rlimit raised = limit;
    raised.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &raised) == 0) limit = raised;
  }
  return std::min<size_t>(limit.rlim_cur, kTotalMax);
}

void publish_descriptor_shares(const DescriptorShares& shares, Metrics& metrics) {
  const auto set = [&](const char* use, size_t value) {
    metrics.metric(kMax, {{"use", use}})->set(static_cast<int64_t>(value));
  };
  set("total", shares.total);
  set("rest", shares.rest);
  set("dns", shares.dns);
  set("pipes", shares.pipes);
  set("upstream", shares.upstream);
  set("downstream", shares.downstream);
}

std::vector<MetricFamily> descriptor_metric_families() {
  return {kMax};
}

}  // namespace sluice
