// The built-in API as a service of a listener: translates requests to ApiServer's and streams watches.
#pragma once

#include "control/api/api_server.h"
#include "serve/listener_config.h"

namespace sluice {

class ApiService final : public Service {
 public:
  explicit ApiService(ApiServer& server) : server_(server) {}
  Task<Response> handle(Request& request) const override;

 private:
  ApiServer& server_;
};

}  // namespace sluice
