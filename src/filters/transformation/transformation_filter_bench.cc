// What the main job's transformation adds to a request: a header template, nothing read.
#include <benchmark/benchmark.h>

#include "filters/transformation/filter.h"
#include "io/loop.h"

namespace sluice {
namespace {

class Upstream final : public Service {
 public:
  Task<Response> handle(Request&) const override { return Response{.status = 200}; }
};

transformation::StagedTransformations main_job() {
  transformation::TransformationOptions options;
  options.transformation_template.parse_body_behavior = transformation::ParseBody::not_at_all;
  options.transformation_template.headers = {
      {"x-mypaas-tenant-backend", {R"({{ header("x-mypaas-tenant-id") }}.mypaas.test:18081)"}}};
  transformation::RequestTransform entry;
  entry.matcher = kinds::Matcher{};
  entry.request_transformation = options;
  transformation::StagedTransformations staged;
  staged.regular = transformation::StageOptions{.request_transforms = {entry}, .response_transforms = {}};
  return staged;
}

void send(benchmark::State& state, bool with_filter) {
  OptionSet route;
  if (with_filter) route.set("stagedTransformations", main_job());
  Metrics metrics(1);
  Chain chain;
  chain.filters = *transformation_filter().build({.route = &route, .metrics = &metrics});
  chain.terminal = std::make_shared<Upstream>();

  Loop loop;
  Arena arena;
  for (auto _ : state) {
    StreamInfo info;
    Request request(arena, loop, info);
    request.path = "/";
    for (const std::string_view name : {"user-agent", "accept", "authorization", "x-a", "x-b", "x-c"})
      request.headers.add(name, "value");
    request.headers.add("x-mypaas-tenant-id", "tenant-1");
    request.route.chain = &chain;
    auto response = run_chain(request);
    benchmark::DoNotOptimize(response);
    arena.reset();
  }
}
BENCHMARK_CAPTURE(send, without_filter, false);
BENCHMARK_CAPTURE(send, main_job, true);

}  // namespace
}  // namespace sluice
