// Throughput of masking: bytes per second on bodies of a few kinds, in one piece and as a stream.
#include <benchmark/benchmark.h>

#include "engines/masking/test_kit.h"

namespace sluice::masking {
namespace {

std::shared_ptr<const Rules> builtins() {
  return *Rules::compile(std::vector<Action>{{Builtin::ssn}, {Builtin::all_credit_cards}});
}

std::string repeat(std::string_view line, size_t bytes) {
  std::string text;
  while (text.size() < bytes) text += line;
  return text;
}

constexpr std::string_view kProse =
    "The quick brown fox jumps over the lazy dog, and nobody is any the wiser for it.\n";
constexpr std::string_view kJson =
    R"({"id":18446744073709551615,"name":"Jane Doe","created":"2026-11-23T10:04:29.123Z","price":12.5,"tags":["a","b"],)"
    R"("address":{"street":"12 Main Street","zip":"90210"},"uuid":"3f2504e0-4f89-11d3-9a0c-0305e82c3301"},)";
constexpr std::string_view kNumbers = "12,345,6789,1 23 4567 89012,1700000000000,4.25,-17,99 100 1234 5678\n";
constexpr std::string_view kSecrets = R"({"ssn":"123-45-6789","card":"4111-1111-1111-1111","note":"nothing"},)";

void mask_whole(benchmark::State& state, const std::shared_ptr<const Rules>& rules, std::string_view line) {
  const std::string body = repeat(line, static_cast<size_t>(state.range(0)));
  std::string work = body;
  std::vector<uint64_t> counts(rules->counter_names().size());
  for (auto _ : state) {
    if (!rules->mask_whole(work, counts)) state.SkipWithError("too costly");
    benchmark::DoNotOptimize(work.data());
  }
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations()) * static_cast<int64_t>(body.size()));
}

void fresh_secrets(benchmark::State& state) {
  const auto rules = builtins();
  const std::string body = repeat(kSecrets, static_cast<size_t>(state.range(0)));
  std::vector<uint64_t> counts(rules->counter_names().size());
  std::string work;
  for (auto _ : state) {
    work = body;
    if (!rules->mask_whole(work, counts)) state.SkipWithError("too costly");
    benchmark::DoNotOptimize(work.data());
  }
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations()) * static_cast<int64_t>(body.size()));
}

void stream(benchmark::State& state, const std::shared_ptr<const Rules>& rules, std::string_view line) {
  const std::string body = repeat(line, 1 << 20);
  std::string work = body;
  std::vector<uint64_t> counts(rules->counter_names().size());
  const auto piece = static_cast<size_t>(state.range(0));
  for (auto _ : state) {
    Masker masker(rules, 1 << 20, counts);
    for (size_t at = 0; at < work.size(); at += piece) {
      const auto output = masker.feed(std::span(work).subspan(at, std::min(piece, work.size() - at)));
      benchmark::DoNotOptimize(output->size());
    }
    benchmark::DoNotOptimize(masker.feed({}, End::final)->size());
  }
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations()) * static_cast<int64_t>(body.size()));
}

const auto kCustom = *Rules::compile(std::vector<Action>{{Custom{"c", {{R"re("acct":"(\w{1,30})")re", 1}}}}});

BENCHMARK_CAPTURE(mask_whole, prose, builtins(), kProse)->Arg(1024)->Arg(64 * 1024);
BENCHMARK_CAPTURE(mask_whole, json, builtins(), kJson)->Arg(1024)->Arg(64 * 1024);
BENCHMARK_CAPTURE(mask_whole, numbers, builtins(), kNumbers)->Arg(64 * 1024);
BENCHMARK_CAPTURE(mask_whole, custom_json, kCustom, kJson)->Arg(64 * 1024);
BENCHMARK(fresh_secrets)->Arg(256)->Arg(64 * 1024);
BENCHMARK_CAPTURE(stream, prose, builtins(), kProse)->Arg(16 * 1024);
BENCHMARK_CAPTURE(stream, json, builtins(), kJson)->Arg(16 * 1024);
BENCHMARK_CAPTURE(stream, custom_json, kCustom, kJson)->Arg(16 * 1024);

}  // namespace
}  // namespace sluice::masking
