#include "serve/proxy_status.h"

namespace sluice {
namespace {

struct Answer {
  uint16_t status;  // 0: stays
  std::string_view error;
};

Answer answer_for(const StreamInfo& info, uint16_t status) {
  const std::string_view details = info.details;
  if (details.starts_with("destination_ip_prohibited")) return {403, "destination_ip_prohibited"};
  if (details.starts_with("dns_resolution_failure")) {
    if (details.find("timeout") != std::string_view::npos) return {504, "dns_timeout"};
    if (details.find("not_found") != std::string_view::npos || details.find("invalid_name") != std::string_view::npos)
      return {502, "destination_not_found"};
    return {502, "dns_error"};
  }
  if (details == "dns_cache_overflow" || details == "dynamic_forward_proxy_pending_request_overflow")
    return {503, "destination_unavailable"};
  if (info.has(ResponseFlag::upstream_overflow)) return {503, "connection_limit_reached"};
  if (info.has(ResponseFlag::upstream_timeout)) return {504, "connection_read_timeout"};
  if (info.has(ResponseFlag::upstream_connection_failure))
    return details.find("connection_timeout") != std::string_view::npos ? Answer{504, "connection_timeout"}
                                                                        : Answer{502, "connection_refused"};
  if (info.has(ResponseFlag::upstream_connection_ended)) return {502, "connection_terminated"};
  if (info.has(ResponseFlag::upstream_protocol_error)) return {502, "http_protocol_error"};
  if (info.has(ResponseFlag::no_cluster) || info.has(ResponseFlag::no_healthy_upstream))
    return {503, "destination_unavailable"};
  // An answer that the configuration words is no failure of the gateway's.
  if (details == "direct_response" || status < 400) return {0, {}};
  if (details == "response_payload_too_large") return {0, "http_response_body_size"};
  if (details.ends_with("_encoding")) return {0, "http_response_content_coding"};
  if (status == 401 || status == 403) return {0, "http_request_denied"};
  return {0, status < 500 ? std::string_view("http_request_error") : std::string_view("proxy_internal_error")};
}

}  // namespace

void answer_as_proxy(const Request& request, Response& response) {
  const Answer answer = answer_for(request.info, response.status);
  if (answer.error.empty()) return;
  if (answer.status != 0) response.status = answer.status;
  response.headers->set("proxy-status", request.arena.concat(std::string_view("sluice; error="), answer.error));
}

}  // namespace sluice
