// The admin port: metrics, health, what is in force, log level, drain (design.md 2, "Admin port").
#pragma once

#include "control/api/request.h"
#include "control/certificates.h"
#include "control/host_watch.h"
#include "control/probes.h"
#include "control/store/object_store.h"
#include "control/workers.h"
#include "forward/dns/resolver.h"
#include "serve/listener_config.h"

namespace sluice {

class AdminService final : public Service {
 public:
  struct Parts {
    Metrics& metrics;  // for /clusters
    Workers& workers;
    ResolverPool& resolvers;
    const HostWatch& hosts;
    ObjectStore& store;
    std::function<std::shared_ptr<const Snapshot>()> snapshot;
    std::function<std::vector<CertificateRow>()> certificates;
    Probes probes;
    std::function<void()> drain;
    Callers callers = Callers::of_this_machine;
  };
  explicit AdminService(Parts parts) : parts_(std::move(parts)) {}

  Task<Response> handle(Request& request) const override;

 private:
  Task<Response> dns(Request& request) const;
  Response logging(Request& request) const;
  Response certs(Request& request) const;
  std::string config_dump() const;
  std::string routes() const;
  std::string listeners() const;
  std::string clusters() const;

  Parts parts_;
};

}  // namespace sluice
