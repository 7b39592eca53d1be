// A cluster: what a set of upstream endpoints has in common, and what is counted of it.
//
// One for all workers and for all snapshots whose configuration is equal; never changes.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>

#include "base/metrics.h"
#include "base/time.h"
#include "config/kinds/circuit_breakers.h"
#include "http/h2/client_session.h"
#include "net/proxy_protocol.h"
#include "net/tls/client.h"
#include "upstream/endpoint_set.h"

namespace sluice {

// What is spoken where TLS has not agreed on anything.
enum class UpstreamProtocol : uint8_t { http1, http2, as_client };

struct ClusterMetrics {
  ClusterMetrics(Metrics& registry, const std::string& cluster);

  std::unique_ptr<MetricSet> set;  // what another cluster of this name counts goes on

  // 100 .. 599.
  void count_response(uint16_t status) const { responses[status / 100U - 1]->add(); }

  std::array<Counter*, 5> responses;  // 1xx .. 5xx
  Counter* requests;
  Counter* request_timeouts;
  Counter* request_retries;
  Counter* requests_reset_by_upstream;
  Counter* requests_cancelled;
  Counter* pending_overflow;
  Gauge* requests_active;
  Gauge* pending_active;
  Histogram* request_time;
  Counter* connections;
  Gauge* connections_active;
  Counter* connect_failures;
  Counter* connect_timeouts;
  Counter* connections_overflow;
  Counter* connect_attempts_exceeded;  // of a TCP gateway
  Counter* tls_handshakes;
  Counter* tls_resumed;
  Counter* tls_errors;  // all, those of certificates too
  Counter* tls_untrusted;
  Counter* tls_wrong_name;
  Counter* bytes_received;
  Counter* bytes_sent;
  Gauge* retries_active;
  Counter* retry_success;
  Counter* retry_overflow;
  Counter* retry_limit_exceeded;
  Counter* retry_waits;
  Counter* retry_waits_asked;
  Counter* per_try_timeouts;
  Counter* grpc_total;
  Counter* grpc_success;
  Counter* grpc_failure;
  Counter* http2_connections;
  h2::ClientCounters http2;
};

struct Cluster {
  std::string name;
  Nanos connect_timeout = 5s;
  Nanos idle_timeout = 60s;  // of a connection that waits for its next request
  uint32_t connections_max = 1024;
  uint32_t pending_max = 1024;
  uint32_t requests_max = 1024;
  uint32_t retries_max = 3;
  bool track_remaining = false;                 // tell what is left of each limit in metrics
  unsigned threads = 1;                         // that share these limits
  std::shared_ptr<const TlsClientContext> tls;  // null: in the clear
  UpstreamProtocol protocol = UpstreamProtocol::http1;
  h2::ClientOptions http2;                      // of connections that speak it
  std::optional<ProxyProtocol> proxy_protocol;  // connections begin with it, each for one client
  kinds::LoadBalancerConfig balancing;
  std::optional<kinds::OutlierDetection> outlier_detection;
  std::optional<EjectionMetrics> ejections;  // with detection
  ClusterMetrics metrics;
  Gauge& there;  // counts clusters

  Cluster(const Cluster&) = delete;
  Cluster& operator=(const Cluster&) = delete;
  ~Cluster() { there.sub(); }
  Cluster(std::string cluster_name, const kinds::CircuitBreakers& breakers, unsigned thread_count, Metrics& registry);

  void detect_outliers(const kinds::OutlierDetection& detection);
  // For its endpoints, or those of one of its destinations.
  EndpointSet::Options endpoint_options() const;

  // When it is (again) what its name stands for: its limits are those that are told.
  void come_into_force() const;

  // Whether one more fits under `limit`. A thread looks at its own count first: only near the limit are all added up.
  bool fits(const Gauge& active, int64_t limit) const;
};

// The families above, for docs and /metrics.
std::vector<MetricFamily> cluster_metric_families();

}  // namespace sluice
