// One choice: of few endpoints and of many, of equal weights and of unequal ones, with a tenth of them left out.
#include <benchmark/benchmark.h>

#include "upstream/balancer.h"

namespace sluice {
namespace {

struct World {
  bool some_out = false;
  bool tried(size_t) const { return false; }
  bool left_out(size_t i) const { return some_out && i % 10 == 0; }
  uint64_t load(size_t i) const { return i % 7; }
};

void pick(benchmark::State& state, Balancing how, bool weighted, bool some_out) {
  std::vector<uint32_t> weights(static_cast<size_t>(state.range(0)), 1);
  if (weighted)
    for (size_t i = 0; i < weights.size(); ++i) weights[i] = static_cast<uint32_t>(1 + i % 5);
  Balancer balancer(how, weights, 1);
  const World world{some_out};
  for (auto _ : state) benchmark::DoNotOptimize(balancer.pick(world));
}
BENCHMARK_CAPTURE(pick, round_robin, Balancing::round_robin, false, false)->Arg(2)->Arg(8)->Arg(1000);
BENCHMARK_CAPTURE(pick, round_robin_weighted, Balancing::round_robin, true, false)->Arg(8)->Arg(1000);
BENCHMARK_CAPTURE(pick, round_robin_some_out, Balancing::round_robin, true, true)->Arg(8)->Arg(1000);
BENCHMARK_CAPTURE(pick, least_request, Balancing::least_request, false, false)->Arg(2)->Arg(8)->Arg(1000);
BENCHMARK_CAPTURE(pick, least_request_weighted, Balancing::least_request, true, false)->Arg(8)->Arg(1000);
BENCHMARK_CAPTURE(pick, least_request_some_out, Balancing::least_request, true, true)->Arg(8)->Arg(1000);
BENCHMARK_CAPTURE(pick, random, Balancing::random, false, false)->Arg(8)->Arg(1000);

}  // namespace
}  // namespace sluice
