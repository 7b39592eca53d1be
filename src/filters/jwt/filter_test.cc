#include "filters/jwt/filter.h"

#include "engines/jose/sign.h"
#include "engines/jose/test_keys.h"
#include "pipeline/testing.h"

namespace sluice {
namespace {

using jose::kTestSecret;

// The harness's clock starts at 2030-01-01.
constexpr int64_t kNow = 1893456000;

std::string secret_key(std::string_view secret = kTestSecret) {
  return fmt::format(R"('{{"kty":"oct","k":"{}"}}')", base64url_encode(secret));
}

std::string token(std::string_view payload, std::string_view secret = kTestSecret) {
  return *jose::sign(payload, "HS256", secret);
}

// A gateway whose virtual host checks tokens of one provider.
struct Gateway : FilterHarness {
  explicit Gateway(std::string_view provider = "", std::string_view check = "") : FilterHarness(jwt_filter()) {
    EXPECT_EQ(
        virtual_host(fmt::format("jwt: {{providers: {{p: {{jwks: {{local: {{key: {}}}}}{}{}}}}}{}{}}}", secret_key(),
                                 provider.empty() ? "" : ", ", provider, check.empty() ? "" : ", ", check)),
        "");
    upstream = [this](Request& request) {
      seen_path = request.path;
      seen.clear();
      for (const HeaderField& field : request.headers) seen.emplace_back(field.name, field.value);
      payload.reset();
      if (const auto* entry = request.info.find_metadata("envoy.filters.http.jwt_authn", "principal")) {
        payload = std::string(entry->json);
      }
      return make_response(request, 200, {}, {"ok"});
    };
  }

  // All values that the upstream got, joined by "|"; "-" when none.
  std::string upstream_saw(std::string_view name) const {
    std::string all;
    for (const auto& [n, value] : seen) {
      if (n == name) all += (all.empty() ? "" : "|") + value;
    }
    return all.empty() ? "-" : all;
  }
  int64_t count(const std::string& name) const {
    for (const auto& family : metrics.collect()) {
      if (family.name == name) return family.samples.at(0).value;
    }
    return -1;
  }
  Answer send_bearer(std::string_view text, std::string path = "/") {
    return send({.path = std::move(path), .headers = {{"authorization", fmt::format("Bearer {}", text)}}});
  }

  std::string seen_path;
  std::vector<std::pair<std::string, std::string>> seen;
  std::optional<std::string> payload;
};

const std::string kJoe = R"({"iss":"me","sub":"joe"})";

TEST(JwtFilter, lets_a_valid_token_through_and_takes_it_out) {
  Gateway gateway("issuer: me");
  const auto answer = gateway.send_bearer(token(kJoe));
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(gateway.upstream_saw("authorization"), "-");
  EXPECT_EQ(gateway.payload, kJoe);
  EXPECT_EQ(gateway.count("envoy_http_jwt_authn_allowed"), 1);
}

TEST(JwtFilter, keeps_the_token_when_told) {
  Gateway gateway("keepToken: true");
  const std::string text = token(kJoe);
  gateway.send_bearer(text);
  EXPECT_EQ(gateway.upstream_saw("authorization"), "Bearer " + text);
}

TEST(JwtFilter, answers_a_missing_token_like_envoy) {
  Gateway gateway;
  const auto answer = gateway.send({.path = "/a?b=c"});
  EXPECT_EQ(answer.status, 401);
  EXPECT_EQ(answer.body, "Jwt is missing");
  EXPECT_EQ(answer.header("content-type"), "text/plain");
  EXPECT_EQ(answer.header("www-authenticate"), R"(Bearer realm="http://api.test/a?b=c")");
  EXPECT_EQ(answer.details, "jwt_authn_access_denied{Jwt_is_missing}");
  EXPECT_FALSE(answer.reached_upstream);
  EXPECT_EQ(gateway.count("envoy_http_jwt_authn_denied"), 1);
}

TEST(JwtFilter, answers_a_bad_token_with_the_reason) {
  Gateway gateway("issuer: me, audiences: [shop], clockSkewSeconds: 1");
  const struct {
    std::string token;
    uint16_t status;
    std::string body;
  } rows[] = {
      {"x", 401, "Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections"},
      {token(R"({"iss":"you","aud":"shop"})"), 401, "Jwt issuer is not configured"},
      {token(fmt::format(R"({{"iss":"me","aud":"shop","exp":{}}})", kNow - 2)), 401, "Jwt is expired"},
      {token(fmt::format(R"({{"iss":"me","aud":"shop","nbf":{}}})", kNow + 3600)), 401, "Jwt not yet valid"},
      {token(R"({"iss":"me","aud":"x"})"), 403, "Audiences in Jwt are not allowed"},
      {token(R"({"iss":"me","aud":"shop"})", std::string(40, 'x')), 401, "Jwt verification fails"},
  };
  for (const auto& row : rows) {
    const auto answer = gateway.send_bearer(row.token);
    EXPECT_EQ(answer.status, row.status) << row.body;
    EXPECT_EQ(answer.body, row.body);
    EXPECT_EQ(answer.header("www-authenticate"), R"(Bearer realm="http://api.test/", error="invalid_token")");
    std::string details = row.body;
    std::ranges::replace(details, ' ', '_');
    EXPECT_EQ(answer.details, "jwt_authn_access_denied{" + details + "}");
    EXPECT_FALSE(answer.reached_upstream);
  }
}

TEST(JwtFilter, the_realm_is_cut_and_cannot_be_broken_out_of) {
  Gateway gateway;
  EXPECT_EQ(gateway.send({.path = "/" + std::string(300, 'x')}).header("www-authenticate"),
            "Bearer realm=\"http://api.test/" + std::string(255, 'x') + "\"");
  EXPECT_EQ(gateway.send({.path = "/\", x=\"\\"}).header("www-authenticate"),
            R"(Bearer realm="http://api.test/\", x=\"\\")");
}

TEST(JwtFilter, looks_for_tokens_where_it_is_told) {
  const std::string good = token(kJoe);
  const std::string custom =
      "tokenSource: {headers: [{header: X-Tok, prefix: 'T '}, {header: x-raw}], queryParams: [t]}";
  const struct {
    std::string provider, path, header, value;
    bool found;
  } rows[] = {
      {"", "/", "authorization", "Bearer " + good, true},
      {"", "/", "authorization", "Bearer   " + good, true},
      {"", "/?access_token=" + good, "x", "y", true},
      {"", "/?a&access_token=" + good + "&b", "x", "y", true},
      {"tokenSource: {}", "/", "authorization", "Bearer " + good, true},
      {custom, "/", "x-tok", "T " + good, true},
      {custom, "/", "x-raw", good, true},
      {custom, "/?t=" + good, "x", "y", true},
      {"", "/", "authorization", "bearer " + good, false},
      {"", "/", "authorization", "Basic x, Bearer " + good, false},
      {"", "/", "authorization", good, false},
      {"", "/", "x-tok", "T " + good, false},
      {"", "/?access_tokens=" + good, "x", "y", false},
      {"", "/?Access_token=" + good, "x", "y", false},
      {"", "/access_token=" + good, "x", "y", false},
      {custom, "/", "authorization", "Bearer " + good, false},
      {custom, "/?access_token=" + good, "x", "y", false},
      {custom, "/", "x-tok", good, false},
  };
  for (const auto& row : rows) {
    Gateway gateway(row.provider);
    const auto answer = gateway.send({.path = row.path, .headers = {{row.header, row.value}}});
    EXPECT_EQ(answer.status, row.found ? 200 : 401) << row.path << " " << row.header << ": " << row.value;
    if (!row.found) EXPECT_EQ(answer.body, "Jwt is missing") << row.path << row.value;
  }
}

TEST(JwtFilter, takes_the_token_out_of_the_query_and_leaves_the_rest) {
  const std::string good = token(kJoe);
  const struct {
    std::string path, upstream;
  } rows[] = {
      {"/p?access_token=" + good, "/p"},
      {"/p?b=1&access_token=" + good + "&a=%20", "/p?b=1&a=%20"},
      {"/p?access_token=" + good + "&access_token=x&b", "/p?b"},
  };
  for (const auto& row : rows) {
    Gateway gateway;
    EXPECT_EQ(gateway.send({.path = row.path}).status, 200);
    EXPECT_EQ(gateway.seen_path, row.upstream);
  }
  Gateway keeping("keepToken: true");
  EXPECT_EQ(keeping.send({.path = rows[1].path}).status, 200);
  EXPECT_EQ(keeping.seen_path, rows[1].path);
}

TEST(JwtFilter, one_bad_token_beside_a_good_one_fails) {
  Gateway gateway;
  const std::string good = "Bearer " + token(kJoe);
  EXPECT_EQ(gateway.send({.headers = {{"authorization", good}, {"authorization", "Bearer x"}}}).status, 401);
  EXPECT_EQ(gateway.send({.headers = {{"authorization", "Bearer x"}, {"authorization", good}}}).status, 401);
  EXPECT_EQ(gateway.send({.path = "/?access_token=x", .headers = {{"authorization", good}}}).status, 401);
  EXPECT_EQ(gateway.send({.headers = {{"authorization", good}, {"authorization", good}}}).status, 200);
  EXPECT_EQ(gateway.upstream_saw("authorization"), "-");
}

TEST(JwtFilter, refuses_more_tokens_than_it_takes) {
  Gateway gateway;
  FilterHarness::Ask ask;
  for (int i = 0; i < 9; ++i) ask.headers.emplace_back("authorization", "Bearer " + token(kJoe));
  EXPECT_EQ(gateway.send(ask).status, 401);
}

TEST(JwtFilter, claims_become_headers_and_the_clients_own_are_removed) {
  const std::string provider =
      "claimsToHeaders: [{claim: sub, header: X-Sub}, {claim: org.name, header: x-org}, {claim: num, header: x-n, "
      "append: true}]";
  Gateway gateway(provider, "validationPolicy: ALLOW_MISSING_OR_FAILED");
  const std::vector<std::pair<std::string, std::string>> forged = {
      {"x-sub", "admin"}, {"x-org", "evil"}, {"x-sub", "root"}, {"x-n", "1"}, {"x-other", "o"}};
  const auto with = [&forged](std::string_view text) {
    auto headers = forged;
    if (!text.empty()) headers.emplace_back("authorization", fmt::format("Bearer {}", text));
    return FilterHarness::Ask{.headers = headers};
  };

  gateway.send(with(token(R"({"sub":"joe","org":{"name":"acme"},"num":2})")));
  EXPECT_EQ(gateway.upstream_saw("x-sub"), "joe");
  EXPECT_EQ(gateway.upstream_saw("x-org"), "acme");
  EXPECT_EQ(gateway.upstream_saw("x-n"), "1|2");
  EXPECT_EQ(gateway.upstream_saw("x-other"), "o");

  for (const std::string& text :
       {std::string(), std::string("x"), token(R"({"sub":"joe"})", std::string(40, 'x')), token(R"({"sub":""})")}) {
    EXPECT_EQ(gateway.send(with(text)).status, 200);
    EXPECT_EQ(gateway.upstream_saw("x-sub"), "-") << text;
    EXPECT_EQ(gateway.upstream_saw("x-org"), "-") << text;
    EXPECT_EQ(gateway.upstream_saw("x-n"), "1") << text;
  }
}

TEST(JwtFilter, refuses_a_good_token_whose_claim_no_header_can_carry) {
  Gateway gateway("claimsToHeaders: [{claim: sub, header: x-sub}]", "allowMissingOrFailedJwt: true");
  const auto answer = gateway.send_bearer(token(R"({"sub":"a\r\nx-org: evil"})"));
  EXPECT_EQ(answer.status, 400);
  EXPECT_EQ(answer.details, "jwt_authn_claim_refused");
  EXPECT_FALSE(answer.reached_upstream);
}

TEST(JwtFilter, the_policy_says_what_happens_without_a_good_token) {
  const std::string bad = token(kJoe, std::string(40, 'x'));
  const struct {
    std::string check;
    uint16_t missing, failed;
  } rows[] = {
      {"", 401, 401},
      {"validationPolicy: REQUIRE_VALID", 401, 401},
      {"validationPolicy: ALLOW_MISSING", 200, 401},
      {"validationPolicy: ALLOW_MISSING_OR_FAILED", 200, 200},
      {"allowMissingOrFailedJwt: true", 200, 200},
      {"allowMissingOrFailedJwt: true, validationPolicy: REQUIRE_VALID", 200, 200},
      {"allowMissingOrFailedJwt: false, validationPolicy: ALLOW_MISSING", 200, 401},
      {"allow_missing_or_failed_jwt: true", 200, 200},
  };
  for (const auto& row : rows) {
    Gateway gateway("", row.check);
    EXPECT_EQ(gateway.send({}).status, row.missing) << row.check;
    EXPECT_EQ(gateway.send_bearer(bad).status, row.failed) << row.check;
    EXPECT_EQ(gateway.send_bearer(token(kJoe)).status, 200) << row.check;
  }
}

TEST(JwtFilter, a_bad_token_that_is_let_through_stays_in_the_request_and_leaves_no_payload) {
  Gateway gateway("", "allowMissingOrFailedJwt: true");
  EXPECT_EQ(gateway.send_bearer("x.y.z").status, 200);
  EXPECT_EQ(gateway.upstream_saw("authorization"), "Bearer x.y.z");
  EXPECT_FALSE(gateway.payload);
}

TEST(JwtFilter, of_several_providers_one_success_is_enough_and_the_most_telling_failure_is_reported) {
  FilterHarness gateway(jwt_filter());
  ASSERT_EQ(gateway.virtual_host(fmt::format(R"(jwt:
  providers:
    a: {{issuer: a, jwks: {{local: {{key: {0}}}}}}}
    b: {{issuer: b, jwks: {{local: {{key: {0}}}}}}}
    c: {{issuer: c, tokenSource: {{headers: [{{header: x-c}}]}}, jwks: {{local: {{key: {1}}}}}}})",
                                             secret_key(), secret_key(std::string(40, 'c')))),
            "");
  const auto answer = [&gateway](std::string_view bearer, std::string_view c) {
    FilterHarness::Ask ask;
    if (!bearer.empty()) ask.headers.emplace_back("authorization", fmt::format("Bearer {}", bearer));
    if (!c.empty()) ask.headers.emplace_back("x-c", c);
    const auto got = gateway.send(ask);
    return got.status == 200 ? "ok" : got.body;
  };
  const std::string by_c = token(R"({"iss":"c"})", std::string(40, 'c'));
  EXPECT_EQ(answer(token(R"({"iss":"a"})"), ""), "ok");
  EXPECT_EQ(answer(token(R"({"iss":"b"})"), ""), "ok");
  EXPECT_EQ(answer("", by_c), "ok");
  EXPECT_EQ(answer("x", by_c), "ok");
  EXPECT_EQ(answer("", ""), "Jwt is missing");
  EXPECT_EQ(answer(token(R"({"iss":"z"})"), ""), "Jwt issuer is not configured");
  EXPECT_EQ(answer(token(R"({"iss":"a"})", std::string(40, 'x')), ""), "Jwt verification fails");
  EXPECT_EQ(answer(token(R"({"iss":"a","exp":1})"), ""), "Jwt is expired");
  EXPECT_EQ(answer(token(R"({"iss":"a","exp":1})"), token(R"({"iss":"c"})")), "Jwt verification fails");
  EXPECT_EQ(answer(token(R"({"iss":"c"})"), ""), "Jwt issuer is not configured");
}

TEST(JwtFilter, chooses_the_route_again_when_claim_headers_changed) {
  Gateway gateway("claimsToHeaders: [{claim: sub, header: x-sub}]", "validationPolicy: ALLOW_MISSING");
  std::vector<std::string> chosen;
  gateway.reroute = [&chosen](Request& request) {
    chosen.emplace_back(request.headers.get("x-sub").value_or("none"));
    return true;
  };
  gateway.send_bearer(token(R"({"sub":"joe"})"));
  gateway.send({});
  EXPECT_EQ(chosen, std::vector<std::string>{"joe"});
  gateway.send({.headers = {{"x-sub", "forged"}}});
  EXPECT_EQ(chosen, (std::vector<std::string>{"joe", "none"})) << "a forged header must not choose the route";
}

TEST(JwtFilter, verifies_a_token_once_and_remembers_it_over_a_new_configuration) {
  Gateway gateway("issuer: me");
  const std::string text = token(kJoe);
  EXPECT_EQ(gateway.send_bearer(text).status, 200);
  EXPECT_EQ(gateway.send_bearer(text).status, 200);
  gateway.listener("{}");  // makes the filters anew
  EXPECT_EQ(gateway.send_bearer(text).status, 200);
  EXPECT_EQ(gateway.send_bearer("x").status, 401);
  EXPECT_EQ(gateway.count("envoy_http_jwt_authn_jwt_cache_miss"), 2);
  EXPECT_EQ(gateway.count("sluice_jwt_cache_entries"), 1);
}

TEST(JwtFilter, a_remembered_token_expires_with_the_clock) {
  Gateway gateway("clockSkewSeconds: 1");
  const std::string text = token(fmt::format(R"({{"exp":{}}})", kNow + 100));
  EXPECT_EQ(gateway.send_bearer(text).status, 200);
  gateway.loop.advance(90s);
  EXPECT_EQ(gateway.send_bearer(text).status, 200);
  gateway.loop.advance(30s);
  EXPECT_EQ(gateway.send_bearer(text).body, "Jwt is expired");
}

TEST(JwtFilter, remembers_nothing_when_the_settings_say_so) {
  Gateway gateway;
  gateway.settings.jwt_cache.entries_max = 0;
  gateway.listener("{}");
  const std::string text = token(kJoe);
  EXPECT_EQ(gateway.send_bearer(text).status, 200);
  EXPECT_EQ(gateway.send_bearer(text).status, 200);
  EXPECT_EQ(gateway.count("envoy_http_jwt_authn_jwt_cache_hit"), 0);
  EXPECT_EQ(gateway.count("sluice_jwt_cache_entries"), 0);
}

TEST(JwtFilter, costs_nothing_where_it_is_not_configured) {
  FilterHarness gateway(jwt_filter());
  EXPECT_TRUE(gateway.chain().filters.empty());
  Gateway other;
  EXPECT_EQ(other.chain().filters.size(), 1u);
  EXPECT_EQ(other.chain().filters[0].stage, Stage::jwt_after);
  EXPECT_EQ(other.route("jwt: {disable: true}"), "");
  EXPECT_TRUE(other.chain().filters.empty());
  EXPECT_EQ(other.route("jwt: {disable: false}"), "");
  EXPECT_EQ(other.chain().filters.size(), 1u);
}

TEST(JwtFilter, has_two_stages_that_a_route_replaces_or_switches_off_alone) {
  FilterHarness gateway(jwt_filter());
  const auto check = [](std::string_view issuer, std::string_view header) {
    return fmt::format(
        "{{providers: {{p: {{issuer: {}, tokenSource: {{headers: [{{header: {}}}]}}, jwks: {{local: {{key: "
        "{}}}}}}}}}}}",
        issuer, header, secret_key());
  };
  ASSERT_EQ(gateway.virtual_host(fmt::format("jwtStaged: {{beforeExtAuth: {}, afterExtAuth: {}}}",
                                             check("first", "x-1"), check("second", "x-2"))),
            "");
  const auto status = [&gateway](std::string_view first, std::string_view second) {
    FilterHarness::Ask ask;
    if (!first.empty()) ask.headers.emplace_back("x-1", token(fmt::format(R"({{"iss":"{}"}})", first)));
    if (!second.empty()) ask.headers.emplace_back("x-2", token(fmt::format(R"({{"iss":"{}"}})", second)));
    return gateway.send(ask).status;
  };
  EXPECT_EQ(status("first", "second"), 200);
  EXPECT_EQ(status("first", ""), 401);
  EXPECT_EQ(status("", "second"), 401);

  ASSERT_EQ(gateway.route("jwtStaged: {beforeExtAuth: {disable: true}}"), "");
  EXPECT_EQ(status("", "second"), 200);
  EXPECT_EQ(status("first", ""), 401);
  ASSERT_EQ(gateway.route("jwt: {disable: true}"), "");
  EXPECT_EQ(status("first", ""), 200);
  EXPECT_EQ(status("", "second"), 401);
  ASSERT_EQ(gateway.route(fmt::format("jwtProvidersStaged: {{afterExtAuth: {}}}", check("own", "x-2"))), "");
  EXPECT_EQ(status("first", "own"), 200);
  EXPECT_EQ(status("first", "second"), 401);
  EXPECT_EQ(status("", "own"), 401);
}

TEST(JwtFilter, refuses_bad_configuration_with_the_place_and_the_reason) {
  const std::string key = secret_key();
  const auto provider = [](std::string_view text) { return fmt::format("jwt: {{providers: {{p: {{{}}}}}}}", text); };
  const std::string jwks = "jwks: {local: {key: " + key + "}}";
  const struct {
    std::string yaml, why;
  } rows[] = {
      {"jwt: {}", "providers"},
      {"jwt: {providers: {}}", "at least one provider"},
      {provider("issuer: x"), "jwks"},
      {provider("jwks: {}"), "local"},
      {provider("jwks: {remote: {url: http://x}}"), "upstreamRef: is required"},
      {provider("jwks: {remote: {upstreamRef: {name: u}}}"), "url: is required"},
      {provider("jwks: {remote: {url: x.test/keys, upstreamRef: {name: u}}}"), "expected a URL"},
      {provider("jwks: {remote: {url: /keys, upstreamRef: {name: u}}}"), "expected a URL"},
      {provider("jwks: {remote: {url: 'ftp://x/keys', upstreamRef: {name: u}}}"), "expected a URL"},
      {provider("jwks: {remote: {url: 'http://a@x/keys', upstreamRef: {name: u}}}"), "expected a URL"},
      {provider("jwks: {remote: {url: 'http://x/a b', upstreamRef: {name: u}}}"), "expected a URL"},
      {provider("jwks: {remote: {url: \"http://x/a\\r\\nb: c\", upstreamRef: {name: u}}}"), "expected a URL"},
      {provider("jwks: {remote: {url: 'http://x', upstreamRef: {name: u}, cacheDuration: 1ms}}"), "at least 1s"},
      {provider("jwks: {local: {}}"), "key"},
      {provider("jwks: {local: {key: '@PUBLIC_KEY@'}}"), "BEGIN PUBLIC KEY"},
      {provider("jwks: {local: {key: '{\"keys\":[]}'}}"), "has no keys"},
      {provider(jwks + ", issuers: x"), "did you mean \"issuer\""},
      {provider(jwks + ", attachFailedStatusToMetadata: x"), "not supported yet"},
      {provider(jwks + ", clockSkewSeconds: -1"), "clockSkewSeconds"},
      {provider(jwks + ", audiences: shop"), "audiences"},
      {provider(jwks + ", tokenSource: {headers: [{prefix: x}]}"), "header"},
      {provider(jwks + ", tokenSource: {headers: [{header: 'a b'}]}"), "must be a header name"},
      {provider(jwks + ", tokenSource: {queryParams: ['']}"), "must not be empty"},
      {provider(jwks + ", claimsToHeaders: [{claim: a}]"), "header"},
      {provider(jwks + ", claimsToHeaders: [{header: a}]"), "claim"},
      {provider(jwks + ", claimsToHeaders: [{claim: '', header: a}]"), "must not be empty"},
      {provider(jwks + ", claimsToHeaders: [{claim: a, header: ':path'}]"), "must be a header name"},
      {provider(jwks + ", claimsToHeaders: [{claim: a, header: Host}]"), "says where the request goes"},
      {provider(jwks + ", claimsToHeaders: [{claim: a, header: Transfer-Encoding}]"), "frames the message"},
      {provider(jwks + ", claimsToHeaders: [{claim: a, header: Authorization}]"), "also carries the token"},
      {provider(jwks + ", tokenSource: {headers: [{header: x-t}]}, claimsToHeaders: [{claim: a, header: X-T}]"),
       "also carries the token"},
      {"jwt: {validationPolicy: NEVER, providers: {p: {" + jwks + "}}}", "validationPolicy"},
      {"{jwt: {providers: {p: {" + jwks + "}}}, jwtStaged: {}}", "cannot stand beside jwtStaged"},
  };
  for (const auto& row : rows) {
    FilterHarness gateway(jwt_filter());
    const std::string message = gateway.virtual_host(row.yaml);
    EXPECT_NE(message.find(row.why), std::string::npos) << row.yaml << "\n-> " << message;
    EXPECT_EQ(message.find(base64url_encode(kTestSecret)), std::string::npos) << "a secret is shown: " << message;
  }
  FilterHarness gateway(jwt_filter());
  for (const char* both : {"{jwt: {disable: true}, jwtStaged: {}}", "{jwt: {disable: true}, jwtProvidersStaged: {}}",
                           "{jwtStaged: {}, jwtProvidersStaged: {}}"})
    EXPECT_NE(gateway.route(both).find("exclude one another"), std::string::npos) << both;
}

TEST(JwtFilter, warns_of_keys_that_it_skips) {
  FilterHarness gateway(jwt_filter());
  const std::string message = gateway.virtual_host(fmt::format(
      R"(jwt: {{providers: {{p: {{jwks: {{local: {{key: '{{"keys":[{{"kty":"XX"}},{{"kty":"oct","k":"{}"}}]}}'}}}}}}}}}})",
      base64url_encode(kTestSecret)));
  EXPECT_NE(message.find("keys[0]"), std::string::npos) << message;
  EXPECT_EQ(gateway.chain().filters.size(), 1u);
}

TEST(JwtFilter, takes_claim_headers_from_the_client_however_they_are_spelled) {
  Gateway gateway("claimsToHeaders: [{claim: tenant, header: x-jwt-tenant}]", "validationPolicy: ALLOW_MISSING");
  const std::vector<std::pair<std::string, std::string>> forged = {
      {"x_jwt_tenant", "evil"}, {"x-jwt_tenant", "evil"}, {"x-jwt-tenant", "evil"}, {"x-jwt-tenants", "mine"}};
  gateway.send({.headers = forged});
  EXPECT_EQ(gateway.seen.size(), 1u);
  EXPECT_EQ(gateway.upstream_saw("x-jwt-tenants"), "mine");
  auto headers = forged;
  headers.emplace_back("authorization", "Bearer " + token(R"({"tenant":"t1"})"));
  gateway.send({.headers = headers});
  EXPECT_EQ(gateway.seen.size(), 2u);
  EXPECT_EQ(gateway.upstream_saw("x-jwt-tenant"), "t1");
}

TEST(JwtFilter, takes_claim_headers_from_the_client_also_where_the_check_is_switched_off_or_replaced) {
  Gateway gateway("claimsToHeaders: [{claim: tenant, header: x-tenant}]");
  const std::string own = fmt::format(
      "jwtProvidersStaged: {{afterExtAuth: {{validationPolicy: ALLOW_MISSING, providers: {{q: {{issuer: corp, jwks: "
      "{{local: {{key: {}}}}}}}}}}}}}",
      secret_key());
  for (const std::string& route : {std::string("jwt: {disable: true}"), own}) {
    EXPECT_EQ(gateway.route(route), "");
    int chosen = 0;
    gateway.reroute = [&chosen](Request&) { return ++chosen > 0; };
    EXPECT_EQ(gateway.send({.headers = {{"x-tenant", "evil"}, {"x_tenant", "evil"}, {"a", "b"}}}).status, 200);
    EXPECT_EQ(gateway.seen, (std::vector<std::pair<std::string, std::string>>{{"a", "b"}})) << route;
    EXPECT_EQ(chosen, 1) << "a forged header must not choose the route";
  }
}

// Two routes of one virtual host as the translation makes them; the claim of the first chooses the second.
struct TwoRoutes {
  explicit TwoRoutes(std::string_view second_route) {
    EXPECT_EQ(gateway.route(second_route), "");
    second = gateway.chain();
    EXPECT_EQ(gateway.route("{}"), "");
    gateway.reroute = [this](Request& request) {
      if (request.headers.get("x-tenant") == "t") request.route.chain = &second;
      return true;
    };
  }
  Gateway gateway{"issuer: me, claimsToHeaders: [{claim: tenant, header: x-tenant}]"};
  Chain second;
};

const std::string kTenant = R"({"iss":"me","tenant":"t"})";

TEST(JwtFilter, does_not_check_twice_when_the_new_route_has_the_same_check) {
  TwoRoutes routes("{}");
  ASSERT_EQ(routes.second.filters.size(), 1u);
  EXPECT_EQ(routes.gateway.send_bearer(token(kTenant)).status, 200);
  EXPECT_EQ(routes.gateway.upstream_saw("x-tenant"), "t");
  EXPECT_EQ(routes.gateway.count("envoy_http_jwt_authn_allowed"), 1);
}

TEST(JwtFilter, leaves_what_the_first_route_said_of_the_claims_where_the_new_one_has_no_check) {
  TwoRoutes routes("jwt: {disable: true}");
  ASSERT_EQ(routes.second.filters.size(), 1u);
  EXPECT_EQ(routes.gateway.send_bearer(token(kTenant)).status, 200);
  EXPECT_EQ(routes.gateway.upstream_saw("x-tenant"), "t");
}

TEST(JwtFilter, makes_the_check_of_the_new_route_with_the_token_that_the_first_took_out) {
  const auto own = [](std::string_view provider) {
    return fmt::format(
        "jwtProvidersStaged: {{afterExtAuth: {{providers: {{q: {{jwks: {{local: {{key: {}}}}}, {}}}}}}}}}",
        secret_key(), provider);
  };
  EXPECT_EQ(TwoRoutes(own("issuer: corp")).gateway.send_bearer(token(kTenant)).body, "Jwt issuer is not configured");

  TwoRoutes good(own("issuer: me, claimsToHeaders: [{claim: iss, header: x-iss}]"));
  EXPECT_EQ(good.gateway.send_bearer(token(kTenant)).status, 200);
  EXPECT_EQ(good.gateway.upstream_saw("x-iss"), "me");
  EXPECT_EQ(good.gateway.upstream_saw("x-tenant"), "t");
  EXPECT_EQ(good.gateway.upstream_saw("authorization"), "-");

  const std::string text = token(kTenant);
  TwoRoutes kept(own("issuer: me, keepToken: true"));
  EXPECT_EQ(kept.gateway.send_bearer(text).status, 200);
  EXPECT_EQ(kept.gateway.upstream_saw("authorization"), "Bearer " + text);
  EXPECT_EQ(kept.gateway.send({.path = "/a?b=c&access_token=" + text}).status, 200);
  EXPECT_EQ(kept.gateway.seen_path, "/a?b=c&access_token=" + text);
}

// The flow of examples/mypaas: a PEM key indented as YAML's block scalar leaves it, RS256, ALLOW_MISSING_OR_FAILED.
TEST(JwtFilter, turns_the_tenant_of_a_mypaas_token_into_its_header) {
  const auto& key = jose::test_key("RSA-2048");
  std::string indented;
  for (const char c : key.public_pem) indented += c == '\n' ? std::string("\n                    ") : std::string(1, c);
  Gateway gateway;
  ASSERT_EQ(gateway.virtual_host(R"(
      jwt:
        allowMissingOrFailedJwt: true
        providers:
          mypaas:
            issuer: mypaas.io
            audiences:
              - frontend
            keepToken: true
            tokenSource:
              headers:
                - header: authorization
                  prefix: "Bearer "
            claimsToHeaders:
              - claim: tenantId
                header: x-mypaas-tenant-id
            jwks:
              local:
                key: |
                    )" + indented),
            "");
  const std::string good = *jose::sign(
      R"({"sub":"1234567890","name":"John Doe","tenantId":"tenant-1","iat":1516239022,"iss":"mypaas.io","aud":"frontend"})",
      "RS256", key.private_pem);
  EXPECT_EQ(gateway.send_bearer(good).status, 200);
  EXPECT_EQ(gateway.upstream_saw("x-mypaas-tenant-id"), "tenant-1");
  EXPECT_EQ(gateway.upstream_saw("authorization"), "Bearer " + good);

  std::string tampered = good;
  tampered[good.find('.') + 20] ^= 1;
  EXPECT_EQ(
      gateway.send({.headers = {{"authorization", "Bearer " + tampered}, {"x-mypaas-tenant-id", "tenant-2"}}}).status,
      200);
  EXPECT_EQ(gateway.upstream_saw("x-mypaas-tenant-id"), "-");
}

}  // namespace
}  // namespace sluice
