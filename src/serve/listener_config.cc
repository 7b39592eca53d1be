#include "serve/listener_config.h"

namespace sluice {
namespace {

using enum MetricType;

constexpr MetricFamily kConnections{"envoy_http_downstream_cx_total", "Client connections accepted."};
constexpr MetricFamily kConnectionsActive{"envoy_http_downstream_cx_active", "Client connections open.", gauge};
constexpr MetricFamily kTlsConnections{"envoy_http_downstream_cx_ssl_total", "Client connections accepted with TLS."};
constexpr MetricFamily kTlsConnectionsActive{"envoy_http_downstream_cx_ssl_active", "Client connections open with TLS.",
                                             gauge};
constexpr MetricFamily kIdle{"envoy_http_downstream_cx_idle_timeout",
                             "Client connections closed because nothing came."};
constexpr MetricFamily kForced{"sluice_http_downstream_cx_ended_by_force_total",
                               "Client connections ended with a request under way, when drainTimeout was over."};
constexpr MetricFamily kRequests{"envoy_http_downstream_rq_total", "Requests received."};
constexpr MetricFamily kActive{"envoy_http_downstream_rq_active", "Requests under way.", gauge};
constexpr MetricFamily kResponses{"envoy_http_downstream_rq_xx", "Responses sent, by class of status code."};
constexpr MetricFamily kMalformed{"sluice_http_downstream_rq_malformed_total",
                                  "Requests refused because they break HTTP's rules."};
constexpr MetricFamily kTooLarge{"envoy_http_downstream_rq_too_large",
                                 "Requests refused because head or body is too large."};
constexpr MetricFamily kTimeout{"envoy_http_downstream_rq_timeout", "Requests that did not arrive in time."};
constexpr MetricFamily kReset{"envoy_http_downstream_rq_rx_reset", "Requests whose client went away before the end."};
constexpr MetricFamily kRefused{"envoy_http_downstream_rq_overload_close",
                                "Requests answered 503 because there is too little memory."};
constexpr MetricFamily kUnkept{"envoy_http_downstream_cx_overload_disable_keepalive",
                               "Client connections ended behind an answer because there is too much to do."};
constexpr MetricFamily kOverAge{"envoy_http_downstream_cx_max_duration_reached",
                                "Client connections ended because of maxConnectionDuration."};
constexpr MetricFamily kOutdated{"sluice_http_downstream_cx_outdated_total",
                                 "Client connections ended because client certificates are asked for or verified "
                                 "otherwise than when they began, or TLS is, where they have none."};
constexpr MetricFamily kOverRequests{"envoy_http_downstream_cx_max_requests_reached",
                                     "Client connections ended because of maxRequestsPerConnection."};
constexpr MetricFamily kRequestOverAge{"envoy_http_downstream_rq_max_duration_reached",
                                       "Requests ended because of maxStreamDuration."};
constexpr MetricFamily kPathsRejected{"envoy_http_downstream_rq_failed_path_normalization",
                                      "Requests refused because their paths have escaped slashes."};
constexpr MetricFamily kPathsRedirected{"envoy_http_downstream_rq_redirected_with_normalized_path",
                                        "Requests redirected because their paths have escaped slashes."};
constexpr MetricFamily kUnderscoresDropped{"envoy_http1_dropped_headers_with_underscores",
                                           "Header fields of requests that were dropped because of a _ in the name."};
constexpr MetricFamily kUnderscoresRejected{"envoy_http1_requests_rejected_with_underscores_in_headers",
                                            "Requests refused because a header has a _ in its name."};
constexpr MetricFamily kUpgrades{"envoy_http_downstream_cx_upgrades_total",
                                 "WebSocket handshakes that became tunnels."};
constexpr MetricFamily kUpgradesActive{"envoy_http_downstream_cx_upgrades_active", "WebSocket tunnels open.", gauge};
constexpr MetricFamily kTime{"envoy_http_downstream_rq_time", "From the request's first byte to the response's last.",
                             histogram};

constexpr MetricFamily kHttp1Connections{"envoy_http_downstream_cx_http1_total", "Client connections of HTTP/1."};
constexpr MetricFamily kHttp1Active{"envoy_http_downstream_cx_http1_active", "Client connections of HTTP/1 open.",
                                    gauge};
constexpr MetricFamily kHttp2Connections{"envoy_http_downstream_cx_http2_total", "Client connections of HTTP/2."};
constexpr MetricFamily kHttp2Active{"envoy_http_downstream_cx_http2_active", "Client connections of HTTP/2 open.",
                                    gauge};
constexpr MetricFamily kHttp2Requests{"envoy_http_downstream_rq_http2_total", "Requests received by HTTP/2."};

constexpr MetricFamily kListenerConnections{"envoy_listener_downstream_cx_total", "Client connections accepted."};
constexpr MetricFamily kListenerActive{"envoy_listener_downstream_cx_active", "Client connections open.", gauge};
constexpr MetricFamily kListenerEnded{"envoy_listener_downstream_cx_destroy", "Client connections that have ended."};
constexpr MetricFamily kListenerOverflow{"envoy_listener_downstream_global_cx_overflow",
                                         "Client connections closed at once because the process may have no more."};
constexpr MetricFamily kListenerUnwanted{"envoy_listener_downstream_cx_overload_reject",
                                         "Client connections closed at once because there is too little memory."};
constexpr MetricFamily kListenerOverLimit{"envoy_listener_downstream_cx_overflow",
                                          "Client connections closed because the listener has connectionLimit."};
constexpr MetricFamily kListenerWaiting{"envoy_listener_downstream_pre_cx_active",
                                        "Client connections whose first bytes are being looked at.", gauge};
constexpr MetricFamily kListenerWaitedLong{"envoy_listener_downstream_pre_cx_timeout",
                                           "Client connections closed because their first bytes did not come in time."};
constexpr MetricFamily kListenerWaitingClosed{"envoy_listener_downstream_listener_filter_remote_close",
                                              "Client connections that ended while their first bytes were looked at."};
constexpr MetricFamily kSegmentsSent{"envoy_listener_tcp_stats_cx_tx_segments",
                                     "TCP segments sent to clients, of connections that have ended (tcpStats)."};
constexpr MetricFamily kSegmentsReceived{"envoy_listener_tcp_stats_cx_rx_segments",
                                         "TCP segments that came from clients (tcpStats)."};
constexpr MetricFamily kDataSegmentsSent{"envoy_listener_tcp_stats_cx_tx_data_segments",
                                         "TCP segments with data sent to clients (tcpStats)."};
constexpr MetricFamily kDataSegmentsReceived{"envoy_listener_tcp_stats_cx_rx_data_segments",
                                             "TCP segments with data that came from clients (tcpStats)."};
constexpr MetricFamily kRetransmitted{"envoy_listener_tcp_stats_cx_tx_retransmitted_segments",
                                      "TCP segments sent to clients once more (tcpStats)."};
constexpr MetricFamily kBytesSent{"envoy_listener_tcp_stats_cx_tx_bytes_sent",
                                  "Bytes of data sent to clients, those sent once more too (tcpStats)."};
constexpr MetricFamily kBytesReceived{
    "envoy_listener_tcp_stats_cx_rx_bytes_received",
    "Bytes of data that came from clients, and one for the end of each that ends first "
    "(tcpStats)."};
constexpr MetricFamily kShareRetransmitted{"envoy_listener_tcp_stats_cx_tx_percent_retransmitted_segments",
                                           "Share of the segments with data that were sent once more, a connection "
                                           "(tcpStats).",
                                           MetricType::histogram};
constexpr MetricFamily kRoundTrip{"envoy_listener_tcp_stats_cx_rtt_us",
                                  "Smoothed round-trip time at a connection's end, in microseconds (tcpStats).",
                                  MetricType::histogram};
constexpr MetricFamily kRoundTripVariance{"envoy_listener_tcp_stats_cx_rtt_variance_us",
                                          "Variance of the round-trip time at a connection's end, in microseconds "
                                          "(tcpStats).",
                                          MetricType::histogram};
constexpr MetricFamily kProxyFound{"envoy_proxy_proto_found",
                                   "Client connections that began with a PROXY protocol header, by its version."};
constexpr MetricFamily kProxyBroken{"envoy_proxy_proto_error",
                                    "Client connections closed because of a broken PROXY protocol header."};
constexpr MetricFamily kProxyAllowed{"envoy_proxy_proto_not_found_allowed",
                                     "Client connections served without a PROXY protocol header."};
constexpr MetricFamily kProxyDisallowed{"envoy_proxy_proto_not_found_disallowed",
                                        "Client connections closed because they had no PROXY protocol header."};
constexpr MetricFamily kLimitedActive{"envoy_connection_limit_active_connections",
                                      "Client connections open on listeners that have a connectionLimit.", gauge};
constexpr MetricFamily kLimited{"envoy_connection_limit_limited_connections",
                                "Client connections closed because their listener has connectionLimit, all together."};
constexpr MetricFamily kTlsHandshakes{"envoy_listener_ssl_handshake", "TLS handshakes done."};
constexpr MetricFamily kTlsResumed{"envoy_listener_ssl_session_reused", "TLS handshakes that resumed a session."};
constexpr MetricFamily kTlsWithout{"envoy_listener_ssl_no_certificate",
                                   "TLS handshakes done without a certificate of the client."};
constexpr MetricFamily kTlsErrors{"envoy_listener_ssl_connection_error", "TLS handshakes that failed."};
constexpr MetricFamily kTlsTimeouts{"envoy_listener_downstream_cx_transport_socket_connect_timeout",
                                    "TLS handshakes that took too long."};
constexpr MetricFamily kTlsNoChain{"envoy_listener_no_filter_chain_match",
                                   "Client connections closed because no certificate is for the name they ask for."};
constexpr MetricFamily kTlsNoCertificate{"envoy_listener_ssl_fail_verify_no_cert",
                                         "TLS handshakes that failed because the client has no certificate."};
constexpr MetricFamily kTlsUntrusted{"envoy_listener_ssl_fail_verify_error",
                                     "TLS handshakes that failed because the client's certificate is not trusted."};
constexpr MetricFamily kTlsWrongName{"envoy_listener_ssl_fail_verify_san",
                                     "TLS handshakes that failed because the client's certificate is not for a name in "
                                     "verifySubjectAltName."};

}  // namespace

std::vector<MetricFamily> server_metric_families() {
  std::vector<MetricFamily> out{kConnections,
                                kConnectionsActive,
                                kIdle,
                                kForced,
                                kRequests,
                                kActive,
                                kResponses,
                                kMalformed,
                                kTooLarge,
                                kTimeout,
                                kReset,
                                kRefused,
                                kUnkept,
                                kOverAge,
                                kOverRequests,
                                kOutdated,
                                kRequestOverAge,
                                kPathsRejected,
                                kPathsRedirected,
                                kUnderscoresDropped,
                                kUnderscoresRejected,
                                kUpgrades,
                                kUpgradesActive,
                                kTime,
                                kTlsConnections,
                                kTlsConnectionsActive,
                                kHttp1Connections,
                                kHttp1Active,
                                kHttp2Connections,
                                kHttp2Active,
                                kHttp2Requests};
  const auto http2 = h2::http2_metric_families();
  out.insert(out.end(), http2.begin(), http2.end());
  return out;
}

ServerLimits server_limits(const ListenerConfig& config) {
  return {.head = config.limits,
          .head_timeout = config.head_timeout,
          .idle_max = config.stream_idle_timeout,
          .request_timeout = config.request_timeout,
          .no_memory = config.overload ? &config.overload->no_memory() : nullptr,
          .linger_max = config.linger_max,
          .http1 = &config.http1};
}

ServerMetrics::ServerMetrics(Metrics& metrics, const std::string& prefix) {
  const Labels labels{{"envoy_http_conn_manager_prefix", prefix}};
  const auto get = [&](const MetricFamily& family) { return metrics.metric(family, labels); };
  connections = get(kConnections);
  connections_active = get(kConnectionsActive);
  tls_connections = get(kTlsConnections);
  tls_connections_active = get(kTlsConnectionsActive);
  connections_idle_timeout = get(kIdle);
  connections_forced = get(kForced);
  requests = get(kRequests);
  requests_active = get(kActive);
  for (size_t i = 0; i < responses.size(); ++i)
    responses[i] = metrics.metric(
        kResponses, {{"envoy_http_conn_manager_prefix", prefix}, {"envoy_response_code_class", std::to_string(i + 1)}});
  requests_malformed = get(kMalformed);
  requests_too_large = get(kTooLarge);
  requests_timeout = get(kTimeout);
  requests_reset = get(kReset);
  requests_refused = get(kRefused);
  connections_unkept = get(kUnkept);
  connections_over_age = get(kOverAge);
  connections_over_requests = get(kOverRequests);
  connections_outdated = get(kOutdated);
  requests_over_age = get(kRequestOverAge);
  paths_rejected = get(kPathsRejected);
  paths_redirected = get(kPathsRedirected);
  underscores_dropped = metrics.metric(kUnderscoresDropped);
  underscores_rejected = metrics.metric(kUnderscoresRejected);
  upgrades = get(kUpgrades);
  upgrades_active = get(kUpgradesActive);
  request_time = metrics.histogram(kTime, labels);
  http1_connections = get(kHttp1Connections);
  http1_connections_active = get(kHttp1Active);
  http2_connections = get(kHttp2Connections);
  http2_connections_active = get(kHttp2Active);
  http2_requests = get(kHttp2Requests);
  http2 = std::make_shared<h2::Http2Metrics>(metrics);
}

ListenerMetrics::ListenerMetrics(Metrics& metrics, const std::string& address) : set(metrics) {
  const Labels labels{{"envoy_listener_address", address}};
  connections = set.metric(kListenerConnections, labels);
  connections_active = set.metric(kListenerActive, labels);
  connections_ended = set.metric(kListenerEnded, labels);
  connections_overflow = set.metric(kListenerOverflow, labels);
  connections_unwanted = set.metric(kListenerUnwanted, labels);
  connections_over_limit = set.metric(kListenerOverLimit, labels);
  tls_handshakes = set.metric(kTlsHandshakes, labels);
  tls_resumed = set.metric(kTlsResumed, labels);
  tls_without_certificate = set.metric(kTlsWithout, labels);
  tls_errors = set.metric(kTlsErrors, labels);
  tls_timeouts = set.metric(kTlsTimeouts, labels);
  tls_no_chain = set.metric(kTlsNoChain, labels);
  tls_no_certificate = set.metric(kTlsNoCertificate, labels);
  tls_untrusted = set.metric(kTlsUntrusted, labels);
  tls_wrong_name = set.metric(kTlsWrongName, labels);
  waiting = set.metric(kListenerWaiting, labels);
  waiting_timeouts = set.metric(kListenerWaitedLong, labels);
  waiting_closed = set.metric(kListenerWaitingClosed, labels);
  const Labels limits{{"envoy_connection_limit_prefix", "connection_limit"}};  // Gloo has this one for all
  limited_connections_active = set.metric(kLimitedActive, limits);
  limited_connections = set.metric(kLimited, limits);
}

std::vector<MetricFamily> listener_metric_families() {
  return {kListenerConnections, kListenerActive, kListenerEnded,   kListenerOverflow,   kListenerUnwanted,
          kListenerOverLimit,   kLimitedActive,  kLimited,         kTlsHandshakes,      kTlsResumed,
          kTlsWithout,          kTlsErrors,      kTlsTimeouts,     kTlsNoChain,         kTlsNoCertificate,
          kTlsUntrusted,        kTlsWrongName,   kListenerWaiting, kListenerWaitedLong, kListenerWaitingClosed};
}

TcpStats::TcpStats(Metrics& metrics, const std::string& address) : set_(metrics) {
  const Labels labels{{"envoy_listener_address", address}};
  segments_sent_ = set_.metric(kSegmentsSent, labels);
  segments_received_ = set_.metric(kSegmentsReceived, labels);
  data_segments_sent_ = set_.metric(kDataSegmentsSent, labels);
  data_segments_received_ = set_.metric(kDataSegmentsReceived, labels);
  segments_retransmitted_ = set_.metric(kRetransmitted, labels);
  bytes_sent_ = set_.metric(kBytesSent, labels);
  bytes_received_ = set_.metric(kBytesReceived, labels);
  share_retransmitted_ = set_.histogram(kShareRetransmitted, labels);
  round_trip_ = set_.histogram(kRoundTrip, labels);
  round_trip_variance_ = set_.histogram(kRoundTripVariance, labels);
}

// The histograms have Envoy's bounds, which are those of its milliseconds whatever the unit is.
void TcpStats::closing(const TcpCounts& counts) const {
  constexpr int64_t kOne = 1'000'000;  // of a histogram's unit
  segments_sent_->add(static_cast<int64_t>(counts.segments_sent));
  segments_received_->add(static_cast<int64_t>(counts.segments_received));
  data_segments_sent_->add(static_cast<int64_t>(counts.data_segments_sent));
  data_segments_received_->add(static_cast<int64_t>(counts.data_segments_received));
  segments_retransmitted_->add(static_cast<int64_t>(counts.segments_retransmitted));
  bytes_sent_->add(static_cast<int64_t>(counts.bytes_sent));
  bytes_received_->add(static_cast<int64_t>(counts.bytes_received));
  if (counts.data_segments_sent > 0)
    share_retransmitted_->record_nanos(
        static_cast<int64_t>(counts.segments_retransmitted * kOne / counts.data_segments_sent));
  round_trip_->record_nanos(int64_t{counts.round_trip_micros} * kOne);
  round_trip_variance_->record_nanos(int64_t{counts.round_trip_variance_micros} * kOne);
}

std::vector<MetricFamily> tcp_stats_metric_families() {
  return {kSegmentsSent,  kSegmentsReceived,   kDataSegmentsSent, kDataSegmentsReceived, kRetransmitted, kBytesSent,
          kBytesReceived, kShareRetransmitted, kRoundTrip,        kRoundTripVariance};
}

std::vector<MetricFamily> proxy_protocol_metric_families() {
  return {kProxyFound, kProxyBroken, kProxyAllowed, kProxyDisallowed};
}

ProxyProtocolMetrics::ProxyProtocolMetrics(Metrics& metrics)
    : not_found_allowed(metrics.metric(kProxyAllowed)), not_found_disallowed(metrics.metric(kProxyDisallowed)) {
  for (size_t i = 0; i < found.size(); ++i) {
    const Labels version{{"envoy_proxy_protocol_version", std::to_string(i + 1)}};
    found[i] = metrics.metric(kProxyFound, version);
    broken[i] = metrics.metric(kProxyBroken, version);
  }
}

}  // namespace sluice
