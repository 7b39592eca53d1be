#include "filters/health_check/filter.h"

namespace sluice::health_check {
namespace {

class Factory final : public FilterFactory {
 public:
  std::string_view name() const override { return "health_check"; }
  std::vector<Stage> stages() const override { return {Stage::health_check}; }
  std::vector<OptionField> option_fields() const override {
    return {option_field<Options>("healthCheck", OptionLevel::listener,
                                  "Answers a path by itself, whatever the host: 200, or 503 while this stops.")};
  }

  Result<std::vector<StagedFilter>> build(const FilterBuild& build) const override {
    const auto* options = build.listener ? build.listener->get<Options>("healthCheck") : nullptr;
    if (!options) return std::vector<StagedFilter>{};
    const auto make = [&] { return std::make_shared<HealthCheckFilter>(options->path); };
    return std::vector<StagedFilter>{
        {Stage::health_check, build.share<HealthCheckFilter>("health check", options->path, make)}};
  }
};

}  // namespace

void bind(Fields& f, Options& o) {
  f.required("path", o.path, "The path that is answered, all of it with its query.");
  if (!f.present("path")) return;
  f.check(!o.path.empty(), "path", "health check path cannot be \"\"");
  f.check(o.path.empty() || o.path.starts_with('/'), "path", "must begin with \"/\", as every path does");
}

Task<Response> HealthCheckFilter::handle(Request& request, Next next) const {
  if (request.path != path_) return next(request);
  if (request.client && request.client->draining()) return local_reply(request, 503, "", "health_check_failed");
  return local_reply(request, 200, "", "health_check_ok");
}

}  // namespace sluice::health_check

namespace sluice {

const FilterFactory& health_check_filter() {
  static const health_check::Factory factory;
  return factory;
}

}  // namespace sluice
