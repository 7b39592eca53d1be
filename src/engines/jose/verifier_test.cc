#include "engines/jose/verifier.h"

#include "base/strings.h"
#include "engines/jose/ecdsa_form.h"
#include "engines/jose/sign.h"
#include "engines/jose/test_keys.h"

namespace sluice::jose {
namespace {

constexpr int64_t kNow = 1'900'000'000;
constexpr std::string_view kPayload = R"({"iss":"me","aud":"shop","sub":"joe","tenantId":"tenant-1"})";

std::shared_ptr<const KeySet> key_set(std::string_view text) {
  auto set = KeySet::parse(text);
  if (!set) ADD_FAILURE() << set.error().message;
  return *set;
}

std::string secret_jwk(std::string_view secret = kTestSecret, std::string_view more = "") {
  return fmt::format(R"({{"kty":"oct","k":"{}"{}}})", base64url_encode(secret), more);
}

std::string rsa_jwk(const std::string& type, std::string_view more = "") {
  const TestKey& key = test_key(type);
  return fmt::format(R"({{"kty":"RSA","n":"{}","e":"{}"{}}})", key.number("n"), key.number("e"), more);
}

std::string public_text(std::string_view algorithm) {
  const std::string type = key_type_for(algorithm);
  return type.empty() ? secret_jwk() : test_key(type).public_pem;
}

std::string private_text(std::string_view algorithm) {
  const std::string type = key_type_for(algorithm);
  return type.empty() ? std::string(kTestSecret) : test_key(type).private_pem;
}

std::string signed_token(std::string_view payload, std::string_view algorithm = "RS256", std::string_view kid = "") {
  auto token = sign(payload, algorithm, private_text(algorithm), kid);
  if (!token) ADD_FAILURE() << token.error().message;
  return token.value_or("");
}

// "ok" or the text of the failure.
std::string verdict(Verifier& verifier, std::string_view token, int64_t now = kNow) {
  const auto verified = verifier.verify(token, now);
  return verified ? "ok" : std::string(text(verified.error()));
}

std::string verdict(std::string_view keys, std::string_view token) {
  Verifier verifier(std::make_shared<Provider>(ProviderRules{.keys = key_set(keys)}));
  const std::string first = verdict(verifier, token);
  EXPECT_EQ(verdict(verifier, token), first) << "the contexts that are kept answer otherwise the second time";
  return first;
}

std::string with_signature(std::string_view token, std::string_view signature) {
  return fmt::format("{}.{}", token.substr(0, token.rfind('.')), base64url_encode(signature));
}

std::string signature_of(std::string_view token) {
  return *base64url_decode(token.substr(token.rfind('.') + 1));
}

constexpr std::string_view kAll[] = {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256",
                                     "ES384", "ES512", "HS256", "HS384", "HS512", "EdDSA"};
constexpr std::string_view kBad = "Jwt verification fails";

TEST(Verifier, accepts_what_its_key_signed_with_every_algorithm) {
  for (const std::string_view algorithm : kAll) {
    EXPECT_EQ(verdict(public_text(algorithm), signed_token(kPayload, algorithm)), "ok") << algorithm;
  }
}

TEST(Verifier, a_key_serves_no_algorithm_of_another_kind) {
  for (const std::string_view keys_for : kAll) {
    for (const std::string_view algorithm : kAll) {
      if (key_type_for(keys_for) == key_type_for(algorithm)) continue;
      EXPECT_EQ(verdict(public_text(keys_for), signed_token(kPayload, algorithm)), kBad)
          << keys_for << " " << algorithm;
    }
  }
}

TEST(Verifier, refuses_changed_cut_and_extended_tokens_of_every_algorithm) {
  for (const std::string_view algorithm : kAll) {
    const std::string keys = public_text(algorithm), token = signed_token(kPayload, algorithm);
    const std::string signature = signature_of(token);
    const std::string other = signed_token(R"({"iss":"me","aud":"shop","sub":"eve"})", algorithm);
    const std::string_view wrong_length = algorithm == "EdDSA" ? "Jwt ED25519 signature is wrong length" : kBad;

    for (const size_t at : {size_t{0}, signature.size() / 2, signature.size() - 1}) {
      std::string changed = signature;
      changed[at] = static_cast<char>(changed[at] ^ 1);
      EXPECT_EQ(verdict(keys, with_signature(token, changed)), kBad) << algorithm << " " << at;
    }
    EXPECT_EQ(verdict(keys, with_signature(token, signature.substr(1))), wrong_length) << algorithm;
    EXPECT_EQ(verdict(keys, with_signature(token, signature.substr(0, signature.size() - 1))), wrong_length)
        << algorithm;
    EXPECT_EQ(verdict(keys, with_signature(token, signature + '\0')), wrong_length) << algorithm;
    EXPECT_EQ(verdict(keys, with_signature(token, '\0' + signature)), wrong_length) << algorithm;
    EXPECT_EQ(verdict(keys, with_signature(token, signature + signature)), wrong_length) << algorithm;
    EXPECT_EQ(verdict(keys, with_signature(token, std::string(signature.size(), '\0'))), kBad) << algorithm;
    EXPECT_EQ(verdict(keys, with_signature(token, std::string(signature.size(), '\xff'))), kBad) << algorithm;
    EXPECT_EQ(verdict(keys, with_signature(token, signature_of(other))), kBad) << algorithm;
  }
}

// One in 256 begins with a zero, which says nothing about the number.
TEST(Verifier, refuses_an_rsa_signature_whose_leading_zero_was_cut_off) {
  const std::string keys = public_text("PS256");
  for (int i = 0; i < 5000; ++i) {
    const std::string token = signed_token(kPayload, "PS256"), signature = signature_of(token);
    if (signature.front() != '\0') continue;
    EXPECT_EQ(verdict(keys, token), "ok");
    EXPECT_EQ(verdict(keys, with_signature(token, signature.substr(1))), kBad);
    return;
  }
  FAIL() << "no signature began with a zero";
}

TEST(Verifier, refuses_a_token_that_somebody_else_signed) {
  const auto token = sign(kPayload, "RS256", test_key("RSA-2048/other").private_pem);
  EXPECT_EQ(verdict(test_key("RSA-2048").public_pem, *token), kBad);
  const auto secret = sign(kPayload, "HS256", std::string(40, 'x'));
  EXPECT_EQ(verdict(secret_jwk(), *secret), kBad);
}

// The attack on libraries that take any key's text as an HMAC secret.
TEST(Verifier, a_public_key_is_never_an_hmac_secret) {
  const std::string& pem = test_key("RSA-2048").public_pem;
  for (const std::string_view algorithm : {"HS256", "HS384", "HS512"}) {
    for (const std::string& secret : {pem, pem.substr(0, pem.size() - 1), test_key("RSA-2048").number("n")}) {
      EXPECT_EQ(verdict(pem, *sign(kPayload, algorithm, secret)), kBad);
      EXPECT_EQ(verdict(rsa_jwk("RSA-2048"), *sign(kPayload, algorithm, secret)), kBad);
    }
  }
}

TEST(Verifier, the_signature_of_one_algorithm_is_not_taken_for_another_of_the_same_key) {
  const std::string& pem = test_key("RSA-2048").public_pem;
  for (const std::string_view from : {"RS256", "RS384", "PS256", "PS512"}) {
    for (const std::string_view to : {"RS256", "RS384", "PS256", "PS512"}) {
      if (from == to) continue;
      const std::string token = signed_token(kPayload, from);
      EXPECT_EQ(verdict(pem, with_signature(signed_token(kPayload, to), signature_of(token))), kBad)
          << from << " " << to;
    }
  }
}

TEST(Verifier, an_ecdsa_signature_must_be_r_and_s_of_full_length_and_not_zero) {
  const std::string keys = public_text("ES256"), token = signed_token(kPayload, "ES256");
  const std::string signature = signature_of(token), zero(32, '\0');
  const std::string order = *base64url_decode("_____wAAAAD__________7zm-q2nF56E87nKwvxjJVE");
  for (const std::string& bad :
       {zero + zero, zero + signature.substr(32), signature.substr(0, 32) + zero, order + order,
        order + signature.substr(32), *ecdsa_to_der(signature, 32), std::string(33, '\0') + signature.substr(1, 31)}) {
    EXPECT_EQ(verdict(keys, with_signature(token, bad)), kBad);
  }
}

TEST(EcdsaForm, goes_both_ways_whatever_the_numbers_begin_with) {
  for (const size_t size : {size_t{32}, size_t{48}, size_t{66}}) {
    for (const char first : {'\x00', '\x01', '\x7f', '\x80', '\xff'}) {
      const std::string raw = first + std::string(size - 1, '\x11') + std::string(size - 1, '\0') + '\x80';
      const auto der = ecdsa_to_der(raw, size);
      ASSERT_TRUE(der);
      EXPECT_EQ(ecdsa_from_der(*der, size), raw);
    }
  }
  EXPECT_FALSE(ecdsa_to_der(std::string(63, 'a'), 32));
  EXPECT_FALSE(ecdsa_from_der("not der", 32));
}

TEST(Verifier, a_set_is_searched_by_kid_and_alg) {
  const std::string a = rsa_jwk("RSA-2048", R"(,"kid":"a")"), b = rsa_jwk("RSA-2048/other", R"(,"kid":"b")");
  const std::string set = "{\"keys\":[" + b + "," + a + "]}";
  const std::string_view no_key = "Jwks doesn't have key to match kid or alg from Jwt";

  EXPECT_EQ(verdict(set, signed_token(kPayload, "RS256", "a")), "ok");
  EXPECT_EQ(verdict(set, signed_token(kPayload, "RS256")), "ok") << "without a kid every key is tried";
  EXPECT_EQ(verdict(set, signed_token(kPayload, "RS256", "b")), kBad);
  EXPECT_EQ(verdict(set, signed_token(kPayload, "RS256", "c")), no_key);
  EXPECT_EQ(verdict(set, signed_token(kPayload, "ES256", "a")), kBad);
  EXPECT_EQ(verdict(test_key("RSA-2048").public_pem, signed_token(kPayload, "RS256", "any")), "ok");

  const std::string only_ps = rsa_jwk("RSA-2048", R"(,"alg":"PS256")");
  EXPECT_EQ(verdict(only_ps, signed_token(kPayload, "PS256")), "ok");
  EXPECT_EQ(verdict(only_ps, signed_token(kPayload, "RS256")), no_key);
  EXPECT_EQ(verdict(secret_jwk(kTestSecret, R"(,"alg":"HS512")"), signed_token(kPayload, "HS256")), no_key);
}

struct Rules {
  std::string issuer;
  std::vector<std::string> audiences;
  Seconds skew{0};
};

std::string verdict(const Rules& rules, std::string_view payload, int64_t now = kNow) {
  Verifier verifier(std::make_shared<Provider>(ProviderRules{
      .issuer = rules.issuer, .audiences = rules.audiences, .clock_skew = rules.skew, .keys = key_set(secret_jwk())}));
  return verdict(verifier, *sign(payload, "HS256", kTestSecret), now);
}

TEST(Verifier, compares_times_with_the_clock_skew) {
  const struct {
    std::string payload;
    int64_t skew;
    std::string verdict;
  } rows[] = {
      {R"({"exp":1900000000})", 1, "ok"},
      {R"({"exp":1899999999})", 1, "ok"},
      {R"({"exp":1899999998})", 1, "Jwt is expired"},
      {R"({"exp":1899999940})", 0, "ok"},  // no skew given: 60 s
      {R"({"exp":1899999939})", 0, "Jwt is expired"},
      {R"({"exp":1})", 1, "Jwt is expired"},
      {R"({"exp":0})", 1, "ok"},
      {R"({"exp":18446744073709551615})", 4000000000, "ok"},
      {R"({"exp":9223372036854775807})", 60, "ok"},
      {R"({"nbf":1900000000})", 1, "ok"},
      {R"({"nbf":1900000001})", 1, "ok"},
      {R"({"nbf":1900000002})", 1, "Jwt not yet valid"},
      {R"({"nbf":1900000060})", 0, "ok"},
      {R"({"nbf":1900000061})", 0, "Jwt not yet valid"},
      {R"({"nbf":18446744073709551615})", 60, "Jwt not yet valid"},
      {R"({"nbf":1900000062,"exp":1})", 1, "Jwt not yet valid"},
      {R"({"iat":9900000000})", 1, "ok"},
      {"{}", 1, "ok"},
  };
  for (const auto& row : rows)
    EXPECT_EQ(verdict(Rules{.skew = Seconds(row.skew)}, row.payload), row.verdict) << row.payload;
}

TEST(Verifier, compares_issuer_and_audience) {
  const Rules shop{.issuer = "me", .audiences = {"https://shop.test/", "b"}};
  const struct {
    std::string payload;
    std::string verdict;
  } rows[] = {
      {R"({"iss":"me","aud":"shop.test"})", "ok"},
      {R"({"iss":"me","aud":"http://shop.test"})", "ok"},
      {R"({"iss":"me","aud":["x","https://b/"]})", "ok"},
      {R"({"iss":"me","aud":"shop.test//"})", "Audiences in Jwt are not allowed"},
      {R"({"iss":"me","aud":"SHOP.test"})", "Audiences in Jwt are not allowed"},
      {R"({"iss":"me","aud":"ftp://shop.test"})", "Audiences in Jwt are not allowed"},
      {R"({"iss":"me","aud":"x"})", "Audiences in Jwt are not allowed"},
      {R"({"iss":"me","aud":""})", "Audiences in Jwt are not allowed"},
      {R"({"iss":"me","aud":[]})", "Audiences in Jwt are not allowed"},
      {R"({"iss":"me"})", "Audiences in Jwt are not allowed"},
      {R"({"iss":"me ","aud":"b"})", "Jwt issuer is not configured"},
      {R"({"iss":"Me","aud":"b"})", "Jwt issuer is not configured"},
      {R"({"iss":"","aud":"b"})", "Jwt issuer is not configured"},
      {R"({"aud":"b"})", "Jwt issuer is not configured"},
      {R"({"iss":"you","aud":"x","exp":1,"nbf":9999999999})", "Jwt issuer is not configured"},
      {R"({"iss":"me","aud":"x","exp":1})", "Jwt is expired"},
  };
  for (const auto& row : rows) EXPECT_EQ(verdict(shop, row.payload), row.verdict) << row.payload;
  EXPECT_EQ(verdict(Rules{}, R"({"iss":"anybody","aud":"anything"})"), "ok");
}

TEST(Verifier, rules_are_checked_before_the_signature) {
  Verifier verifier(std::make_shared<Provider>(ProviderRules{.issuer = "you", .keys = key_set(public_text("RS256"))}));
  EXPECT_EQ(verdict(verifier, with_signature(signed_token(kPayload), "x")), "Jwt issuer is not configured");
}

TEST(Verifier, renders_the_claims_of_its_provider) {
  Verifier verifier(std::make_shared<Provider>(
      ProviderRules{.claims = {"tenantId", "absent", "sub"}, .keys = key_set(public_text("RS256"))}));
  const auto verified = verifier.verify(signed_token(kPayload), kNow);
  ASSERT_TRUE(verified);
  EXPECT_EQ((*verified)->header_values, (std::vector<std::string>{"tenant-1", "", "joe"}));
  EXPECT_EQ((*verified)->claims.json(), kPayload);
}

TEST(Provider, has_the_identity_of_its_rules) {
  const auto identity = [](ProviderRules rules) { return Provider(std::move(rules)).identity(); };
  const auto keys = key_set(secret_jwk());
  const ProviderRules rules{.issuer = "me", .audiences = {"a", "b"}, .claims = {"c"}, .keys = keys};
  const std::string same = identity(rules);
  EXPECT_EQ(
      identity({.issuer = "me", .audiences = {"https://a/", "b"}, .claims = {"c"}, .keys = key_set(secret_jwk())}),
      same);
  EXPECT_NE(identity({.issuer = "m", .audiences = {"a", "b"}, .claims = {"c"}, .keys = keys}), same);
  EXPECT_NE(identity({.issuer = "me", .audiences = {"ab"}, .claims = {"c"}, .keys = keys}), same);
  EXPECT_NE(identity({.issuer = "me", .audiences = {"a"}, .claims = {"b", "c"}, .keys = keys}), same);
  EXPECT_NE(identity({.issuer = "me", .audiences = {"a", "b"}, .claims = {"d"}, .keys = keys}), same);
  EXPECT_NE(
      identity({.issuer = "me", .audiences = {"a", "b"}, .clock_skew = Seconds(1), .claims = {"c"}, .keys = keys}),
      same);
  EXPECT_NE(identity({.issuer = "me",
                      .audiences = {"a", "b"},
                      .claims = {"c"},
                      .keys = key_set(secret_jwk(std::string(32, 'x')))}),
            same);
}

TEST(Sign, makes_the_payload_compact_and_refuses_what_it_cannot_sign) {
  const auto token = sign("{ \"b\" : 1,\n \"a\" : \"x y\" }\n", "HS256", kTestSecret, "k\"1");
  ASSERT_TRUE(token);
  const auto parts = split(*token, '.');
  EXPECT_EQ(base64url_decode(parts[0]), R"({"alg":"HS256","typ":"JWT","kid":"k\"1"})");
  EXPECT_EQ(base64url_decode(parts[1]), R"({"b":1,"a":"x y"})");

  const struct {
    std::string payload, algorithm, key, why;
  } rows[] = {
      {"{}", "none", "", "not supported"},
      {"{}", "rs256", test_key("RSA-2048").private_pem, "not supported"},
      {"", "HS256", std::string(kTestSecret), "valid JSON object"},
      {"[]", "HS256", std::string(kTestSecret), "valid JSON object"},
      {R"({"a":1,"a":2})", "HS256", std::string(kTestSecret), "only once"},
      {"{}", "HS256", "short", "at least 32"},
      {"{}", "RS256", "", "cannot be read"},
      {"{}", "RS256", test_key("RSA-2048").public_pem, "cannot be read"},
      {"{}", "RS256", test_key("P-256").private_pem, "does not sign RS256"},
      {"{}", "ES384", test_key("P-256").private_pem, "does not sign ES384"},
      {"{}", "EdDSA", test_key("RSA-2048").private_pem, "does not sign EdDSA"},
      {"{}", "RS256", test_key("RSA-1024").private_pem, "at least 2048"},
      {std::string(65 * 1024, ' ') + "{}", "HS256", std::string(kTestSecret), "at most"},
  };
  for (const auto& row : rows) {
    const auto bad = sign(row.payload, row.algorithm, row.key);
    ASSERT_FALSE(bad) << row.why;
    EXPECT_NE(bad.error().message.find(row.why), std::string::npos) << bad.error().message;
  }
}

}  // namespace
}  // namespace sluice::jose
