#include "forward/cluster.h"

namespace sluice {
namespace {

using enum MetricType;

constexpr MetricFamily kClusters{"sluice_clusters", "Upstream clusters, also those that only old requests still use.",
                                 gauge};
constexpr MetricFamily kRequests{"envoy_cluster_upstream_rq_total",
                                 "Requests sent on a connection, each time that one was sent again, too."};
constexpr MetricFamily kResponses{
    "envoy_cluster_upstream_rq_xx",
    "Responses by class of status code; where none came, that of the gateway's own answer, as Envoy counts."};
constexpr MetricFamily kTimeouts{"envoy_cluster_upstream_rq_timeout", "Requests that ran into the route's timeout."};
constexpr MetricFamily kRetries{"envoy_cluster_upstream_rq_retry", "Requests tried again."};
constexpr MetricFamily kRetrySuccess{"envoy_cluster_upstream_rq_retry_success",
                                     "Requests whose retry got an answer that is not tried again."};
constexpr MetricFamily kRetryOverflow{"envoy_cluster_upstream_rq_retry_overflow",
                                      "Requests not tried again because of maxRetries."};
constexpr MetricFamily kRetryLimit{"envoy_cluster_upstream_rq_retry_limit_exceeded",
                                   "Requests not tried again because of numRetries."};
constexpr MetricFamily kRetryWaits{"envoy_cluster_upstream_rq_retry_backoff_exponential",
                                   "Retries that waited as retryBackOff says."};
constexpr MetricFamily kRetryWaitsAsked{"envoy_cluster_upstream_rq_retry_backoff_ratelimited",
                                        "Retries that waited as a header of the response asked for."};
constexpr MetricFamily kPerTryTimeout{"envoy_cluster_upstream_rq_per_try_timeout",
                                      "Tries that ran into perTryTimeout."};
constexpr MetricFamily kReset{"envoy_cluster_upstream_rq_rx_reset",
                              "Requests whose connection the upstream ended or broke."};
constexpr MetricFamily kCancelled{"envoy_cluster_upstream_rq_cancelled",
                                  "Requests given up because the client went away."};
constexpr MetricFamily kPendingOverflow{"envoy_cluster_upstream_rq_pending_overflow",
                                        "Requests refused by a circuit breaker."};
constexpr MetricFamily kActive{"envoy_cluster_upstream_rq_active", "Requests under way.", gauge};
constexpr MetricFamily kPending{"envoy_cluster_upstream_rq_pending_active", "Requests waiting for a connection.",
                                gauge};
constexpr MetricFamily kTime{"envoy_cluster_upstream_rq_time", "From the request to the end of the response.",
                             histogram};
constexpr MetricFamily kConnections{"envoy_cluster_upstream_cx_total", "Connections opened."};
constexpr MetricFamily kConnectionsActive{"envoy_cluster_upstream_cx_active", "Connections open.", gauge};
constexpr MetricFamily kConnectFail{"envoy_cluster_upstream_cx_connect_fail", "Connections that could not be opened."};
constexpr MetricFamily kConnectTimeout{"envoy_cluster_upstream_cx_connect_timeout",
                                       "Connections that were not open in time."};
constexpr MetricFamily kOverflow{"envoy_cluster_upstream_cx_overflow", "Times the limit of connections was reached."};
constexpr MetricFamily kTlsHandshakes{"envoy_cluster_ssl_handshake", "TLS handshakes with upstreams done."};
constexpr MetricFamily kTlsResumed{"envoy_cluster_ssl_session_reused", "TLS handshakes that resumed a session."};
constexpr MetricFamily kTlsErrors{"envoy_cluster_ssl_connection_error", "TLS handshakes with upstreams that failed."};
constexpr MetricFamily kTlsUntrusted{"envoy_cluster_ssl_fail_verify_error",
                                     "TLS handshakes that failed because the upstream's certificate is not trusted."};
constexpr MetricFamily kTlsWrongName{"envoy_cluster_ssl_fail_verify_san",
                                     "TLS handshakes that failed because the certificate is for another name."};
constexpr MetricFamily kAttemptsExceeded{"envoy_cluster_upstream_cx_connect_attempts_exceeded",
                                         "Clients of TCP gateways closed after so many connects as they may have."};
constexpr MetricFamily kRetriesActive{"sluice_cluster_upstream_rq_retry_active",
                                      "Requests that are being sent once more.", gauge};
constexpr MetricFamily kRemainingConnections{"envoy_cluster_circuit_breakers_default_remaining_cx",
                                             "Connections left of maxConnections (trackRemaining).", gauge};
constexpr MetricFamily kRemainingRequests{"envoy_cluster_circuit_breakers_default_remaining_rq",
                                          "Requests left of maxRequests (trackRemaining).", gauge};
constexpr MetricFamily kRemainingPending{"envoy_cluster_circuit_breakers_default_remaining_pending",
                                         "Requests left of maxPendingRequests (trackRemaining).", gauge};
constexpr MetricFamily kRemainingRetries{"envoy_cluster_circuit_breakers_default_remaining_retries",
                                         "Retries left of maxRetries (trackRemaining).", gauge};
constexpr MetricFamily kHttp2{"envoy_cluster_upstream_cx_http2_total", "Connections that speak HTTP/2."};
constexpr MetricFamily kGoaway{"envoy_cluster_upstream_cx_close_notify",
                               "Connections of HTTP/2 that the upstream asked to leave, by GOAWAY."};
constexpr MetricFamily kProtocolError{"envoy_cluster_upstream_cx_protocol_error",
                                      "Connections of HTTP/2 whose upstream did not keep to it."};
constexpr MetricFamily kRxReset{"envoy_cluster_http2_rx_reset", "Streams that the upstream reset."};
constexpr MetricFamily kTxReset{"envoy_cluster_http2_tx_reset", "Streams that were reset here."};
constexpr MetricFamily kMessagingError{"envoy_cluster_http2_rx_messaging_error",
                                       "Responses in HTTP/2 that break its rules for messages."};
constexpr MetricFamily kHeaderOverflow{"envoy_cluster_http2_header_overflow",
                                       "Responses in HTTP/2 whose head was larger than the limits."};
constexpr MetricFamily kEmptyFrames{"envoy_cluster_http2_inbound_empty_frames_flood",
                                    "Connections ended because of many frames without payload."};
constexpr MetricFamily kControlFrames{"sluice_cluster_http2_inbound_control_flood_total",
                                      "Connections ended because of many PING, SETTINGS or CONTINUATION frames."};
constexpr MetricFamily kKeepalive{"envoy_cluster_http2_keepalive_timeout",
                                  "Connections ended because a PING was not answered."};
constexpr MetricFamily kGrpcTotal{"envoy_cluster_grpc_total", "Requests of gRPC that got the head of a response."};
constexpr MetricFamily kGrpcSuccess{"envoy_cluster_grpc_success", "Of these, those that ended with grpc-status 0."};
constexpr MetricFamily kGrpcFailure{"envoy_cluster_grpc_failure",
                                    "Of these, those that ended with another status, or with none."};
constexpr MetricFamily kReceived{"envoy_cluster_upstream_cx_rx_bytes_total", "Bytes received from upstreams."};
constexpr MetricFamily kSent{"envoy_cluster_upstream_cx_tx_bytes_total", "Bytes sent to upstreams."};

}  // namespace

std::vector<MetricFamily> cluster_metric_families() {
  return {kClusters,
          kRequests,
          kResponses,
          kTimeouts,
          kRetries,
          kReset,
          kCancelled,
          kPendingOverflow,
          kActive,
          kPending,
          kTime,
          kConnections,
          kConnectionsActive,
          kConnectFail,
          kTlsHandshakes,
          kTlsResumed,
          kTlsErrors,
          kTlsUntrusted,
          kTlsWrongName,
          kConnectTimeout,
          kOverflow,
          kAttemptsExceeded,
          kReceived,
          kSent,
          kRetriesActive,
          kRetrySuccess,
          kRetryOverflow,
          kRetryLimit,
          kRetryWaits,
          kRetryWaitsAsked,
          kPerTryTimeout,
          kHttp2,
          kGoaway,
          kProtocolError,
          kRxReset,
          kTxReset,
          kMessagingError,
          kHeaderOverflow,
          kEmptyFrames,
          kControlFrames,
          kKeepalive,
          kGrpcTotal,
          kGrpcSuccess,
          kGrpcFailure,
          kRemainingConnections,
          kRemainingRequests,
          kRemainingPending,
          kRemainingRetries};
}

ClusterMetrics::ClusterMetrics(Metrics& registry, const std::string& cluster)
    : set(std::make_unique<MetricSet>(registry)) {
  const Labels labels{{"envoy_cluster_name", cluster}};
  const auto count = [&](const MetricFamily& family) { return set->metric(family, labels); };
  for (size_t i = 0; i < responses.size(); ++i)
    responses[i] = set->metric(kResponses,
                               {{"envoy_cluster_name", cluster}, {"envoy_response_code_class", std::to_string(i + 1)}});
  requests = count(kRequests);
  request_timeouts = count(kTimeouts);
  request_retries = count(kRetries);
  requests_reset_by_upstream = count(kReset);
  requests_cancelled = count(kCancelled);
  pending_overflow = count(kPendingOverflow);
  requests_active = count(kActive);
  pending_active = count(kPending);
  request_time = set->histogram(kTime, labels);
  connections = count(kConnections);
  connections_active = count(kConnectionsActive);
  connect_failures = count(kConnectFail);
  connect_timeouts = count(kConnectTimeout);
  connections_overflow = count(kOverflow);
  connect_attempts_exceeded = count(kAttemptsExceeded);
  tls_handshakes = count(kTlsHandshakes);
  tls_resumed = count(kTlsResumed);
  tls_errors = count(kTlsErrors);
  tls_untrusted = count(kTlsUntrusted);
  tls_wrong_name = count(kTlsWrongName);
  bytes_received = count(kReceived);
  bytes_sent = count(kSent);
  retries_active = count(kRetriesActive);
  retry_success = count(kRetrySuccess);
  retry_overflow = count(kRetryOverflow);
  retry_limit_exceeded = count(kRetryLimit);
  retry_waits = count(kRetryWaits);
  retry_waits_asked = count(kRetryWaitsAsked);
  per_try_timeouts = count(kPerTryTimeout);
  grpc_total = count(kGrpcTotal);
  grpc_success = count(kGrpcSuccess);
  grpc_failure = count(kGrpcFailure);
  http2_connections = count(kHttp2);
  http2 = {.rx_reset = count(kRxReset),
           .tx_reset = count(kTxReset),
           .goaway_received = count(kGoaway),
           .rx_messaging_error = count(kMessagingError),
           .header_overflow = count(kHeaderOverflow),
           .inbound_empty_frames_flood = count(kEmptyFrames),
           .inbound_control_flood = count(kControlFrames),
           .protocol_error = count(kProtocolError),
           .keepalive_timeout = count(kKeepalive)};
}

Cluster::Cluster(std::string cluster_name, const kinds::CircuitBreakers& breakers, unsigned thread_count,
                 Metrics& registry)
    : name(std::move(cluster_name)),
      connections_max(breakers.max_connections.value_or(1024)),
      pending_max(breakers.max_pending_requests.value_or(1024)),
      requests_max(breakers.max_requests.value_or(1024)),
      retries_max(breakers.max_retries.value_or(3)),
      track_remaining(breakers.track_remaining),
      threads(thread_count),
      metrics(registry, name),
      there(*registry.metric(kClusters)) {
  http2.counters = metrics.http2;
  there.add();
  come_into_force();
}

void Cluster::detect_outliers(const kinds::OutlierDetection& detection) {
  outlier_detection = detection;
  ejections.emplace(*metrics.set, Labels{{"envoy_cluster_name", name}});
}

EndpointSet::Options Cluster::endpoint_options() const {
  return {.balancing = balancing,
          .detection = outlier_detection ? &*outlier_detection : nullptr,
          .metrics = ejections ? &*ejections : nullptr,
          .name = name};
}

void Cluster::come_into_force() const {
  if (!track_remaining) return;
  const Labels labels{{"envoy_cluster_name", name}};
  metrics.set->remaining(kRemainingConnections, labels, connections_max, *metrics.connections_active);
  metrics.set->remaining(kRemainingRequests, labels, requests_max, *metrics.requests_active);
  metrics.set->remaining(kRemainingPending, labels, pending_max, *metrics.pending_active);
  metrics.set->remaining(kRemainingRetries, labels, retries_max, *metrics.retries_active);
}

bool Cluster::fits(const Gauge& active, int64_t limit) const {
  return active.mine() < limit / threads || active.value() < limit;
}

}  // namespace sluice
