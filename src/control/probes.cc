#include "control/probes.h"

#include "control/local_service.h"
#include "observe/prometheus.h"

namespace sluice {
namespace {

constexpr std::string_view kText = "text/plain; charset=utf-8";

}  // namespace

std::optional<Response> Probes::answer(Request& request) const {
  const std::string_view path = request.path_without_query();
  const bool metrics_page = path == "/metrics" || path == "/stats/prometheus";
  const bool ready_page = path == "/readyz" || path == "/ready";
  if (!metrics_page && !ready_page && path != "/healthz") return std::nullopt;
  if (request.method != "GET" && request.method != "HEAD") return text_reply(request, 405, kText, "only GET here\n");
  if (metrics_page) return text_reply(request, 200, kPrometheusContentType, metrics());
  if (!ready_page) return text_reply(request, 200, kText, "ok\n");
  return ready() ? text_reply(request, 200, kText, "ready\n" + notes())
                 : text_reply(request, 503, kText, "not ready\n");
}

Task<Response> ProbeService::handle(Request& request) const {
  if (request.headers.has(Known::origin))
    return local_reply(request, 403, "requests from web pages are not served here\n", "foreign_origin");
  if (auto page = probes_.answer(request)) return *page;
  return text_reply(request, 404, kText,
                    "here are /metrics, /healthz and /readyz; the other pages are on the admin port\n");
}

}  // namespace sluice
