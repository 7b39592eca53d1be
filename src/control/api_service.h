// The built-in API as a service of a listener: translates requests to ApiServer's and streams watches.
//
// Charges the server's budget for what waits for clients: bodies that come in, answers and events that go out. A
// request that does not fit is answered 429, a watch ends in good order, and its client goes on from where it was.
#pragma once

#include "control/api/api_server.h"
#include "serve/listener_config.h"

namespace sluice {

class ApiService final : public Service {
 public:
  static std::vector<MetricFamily> metrics();
  // For ApiOptions, counted in `metrics`.
  static ByteCounts counts_in(Metrics& metrics);

  explicit ApiService(ApiServer& server) : server_(server) {}
  Task<Response> handle(Request& request) const override;

 private:
  ApiServer& server_;
};

}  // namespace sluice
