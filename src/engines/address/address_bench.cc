#include <benchmark/benchmark.h>

#include "engines/address/authority.h"
#include "engines/address/rules.h"

namespace sluice {
namespace {

void parse_a_destination(benchmark::State& state) {
  HostScratch scratch;
  const std::string text = "tenant-1.mypaas.test:18081";
  for (auto _ : state) benchmark::DoNotOptimize(parse_authority(text, scratch));
}
BENCHMARK(parse_a_destination)->MinTime(0.3);

void decide(benchmark::State& state, const char* text) {
  const auto rules = *AddressRules::compile(
      {{.name = "lab", .rules = {{"lab-backends", RuleAction::allow, {"loopback", "10.0.0.0/8"}}}}}, {}, {8080, 19000});
  const IpAddress address = *IpAddress::parse(text);
  for (auto _ : state) benchmark::DoNotOptimize(rules.decide(address, 18081));
}
BENCHMARK_CAPTURE(decide, loopback, "127.0.0.1")->MinTime(0.3);
BENCHMARK_CAPTURE(decide, global, "8.8.8.8")->MinTime(0.3);
BENCHMARK_CAPTURE(decide, global6, "2600::1")->MinTime(0.3);

}  // namespace
}  // namespace sluice
