#include "engines/jose/key_set.h"

#include "engines/jose/test_keys.h"

namespace sluice::jose {
namespace {

std::string indented(std::string_view text) {
  std::string out = "\n\n";
  for (const char c : text) {
    out += c;
    if (c == '\n') out += "    ";
  }
  return out + "\n   \n";
}

std::string rsa_jwk(std::string_view more = "", const std::string& type = "RSA-2048") {
  const TestKey& key = test_key(type);
  return fmt::format(R"({{"kty":"RSA","n":"{}","e":"{}"{}}})", key.number("n"), key.number("e"), more);
}

std::string ec_jwk(const std::string& curve, size_t size, std::string_view more = "") {
  const TestKey& key = test_key(curve);
  return fmt::format(R"({{"kty":"EC","crv":"{}","x":"{}","y":"{}"{}}})", curve, key.number("qx", size),
                     key.number("qy", size), more);
}

const std::string kSecretJwk = R"({"kty":"oct","k":")" + base64url_encode(kTestSecret) + "\"";

TEST(KeySet, reads_a_pem_key_of_every_supported_kind) {
  const struct {
    std::string type;
    KeyKind kind;
  } rows[] = {{"RSA-2048", KeyKind::rsa}, {"P-256", KeyKind::p256},      {"P-384", KeyKind::p384},
              {"P-521", KeyKind::p521},   {"Ed25519", KeyKind::ed25519}, {"RSA-3072", KeyKind::rsa}};
  for (const auto& row : rows) {
    const auto set = KeySet::parse(test_key(row.type).public_pem);
    ASSERT_TRUE(set) << row.type << ": " << set.error().message;
    ASSERT_EQ((*set)->keys().size(), 1u);
    EXPECT_EQ((*set)->keys()[0].kind, row.kind) << row.type;
    EXPECT_EQ((*set)->keys()[0].kid, "");
    EXPECT_FALSE((*set)->keys()[0].algorithm);
  }
}

TEST(KeySet, blank_lines_indentation_text_and_crlf_round_a_pem_key_do_no_harm) {
  const std::string& pem = test_key("RSA-2048").public_pem;
  std::string crlf;
  for (const char c : pem) crlf += c == '\n' ? std::string("\r\n") : std::string(1, c);
  std::string one_line;
  for (const char c : pem) one_line += c == '\n' ? ' ' : c;
  for (const std::string& text : {indented(pem), "the key of mypaas:\n" + pem + "end of it\n", crlf, one_line}) {
    const auto set = KeySet::parse(text);
    EXPECT_TRUE(set) << text << set.error().message;
  }
}

TEST(KeySet, reads_jwks_of_every_type_and_sets_of_them) {
  const struct {
    std::string text;
    KeyKind kind;
  } rows[] = {
      {rsa_jwk(), KeyKind::rsa},
      {rsa_jwk(R"(,"alg":"PS384","kid":"k","use":"sig","key_ops":["verify"],"x5t":"?")"), KeyKind::rsa},
      {ec_jwk("P-256", 32), KeyKind::p256},
      {ec_jwk("P-384", 48), KeyKind::p384},
      {ec_jwk("P-521", 66, R"(,"alg":"ES512")"), KeyKind::p521},
      {fmt::format(R"({{"kty":"EC","x":"{}","y":"{}"}})", test_key("P-256").number("qx"),
                   test_key("P-256").number("qy")),
       KeyKind::p256},
      {fmt::format(R"({{"kty":"EC","alg":"ES384","x":"{}","y":"{}"}})", test_key("P-384").number("qx"),
                   test_key("P-384").number("qy")),
       KeyKind::p384},
      {R"({"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"})", KeyKind::ed25519},
      {kSecretJwk + "}", KeyKind::secret},
      {"\n {\"keys\": [" + rsa_jwk() + "]}", KeyKind::rsa},
  };
  for (const auto& row : rows) {
    const auto set = KeySet::parse(row.text);
    ASSERT_TRUE(set) << row.text << "\n" << set.error().message;
    EXPECT_EQ((*set)->keys()[0].kind, row.kind) << row.text;
  }
}

// A parser that looks at all that came before at each end would take minutes.
TEST(KeySet, of_many_empty_keys_costs_no_more_than_its_size) {
  std::string many = R"({"keys":[{})";
  while (many.size() + 6 < KeySet::kTextBytesMax) many += ",{}";
  const auto set = KeySet::parse(many + "]}");
  ASSERT_FALSE(set);
  EXPECT_EQ(set.error().kind, ErrorKind::limit);
}

TEST(KeySet, refuses_what_holds_no_usable_key_and_says_why) {
  const std::string& pem = test_key("RSA-2048").public_pem;
  const std::string n = test_key("RSA-2048").number("n");
  const std::string deep(40, '[');
  const struct {
    std::string text, why;
  } rows[] = {
      {"", "empty"},
      {"  \n ", "empty"},
      {"hello", "no -----BEGIN PUBLIC KEY-----"},
      {"@PUBLIC_KEY@", "no -----BEGIN PUBLIC KEY-----"},
      {test_key("RSA-2048").private_pem, "private key"},
      {pem + test_key("RSA-2048").private_pem, "private key"},
      {"-----BEGIN RSA PRIVATE KEY-----\n", "private key"},
      {"-----BEGIN CERTIFICATE-----\nMII\n-----END CERTIFICATE-----", "certificate"},
      {"-----BEGIN RSA PUBLIC KEY-----\nMII\n-----END RSA PUBLIC KEY-----", "PKCS#1"},
      {pem + pem, "several"},
      {pem.substr(0, pem.size() - 30), "END PUBLIC KEY"},
      {"-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----", "cannot be read"},
      {"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----", "cannot be read"},
      {"-----BEGIN PUBLIC KEY-----\n!!!!\n-----END PUBLIC KEY-----", "not base64"},
      {test_key("RSA-1024").public_pem, "1024 bits, at least 2048"},
      {test_key("secp256k1").public_pem, "curve secp256k1"},
      {test_key("X25519").public_pem, "type that cannot be used"},
      {"{", "not a valid JSON"},
      {"{} {}", "not a valid JSON"},
      {"{\"keys\":" + deep, "not a valid JSON"},
      {"[" + rsa_jwk() + "]", "no -----BEGIN"},
      {"{}", "\"kty\" is missing"},
      {R"({"keys":{}})", "must be a list"},
      {R"({"keys":[]})", "has no keys"},
      {R"({"keys":[1]})", "keys[0]: a key must be a JSON object"},
      {R"({"keys":[{"kty":"XX"}]})", "key type \"XX\""},
      {R"({"kty":1})", "\"kty\" must be a string"},
      {R"({"kty":"RSA"})", "\"n\" is missing"},
      {R"({"kty":"RSA","n":"!","e":"AQAB"})", "\"n\" is not base64url"},
      {R"({"kty":"RSA","n":")" + n + R"(","e":"AQAB="})", "\"e\" is not base64url"},
      {R"({"kty":"RSA","n":")" + n + R"(","e":"AQ"})", "exponent must be 3 or 65537"},
      {R"({"kty":"RSA","n":")" + n + R"(","e":"BQ"})", "exponent must be 3 or 65537"},
      {R"({"kty":"RSA","n":"AQAB","e":"AQAB"})", "at least 2048"},
      {rsa_jwk(R"(,"d":"AQAB")"), "private key"},
      {"{\"keys\":[" + rsa_jwk() + "," + rsa_jwk(R"(,"d":"AQAB")") + "]}", "keys[1]: this is a private key"},
      {rsa_jwk(R"(,"alg":"HS256")"), "does not go with"},
      {rsa_jwk(R"(,"alg":"ES256")"), "does not go with"},
      {rsa_jwk(R"(,"alg":"none")"), "\"none\" is not supported"},
      {rsa_jwk(R"(,"alg":"RSA-OAEP")"), "not supported"},
      {rsa_jwk(R"(,"alg":1)"), "\"alg\" must be a string"},
      {rsa_jwk(R"(,"kid":1)"), "\"kid\" must be a string"},
      {rsa_jwk(R"(,"use":"enc")"), "its use is \"enc\""},
      {rsa_jwk(R"(,"key_ops":["sign"])"), "key_ops"},
      {rsa_jwk(R"(,"key_ops":"verify")"), "key_ops"},
      {R"({"kty":"EC","crv":"P-256","x":"AQ","y":"AQ"})", "numbers are no EC key"},
      {ec_jwk("P-384", 66), "must have 48 bytes"},
      {ec_jwk("P-256", 32, R"(,"alg":"ES384")"), "does not go with"},
      {R"({"kty":"EC","crv":"secp256k1","x":"AQ","y":"AQ"})", "curve \"secp256k1\""},
      {R"({"kty":"OKP","crv":"X25519","x":"AQ"})", "OKP curve"},
      {R"({"kty":"OKP","crv":"Ed25519","x":"AQ"})", "has 1 bytes"},
      {R"({"kty":"oct"})", "\"k\" is missing"},
      {R"({"kty":"oct","k":"c2VjcmV0"})", "at least 32"},
      {kSecretJwk + R"(,"alg":"RS256"})", "does not go with"},
      {std::string(KeySet::kTextBytesMax + 1, ' '), "at most"},
  };
  for (const auto& row : rows) {
    const auto set = KeySet::parse(row.text);
    ASSERT_FALSE(set) << row.text;
    EXPECT_NE(set.error().message.find(row.why), std::string::npos) << row.text << "\n-> " << set.error().message;
  }
}

TEST(KeySet, skips_unusable_entries_of_a_set_and_says_which) {
  const auto set = KeySet::parse("{\"keys\":[{\"kty\":\"XX\"}," + rsa_jwk(R"(,"kid":"a")") + ",7," +
                                 rsa_jwk(R"(,"use":"enc")") + "," + ec_jwk("P-256", 32, R"(,"kid":"b")") + "]}");
  ASSERT_TRUE(set);
  ASSERT_EQ((*set)->keys().size(), 2u);
  EXPECT_EQ((*set)->keys()[0].kid, "a");
  EXPECT_EQ((*set)->keys()[1].kid, "b");
  ASSERT_EQ((*set)->skipped().size(), 3u);
  EXPECT_TRUE((*set)->skipped()[2].starts_with("keys[3]: "));
}

TEST(KeySet, refuses_more_keys_than_it_takes) {
  std::string text = "{\"keys\":[";
  for (size_t i = 0; i <= KeySet::kKeysMax; ++i) text += (i ? "," : "") + kSecretJwk + "}";
  EXPECT_FALSE(KeySet::parse(text + "]}"));
}

TEST(KeySet, an_error_never_shows_the_secret) {
  const auto set = KeySet::parse(R"({"kty":"oct","k":"c2VjcmV0","alg":"none"})");
  ASSERT_FALSE(set);
  EXPECT_EQ(set.error().message.find("c2VjcmV0"), std::string::npos);
}

}  // namespace
}  // namespace sluice::jose
