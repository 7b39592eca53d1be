// Answers whoever asks whether the gateway serves: gloo-core.md 2.4, README.md beside this.
#pragma once

#include <string>

#include "pipeline/filter.h"

namespace sluice {

const FilterFactory& health_check_filter();

namespace health_check {

// `healthCheck` of a Gateway.
struct Options {
  std::string path;
};
void bind(Fields& f, Options& options);

class HealthCheckFilter final : public Filter {
 public:
  explicit HealthCheckFilter(std::string path) : path_(std::move(path)) {}
  Task<Response> handle(Request& request, Next next) const override;

 private:
  const std::string path_;
};

}  // namespace health_check
}  // namespace sluice
