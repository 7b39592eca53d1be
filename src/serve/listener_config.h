// What the connections of one listener need to serve a request: a part of a snapshot, immutable, for all workers.
#pragma once

#include <memory>
#include <string>

#include "base/ip.h"
#include "base/metrics.h"
#include "http/h2/server_session.h"
#include "http/head_limits.h"
#include "http/http1_options.h"
#include "net/tls/server.h"
#include "pipeline/service.h"
#include "serve/client_cert.h"
#include "serve/connection_balance.h"
#include "serve/connection_limit.h"
#include "serve/overload.h"

namespace sluice {

// Is told of each exchange when it is over: access logs.
class ExchangeObserver {
 public:
  virtual ~ExchangeObserver() = default;
  virtual void finished(const Request& request, const Response& response, SteadyTime now) const = 0;
  // Of a connection whose bytes nobody looked at; also while it is open, where that was asked for.
  virtual void tcp_finished(const StreamInfo&, SteadyTime) const {}
};

// Changes a request before a route is chosen.
class RequestChange {
 public:
  virtual ~RequestChange() = default;
  virtual void apply(Request& request) const = 0;
};

// Whether ServerName takes the place of what an upstream says.
enum class ServerField : uint8_t { overwrite, if_absent, pass };
// Of fields whose names have "_".
enum class UnderscoreNames : uint8_t { allow, reject, drop };
// Of `%2F` and `%5C` in paths.
enum class EscapedSlashes : uint8_t { keep, reject, redirect, forward };

struct ServerMetrics {
  ServerMetrics(Metrics& metrics, const std::string& prefix);

  Counter* connections;
  Gauge* connections_active;
  Counter* tls_connections;
  Gauge* tls_connections_active;
  Counter* connections_idle_timeout;
  Counter* connections_forced;  // ended in the middle of something
  Counter* requests;
  Gauge* requests_active;
  std::array<Counter*, 5> responses;  // 1xx .. 5xx
  Counter* requests_malformed;
  Counter* requests_too_large;
  Counter* requests_timeout;
  Counter* requests_reset;             // the client left first
  Counter* requests_refused;           // as there is too little memory
  Counter* connections_unkept;         // ended behind an answer, as there is too much to do
  Counter* connections_over_age;       // ended by maxConnectionDuration
  Counter* connections_over_requests;  // ended by maxRequestsPerConnection
  Counter* connections_outdated;       // ended as their clients would be met otherwise now
  Counter* requests_over_age;          // ended by maxStreamDuration
  Counter* paths_rejected;             // for their escaped slashes
  Counter* paths_redirected;
  Counter* underscores_dropped;   // fields
  Counter* underscores_rejected;  // requests
  Counter* upgrades;
  Gauge* upgrades_active;
  Histogram* request_time;
  Counter* http1_connections;
  Gauge* http1_connections_active;
  Counter* http2_connections;
  Gauge* http2_connections_active;
  Counter* http2_requests;
  std::shared_ptr<const h2::Http2Metrics> http2;
};
std::vector<MetricFamily> server_metric_families();

// Of one address that is listened on; goes with the last listener that counts into it.
struct ListenerMetrics {
  static constexpr size_t kNoLimit = SIZE_MAX;
  // `address`: "127.0.0.1_8080", as Envoy writes it.
  ListenerMetrics(Metrics& metrics, const std::string& address);

  MetricSet set;
  Counter* connections;
  Gauge* connections_active;
  Counter* connections_ended;
  Counter* connections_overflow;      // more than the process may have
  Counter* connections_unwanted;      // while there is too little memory
  Counter* connections_over_limit;    // more than its Gateway allows
  Gauge* waiting;                     // whose first bytes are being looked at
  Counter* waiting_timeouts;          // and did not come in time
  Counter* waiting_closed;            // or whose client went
  Gauge* limited_connections_active;  // of all addresses whose Gateway has a limit
  Counter* limited_connections;       // over it, of all of them
  Counter* tls_handshakes;
  Counter* tls_resumed;
  Counter* tls_without_certificate;  // of the client, and none was required
  Counter* tls_errors;               // all that failed but for time
  Counter* tls_timeouts;
  Counter* tls_no_chain;        // no certificate for the name
  Counter* tls_no_certificate;  // the client's was required
  Counter* tls_untrusted;
  Counter* tls_wrong_name;
  const std::unique_ptr<OpenConnections> open = std::make_unique<OpenConnections>();
};
std::vector<MetricFamily> listener_metric_families();

// Of all listeners together, as Envoy counts them.
struct ProxyProtocolMetrics {
  explicit ProxyProtocolMetrics(Metrics& metrics);
  std::array<Counter*, 2> found;   // by version
  std::array<Counter*, 2> broken;  // likewise
  Counter* not_found_allowed;
  Counter* not_found_disallowed;
};
std::vector<MetricFamily> proxy_protocol_metric_families();

// Connections begin with a header of the PROXY protocol.
struct ProxyProtocolOptions {
  struct Rule {
    uint8_t tlv_type = 0;
    std::string metadata_namespace;
    std::string key;
  };
  std::vector<Rule> rules;  // which TLVs become metadata
  bool optional = false;    // connections without one are served as they are
  std::shared_ptr<const ProxyProtocolMetrics> metrics;
};

// What clients speak.
enum class Codec : uint8_t {
  by_client,  // what was agreed on by ALPN, else what the first bytes are
  http1,
  http2,
};

// Of the connections of one address, at their end (tcpStats).
class TcpStats final : public TcpObserver {
 public:
  TcpStats(Metrics& metrics, const std::string& address);  // as in ListenerMetrics
  void closing(const TcpCounts& counts) const override;

 private:
  MetricSet set_;
  Counter* segments_sent_;
  Counter* segments_received_;
  Counter* data_segments_sent_;
  Counter* data_segments_received_;
  Counter* segments_retransmitted_;
  Counter* bytes_sent_;
  Counter* bytes_received_;
  Histogram* share_retransmitted_;
  Histogram* round_trip_;
  Histogram* round_trip_variance_;
};
std::vector<MetricFamily> tcp_stats_metric_families();

struct ListenerConfig {
  std::string name;                            // "listener-::-8080"
  std::shared_ptr<const TlsServerChains> tls;  // null: clients speak in the clear
  Nanos handshake_timeout = 10s;               // of TLS, from its begin; a chain may have its own; 0: none
  HeadLimits limits;
  size_t connections_max = ListenerMetrics::kNoLimit;  // over all workers; counted where `listener` is
  Nanos delay_before_close{};                          // of a connection over that
  Nanos idle_timeout = 1h;                             // between requests; 0: none
  Nanos head_timeout = 30s;                            // from a head's first byte to its last; 0: none
  Nanos stream_idle_timeout = 5min;
  Nanos request_timeout{};            // from the first byte to the end of the body; 0: none
  Nanos stream_max{};                 // from the first byte of a request to the last of its response; 0: none
  Nanos connection_max{};             // no further request is taken after it; 0: none
  Nanos linger_max = 1s;              // how long a client has to close a connection that ends
  uint32_t requests_max = 0;          // on a connection; 0: any number
  std::string server_name = "envoy";  // the `server` field of every response; empty: as the upstream said
  ServerField server_field = ServerField::overwrite;
  std::string via;
  ClientCertConfig client_cert;
  bool generate_request_id = true;
  bool preserve_external_request_id = false;
  bool use_remote_address = false;
  uint32_t trusted_hops = 0;
  bool append_forwarded_for = true;  // with use_remote_address
  bool append_forwarded_port = false;
  bool leftmost_forwarded_for = false;                // the client is whom that list names first
  std::vector<Cidr> internal;                         // clients whose x-envoy-* fields are believed
  std::shared_ptr<const RequestChange> early_change;  // null: none
  UnderscoreNames underscore_names = UnderscoreNames::allow;
  // Clients may ask for https of destinations (ProxySettings.destinations.scheme); false: in the clear it is refused.
  bool https_targets = false;
  EscapedSlashes escaped_slashes = EscapedSlashes::keep;
  bool passes_on_continue = true;  // false: a client that waits for 100 is told to go on at once
  Http1Options http1;
  bool strip_any_host_port = false;
  bool normalize_path = true;
  bool merge_slashes = false;
  bool websocket = true;
  Codec codec = Codec::by_client;
  h2::ServerOptions http2;
  bool forwarding_headers = true;  // x-forwarded-proto, x-request-id: false for admin and API
  bool proxy_answers = false;      // ProxySettings.localAnswers: proxy
  size_t body_buffer_bytes_max = 1 << 20;
  std::shared_ptr<const ProxyProtocolOptions> proxy_protocol;  // null: none is expected
  BodyBudget* body_budget = nullptr;   // of the process, and outlives every snapshot; null: none
  const Overload* overload = nullptr;  // the same; our own ports do not look at it, as they tell of it

  std::shared_ptr<const Service> service;
  std::shared_ptr<const ExchangeObserver> observer;  // may be null
  std::shared_ptr<const ServerMetrics> metrics;
  std::shared_ptr<const ListenerMetrics> listener;  // null for our own ports
  std::shared_ptr<ConnectionBalance> balance;       // null: connections are spread as the kernel does it
  std::shared_ptr<const TcpStats> tcp_stats;        // null: nobody asks
};

ServerLimits server_limits(const ListenerConfig& config);

}  // namespace sluice
