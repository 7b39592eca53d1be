#include "http/h2/metrics.h"

namespace sluice::h2 {
namespace {

constexpr MetricFamily kStreamsActive{"envoy_http2_streams_active", "HTTP/2 streams of clients open.",
                                      MetricType::gauge};
constexpr MetricFamily kRxReset{"envoy_http2_rx_reset", "HTTP/2 streams that the peer reset."};
constexpr MetricFamily kTxReset{"envoy_http2_tx_reset", "HTTP/2 streams that were reset by this end."};
constexpr MetricFamily kMessaging{"envoy_http2_rx_messaging_error",
                                  "HTTP/2 messages refused because they break HTTP's rules (RFC 9113 8.1.1)."};
constexpr MetricFamily kTrailers{"envoy_http2_trailers", "HTTP/2 trailers received."};
constexpr MetricFamily kGoaway{"envoy_http2_goaway_sent", "HTTP/2 GOAWAY frames sent."};
constexpr MetricFamily kRefused{"envoy_http2_stream_refused_errors",
                                "HTTP/2 streams refused because the connection has too many."};
constexpr MetricFamily kFlushTimeout{"envoy_http2_tx_flush_timeout",
                                     "HTTP/2 streams ended because their peer took nothing of the response."};
constexpr MetricFamily kHeaderOverflow{"envoy_http2_header_overflow",
                                       "HTTP/2 connections ended because a head came many times too large, and "
                                       "streams reset because of trailers beyond the limits."};
constexpr MetricFamily kEmptyFlood{"envoy_http2_inbound_empty_frames_flood",
                                   "HTTP/2 connections ended because of empty DATA frames."};
constexpr MetricFamily kPriorityFlood{"envoy_http2_inbound_priority_frames_flood",
                                      "HTTP/2 connections ended because of PRIORITY frames."};
constexpr MetricFamily kWindowFlood{"envoy_http2_inbound_window_update_frames_flood",
                                    "HTTP/2 connections ended because of WINDOW_UPDATE frames."};
constexpr MetricFamily kControlFlood{"envoy_http2_outbound_control_flood",
                                     "HTTP/2 connections ended because the peer did not take the answers to its "
                                     "control frames."};
constexpr MetricFamily kResetFlood{"sluice_http2_reset_flood_total",
                                   "HTTP/2 connections ended because of streams reset before their answer."};
constexpr MetricFamily kPingFlood{"sluice_http2_ping_flood_total", "HTTP/2 connections ended because of PING frames."};
constexpr MetricFamily kSettingsFlood{"sluice_http2_settings_flood_total",
                                      "HTTP/2 connections ended because of SETTINGS frames."};
constexpr MetricFamily kContinuationFlood{"sluice_http2_continuation_flood_total",
                                          "HTTP/2 connections ended because of CONTINUATION frames."};

}  // namespace

std::vector<MetricFamily> http2_metric_families() {
  return {kStreamsActive, kRxReset,      kTxReset,        kMessaging,     kTrailers,         kGoaway,
          kRefused,       kFlushTimeout, kHeaderOverflow, kEmptyFlood,    kPriorityFlood,    kWindowFlood,
          kControlFlood,  kResetFlood,   kPingFlood,      kSettingsFlood, kContinuationFlood};
}

Http2Metrics::Http2Metrics(Metrics& metrics)
    : streams_active(metrics.metric(kStreamsActive)),
      resets_received(metrics.metric(kRxReset)),
      resets_sent(metrics.metric(kTxReset)),
      messaging_errors(metrics.metric(kMessaging)),
      trailers(metrics.metric(kTrailers)),
      goaways_sent(metrics.metric(kGoaway)),
      streams_refused(metrics.metric(kRefused)),
      flush_timeouts(metrics.metric(kFlushTimeout)),
      header_overflow(metrics.metric(kHeaderOverflow)),
      empty_frames_flood(metrics.metric(kEmptyFlood)),
      priority_flood(metrics.metric(kPriorityFlood)),
      window_update_flood(metrics.metric(kWindowFlood)),
      outbound_control_flood(metrics.metric(kControlFlood)),
      reset_flood(metrics.metric(kResetFlood)),
      ping_flood(metrics.metric(kPingFlood)),
      settings_flood(metrics.metric(kSettingsFlood)),
      continuation_flood(metrics.metric(kContinuationFlood)) {}

}  // namespace sluice::h2
