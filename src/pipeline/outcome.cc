#include "pipeline/outcome.h"

#include <algorithm>
#include <array>

namespace sluice {
namespace {

using Kind = OutcomeKind;
using Flag = ResponseFlag;
constexpr auto kDownstream = Side::downstream;
constexpr auto kOurs = Side::ours;
constexpr auto kUpstream = Side::upstream;
constexpr std::optional<Flag> kNoFlag;
constexpr ProxyAnswer kByStatus{};
constexpr std::nullopt_t kNoFailure = std::nullopt;
constexpr std::optional<grpc::Status> kOfStatus;
// Envoy's words for HTTP/2 (its http/http2/codec_impl.cc), which are other ones.
constexpr std::string_view kHttp2Malformed = "http2.violation.of.messaging.rule";
constexpr std::string_view kHttp2TooLarge = "http2.too_many_headers";

// Bodies, flags and details as Envoy has them (gloo-policies 9.2); where it says nothing, a sentence for who reads it.
// An empty body is none, or that of whoever answers. Statuses of a forward proxy: dynamic-forward-proxy.md 8.
constexpr std::array kTerms = std::to_array<OutcomeTerms>({
    {Kind::none, kUpstream, 0, "", kNoFlag, "", kNoFailure},

    {Kind::malformed_request, kDownstream, 400, "Bad Request", Flag::downstream_protocol_error, "http1.codec_error",
     kByStatus, true, kOfStatus, kHttp2Malformed},
    {Kind::unknown_transfer_coding, kDownstream, 501, "Not Implemented", Flag::downstream_protocol_error,
     "http1.codec_error", kByStatus, true, kOfStatus, kHttp2Malformed},
    {Kind::no_host, kDownstream, 400, "", kNoFlag, "missing_host_header", kByStatus, true},
    {Kind::request_line_too_long, kDownstream, 414, "URI Too Long", Flag::downstream_protocol_error,
     "http1.headers_too_large", kByStatus, true, kOfStatus, kHttp2TooLarge},
    {Kind::request_head_too_large, kDownstream, 431, "Request Header Fields Too Large", Flag::downstream_protocol_error,
     "http1.headers_too_large", kByStatus, true, kOfStatus, kHttp2TooLarge},
    {Kind::request_head_timeout, kDownstream, 408, "request header timeout", kNoFlag, "request_header_timeout",
     kByStatus, true},
    {Kind::old_version, kDownstream, 426, "HTTP/1.0 is not supported: send HTTP/1.1", kNoFlag, "low_version", kByStatus,
     true},
    {Kind::unknown_expectation, kDownstream, 417, "the only expectation that is supported is 100-continue", kNoFlag,
     "expectation_failed", kByStatus, true},
    {Kind::method_not_supported, kDownstream, 405, "", kNoFlag, "method_not_allowed", kByStatus, true},
    {Kind::https_target, kDownstream, 501,
     "a target with https:// asks for TLS to the destination, which this listener does not do: it is not sent in the "
     "clear (ProxySettings.destinations.scheme has it go by TLS)",
     kNoFlag, "https_target_not_supported", kByStatus, true},
    {Kind::upgrade_refused, kDownstream, 403, "", kNoFlag, "upgrade_failed", kByStatus, true},
    {Kind::underscore_in_name, kDownstream, 400, "Bad Request", Flag::downstream_protocol_error,
     "http1.unexpected_underscore", kByStatus, true, kOfStatus, "http2.unexpected_underscore"},
    {Kind::path_refused, kDownstream, 400, "", kNoFlag, "path_normalization_failed", kByStatus},
    {Kind::path_redirected, kDownstream, 307, "", kNoFlag, "path_normalization_failed", kNoFailure},

    {Kind::client_idle, kDownstream, 408, "stream timeout", Flag::stream_idle_timeout, "stream_idle_timeout", kByStatus,
     true},
    {Kind::request_too_large, kDownstream, 413, "Payload Too Large", kNoFlag, "request_payload_too_large", kByStatus},
    {Kind::request_timeout, kDownstream, 408, "request timeout", kNoFlag, "request_overall_timeout", kByStatus, true},
    {Kind::exchange_timeout, kOurs, 408, "downstream duration timeout", kNoFlag, "max_duration_timeout", kByStatus,
     true, grpc::Status::deadline_exceeded},
    // Nobody will read it.
    {Kind::client_gone, kDownstream, 400, "", Flag::downstream_connection_ended, "downstream_remote_disconnect",
     kByStatus, true},

    {Kind::no_route, kOurs, 404, "", Flag::no_route, "route_not_found", kByStatus},
    {Kind::route_too_costly, kOurs, 500, "it would take too long to find the route", kNoFlag, "route_match_too_costly",
     kByStatus},
    {Kind::route_changed_too_often, kOurs, 500, "the route was chosen again too often", kNoFlag,
     "route_chosen_too_often", kByStatus},
    {Kind::empty_host, kOurs, 400, "Empty host header", kNoFlag, "empty_host_header", kByStatus},
    {Kind::invalid_rewrite, kOurs, 400, "", kNoFlag, "invalid_rewritten_path", kByStatus},
    {Kind::redirect_too_costly, kOurs, 500, "Internal Server Error", kNoFlag, "redirect_regex_too_costly", kByStatus},
    {Kind::invalid_destination, kOurs, 400, "", kNoFlag, "invalid_destination", kByStatus},
    // 403, where RFC 9209 2.3.5 recommends 502: it is a policy's verdict on what the client asked for.
    {Kind::destination_denied, kOurs, 403, "", kNoFlag, "destination_ip_prohibited",
     ProxyAnswer{403, "destination_ip_prohibited"}},
    {Kind::tls_prohibited, kOurs, 403, "", kNoFlag, "destination_tls_prohibited",
     ProxyAnswer{403, "http_request_denied"}},
    {Kind::policy_not_in_force, kOurs, 403, "", kNoFlag, "egress_policy_not_in_force",
     ProxyAnswer{0, "proxy_configuration_error"}},
    {Kind::service_not_in_force, kOurs, 503, "", kNoFlag, "virtual_service_not_in_force",
     ProxyAnswer{0, "proxy_configuration_error"}},
    {Kind::dns_timeout, kOurs, 503, "DNS resolution failure", Flag::dns_failure, "dns_resolution_failure",
     ProxyAnswer{504, "dns_timeout"}},
    {Kind::dns_no_such_name, kOurs, 503, "DNS resolution failure", Flag::dns_failure, "dns_resolution_failure",
     ProxyAnswer{502, "destination_not_found"}},
    {Kind::dns_failure, kOurs, 503, "DNS resolution failure", Flag::dns_failure, "dns_resolution_failure",
     ProxyAnswer{502, "dns_error"}},
    {Kind::dns_table_full, kOurs, 503, "DNS cache overflow", kNoFlag, "dns_cache_overflow",
     ProxyAnswer{503, "destination_unavailable"}},
    {Kind::dns_too_many_pending, kOurs, 503, "Dynamic forward proxy pending request overflow", kNoFlag,
     "dynamic_forward_proxy_pending_request_overflow", ProxyAnswer{503, "destination_unavailable"}},
    {Kind::response_too_large, kOurs, 500, "Internal Server Error", kNoFlag, "response_payload_too_large",
     ProxyAnswer{0, "http_response_body_size"}},
    {Kind::response_coding, kUpstream, 0, "", kNoFlag, "", ProxyAnswer{0, "http_response_content_coding"}},
    {Kind::body_memory_exhausted, kOurs, 503, "too many large bodies at once, try again later", kNoFlag,
     "body_memory_exhausted", kByStatus},
    {Kind::overload, kOurs, 503, "envoy overloaded", ResponseFlag::overload, "overload", kByStatus},
    {Kind::internal_error, kOurs, 500, "Internal Server Error", kNoFlag, "internal_error", kByStatus},
    {Kind::own_answer, kOurs, 0, "", kNoFlag, "", kByStatus},
    {Kind::direct_response, kOurs, 0, "", kNoFlag, "direct_response", kNoFailure},

    {Kind::connect_failure, kUpstream, 503,
     "upstream connect error or disconnect/reset before headers. reset reason: remote connection failure",
     Flag::upstream_connection_failure, "upstream_reset_before_response_started{remote_connection_failure}",
     ProxyAnswer{502, "connection_refused"}},
    {Kind::connect_timeout, kUpstream, 503,
     "upstream connect error or disconnect/reset before headers. reset reason: connection timeout",
     Flag::upstream_connection_failure, "upstream_reset_before_response_started{connection_timeout}",
     ProxyAnswer{504, "connection_timeout"}},
    {Kind::tls_failure, kUpstream, 503,
     "upstream connect error or disconnect/reset before headers. reset reason: remote connection failure",
     Flag::upstream_connection_failure, "upstream_reset_before_response_started{remote_connection_failure|TLS_error}",
     ProxyAnswer{502, "tls_protocol_error"}},
    {Kind::certificate_refused, kUpstream, 503,
     "upstream connect error or disconnect/reset before headers. reset reason: remote connection failure",
     Flag::upstream_connection_failure, "upstream_reset_before_response_started{remote_connection_failure|TLS_error}",
     ProxyAnswer{502, "tls_certificate_error"}},
    {Kind::upstream_ended, kUpstream, 503,
     "upstream connect error or disconnect/reset before headers. reset reason: connection termination",
     Flag::upstream_connection_ended, "upstream_reset_before_response_started{connection_termination}",
     ProxyAnswer{502, "connection_terminated"}},
    {Kind::upstream_protocol, kUpstream, 502,
     "upstream connect error or disconnect/reset before headers. reset reason: protocol error",
     Flag::upstream_protocol_error, "upstream_reset_before_response_started{protocol_error}",
     ProxyAnswer{502, "http_protocol_error"}},
    {Kind::upstream_overflow, kUpstream, 503,
     "upstream connect error or disconnect/reset before headers. reset reason: overflow", Flag::upstream_overflow,
     "upstream_reset_before_response_started{overflow}", ProxyAnswer{503, "connection_limit_reached"}},
    {Kind::route_timeout, kUpstream, 504, "upstream request timeout", Flag::upstream_timeout, "response_timeout",
     ProxyAnswer{504, "connection_read_timeout"}},
    {Kind::per_try_timeout, kUpstream, 504, "upstream request timeout", Flag::upstream_timeout,
     "upstream_per_try_timeout", ProxyAnswer{504, "connection_read_timeout"}},
    {Kind::upstream_idle, kUpstream, 504, "stream timeout", Flag::stream_idle_timeout, "stream_idle_timeout",
     ProxyAnswer{504, "connection_read_timeout"}},
    {Kind::no_healthy_upstream, kUpstream, 503, "no healthy upstream", Flag::no_healthy_upstream, "no_healthy_upstream",
     ProxyAnswer{503, "destination_unavailable"}},
    {Kind::no_cluster, kOurs, 503, "", Flag::no_cluster, "cluster_not_found",
     ProxyAnswer{503, "destination_unavailable"}},

    {Kind::response_ended, kUpstream, 502, "the upstream's response broke off or could not be read",
     Flag::upstream_connection_ended, "upstream_response_broken", ProxyAnswer{502, "http_response_incomplete"}},
    {Kind::response_invalid, kUpstream, 502, "the upstream's response broke off or could not be read",
     Flag::upstream_protocol_error, "upstream_response_broken", ProxyAnswer{502, "http_protocol_error"}},
    {Kind::response_expands, kUpstream, 500, "Internal Server Error", Flag::upstream_connection_ended,
     "response_payload_too_large", ProxyAnswer{502, "connection_terminated"}},

    {Kind::cut_ended, kUpstream, 0, "", Flag::upstream_connection_ended,
     "upstream_reset_after_response_started{connection_termination}", kNoFailure},
    {Kind::cut_invalid, kUpstream, 0, "", Flag::upstream_protocol_error,
     "upstream_reset_after_response_started{protocol_error}", kNoFailure},
});

static_assert(kTerms.size() == static_cast<size_t>(Kind::count), "a row for each kind");
static_assert(
    [] {
      for (size_t i = 0; i < kTerms.size(); ++i)
        if (kTerms[i].kind != static_cast<Kind>(i)) return false;
      return true;
    }(),
    "rows stand in the order of their kinds");

}  // namespace

const OutcomeTerms& terms_of(OutcomeKind kind) {
  return kTerms[static_cast<size_t>(kind)];
}

std::string_view details_with(std::string_view details, std::string_view rule, Arena& arena) {
  const bool has_reason = details.ends_with('}');
  if (has_reason) details.remove_suffix(1);
  const std::string_view whole = arena.concat(details, std::string_view(has_reason ? "|" : "{"), rule, "}");
  // The arena's own bytes, which nobody else has yet.
  char* bytes = const_cast<char*>(whole.data());
  std::replace(bytes + details.size(), bytes + whole.size(), ' ', '_');
  return whole;
}

OutcomeKind outcome_of(HeadFailure failure) {
  switch (failure) {
    case HeadFailure::none: return Kind::none;
    case HeadFailure::malformed: return Kind::malformed_request;
    case HeadFailure::unknown_transfer_coding: return Kind::unknown_transfer_coding;
    case HeadFailure::no_host: return Kind::no_host;
    case HeadFailure::line_too_long: return Kind::request_line_too_long;
    case HeadFailure::too_large: return Kind::request_head_too_large;
    case HeadFailure::timeout: return Kind::request_head_timeout;
    case HeadFailure::old_version: return Kind::old_version;
    case HeadFailure::unknown_expectation: return Kind::unknown_expectation;
    case HeadFailure::no_memory: return Kind::overload;
  }
  return Kind::malformed_request;
}

}  // namespace sluice
