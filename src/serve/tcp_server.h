// Who passes bytes on without looking at them, for one chain of one worker's port (tcpGateway): a session connects to a
// destination, then relays until both sides have ended. Where TLS ends at the chain a TlsHandler stands in front.
#pragma once

#include <list>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/metrics.h"
#include "pipeline/tcp_service.h"
#include "serve/listener.h"
#include "serve/listener_config.h"

namespace sluice {

// Of all TCP gateways together, as Gloo names them all "tcp".
struct TcpMetrics {
  explicit TcpMetrics(Metrics& metrics);
  Counter* connections;
  Gauge* connections_active;
  Counter* no_route;
  Counter* bytes_received;
  Counter* bytes_sent;
  Counter* idle_timeouts;
  Counter* forced;
};
std::vector<MetricFamily> tcp_metric_families();

// A part of a snapshot, immutable, for all workers.
struct TcpConfig {
  std::shared_ptr<const TlsServerChains> tls;  // null: it does not end here
  struct Destination {
    std::shared_ptr<const TcpService> service;
    uint32_t weight = 1;
  };
  std::vector<Destination> destinations;  // one of them by weight; none has a weight: there is no route
  // In place of them: the cluster whose name the client asks for (forwardSniClusterName).
  bool by_server_name = false;
  std::map<std::string, std::shared_ptr<const TcpService>, std::less<>> clusters;
  Nanos idle_timeout = 1h;  // 0: none
  unsigned connect_attempts_max = 1;
  std::shared_ptr<const TcpTunnel> tunnel;  // through each destination; null: none
  Nanos log_interval{};                     // between lines of the log while a connection is open; 0: one at its end
  std::shared_ptr<const ExchangeObserver> observer;  // may be null
  std::shared_ptr<const TcpMetrics> metrics;
};

class TcpServer final : public StreamHandler {
 public:
  TcpServer(Loop& l, Upstreams& u);
  TcpServer(const TcpServer&) = delete;
  TcpServer& operator=(const TcpServer&) = delete;
  // Every session must have ended: abort().
  ~TcpServer() override;

  // For connections that come from now on. `config` lives as long as `keep`.
  void configure(std::shared_ptr<const void> keep, const TcpConfig* config) {
    keep_ = std::move(keep);
    config_ = config;
  }
  void take(Arrival arrival) override;
  void abort();
  size_t sessions() const { return sessions_.size(); }

  Loop& loop;
  Upstreams& upstreams;

 private:
  class Session;

  std::shared_ptr<const void> keep_;
  const TcpConfig* config_ = nullptr;
  std::list<std::unique_ptr<Session>> sessions_;
  uint64_t last_id_ = 0;
};

}  // namespace sluice
