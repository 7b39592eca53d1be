// The pages that machines ask for: /metrics, /healthz, /readyz. The admin port has them, and --metrics opens a port
// that has nothing else, so that Prometheus and a kubelet may reach it from beyond loopback.
#pragma once

#include <functional>
#include <string>

#include "serve/listener_config.h"

namespace sluice {

struct Probes {
  std::function<std::string()> metrics;  // in Prometheus' text format
  std::function<bool()> ready;           // the first snapshot serves, and nothing drains
  // Lines on what is refused as its policies are not in force, and on too much to do; may be empty. Neither makes it
  // less ready: where others would get its part of the load, they would be the next.
  std::function<std::string()> notes;

  // The page for this request's path; nothing when it is none of these. Envoy's paths of the same pages are known too.
  std::optional<Response> answer(Request& request) const;
};

// These pages alone. It tells no secrets and changes nothing, so it does not ask how it was addressed; web pages are
// refused as everywhere.
class ProbeService final : public Service {
 public:
  explicit ProbeService(Probes probes) : probes_(std::move(probes)) {}
  Task<Response> handle(Request& request) const override;

 private:
  Probes probes_;
};

}  // namespace sluice
