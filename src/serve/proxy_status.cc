#include "serve/proxy_status.h"

namespace sluice {
namespace {

// What is no failure of the way to a destination has the status that it has, which filters may have changed.
std::string_view error_of(uint16_t status) {
  if (status == 401 || status == 403) return "http_request_denied";
  return status < 500 ? "http_request_error" : "proxy_internal_error";
}

}  // namespace

void answer_as_proxy(const Request& request, Response& response) {
  const std::optional<ProxyAnswer>& answer = request.info.outcome.terms().proxy;
  if (!answer) return;
  uint16_t status = response.status_before_grpc != 0 ? response.status_before_grpc : response.status;
  if (answer->status != 0)
    status = answer->status;
  else if (status < 400)
    return;
  // All that it may change to is the same to gRPC.
  if (response.status_before_grpc == 0) response.status = status;
  const std::string_view error = answer->error.empty() ? error_of(status) : answer->error;
  response.headers->set("proxy-status", request.arena.concat(std::string_view("sluice; error="), error));
}

}  // namespace sluice
