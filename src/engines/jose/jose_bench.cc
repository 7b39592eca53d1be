#include <benchmark/benchmark.h>

#include "engines/jose/sign.h"
#include "engines/jose/test_keys.h"
#include "engines/jose/verified_tokens.h"

namespace sluice::jose {
namespace {

constexpr int64_t kNow = 1'900'000'000;
constexpr std::string_view kPayload =
    R"({"sub":"1234567890","name":"John Doe","tenantId":"tenant-1","iat":1516239022,"iss":"mypaas.io","aud":"frontend"})";

std::shared_ptr<const Provider> provider(std::string_view algorithm) {
  return std::make_shared<Provider>(
      ProviderRules{.issuer = "mypaas.io",
                    .audiences = {"frontend"},
                    .claims = {"tenantId"},
                    .keys = *KeySet::parse(test_key(key_type_for(algorithm)).public_pem)});
}

std::string token(std::string_view algorithm) {
  return *sign(kPayload, algorithm, test_key(key_type_for(algorithm)).private_pem);
}

void verify(benchmark::State& state, std::string_view algorithm) {
  Verifier verifier(provider(algorithm));
  const std::string text = token(algorithm);
  for (auto _ : state) {
    auto verified = verifier.verify(text, kNow);
    CHECK(verified.has_value());
  }
}
BENCHMARK_CAPTURE(verify, rs256, "RS256");
BENCHMARK_CAPTURE(verify, ps256, "PS256");
BENCHMARK_CAPTURE(verify, es256, "ES256");
BENCHMARK_CAPTURE(verify, eddsa, "EdDSA");

void parse_only(benchmark::State& state) {
  const std::string text = token("RS256");
  for (auto _ : state) benchmark::DoNotOptimize(parse_token(text));
}
BENCHMARK(parse_only);

void find_remembered(benchmark::State& state) {
  Verifier verifier(provider("RS256"));
  VerifiedTokens tokens({});
  const std::string text = token("RS256");
  CHECK(tokens.verify(verifier, text, kNow).has_value());
  for (auto _ : state) benchmark::DoNotOptimize(tokens.verify(verifier, text, kNow));
}
BENCHMARK(find_remembered);

}  // namespace
}  // namespace sluice::jose
