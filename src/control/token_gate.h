// In front of the admin pages or the API where they are open beyond loopback: answers 401 to callers without a token.
#pragma once

#include <memory>
#include <string>

#include "control/own_access.h"
#include "pipeline/service.h"

namespace sluice {

class TokenGate final : public AnsweringService {
 public:
  // How callers without a token are answered: as those of the service behind understand it.
  struct Refusal {
    std::string content_type;
    std::string body;
  };
  static std::vector<MetricFamily> metrics();
  static Refusal refusal_of_pages();
  static Refusal refusal_of_api();  // a Status of Kubernetes

  // `port`: "admin", in logs and metrics. `access` outlives this.
  TokenGate(std::string port, std::shared_ptr<const Service> behind, const OwnAccess& access, Refusal refusal,
            Metrics& metrics);
  Task<Response> handle(Request& request) const override;

 private:
  const std::string port_;
  const std::shared_ptr<const Service> behind_;
  const OwnAccess& access_;
  const Refusal refusal_;
  Counter* const refused_;
};

}  // namespace sluice
