// Loading: 1 MiB of 200 VirtualServices, and parsing alone.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include "config/load.h"

namespace sluice {
namespace {

std::string virtual_services(int n, size_t bytes) {
  std::string out;
  for (int i = 0; i < n; ++i) {
    out += fmt::format(
        "apiVersion: gateway.solo.io/v1\nkind: VirtualService\nmetadata:\n  name: vs-{0}\n  namespace: gloo-system\n"
        "spec:\n  virtualHost:\n    domains:\n      - host-{0}.example.com\n    routes:\n",
        i);
    for (int j = 0; out.size() < bytes / static_cast<size_t>(n) * static_cast<size_t>(i + 1); ++j)
      out += fmt::format(
          "      - matchers:\n          - prefix: /path/{0}\n            headers:\n              - name: x-tenant\n"
          "                value: tenant-{0}\n        routeAction:\n          single:\n            upstream:\n"
          "              name: upstream-{0}\n        options:\n          timeout: 5s\n          prefixRewrite: \"/\"\n",
          j);
    out += "---\n";
  }
  return out;
}

void parse(benchmark::State& state) {
  const std::string text = virtual_services(200, 1 << 20);
  for (auto _ : state) benchmark::DoNotOptimize(parse_documents(text));
  state.SetBytesProcessed(static_cast<int64_t>(text.size() * state.iterations()));
}
BENCHMARK(parse)->Unit(benchmark::kMillisecond);

void load(benchmark::State& state) {
  const ConfigFile files[] = {{"all.yaml", virtual_services(200, 1 << 20)}};
  for (auto _ : state) {
    const LoadedConfig config = load_config(files, {});
    if (config.objects.size() != 200 || config.diagnostics.errors() != 0) state.SkipWithError("not loaded");
  }
  state.SetBytesProcessed(static_cast<int64_t>(files[0].bytes.size() * state.iterations()));
}
BENCHMARK(load)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace sluice
