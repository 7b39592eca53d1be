// What the check adds to a request whose token is remembered: find the token, remove forged headers, set the claim's.
#include <benchmark/benchmark.h>

#include "config/kinds/proxy_settings.h"
#include "engines/jose/sign.h"
#include "engines/jose/test_keys.h"
#include "filters/jwt/filter.h"
#include "io/loop.h"

namespace sluice {
namespace {

class Upstream final : public Service {
 public:
  Task<Response> handle(Request&) const override { return Response{.status = 200}; }
};

jwt::Check check_of(const jose::TestKey& key) {
  jwt::Check check;
  jwt::Provider& provider = check.providers["mypaas"];
  provider.issuer = "mypaas.io";
  provider.audiences = {"frontend"};
  provider.keep_token = true;
  provider.token_source.headers = {{"authorization", "Bearer "}};
  provider.claims_to_headers = {{"tenantId", "x-mypaas-tenant-id", false}};
  provider.jwks.local = jwt::LocalJwks{.key = key.public_pem, .keys = *jose::KeySet::parse(key.public_pem)};
  return check;
}

void send(benchmark::State& state, uint32_t entries_max, bool with_filter) {
  const jose::TestKey& key = jose::test_key("RSA-2048");
  const std::string bearer =
      "Bearer " + *jose::sign(R"({"sub":"1234567890","name":"John Doe","tenantId":"tenant-1","iat":1516239022,)"
                              R"("iss":"mypaas.io","aud":"frontend"})",
                              "RS256", key.private_pem);
  kinds::ProxySettings settings;
  settings.jwt_cache.entries_max = entries_max;
  Metrics metrics(1);
  KeptState kept;
  Loop loop;
  const OwnedLoops loops({&loop});
  const FilterBuild build{.settings = &settings, .loops = loops, .metrics = &metrics, .kept = &kept};
  Chain chain;
  if (with_filter)
    chain.filters.push_back(
        {Stage::jwt_after,
         std::make_shared<jwt::JwtFilter>(check_of(key), jwt::RemoteKeysByProvider(), jwt::ClaimHeaders(), build)});
  chain.terminal = std::make_shared<Upstream>();

  Arena arena;
  for (auto _ : state) {
    StreamInfo info;
    Request request(arena, loop, info);
    request.path = "/";
    for (const std::string_view name : {"user-agent", "accept", "x-a", "x-b"}) request.headers.add(name, "value");
    request.headers.add("authorization", bearer);
    request.route.chain = &chain;
    auto response = run_chain(request);
    benchmark::DoNotOptimize(response);
    arena.reset();
  }
}
BENCHMARK_CAPTURE(send, without_filter, 0, false);
BENCHMARK_CAPTURE(send, token_remembered, 10'000, true);
BENCHMARK_CAPTURE(send, token_verified, 0, true);

}  // namespace
}  // namespace sluice
