#include "forward/failures.h"

#include <algorithm>

namespace sluice {
namespace {

constexpr std::string_view kReset = "upstream connect error or disconnect/reset before headers. reset reason: ";

Response reset(Request& request, uint16_t status, ResponseFlag flag, std::string_view reason,
               std::string_view transport) {
  request.info.set(flag);
  Arena& arena = request.arena;
  std::string_view body = arena.concat(kReset, reason);
  std::string_view details = arena.concat(std::string_view("upstream_reset_before_response_started{"), reason);
  if (!transport.empty()) {
    const std::string_view text = arena.concat(std::string_view("delayed connect error: "), transport);
    request.info.upstream_transport_failure = text;
    body = arena.concat(body, std::string_view(", transport failure reason: "), text);
    details = arena.concat(details, std::string_view("|"), text);
  }
  details = arena.concat(details, std::string_view("}"));
  std::replace(const_cast<char*>(details.data()), const_cast<char*>(details.data()) + details.size(), ' ', '_');
  return local_reply(request, status, body, details);
}

}  // namespace

Response upstream_failure(Request& request, UpstreamFailure failure, std::string_view transport) {
  switch (failure) {
    case UpstreamFailure::connect:
      return reset(request, 503, ResponseFlag::upstream_connection_failure, "remote connection failure", transport);
    case UpstreamFailure::connect_timeout:
      return reset(request, 503, ResponseFlag::upstream_connection_failure, "connection timeout", {});
    case UpstreamFailure::ended:
      return reset(request, 503, ResponseFlag::upstream_connection_ended, "connection termination", {});
    case UpstreamFailure::protocol:
      return reset(request, 502, ResponseFlag::upstream_protocol_error, "protocol error", {});
    case UpstreamFailure::overflow: {
      Response response = reset(request, 503, ResponseFlag::upstream_overflow, "overflow", {});
      response.headers->add("x-envoy-overloaded", "true");
      return response;
    }
    case UpstreamFailure::timeout:
      request.info.set(ResponseFlag::upstream_timeout);
      return local_reply(request, 504, "upstream request timeout", "response_timeout");
    case UpstreamFailure::per_try_timeout:
      request.info.set(ResponseFlag::upstream_timeout);
      return local_reply(request, 504, "upstream request timeout", "upstream_per_try_timeout");
    case UpstreamFailure::idle:
      request.info.set(ResponseFlag::stream_idle_timeout);
      return local_reply(request, 504, "stream timeout", "stream_idle_timeout");
    case UpstreamFailure::idle_client: {
      request.info.set(ResponseFlag::stream_idle_timeout);
      Response response = local_reply(request, 408, "stream timeout", "stream_idle_timeout");
      response.close = true;
      return response;
    }
    case UpstreamFailure::no_host:
      request.info.set(ResponseFlag::no_healthy_upstream);
      return local_reply(request, 503, "no healthy upstream", "no_healthy_upstream");
    case UpstreamFailure::no_cluster:
      request.info.set(ResponseFlag::no_cluster);
      return local_reply(request, 503, "", "cluster_not_found");
  }
  return local_reply(request, 503, "", "internal_error");
}

}  // namespace sluice
