#include "filters/jwt/remote_keys.h"

#include <gtest/gtest.h>

#include "clients/testing.h"
#include "engines/jose/sign.h"
#include "engines/jose/test_keys.h"
#include "filters/jwt/filter.h"
#include "http/body_budget.h"
#include "io/testing.h"
#include "pipeline/testing.h"

namespace sluice {
namespace {

using jose::kTestSecret;

const std::string kOldSecret = std::string(kTestSecret) + "-old";
const std::string kNewSecret = std::string(kTestSecret) + "-new";

std::string key(std::string_view kid, std::string_view secret) {
  return fmt::format(R"({{"kty":"oct","kid":"{}","k":"{}"}})", kid, base64url_encode(secret));
}
std::string key_set(const std::vector<std::string>& keys) {
  return fmt::format(R"({{"keys":[{}]}})", fmt::join(keys, ","));
}
std::string token(std::string_view kid, std::string_view secret, std::string_view payload = R"({"iss":"me"})") {
  return *jose::sign(payload, "HS256", secret, kid);
}
const std::string kOld = token("old", kOldSecret);
const std::string kNew = token("new", kNewSecret);

// A gateway whose keys are at http://id.test/keys, by way of an Upstream that is played in memory.
struct Gateway final : FilterHarness, References {
  explicit Gateway(std::string_view more = "") : FilterHarness(jwt_filter()) {
    references = this;
    workers = {id.place};
    serve(key_set({key("old", kOldSecret)}));
    EXPECT_EQ(use(more), "");
  }
  ~Gateway() { clear(); }

  std::string use(std::string_view more, std::string_view upstream = "id") {
    return virtual_host(
        fmt::format("jwt: {{providers: {{p: {{issuer: me, jwks: {{remote: {{url: 'http://id.test:81/keys?a=b', "
                    "upstreamRef: {{name: {}, namespace: infra}}{}{}}}}}}}}}}}",
                    upstream, more.empty() ? "" : ", ", more));
  }
  Result<UpstreamEnd> upstream(const ObjectRef& ref) override {
    if (ref.name != "id") return invalid("there is none");
    return UpstreamEnd{id.end, fmt::format("id {}", edits), id_speaks_tls, id_takes_any_certificate};
  }
  Result<ObjectData> secret(const ObjectRef&) override { return invalid("no"); }
  Result<ObjectData> config_map(const ObjectRef&) override { return invalid("no"); }
  Result<FileData> file(const std::string&, size_t) override { return invalid("no"); }

  // From now on the URL gives this.
  void serve(std::string body, std::string_view status = "200 OK") {
    id.server.answer = [text = http_answer(body, status)](const std::string&) { return text; };
  }
  void go_silent() {
    id.server.answer = [](const std::string&) { return ""; };
  }
  size_t fetches() const { return id.server.requests.size(); }
  // The body of the answer to a request with that token; "ok" when it came through.
  std::string ask(std::string_view text) {
    return send({.headers = {{"authorization", fmt::format("Bearer {}", text)}}}).body;
  }
  void pass(Nanos time) {
    for (; time > 0s; time -= 100ms) {
      loop.advance(100ms);
      settle_in_memory(loop);
    }
  }
  int64_t count(std::string_view name) const {
    for (const auto& family : metrics.collect())
      if (family.name == name) return family.samples.at(0).value;
    return -1;
  }

  MemoryUpstream id{loops, metrics};
  int edits = 0;  // of the Upstream
  bool id_speaks_tls = false;
  bool id_takes_any_certificate = false;
};

// One request among several at once.
struct Visit {
  Visit(Gateway& g, std::string_view bearer) : gateway(g) {
    request.method = "GET";
    request.path = "/";
    request.authority = "api.test";
    request.background = &background;
    request.route.chain = &gateway.chain();
    request.headers.add(Known::authorization, arena.concat("Bearer ", bearer));
    request.headers.add("traceparent", "00-1-2-01");
    runner.start(run());
  }
  ~Visit() {
    runner.cancel();
    CHECK(turn_until(gateway.loop, [&] { return !runner.running(); }));
    arena.reset();
  }
  Task<void> run() {
    auto handling = run_chain(request);
    const Response response = CO_TRY(co_await handling);
    status = response.status;
    co_return Status{};
  }
  bool waits() { return runner.running(); }

  Gateway& gateway;
  Arena arena;
  StreamInfo info;
  TaskGroup background;
  Request request{arena, gateway.loop, info};
  int status = 0;
  Runner runner{this, [](void*, Result<void>) {}};
};

// 256 fetches of others are under way.
TEST(RemoteKeys, wait_for_a_place_among_the_fetches_without_counting_as_failed) {
  Gateway gateway;
  const ClientMetrics all(gateway.metrics, "jwks");
  all.active->add(256);
  Visit visit(gateway, kOld);
  gateway.pass(3s);
  EXPECT_TRUE(visit.waits());
  EXPECT_EQ(gateway.fetches(), 0);
  EXPECT_EQ(gateway.count("envoy_http_jwt_authn_jwks_fetch_failed"), 0);
  EXPECT_GT(gateway.count("sluice_client_calls_refused_total"), 10);
  all.active->add(-256);
  gateway.pass(300ms);
  EXPECT_EQ(visit.status, 200);

  Gateway full;
  const ClientMetrics others(full.metrics, "jwks");
  others.active->add(256);
  Visit in_vain(full, kOld);
  full.pass(6s);
  EXPECT_EQ(in_vain.status, 401);
  EXPECT_EQ(full.count("envoy_http_jwt_authn_jwks_fetch_failed"), 1);
  others.active->add(-256);
}

// Only a fetch that was not made is made again at once.
TEST(RemoteKeys, are_fetched_again_only_after_a_pause_where_there_is_no_memory_for_them) {
  Gateway gateway;
  gateway.serve(std::string(200U << 10, ' '));
  BodyBudget budget(64U << 10, gateway.metrics);
  const HttpClient client(gateway.id.end, ClientMetrics(gateway.metrics, "jwks"), {.bodies = &budget});
  auto keys = jwt::RemoteKeys::create({.url = "http://id.test/k", .authority = "id.test", .path = "/k"}, client,
                                      gateway.loops, gateway.workers, jwt::JwksMetrics(gateway.metrics));
  keys->prepare([] {});
  settle_in_memory(gateway.loop);
  EXPECT_EQ(gateway.count("envoy_http_jwt_authn_jwks_fetch_failed"), 1);
  gateway.pass(900ms);
  EXPECT_EQ(gateway.fetches(), 1);
  gateway.pass(200ms);
  EXPECT_EQ(gateway.fetches(), 2);
  keys.reset();
  settle_in_memory(gateway.loop);
}

TEST(RemoteKeys, are_fetched_when_a_request_needs_them_and_not_before) {
  Gateway gateway;
  gateway.pass(1s);
  EXPECT_EQ(gateway.fetches(), 0);
  EXPECT_EQ(gateway.ask(kOld), "ok");
  EXPECT_EQ(gateway.ask(kOld), "ok");
  ASSERT_EQ(gateway.fetches(), 1);
  EXPECT_EQ(gateway.id.server.requests[0], "GET /keys?a=b HTTP/1.1\r\nhost: id.test:81\r\n\r\n");
  EXPECT_EQ(gateway.count("envoy_http_jwt_authn_jwks_fetch_success"), 1);
  EXPECT_EQ(gateway.count("envoy_http_jwt_authn_jwt_cache_hit"), 1);
}

TEST(RemoteKeys, are_not_fetched_for_what_no_key_could_make_good) {
  Gateway gateway;
  EXPECT_EQ(gateway.send({}).body, "Jwt is missing");
  EXPECT_EQ(gateway.ask("garbage"), "Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections");
  EXPECT_EQ(gateway.ask(token("old", kOldSecret, R"({"iss":"you"})")), "Jwt issuer is not configured");
  EXPECT_EQ(gateway.ask(token("old", kOldSecret, R"({"iss":"me","exp":1})")), "Jwt is expired");
  EXPECT_EQ(gateway.fetches(), 0);
}

TEST(RemoteKeys, are_fetched_once_for_all_that_wait_for_them) {
  Gateway gateway;
  gateway.go_silent();
  {
    std::list<Visit> visits;
    for (int i = 0; i < 500; ++i) visits.emplace_back(gateway, kOld);
    settle_in_memory(gateway.loop);
    EXPECT_EQ(gateway.count("sluice_jwks_waiting"), 500);
    ASSERT_EQ(gateway.fetches(), 1);
    EXPECT_NE(gateway.id.server.requests[0].find("traceparent: 00-1-2-01\r\n"), std::string::npos);
    gateway.id.server.say(http_answer(key_set({key("old", kOldSecret)})));
    settle_in_memory(gateway.loop);
    for (Visit& visit : visits) EXPECT_EQ(visit.status, 200);
  }
  EXPECT_EQ(gateway.fetches(), 1);
  EXPECT_EQ(gateway.count("sluice_jwks_waiting"), 0);
}

TEST(RemoteKeys, are_not_waited_for_by_more_requests_than_the_bound) {
  Gateway gateway;
  gateway.go_silent();
  std::list<Visit> visits;
  for (size_t i = 0; i < jwt::RemoteKeys::kWaitingMax; ++i) visits.emplace_back(gateway, kOld);
  settle_in_memory(gateway.loop);
  EXPECT_TRUE(visits.back().waits());
  const Visit one_more(gateway, kOld);
  EXPECT_EQ(one_more.status, 401);
  EXPECT_EQ(gateway.count("sluice_jwks_waiting_refused_total"), 1);
}

TEST(RemoteKeys, let_a_client_that_leaves_go_and_serve_the_others) {
  Gateway gateway;
  gateway.go_silent();
  auto leaving = std::make_unique<Visit>(gateway, kOld);
  Visit staying(gateway, kOld);
  settle_in_memory(gateway.loop);
  leaving.reset();
  EXPECT_EQ(gateway.count("sluice_jwks_waiting"), 1);
  gateway.id.server.say(http_answer(key_set({key("old", kOldSecret)})));
  settle_in_memory(gateway.loop);
  EXPECT_EQ(staying.status, 200);
}

TEST(RemoteKeys, refuse_tokens_in_envoys_words_when_they_cannot_be_fetched) {
  const struct {
    std::string what;
    std::string body;
    std::string_view status = "200 OK";
  } rows[] = {
      {"an error", key_set({key("old", kOldSecret)}), "500 Internal Server Error"},
      {"a redirect", key_set({key("old", kOldSecret)}), "302 Found"},
      {"nothing", ""},
      {"garbage", "<html>"},
      {"json that is no set", "{}"},
      {"one key that is no set", key("old", kOldSecret)},
      {"a PEM key", jose::test_key("P-256").public_pem},
      {"no keys", key_set({})},
      {"keys that cannot be used", R"({"keys":[{"kty":"new"}]})"},
      {"too much", std::string(jose::KeySet::kTextBytesMax + 1, ' ')},
      {"too many keys", key_set(std::vector<std::string>(jose::KeySet::kKeysMax + 1, key("old", kOldSecret)))},
  };
  for (const auto& row : rows) {
    Gateway gateway;
    gateway.serve(row.body, row.status);
    const auto answer = gateway.send({.headers = {{"authorization", "Bearer " + kOld}}});
    EXPECT_EQ(answer.status, 401) << row.what;
    EXPECT_EQ(answer.body, "Jwks remote fetch is failed") << row.what;
    EXPECT_EQ(answer.details, "jwt_authn_access_denied{Jwks_remote_fetch_is_failed}") << row.what;
    EXPECT_EQ(gateway.count("envoy_http_jwt_authn_jwks_fetch_failed"), 1) << row.what;
    EXPECT_EQ(gateway.count("sluice_jwks_missing"), 1) << row.what;
  }
}

TEST(RemoteKeys, are_refused_at_once_after_a_failure_and_fetched_again_after_a_pause) {
  Gateway gateway;
  gateway.id.server.refuses = true;
  EXPECT_EQ(gateway.ask(kOld), "Jwks remote fetch is failed");
  gateway.id.server.refuses = false;
  EXPECT_EQ(gateway.ask(kOld), "Jwks remote fetch is failed");
  EXPECT_EQ(gateway.fetches(), 0);
  gateway.pass(1100ms);
  EXPECT_EQ(gateway.fetches(), 1) << "without anybody asking";
  EXPECT_EQ(gateway.ask(kOld), "ok");
  EXPECT_EQ(gateway.count("sluice_jwks_missing"), 0);
}

TEST(RemoteKeys, are_not_waited_for_longer_than_a_fetch_may_take) {
  Gateway gateway;
  gateway.go_silent();
  Visit visit(gateway, kOld);
  gateway.pass(4900ms);
  EXPECT_TRUE(visit.waits());
  gateway.pass(200ms);
  EXPECT_EQ(visit.status, 401);
  EXPECT_EQ(gateway.count("sluice_client_failures_total"), 1);
}

TEST(RemoteKeys, are_fetched_again_before_they_are_old_while_requests_go_on) {
  Gateway gateway("cacheDuration: 20s");
  EXPECT_EQ(gateway.ask(kOld), "ok");
  gateway.pass(17900ms);
  EXPECT_EQ(gateway.fetches(), 1);
  gateway.go_silent();
  gateway.pass(200ms);
  EXPECT_EQ(gateway.fetches(), 2);
  Visit visit(gateway, kOld);
  EXPECT_EQ(visit.status, 200) << "it waits for no refresh";
}

TEST(RemoteKeys, that_were_taken_away_count_no_more_after_a_refresh) {
  Gateway gateway("cacheDuration: 20s");
  EXPECT_EQ(gateway.ask(kOld), "ok");
  gateway.serve(key_set({key("new", kNewSecret)}));
  EXPECT_EQ(gateway.ask(kOld), "ok");
  gateway.pass(18100ms);
  EXPECT_EQ(gateway.ask(kOld), "Jwks doesn't have key to match kid or alg from Jwt") << "nor is the token remembered";
  EXPECT_EQ(gateway.ask(kNew), "ok");
}

TEST(RemoteKeys, are_fetched_for_a_key_that_is_not_known) {
  Gateway gateway;
  EXPECT_EQ(gateway.ask(kOld), "ok");
  gateway.serve(key_set({key("old", kOldSecret), key("new", kNewSecret)}));
  EXPECT_EQ(gateway.ask(kNew), "ok");
  EXPECT_EQ(gateway.ask(kOld), "ok");
  EXPECT_EQ(gateway.fetches(), 2);
}

TEST(RemoteKeys, are_not_fetched_for_every_key_that_somebody_makes_up) {
  Gateway gateway;
  EXPECT_EQ(gateway.ask(kOld), "ok");
  for (int i = 0; i < 100; ++i)
    EXPECT_EQ(gateway.ask(token(fmt::format("x{}", i), kNewSecret)),
              "Jwks doesn't have key to match kid or alg from Jwt");
  EXPECT_EQ(gateway.fetches(), 2);
  EXPECT_EQ(gateway.count("sluice_jwks_unknown_key_limited_total"), 99);
  EXPECT_EQ(gateway.ask(kOld), "ok");
  gateway.pass(10s);
  gateway.ask(token("y", kNewSecret));
  EXPECT_EQ(gateway.fetches(), 3);
}

TEST(RemoteKeys, count_on_when_no_newer_can_be_fetched_and_not_for_ever) {
  Gateway gateway("cacheDuration: 20s");
  EXPECT_EQ(gateway.ask(kOld), "ok");
  gateway.id.server.refuses = true;
  gateway.id.server.hang_up();
  gateway.pass(30s);
  EXPECT_EQ(gateway.ask(kOld), "ok");
  EXPECT_EQ(gateway.count("sluice_jwks_stale"), 1);
  EXPECT_GT(gateway.count("envoy_http_jwt_authn_jwks_fetch_failed"), 2);
  gateway.loop.advance(1h);
  settle_in_memory(gateway.loop);
  EXPECT_EQ(gateway.ask(kOld), "Jwks remote fetch is failed");
  EXPECT_EQ(gateway.count("sluice_jwks_stale"), 0);
  EXPECT_EQ(gateway.count("sluice_jwks_missing"), 1);
  gateway.id.server.refuses = false;
  gateway.pass(10s);
  EXPECT_EQ(gateway.ask(kOld), "ok");
}

TEST(RemoteKeys, stay_when_an_equal_configuration_comes_and_are_fetched_anew_for_another_upstream) {
  Gateway gateway;
  EXPECT_EQ(gateway.ask(kOld), "ok");
  EXPECT_EQ(gateway.use("cacheDuration: 300s"), "");
  EXPECT_EQ(gateway.ask(kOld), "ok");
  EXPECT_EQ(gateway.fetches(), 1);
  ++gateway.edits;
  EXPECT_EQ(gateway.use(""), "");
  EXPECT_EQ(gateway.ask(kOld), "ok");
  EXPECT_EQ(gateway.fetches(), 2);
}

TEST(RemoteKeys, end_with_their_filter_whatever_is_under_way) {
  Gateway gateway;
  gateway.go_silent();
  std::make_unique<Visit>(gateway, kOld).reset();
  settle_in_memory(gateway.loop);
  EXPECT_EQ(gateway.count("sluice_client_calls_active"), 1);
  gateway.clear();
  settle_in_memory(gateway.loop);
  EXPECT_EQ(gateway.count("sluice_client_calls_active"), 0);
  gateway.pass(10s);
  EXPECT_EQ(gateway.fetches(), 1);
}

TEST(RemoteKeys, have_an_upstream_or_are_refused) {
  Gateway gateway;
  EXPECT_EQ(gateway.use("", "gone"), "jwt: providers.p.jwks.remote.upstreamRef: there is none");
}

TEST(RemoteKeys, warn_that_https_alone_makes_no_tls_where_the_upstream_has_none) {
  Gateway gateway;
  const auto warnings = [&gateway](std::string_view url) {
    EXPECT_EQ(gateway.virtual_host(fmt::format("jwt: {{providers: {{p: {{jwks: {{remote: {{url: '{}', upstreamRef: "
                                               "{{name: id, namespace: infra}}}}}}}}}}}}",
                                               url)),
              "");
    return gateway.warnings.empty() ? "" : gateway.warnings.front();
  };
  EXPECT_EQ(warnings("http://id.test"), "");
  EXPECT_TRUE(
      warnings("https://id.test").starts_with("jwt: providers.p.jwks.remote.url: https does not make the fetch"));
  EXPECT_EQ(gateway.ask(kOld), "ok");
  EXPECT_EQ(gateway.id.server.requests.at(0), "GET / HTTP/1.1\r\nhost: id.test\r\n\r\n");
  gateway.id_speaks_tls = true;
  EXPECT_EQ(warnings("https://id.test"), "");
  gateway.id_takes_any_certificate = true;
  EXPECT_TRUE(warnings("https://id.test")
                  .starts_with("jwt: providers.p.jwks.remote.upstreamRef: the Upstream takes any certificate"));
}

// What is told of fetching ahead, and whether the listener waits.
struct Ahead {
  explicit Ahead(Gateway& gateway) {
    for (const auto& [what, waits] : gateway.preparations) {
      listener_waits = waits;
      what->prepare([this] { settled = true; });
    }
    settle_in_memory(gateway.loop);
  }
  bool listener_waits = false;
  bool settled = false;
};

TEST(RemoteKeys, are_fetched_ahead_when_told) {
  Gateway gateway("asyncFetch: {}");
  const Ahead ahead(gateway);
  EXPECT_TRUE(ahead.listener_waits);
  EXPECT_TRUE(ahead.settled);
  EXPECT_EQ(gateway.fetches(), 1);
  EXPECT_EQ(Visit(gateway, kOld).status, 200) << "without waiting";
  EXPECT_TRUE(Ahead(gateway).settled);
  EXPECT_EQ(gateway.fetches(), 1);
}

TEST(RemoteKeys, keep_no_listener_waiting_that_is_to_be_fast) {
  Gateway gateway("asyncFetch: {fastListener: true}");
  EXPECT_EQ(gateway.preparations.size(), 1);
  EXPECT_FALSE(Ahead(gateway).listener_waits);
}

TEST(RemoteKeys, keep_no_listener_waiting_longer_than_a_fetch_may_take) {
  Gateway gateway("asyncFetch: {}");
  gateway.go_silent();
  const Ahead ahead(gateway);
  EXPECT_FALSE(ahead.settled);
  gateway.pass(5100ms);
  EXPECT_TRUE(ahead.settled);
  EXPECT_EQ(Visit(gateway, kOld).status, 401);
}

// The places that they wait for do not lengthen the fetch.
TEST(RemoteKeys, are_waited_for_no_longer_when_their_fetch_waited_for_a_place) {
  Gateway gateway("asyncFetch: {}");
  gateway.go_silent();
  const ClientMetrics all(gateway.metrics, "jwks");
  all.active->add(256);
  const Ahead ahead(gateway);
  gateway.pass(3s);
  all.active->add(-256);
  gateway.pass(1900ms);
  EXPECT_EQ(gateway.fetches(), 1);
  EXPECT_FALSE(ahead.settled);
  gateway.pass(200ms);
  EXPECT_TRUE(ahead.settled);
  EXPECT_EQ(gateway.count("envoy_http_jwt_authn_jwks_fetch_failed"), 1);
}

}  // namespace
}  // namespace sluice
