// How many client connections the process takes at once, over all workers and Gateways. Where all places are taken,
// a client that waits for nothing gives its place up (serve/idle_connections.h); without such a one the new connection
// is closed at once and counted, so that those that are open keep the descriptors they need.
#pragma once

#include <atomic>
#include <cstddef>
#include <string>

#include "base/metrics.h"

namespace sluice {

class ConnectionLimit {
 public:
  // `whose`: "gateways", "api", "admin" or "metrics", a label of the metrics.
  ConnectionLimit(size_t most, const std::string& whose, Metrics& metrics);
  ConnectionLimit(const ConnectionLimit&) = delete;
  ConnectionLimit& operator=(const ConnectionLimit&) = delete;

  // A place for one connection, to be given back; false: there is none. Any thread. A connection touches this twice in
  // its life, a request never.
  bool take() {
    if (open_.fetch_add(1, std::memory_order_relaxed) < most_) return true;
    open_.fetch_sub(1, std::memory_order_relaxed);
    return false;
  }
  void count_refusal() { refused_->add(); }
  void give() { open_.fetch_sub(1, std::memory_order_relaxed); }
  size_t most() const { return most_; }
  size_t open() const { return open_.load(std::memory_order_relaxed); }
  // Connections that gave way.
  Counter* given_up() const { return given_up_; }
  // Those that did in the middle of a head.
  Counter* heads_given_up() const { return heads_given_up_; }

 private:
  const size_t most_;
  std::atomic<size_t> open_{0};
  Counter* const refused_;
  Counter* const given_up_;
  Counter* const heads_given_up_;
};
std::vector<MetricFamily> connection_limit_metric_families();

// The open connections of one address, over all workers, for the limit of its Gateway, which may change or come and go
// while they are open.
class OpenConnections {
 public:
  OpenConnections() = default;
  OpenConnections(const OpenConnections&) = delete;
  OpenConnections& operator=(const OpenConnections&) = delete;

  // One more, to be given back; false: there are `most` already. Any thread.
  bool take(size_t most) {
    if (open_.fetch_add(1, std::memory_order_relaxed) < most) return true;
    give();
    return false;
  }
  void give() { open_.fetch_sub(1, std::memory_order_relaxed); }

 private:
  std::atomic<size_t> open_{0};
};

}  // namespace sluice
