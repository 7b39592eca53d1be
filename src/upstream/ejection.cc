#include "upstream/ejection.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"

namespace sluice {
namespace {

bool is_server_error(uint16_t status) {
  return status >= 500 && status < 600;
}
bool is_gateway_error(uint16_t status) {
  return status >= 502 && status <= 504;
}

}  // namespace

Ejections::Ejections(size_t endpoints, const Options& options)
    : endpoints_(endpoints), options_(options), random_(options.seed) {}

Ejections::Record& Ejections::record(size_t endpoint) {
  CHECK(endpoint < endpoints_);
  if (records_.empty()) records_.resize(endpoints_);
  return records_[endpoint];
}

void Ejections::tell(size_t endpoint, EjectionCause cause, EjectionDecision decision, Nanos lasts) {
  if (options_.listener) options_.listener->decided(endpoint, cause, decision, lasts);
}

// --- who is out -------------------------------------------------------------------------------------------------

bool Ejections::is_out(size_t endpoint, SteadyTime now) {
  if (now >= next_back_) recount(now);
  if (records_.empty()) return false;
  const Record& r = records_[endpoint];
  return now < r.paused_until || (!panic_ && now < r.ejected_until);
}

size_t Ejections::ejected(SteadyTime now) const {
  return static_cast<size_t>(std::ranges::count_if(records_, [&](const Record& r) { return now < r.ejected_until; }));
}

void Ejections::recount(SteadyTime now) {
  all_back_ = SteadyTime();
  next_back_ = SteadyTime::max();
  for (const Record& r : records_) {
    all_back_ = std::max({all_back_, r.paused_until, r.ejected_until});
    if (now < r.ejected_until) next_back_ = std::min(next_back_, r.ejected_until);
  }
  const auto healthy = static_cast<double>(endpoints_ - ejected(now));
  panic_ = 100 * healthy < options_.panic_threshold * static_cast<double>(endpoints_);
}

void Ejections::change_set(std::span<const size_t> from) {
  if (!records_.empty()) {
    std::vector<Record> records(from.size());
    for (size_t i = 0; i < from.size(); ++i) {
      if (from[i] == kNew) continue;
      CHECK(from[i] < records_.size());
      records[i] = records_[from[i]];
    }
    records_ = std::move(records);
  }
  endpoints_ = from.size();
  next_back_ = {};  // count again
}

// --- connects ---------------------------------------------------------------------------------------------------

void Ejections::pause(size_t endpoint, SteadyTime now) {
  Record& r = record(endpoint);
  if (now < r.paused_until) return;  // one of several that were under way when the first failed
  r.pause = r.pause == 0s ? kPauseFirst : std::min(2 * r.pause, kPauseMax);
  r.paused_until = now + r.pause;
  all_back_ = std::max(all_back_, r.paused_until);
  tell(endpoint, EjectionCause::connect, EjectionDecision::ejected, r.pause);
}

bool Ejections::connected(size_t endpoint) {
  if (records_.empty()) return false;
  Record& r = record(endpoint);
  r.paused_until = {};
  return std::exchange(r.pause, 0s) != 0s;
}

// --- counting ---------------------------------------------------------------------------------------------------

// With too few endpoints they are never compared; without a chance to act there is no use in it.
bool Ejections::compares_rates() const {
  const kinds::OutlierDetection& d = *options_.detection;
  const bool enforced = d.enforcing_success_rate > 0 ||
                        (d.split_external_local_origin_errors && d.enforcing_local_origin_success_rate > 0);
  return enforced && endpoints_ >= d.success_rate_minimum_hosts && endpoints_ > 1;
}

void Ejections::failed(size_t endpoint, Failure how, SteadyTime now) {
  const bool connecting = how == Failure::connect || how == Failure::connect_timeout;
  if (connecting) pause(endpoint, now);
  if (!options_.detection) return;
  const bool late = how == Failure::timeout || how == Failure::connect_timeout;
  if (options_.detection->split_external_local_origin_errors) {
    compare_when_due(now);
    count_local_failure(endpoint, now);
  } else {
    // As the answer that the client would get.
    answered(endpoint, late ? 504 : 503, now);
  }
}

void Ejections::answered(size_t endpoint, uint16_t status, SteadyTime now) {
  if (!options_.detection) return;
  if (records_.empty() && !is_server_error(status) && !compares_rates()) return;
  compare_when_due(now);
  count_answer(endpoint, status, now);
}

// What still comes from an endpoint that is ejected does not count: it begins anew when it is back.
void Ejections::count_answer(size_t endpoint, uint16_t status, SteadyTime now) {
  const kinds::OutlierDetection& d = *options_.detection;
  Record& r = record(endpoint);
  if (now < r.ejected_until) return;
  ++r.rates[external].tries;
  ++r.rates[local].tries;
  ++r.rates[local].good;
  r.local_failures = 0;
  if (!is_server_error(status)) {
    ++r.rates[external].good;
    r.bad_answers = r.gateway_failures = 0;
    return;
  }
  r.gateway_failures = is_gateway_error(status) ? r.gateway_failures + 1 : 0;
  if (r.gateway_failures > 0 && r.gateway_failures == d.consecutive_gateway_failure) {
    r.gateway_failures = 0;
    eject(endpoint, EjectionCause::consecutive_gateway_failure, d.enforcing_consecutive_gateway_failure, now);
  }
  if (++r.bad_answers == d.consecutive_5xx) {
    r.bad_answers = 0;
    eject(endpoint, EjectionCause::consecutive_5xx, d.enforcing_consecutive_5xx, now);
  }
}

void Ejections::count_local_failure(size_t endpoint, SteadyTime now) {
  const kinds::OutlierDetection& d = *options_.detection;
  Record& r = record(endpoint);
  if (now < r.ejected_until) return;
  ++r.rates[local].tries;
  if (++r.local_failures != d.consecutive_local_origin_failure) return;
  r.local_failures = 0;
  eject(endpoint, EjectionCause::consecutive_local_origin_failure, d.enforcing_consecutive_local_origin_failure, now);
}

// --- success rates ----------------------------------------------------------------------------------------------

void Ejections::compare_when_due(SteadyTime now) {
  const kinds::OutlierDetection& d = *options_.detection;
  if (now < next_comparison_) return;
  const bool first = next_comparison_ == SteadyTime();
  next_comparison_ = later(now, d.interval);
  if (first || !compares_rates()) return;
  compare(external, EjectionCause::success_rate, d.enforcing_success_rate, now);
  if (d.split_external_local_origin_errors)
    compare(local, EjectionCause::local_origin_success_rate, d.enforcing_local_origin_success_rate, now);
  for (Record& r : records_) r.rates[external] = r.rates[local] = {};
}

// Those whose success rate is below the mean by more than the standard deviation times the factor.
void Ejections::compare(Origin origin, EjectionCause cause, uint32_t enforcing, SteadyTime now) {
  const kinds::OutlierDetection& d = *options_.detection;
  const auto counts = [&](const Record& r) {
    return now >= r.ejected_until && r.rates[origin].tries >= std::max(d.success_rate_request_volume, 1U);
  };
  const auto rate = [&](const Record& r) { return 100.0 * r.rates[origin].good / r.rates[origin].tries; };
  double hosts = 0;
  double sum = 0;
  double squares = 0;
  for (const Record& r : records_) {
    if (!counts(r)) continue;
    hosts += 1;
    sum += rate(r);
  }
  if (hosts == 0 || hosts < d.success_rate_minimum_hosts) return;
  const double mean = sum / hosts;
  for (const Record& r : records_)
    if (counts(r)) squares += (rate(r) - mean) * (rate(r) - mean);
  const double least = mean - std::sqrt(squares / hosts) * d.success_rate_stdev_factor / 1000;
  for (size_t i = 0; i < records_.size(); ++i)
    if (counts(records_[i]) && rate(records_[i]) < least) eject(i, cause, enforcing, now);
}

// --- ejecting ---------------------------------------------------------------------------------------------------

void Ejections::eject(size_t endpoint, EjectionCause cause, uint32_t enforcing, SteadyTime now) {
  Record& r = record(endpoint);
  if (now < r.ejected_until) return;
  const uint64_t with_it = ejected(now) + 1;
  const uint32_t percent_max = options_.detection->max_ejection_percent;
  const bool within = with_it == 1 ? percent_max > 0 : with_it * 100 <= uint64_t{percent_max} * endpoints_;
  if (!within || with_it >= endpoints_) return tell(endpoint, cause, EjectionDecision::too_many, {});
  if (random_.below(100) >= enforcing) return tell(endpoint, cause, EjectionDecision::not_enforced, {});
  const Nanos lasts = begin_ejection(r, now);
  recount(now);
  tell(endpoint, cause, EjectionDecision::ejected, lasts);
}

Nanos Ejections::begin_ejection(Record& r, SteadyTime now) const {
  const kinds::OutlierDetection& d = *options_.detection;
  const Nanos longest = std::max(kEjectionMax, d.base_ejection_time);
  if (r.ejections > 0) {
    const auto intervals = (now - r.ejected_until) / d.interval;  // in good health
    r.ejections -= static_cast<uint32_t>(std::min<int64_t>(intervals, r.ejections));
  }
  // No higher than it takes for the longest, or it would take long to get well.
  if (times(d.base_ejection_time, r.ejections) < longest) ++r.ejections;
  const Nanos lasts = std::min(times(d.base_ejection_time, r.ejections), longest);
  r.ejected_until = later(now, lasts);
  r.bad_answers = r.gateway_failures = r.local_failures = 0;
  return lasts;
}

}  // namespace sluice
