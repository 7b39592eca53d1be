#include <benchmark/benchmark.h>

#include "io/loop.h"
#include "route/route_table.h"

namespace sluice {
namespace {

std::unique_ptr<const RouteTable> table_of(int hosts) {
  std::vector<VirtualHostPtr> all;
  for (int i = 0; i < hosts; ++i) {
    VirtualHostEntry host{"vh", {"tenant-" + std::to_string(i) + ".mypaas.test"}, {}};
    host.add(std::make_unique<RouteEntry>());
    all.push_back(std::make_shared<const VirtualHostEntry>(std::move(host)));
  }
  VirtualHostEntry wild{"wild", {"*.mypaas.test"}, {}};
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

}  // namespace
}  // namespace sluice
