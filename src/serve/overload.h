// Whether the process has nearly more to do than it has client connections or memory for, and what it leaves undone
// then, so that what is under way can be finished. The model is Envoy's overload manager, whose names its metrics have.
//
//   what there is of a resource     from   until below
//   client connections              95 %   90 %         answers end their connection, and idle ones are ended
//   file descriptors                95 %   90 %         the same
//   memory                          90 %   85 %         the same, and heads that have been on their way for long end
//   memory                          95 %   90 %         new requests are answered 503, heads that have not come whole
//                                                       end, and bodies that are being collected grow no more
//   memory                         100 %   95 %         new connections are closed at once
//
// At 100 % of the connections others make room, or are refused (serve/connection_limit.h). The gap between the two
// numbers, and that nothing ends sooner than a second after it began, keep it from going to and fro.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <optional>
#include <string>

#include "base/metrics.h"
#include "base/time.h"

namespace sluice {

class Overload {
 public:
  struct Reading {
    size_t connections = 0;
    size_t connections_max = 0;
    size_t descriptors = 0;  // 0: the system does not tell
    size_t descriptors_max = 0;
    std::optional<size_t> memory;  // bytes; nothing: it could not be read
    size_t memory_max = 0;         // 0: no limit is known
  };
  static constexpr double kMemoryWatched = 0.85;  // below this part of its limit memory decides nothing
  static constexpr Nanos kBetweenLooks = 100ms;
  static constexpr Nanos kBetweenCloseLooks = 10ms;  // from half of its memory on: the rest may go quickly

  explicit Overload(Metrics& metrics);
  Overload(const Overload&) = delete;
  Overload& operator=(const Overload&) = delete;

  // Always by the same thread, and as often as between_looks() says. Says in the log what begins and what is over.
  void update(const Reading& reading, SteadyTime now);

  // Of any thread; a plain load each.
  bool ends_connections() const { return ends_connections_.load(std::memory_order_relaxed); }
  bool is_short_of_memory() const { return short_of_memory_.load(std::memory_order_relaxed); }
  bool refuses_requests() const { return refuses_requests_.load(std::memory_order_relaxed); }
  // The same, for those who do not know this class.
  const std::atomic<bool>& no_memory() const { return refuses_requests_; }
  bool refuses_connections() const { return refuses_connections_.load(std::memory_order_relaxed); }
  Nanos between_looks() const { return between_looks_.load(std::memory_order_relaxed); }
  // How many idle connections are to go until the next update, over all workers.
  size_t idle_to_end() const { return idle_to_end_.load(std::memory_order_relaxed); }
  // A line for /readyz; "" when nothing is the matter. Any thread.
  std::string told() const;

 private:
  // Something that is done while there is too little of something.
  struct Action {
    double from;
    double until;
    bool active = false;
    SteadyTime since{};
    // True when that is another answer than before.
    bool decide(double pressure, SteadyTime now);
  };
  size_t too_many(const Reading& reading) const;
  void tell(const char* what_begins, const char* what_ends, bool begins) const;
  std::string figures() const;

  Action connections_strained_{.from = 0.95, .until = 0.90};
  Action descriptors_strained_{.from = 0.95, .until = 0.90};
  Action memory_strained_{.from = 0.90, .until = kMemoryWatched};
  Action memory_exhausted_{.from = 0.95, .until = 0.90};
  Action memory_exceeded_{.from = 1.00, .until = 0.95};
  std::atomic<bool> ends_connections_{false};
  std::atomic<bool> short_of_memory_{false};
  std::atomic<bool> refuses_requests_{false};
  std::atomic<bool> refuses_connections_{false};
  std::atomic<size_t> idle_to_end_{0};
  std::atomic<Nanos> between_looks_{kBetweenLooks};
  std::atomic<unsigned> connections_percent_{0};
  std::atomic<unsigned> descriptors_percent_{0};
  std::atomic<unsigned> memory_percent_{0};

  Gauge* const connections_pressure_;
  Gauge* const descriptors_pressure_;
  Gauge* const memory_pressure_;
  Counter* const memory_unread_;
  Gauge* const memory_in_use_;
  Gauge* const memory_max_;
  Gauge* const ending_connections_;
  Gauge* const refusing_requests_;
  Gauge* const refusing_connections_;
};
std::vector<MetricFamily> overload_metric_families();

}  // namespace sluice
