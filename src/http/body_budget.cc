#include "http/body_budget.h"

#include <algorithm>

namespace sluice {
namespace {

constexpr MetricFamily kBytes{"sluice_collected_body_bytes",
                              "Bytes of the bodies that are being collected, but for those of up to 8 KiB.",
                              MetricType::gauge};
constexpr MetricFamily kMost{"sluice_collected_body_bytes_max", "Bytes of bodies that the process may collect at once.",
                             MetricType::gauge};
constexpr MetricFamily kRefused{"sluice_collected_body_refused_total",
                                "Bodies that were not collected because all together would have been too large, or "
                                "memory was nearly exhausted: answered 503, or not kept for another try."};

}  // namespace

BodyBudget::BodyBudget(size_t most, Metrics& metrics)
    : most_(most), bytes_(metrics.metric(kBytes)), refused_(metrics.metric(kRefused)) {
  metrics.metric(kMost)->set(static_cast<int64_t>(most));
}

bool BodyBudget::Share::covers(size_t bytes) {
  const size_t cost = paid_for(bytes);
  if (cost <= taken_) return true;
  const size_t more = cost - taken_;
  if (budget_.closed_.load(std::memory_order_relaxed)) {
    budget_.refused_->add();
    return false;
  }
  if (budget_.taken_.fetch_add(more, std::memory_order_relaxed) + more > budget_.most_) {
    budget_.taken_.fetch_sub(more, std::memory_order_relaxed);
    budget_.refused_->add();
    return false;
  }
  budget_.bytes_->add(static_cast<int64_t>(more));
  taken_ += more;
  return true;
}

void BodyBudget::Share::only(size_t bytes) {
  give_back(taken_ - std::min(taken_, paid_for(bytes)));
}

void BodyBudget::Share::give_back(size_t bytes) {
  if (bytes == 0) return;
  budget_.taken_.fetch_sub(bytes, std::memory_order_relaxed);
  budget_.bytes_->sub(static_cast<int64_t>(bytes));
  taken_ -= bytes;
}

BodyBudget::Share::~Share() {
  give_back(taken_);
}

std::vector<MetricFamily> body_budget_metric_families() {
  return {kBytes, kMost, kRefused};
}

Status pay(BodyBudget::Share* share, size_t bytes) {
  if (!share || share->covers(bytes)) return {};
  return fail(ErrorKind::overload, "the bodies that are being collected are too large together");
}

}  // namespace sluice
