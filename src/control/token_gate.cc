#include "control/token_gate.h"

#include "base/log.h"
#include "control/api/failure.h"
#include "control/local_service.h"

namespace sluice {
namespace {

constexpr MetricFamily kRefused{"sluice_callers_refused_total",
                                "Requests to the admin port and the API that were answered 401, as they had no token."};

}  // namespace

std::vector<MetricFamily> TokenGate::metrics() {
  return {kRefused};
}

TokenGate::Refusal TokenGate::refusal_of_pages() {
  return {.content_type = "text/plain; charset=utf-8", .body = "a token is needed: \"Authorization: Bearer TOKEN\"\n"};
}

TokenGate::Refusal TokenGate::refusal_of_api() {
  ApiResponse response = to_response({.code = 401,
                                      .reason = "Unauthorized",
                                      .message = "a token is needed: sluice kubeconfig writes one for kubectl",
                                      .group = {},
                                      .kind = {},
                                      .name = {},
                                      .causes = {}});
  return {.content_type = std::move(response.content_type), .body = std::move(response.body)};
}

TokenGate::TokenGate(std::string port, std::shared_ptr<const Service> behind, const OwnAccess& access, Refusal refusal,
                     Metrics& metrics)
    : port_(std::move(port)),
      behind_(std::move(behind)),
      access_(access),
      refusal_(std::move(refusal)),
      refused_(metrics.metric(kRefused, {{"port", port_}})) {}

// Of several Authorization fields nobody knows which one is meant.
Task<Response> TokenGate::handle(Request& request) const {
  const auto authorization = request.headers.get(Known::authorization);
  if (authorization && request.headers.count(Known::authorization) == 1 && access_.admits(*authorization))
    return behind_->handle(request);
  refused_->add();
  static log::Site site{LogLevel::warn, "main", "a caller without a token is refused"};
  if (site.admits())
    site.write({{"port", port_},
                {"client", request.info.downstream_peer ? request.info.downstream_peer->to_string() : "?"},
                {"why", authorization ? "the token is not one of those admitted" : "there is no token"}});
  Response response = text_reply(request, 401, refusal_.content_type, refusal_.body);
  response.headers->set(Known::www_authenticate, "Bearer");
  response.close = true;  // it has a place that others may need; on HTTP/2 it gives way as an idle one
  return response;
}

}  // namespace sluice
