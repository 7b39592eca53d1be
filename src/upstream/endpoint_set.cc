#include "upstream/endpoint_set.h"

#include <algorithm>
#include <atomic>

#include "base/check.h"
#include "base/log.h"

namespace sluice {
namespace {

constexpr MetricFamily kEnforced{"envoy_cluster_outlier_detection_ejections_enforced_total",
                                 "Endpoints ejected by outlier detection."};
constexpr MetricFamily kOverflow{"envoy_cluster_outlier_detection_ejections_overflow",
                                 "Ejections that were not done, as maxEjectionPercent are ejected already."};

struct Cause {
  std::string_view word;
  MetricFamily enforced;
  MetricFamily detected;
};
// By EjectionCause.
constexpr Cause kCauses[] = {
    {"connect", {}, {}},
    {"consecutive_5xx",
     {"envoy_cluster_outlier_detection_ejections_enforced_consecutive_5xx", "Ejections for answers 5xx in a row."},
     {"envoy_cluster_outlier_detection_ejections_detected_consecutive_5xx",
      "Answers 5xx in a row that were found, enforced or not."}},
    {"consecutive_gateway_failure",
     {"envoy_cluster_outlier_detection_ejections_enforced_consecutive_gateway_failure",
      "Ejections for answers 502, 503 and 504 in a row."},
     {"envoy_cluster_outlier_detection_ejections_detected_consecutive_gateway_failure",
      "Answers 502, 503 and 504 in a row that were found, enforced or not."}},
    {"consecutive_local_origin_failure",
     {"envoy_cluster_outlier_detection_ejections_enforced_consecutive_local_origin_failure",
      "Ejections for tries in a row that got no answer."},
     {"envoy_cluster_outlier_detection_ejections_detected_consecutive_local_origin_failure",
      "Tries in a row that got no answer that were found, enforced or not."}},
    {"success_rate",
     {"envoy_cluster_outlier_detection_ejections_enforced_success_rate",
      "Ejections for a success rate far below the others'."},
     {"envoy_cluster_outlier_detection_ejections_detected_success_rate",
      "Success rates far below the others' that were found, enforced or not."}},
    {"local_origin_success_rate",
     {"envoy_cluster_outlier_detection_ejections_enforced_local_origin_success_rate",
      "Ejections for too many tries without an answer."},
     {"envoy_cluster_outlier_detection_ejections_detected_local_origin_success_rate",
      "Too many tries without an answer that were found, enforced or not."}},
};

// Asked for with each request, and mostly of none.
bool is_among(std::span<const EndpointSet::Id> ids, const EndpointSet::Endpoint& endpoint) {
  return std::ranges::any_of(ids, [&](EndpointSet::Id id) { return id == endpoint.id(); });
}

// All workers make endpoints.
EndpointSet::Id next_id() {
  static std::atomic<EndpointSet::Id> last{0};
  return ++last;
}

}  // namespace

EndpointSet::Endpoint::Endpoint(const Member& member) : id_(next_id()), member_(member) {}

EjectionMetrics::EjectionMetrics(MetricSet& set, const Labels& labels)
    : enforced(set.metric(kEnforced, labels)), overflow(set.metric(kOverflow, labels)) {
  for (const Cause& cause : kCauses) {
    const bool has = !cause.enforced.name.empty();
    by_cause.push_back(has ? set.metric(cause.enforced, labels) : nullptr);
    detected_for.push_back(has ? set.metric(cause.detected, labels) : nullptr);
  }
}

std::vector<MetricFamily> ejection_metric_families() {
  std::vector<MetricFamily> out{kEnforced, kOverflow};
  for (const Cause& cause : kCauses) {
    if (cause.enforced.name.empty()) continue;
    out.push_back(cause.enforced);
    out.push_back(cause.detected);
  }
  return out;
}

EndpointSet::~EndpointSet() {
  CHECK(leaving_.empty());
}

Ejections& EndpointSet::ejections() {
  if (!ejections_) {
    const Ejections::Options options{.detection = options_.detection,
                                     .panic_threshold = options_.balancing.healthy_panic_threshold,
                                     .listener = this,
                                     .seed = seed_};
    ejections_ = std::make_unique<Ejections>(endpoints_.size(), options);
  }
  return *ejections_;
}

void EndpointSet::change(std::span<const Member> members) {
  std::vector<std::unique_ptr<Endpoint>> before = std::exchange(endpoints_, {});
  std::vector<size_t> from;
  std::vector<uint32_t> weights;
  for (const Member& member : members) {
    const auto known = std::ranges::find_if(before, [&](const auto& one) { return one && one->member_ == member; });
    const bool stays = known != before.end();
    from.push_back(stays ? static_cast<size_t>(known - before.begin()) : Ejections::kNew);
    weights.push_back(member.weight);
    endpoints_.push_back(stays ? std::move(*known) : std::unique_ptr<Endpoint>(new Endpoint(member)));
    endpoints_.back()->place_ = static_cast<uint32_t>(endpoints_.size() - 1);
  }
  for (auto& one : before) {
    if (!one || one->active_ == 0) continue;
    one->gone_ = true;
    leaving_.push_back(std::move(one));
  }
  if (ejections_) ejections_->change_set(from);
  balancer_.reset();
  if (endpoints_.size() > 1)
    balancer_ =
        std::make_unique<Balancer>(options_.balancing.balancing, weights, seed_++, options_.balancing.choice_count);
}

EndpointSet::Endpoint* EndpointSet::pick(std::span<const Id> tried, SteadyTime now) {
  struct Candidates {
    bool tried(size_t i) const { return is_among(tried_, *set.endpoints_[i]); }
    bool left_out(size_t i) const { return set.ejections_ && set.ejections_->left_out(i, now); }
    uint64_t load(size_t i) const { return set.endpoints_[i]->active_; }
    EndpointSet& set;
    std::span<const Id> tried_;
    SteadyTime now;
  };
  const Candidates candidates{*this, tried, now};
  if (!balancer_) return endpoints_.empty() || candidates.tried(0) ? nullptr : endpoints_.front().get();
  const auto found = balancer_->pick(candidates);
  return found ? endpoints_[*found].get() : nullptr;
}

EndpointSet::Endpoint* EndpointSet::pick_at(const SocketAddress& address, std::span<const Id> tried, SteadyTime now) {
  for (const auto& one : endpoints_) {
    if (one->address() != address || is_among(tried, *one)) continue;
    if (!ejections_ || !ejections_->left_out(one->place_, now)) return one.get();
  }
  return nullptr;
}

void EndpointSet::others(const Endpoint& endpoint, std::span<const Id> tried, SteadyTime now,
                         std::vector<SocketAddress>& good, std::vector<SocketAddress>& last_resort) {
  const size_t count = endpoints_.size();
  const size_t first = endpoint.gone_ ? 0 : endpoint.place_;
  for (size_t step = 0; step < count; ++step) {
    const Endpoint& other = *endpoints_[(first + step) % count];
    if (&other == &endpoint || other.host() != endpoint.host() || is_among(tried, other)) continue;
    const bool left_out = ejections_ && ejections_->left_out(other.place_, now);
    (left_out ? last_resort : good).push_back(other.address());
  }
}

EndpointSet::Endpoint* EndpointSet::find(const SocketAddress& address, uint32_t host) {
  for (const auto& one : endpoints_)
    if (one->host() == host && one->address() == address) return one.get();
  return nullptr;
}

void EndpointSet::end_use(Endpoint& endpoint) {
  if (--endpoint.active_ > 0 || !endpoint.gone_) return;
  std::erase_if(leaving_, [&](const auto& one) { return one.get() == &endpoint; });
}

Nanos EndpointSet::failed(const Endpoint& endpoint, Ejections::Failure how, SteadyTime now) {
  if (endpoint.gone_) return {};
  pause_ = {};
  ejections().failed(endpoint.place_, how, now);
  return pause_;
}

bool EndpointSet::connected(const Endpoint& endpoint) {
  return !endpoint.gone_ && ejections_ && ejections_->connected(endpoint.place_);
}

void EndpointSet::answered(const Endpoint& endpoint, uint16_t status, SteadyTime now) {
  if (!endpoint.gone_ && options_.detection) ejections().answered(endpoint.place_, status, now);
}

void EndpointSet::decided(size_t endpoint, EjectionCause cause, EjectionDecision decision, Nanos lasts) {
  if (cause == EjectionCause::connect) {
    pause_ = lasts;
    return;
  }
  if (const EjectionMetrics* metrics = options_.metrics) {
    metrics->detected_for[static_cast<size_t>(cause)]->add();
    if (decision == EjectionDecision::too_many) metrics->overflow->add();
    if (decision == EjectionDecision::ejected) {
      metrics->enforced->add();
      metrics->by_cause[static_cast<size_t>(cause)]->add();
    }
  }
  static log::Site site{LogLevel::warn, "upstream", "an endpoint is ejected"};
  if (decision != EjectionDecision::ejected || !site.admits()) return;
  site.write({{"cluster", options_.name},
              {"address", endpoints_[endpoint]->address().to_string()},
              {"cause", kCauses[static_cast<size_t>(cause)].word},
              {"left_out_s", lasts / 1s}});
}

}  // namespace sluice
