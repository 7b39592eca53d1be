#include <benchmark/benchmark.h>

#include "io/loop.h"
#include "route/route_table.h"

namespace sluice {
namespace {

std::unique_ptr<const RouteTable> table_of(int hosts) {
  std::vector<VirtualHostPtr> all;
  for (int i = 0; i < hosts; ++i) {
    VirtualHostEntry host{.name = "vh", .domains = {"tenant-" + std::to_string(i) + ".mypaas.test"}};
    host.add(std::make_unique<RouteEntry>());
    all.push_back(std::make_shared<const VirtualHostEntry>(std::move(host)));
  }
  VirtualHostEntry wild{.name = "wild", .domains = {"*.mypaas.test"}};
  wild.add(std::make_unique<RouteEntry>());
  all.push_back(std::make_shared<const VirtualHostEntry>(std::move(wild)));
  return *RouteTable::create(std::move(all));
}

void find(benchmark::State& state, std::string_view authority) {
  const auto table = table_of(static_cast<int>(state.range(0)));
  Loop loop;
  Arena arena;
  StreamInfo info;
  Request request(arena, loop, info);
  request.method = "GET";
  request.path = "/get?x=1";
  request.authority = authority;
  for (auto _ : state) benchmark::DoNotOptimize(table->find(request));
}
BENCHMARK_CAPTURE(find, exact, "tenant-0.mypaas.test")->Arg(1)->Arg(10000);
BENCHMARK_CAPTURE(find, wildcard, "somebody-else.mypaas.test")->Arg(1)->Arg(10000);

// 100,000 routes: `hosts` with so many each; the path's route is the last of its host but one.
void choose(benchmark::State& state) {
  const auto hosts = state.range(0), routes = 100'000 / hosts;
  std::vector<VirtualHostPtr> all;
  for (int64_t i = 0; i < hosts; ++i) {
    VirtualHostEntry host{.name = "vh", .domains = {"tenant-" + std::to_string(i) + ".mypaas.test"}};
    for (int64_t k = 1; k < routes; ++k) {
      auto route = std::make_unique<RouteEntry>();
      route->matcher = *RequestMatcher::compile({.path = "/api/v1/service-" + std::to_string(k) + "/"});
      host.add(std::move(route));
    }
    host.add(std::make_unique<RouteEntry>());
    host.index();
    all.push_back(std::make_shared<const VirtualHostEntry>(std::move(host)));
  }
  const auto table = *RouteTable::create(std::move(all));
  std::vector<std::string> authorities, paths;
  for (int i = 0; i < 1000; ++i) {
    authorities.push_back("tenant-" + std::to_string(i * 7919 % hosts) + ".mypaas.test");
    paths.push_back("/api/v1/service-" + std::to_string(1 + i * 7919 % (routes - 1)) + "/orders?page=2");
  }
  Loop loop;
  Arena arena;
  StreamInfo info;
  Request request(arena, loop, info);
  request.method = "GET";
  size_t at = 0;
  for (auto _ : state) {
    request.authority = authorities[at];
    request.path = paths[at];
    const RouteSearch found = table->find(request);
    if (!found.route || found.route->matcher.path() == "/") state.SkipWithError("the wrong route");
    at = at + 1 == authorities.size() ? 0 : at + 1;
  }
}
BENCHMARK(choose)->Arg(10000)->Arg(100)->Arg(1);

}  // namespace
}  // namespace sluice
