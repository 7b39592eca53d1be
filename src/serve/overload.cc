#include "serve/overload.h"

#include <algorithm>

#include "base/log.h"

namespace sluice {
namespace {

using enum MetricType;

constexpr MetricFamily kConnections{"envoy_overload_envoy_resource_monitors_global_downstream_max_connections_pressure",
                                    "Client connections open, in percent of those that there may be.", gauge};
constexpr MetricFamily kDescriptors{"sluice_descriptors_pressure",
                                    "File descriptors open, in percent of those that there may be; 0 where the system "
                                    "(Linux before 6.2) does not tell.",
                                    gauge};
constexpr MetricFamily kMemory{"envoy_overload_envoy_resource_monitors_fixed_heap_pressure",
                               "Memory in use, in percent of what there may be; 0 where no limit is known.", gauge};
constexpr MetricFamily kMemoryUnread{"envoy_overload_envoy_resource_monitors_fixed_heap_failed_updates",
                                     "Times that the memory in use could not be read."};
constexpr MetricFamily kMemoryInUse{"sluice_memory_in_use_bytes",
                                    "Memory in use as the overload state counts it: what is resident; 0 where no "
                                    "limit is known.",
                                    gauge};
constexpr MetricFamily kMemoryMax{
    "sluice_memory_max_bytes", "Memory that the process may use: --max-memory or its cgroup's; 0: no limit is known.",
    gauge};
constexpr MetricFamily kEnding{"envoy_overload_envoy_overload_actions_disable_http_keepalive_active",
                               "1 while answers end their connection and idle connections are ended.", gauge};
constexpr MetricFamily kRefusing{"envoy_overload_envoy_overload_actions_stop_accepting_requests_active",
                                 "1 while new requests are answered 503.", gauge};
constexpr MetricFamily kRejecting{"envoy_overload_envoy_overload_actions_reject_incoming_connections_active",
                                  "1 while new client connections are closed at once.", gauge};

constexpr Nanos kShortest = 1s;
constexpr double kMemoryLookedAtClosely = 0.50;
// In one update: each costs its worker a system call or two.
constexpr size_t kIdleEndedAtOnce = 2048;

unsigned percent(double part) {
  return static_cast<unsigned>(std::min(part, 100.0) * 100);
}

double part(size_t of, size_t whole) {
  return whole == 0 ? 0 : static_cast<double>(of) / static_cast<double>(whole);
}

}  // namespace

Overload::Overload(Metrics& metrics)
    : connections_pressure_(metrics.metric(kConnections)),
      descriptors_pressure_(metrics.metric(kDescriptors)),
      memory_pressure_(metrics.metric(kMemory)),
      memory_unread_(metrics.metric(kMemoryUnread)),
      memory_in_use_(metrics.metric(kMemoryInUse)),
      memory_max_(metrics.metric(kMemoryMax)),
      ending_connections_(metrics.metric(kEnding)),
      refusing_requests_(metrics.metric(kRefusing)),
      refusing_connections_(metrics.metric(kRejecting)) {}

bool Overload::Action::decide(double pressure, SteadyTime now) {
  const bool wanted = active ? pressure >= until || now < later(since, kShortest) : pressure >= from;
  if (wanted == active) return false;
  active = wanted;
  since = now;
  return true;
}

void Overload::update(const Reading& reading, SteadyTime now) {
  const double connections = part(reading.connections, reading.connections_max);
  // What cannot be read says nothing new.
  const bool unread = reading.memory_max > 0 && !reading.memory;
  if (unread) memory_unread_->add();
  connections_percent_.store(percent(connections), std::memory_order_relaxed);
  connections_pressure_->set(percent(connections));
  memory_max_->set(static_cast<int64_t>(reading.memory_max));
  connections_strained_.decide(connections, now);
  const double descriptors = part(reading.descriptors, reading.descriptors_max);
  descriptors_percent_.store(percent(descriptors), std::memory_order_relaxed);
  descriptors_pressure_->set(percent(descriptors));
  descriptors_strained_.decide(descriptors, now);
  if (!unread) {
    const double memory = part(reading.memory.value_or(0), reading.memory_max);
    memory_percent_.store(percent(memory), std::memory_order_relaxed);
    memory_pressure_->set(percent(memory));
    between_looks_.store(memory >= kMemoryLookedAtClosely ? kBetweenCloseLooks : kBetweenLooks,
                         std::memory_order_relaxed);
    memory_in_use_->set(static_cast<int64_t>(reading.memory.value_or(0)));
    memory_strained_.decide(memory, now);
    memory_exhausted_.decide(memory, now);
    memory_exceeded_.decide(memory, now);
  }
  const bool ending = connections_strained_.active || descriptors_strained_.active || memory_strained_.active;
  const bool refusing = memory_exhausted_.active;
  const bool rejecting = memory_exceeded_.active;
  ending_connections_->set(ending ? 1 : 0);
  refusing_requests_->set(refusing ? 1 : 0);
  refusing_connections_->set(rejecting ? 1 : 0);
  short_of_memory_.store(memory_strained_.active, std::memory_order_relaxed);

  idle_to_end_.store(too_many(reading), std::memory_order_relaxed);

  if (ends_connections_.exchange(ending, std::memory_order_relaxed) != ending)
    tell("too much to do: connections are ended after each answer, idle ones at once", "connections are kept again",
         ending);
  if (refuses_requests_.exchange(refusing, std::memory_order_relaxed) != refusing)
    tell("too little memory: new requests are answered 503", "new requests are served again", refusing);
  if (refuses_connections_.exchange(rejecting, std::memory_order_relaxed) != rejecting)
    tell("more memory than there may be: new connections are closed", "new connections are taken again", rejecting);
}

// Idle connections that are to go.
size_t Overload::too_many(const Reading& reading) const {
  if (memory_strained_.active) return kIdleEndedAtOnce;
  const auto over = [](const Action& action, size_t there_are, size_t most) -> size_t {
    if (!action.active) return 0;
    const auto enough = static_cast<size_t>(action.until * static_cast<double>(most));
    return there_are > enough ? there_are - enough : 0;
  };
  return std::min(std::max(over(connections_strained_, reading.connections, reading.connections_max),
                           over(descriptors_strained_, reading.descriptors, reading.descriptors_max)),
                  kIdleEndedAtOnce);
}

std::string Overload::figures() const {
  return fmt::format("client connections {}% of their bound, descriptors {}% of theirs, memory {}% of its limit",
                     connections_percent_.load(std::memory_order_relaxed),
                     descriptors_percent_.load(std::memory_order_relaxed),
                     memory_percent_.load(std::memory_order_relaxed));
}

// No log::Site: an action begins and ends at most once a second.
void Overload::tell(const char* what_begins, const char* what_ends, bool begins) const {
  if (begins)
    log::warn("overload", what_begins, {{"because", figures()}});
  else
    log::info("overload", what_ends, {{"now", figures()}});
}

std::string Overload::told() const {
  if (refuses_connections())
    return fmt::format("overloaded: new connections are closed, new requests are answered 503: {}\n", figures());
  if (refuses_requests())
    return fmt::format("overloaded: new requests are answered 503, connections are not kept: {}\n", figures());
  if (ends_connections()) return fmt::format("overloaded: connections are not kept: {}\n", figures());
  return {};
}

std::vector<MetricFamily> overload_metric_families() {
  return {kConnections, kDescriptors, kMemory, kMemoryUnread, kMemoryInUse, kMemoryMax, kEnding, kRefusing, kRejecting};
}

}  // namespace sluice
