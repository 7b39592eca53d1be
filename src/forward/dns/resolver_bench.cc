#include "forward/dns/resolver.h"

#include <benchmark/benchmark.h>
#include <fmt/format.h>

namespace sluice {
namespace {

// A hit on one of so many known names, one after the other: what a request on a warm dynamic route pays for DNS.
void cached_name(benchmark::State& state) {
  Loop loop;
  const OwnedLoops loops({&loop});
  ResolverPool pool(loops);
  ResolverConfig config;
  std::vector<std::string> names;
  for (int i = 0; i < state.range(0); ++i) {
    names.push_back(fmt::format("tenant-{}.mypaas.test", i));
    config.hosts[names.back()] = {IpAddress::v4(10, 0, 0, 1)};
  }
  config.names.hosts_max = names.size();
  const auto view = pool.make(std::move(config));
  for (const std::string& name : names) (void)view->here().resolve(name).take();
  size_t at = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(view->here().cached(names[at]));
    at = at + 1 == names.size() ? 0 : at + 1;
  }
}
BENCHMARK(cached_name)->Arg(1)->Arg(1000)->Arg(100000)->MinTime(0.5);

}  // namespace
}  // namespace sluice
