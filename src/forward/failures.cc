#include "forward/failures.h"

#include "forward/cluster.h"

namespace sluice {

Response upstream_failure(Request& request, OutcomeKind kind, std::string_view transport) {
  if (!transport.empty()) {
    Arena& arena = request.arena;
    const bool of_tls = kind == OutcomeKind::tls_failure || kind == OutcomeKind::certificate_refused;
    const std::string_view text =
        arena.concat(std::string_view(of_tls ? "TLS_error: " : "delayed connect error: "), transport);
    request.info.upstream_transport_failure = text;
    return reply(request, {kind, text},
                 arena.concat(terms_of(kind).body, std::string_view(", transport failure reason: "), text));
  }
  Response response = reply(request, kind);
  if (kind == OutcomeKind::upstream_overflow) response.headers->add("x-envoy-overloaded", "true");
  return response;
}

Response no_endpoint(Request& request, const Cluster& cluster) {
  request.info.upstream_cluster = cluster.name;
  Response answer = upstream_failure(request, OutcomeKind::no_healthy_upstream);
  cluster.metrics.count_response(answer.status);
  return answer;
}

}  // namespace sluice
