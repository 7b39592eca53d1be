#include "engines/jose/token.h"

#include "base/encoding.h"

namespace sluice::jose {
namespace {

const std::string kHeader = R"({"alg":"RS256"})";
const std::string kPayload = R"({"iss":"me"})";

std::string token_of(std::string_view header, std::string_view payload, std::string_view signature = "AAAA") {
  return fmt::format("{}.{}.{}", base64url_encode(header), base64url_encode(payload), signature);
}

std::string nested(size_t depth) {
  return "{\"a\":" + std::string(depth - 1, '[') + std::string(depth - 1, ']') + "}";
}

TEST(Token, takes_a_good_token_apart) {
  const std::string text =
      token_of(R"({"alg":"ES256","kid":"k1","typ":"JWT"})", R"({"iss":"me","aud":["a","b"],"exp":5,"nbf":4})");
  const auto token = parse_token(text);
  ASSERT_TRUE(token);
  EXPECT_EQ(token->algorithm, Algorithm::es256);
  EXPECT_EQ(token->kid, "k1");
  EXPECT_EQ(token->signing_input, text.substr(0, text.rfind('.')));
  EXPECT_EQ(token->signature.size(), 3u);
  EXPECT_EQ(token->claims.registered().issuer, "me");
  EXPECT_EQ(token->claims.registered().audiences, (std::vector<std::string_view>{"a", "b"}));
  EXPECT_EQ(token->claims.registered().exp, 5u);
  EXPECT_EQ(token->claims.registered().nbf, 4u);
}

TEST(Token, reports_what_is_wrong_with_its_form) {
  const std::string h = base64url_encode(kHeader), p = base64url_encode(kPayload);
  const struct {
    std::string text;
    Failure failure;
  } rows[] = {
      {"", Failure::bad_format},
      {".", Failure::bad_format},
      {"..", Failure::bad_format},
      {"a.b", Failure::bad_format},
      {h + "." + p, Failure::bad_format},
      {h + "." + p + ".", Failure::bad_format},
      {h + ".." + "AAAA", Failure::bad_format},
      {"." + p + ".AAAA", Failure::bad_format},
      {h + "." + p + ".AAAA.", Failure::bad_format},
      {h + "." + p + ".AAAA.AAAA", Failure::bad_format},
      {h + "." + p + ".AAAA.AAAA.AAAA", Failure::bad_format},
      {" " + h + "." + p + ".AAAA", Failure::header_bad_base64},
      {h + "= ." + p + ".AAAA", Failure::header_bad_base64},
      {h + "=." + p + ".AAAA", Failure::header_bad_base64},
      {"A." + p + ".AAAA", Failure::header_bad_base64},
      {"+/+/." + p + ".AAAA", Failure::header_bad_base64},
      {h + ".e30=.AAAA", Failure::payload_bad_base64},
      {h + ".e3\n0.AAAA", Failure::payload_bad_base64},
      {h + ".e31.AAAA", Failure::payload_bad_base64},  // "{}" with stray bits
      {h + "." + p + ".AAAA ", Failure::signature_bad_base64},
      {h + "." + p + ".AAAA\n", Failure::signature_bad_base64},
      {h + "." + p + ".AA==", Failure::signature_bad_base64},
      {h + "." + p + ".AB", Failure::signature_bad_base64},  // stray bits: another spelling of AA
      {h + "." + p + ".A", Failure::signature_bad_base64},
      {h + "." + p + ".AAAA\xff", Failure::signature_bad_base64},
      {h + "." + p + std::string(".AA\0A", 5), Failure::signature_bad_base64},
      {h + "." + p + "." + std::string(kTokenBytesMax, 'A'), Failure::too_long},
      {std::string(kTokenBytesMax + 1, 'A'), Failure::too_long},
      {std::string(kTokenBytesMax, 'A'), Failure::bad_format},
  };
  for (const auto& row : rows) {
    const auto token = parse_token(row.text);
    ASSERT_FALSE(token) << row.text;
    EXPECT_EQ(text(token.error()), text(row.failure)) << row.text;
  }
}

TEST(Token, reports_what_is_wrong_with_its_header) {
  const struct {
    std::string header;
    Failure failure;
  } rows[] = {
      {"{", Failure::header_bad_json},
      {"[]", Failure::header_bad_json},
      {"\"RS256\"", Failure::header_bad_json},
      {"{} {}", Failure::header_bad_json},
      {R"({"alg":"RS256",})", Failure::header_bad_json},
      {R"({'alg':'RS256'})", Failure::header_bad_json},
      {R"({"alg":"RS256"/**/})", Failure::header_bad_json},
      {"{\"alg\":\"RS256\",\"x\":\"\xff\"}", Failure::header_bad_json},
      {R"({"alg":"none","alg":"RS256"})", Failure::header_bad_json},
      {R"({"alg":"RS256","alg":"RS256"})", Failure::header_bad_json},
      {R"({"alg":"RS256","\u0061lg":"HS256"})", Failure::header_bad_json},
      {nested(9), Failure::header_bad_json},
      {"{}", Failure::header_bad_alg},
      {R"({"ALG":"RS256"})", Failure::header_bad_alg},
      {R"({"alg":null})", Failure::header_bad_alg},
      {R"({"alg":["RS256"]})", Failure::header_bad_alg},
      {R"({"alg":256})", Failure::header_bad_alg},
      {R"({"alg":""})", Failure::header_alg_unsupported},
      {R"({"alg":"none"})", Failure::header_alg_unsupported},
      {R"({"alg":"None"})", Failure::header_alg_unsupported},
      {R"({"alg":"NONE"})", Failure::header_alg_unsupported},
      {R"({"alg":"nOnE"})", Failure::header_alg_unsupported},
      {R"({"alg":"none\u0000"})", Failure::header_alg_unsupported},
      {R"({"alg":"rs256"})", Failure::header_alg_unsupported},
      {R"({"alg":"RS256 "})", Failure::header_alg_unsupported},
      {R"({"alg":"RS1"})", Failure::header_alg_unsupported},
      {R"({"alg":"ES256K"})", Failure::header_alg_unsupported},
      {R"({"alg":"RSA-OAEP"})", Failure::header_alg_unsupported},
      {R"({"alg":"RS256","kid":1})", Failure::header_bad_kid},
      {R"({"alg":"RS256","kid":null})", Failure::header_bad_kid},
      {R"({"alg":"RS256","kid":["a"]})", Failure::header_bad_kid},
      {R"({"alg":"RS256","crit":["b64"],"b64":false})", Failure::header_crit},
      {R"({"alg":"RS256","crit":[]})", Failure::header_crit},
      {R"({"alg":"RS256","crit":null})", Failure::header_crit},
  };
  for (const auto& row : rows) {
    const auto token = parse_token(token_of(row.header, kPayload));
    ASSERT_FALSE(token) << row.header;
    EXPECT_EQ(text(token.error()), text(row.failure)) << row.header;
  }
}

TEST(Token, reports_what_is_wrong_with_its_payload) {
  const struct {
    std::string payload;
    Failure failure;
  } rows[] = {
      {"null", Failure::payload_bad_json},
      {"[]", Failure::payload_bad_json},
      {"{", Failure::payload_bad_json},
      {"{}x", Failure::payload_bad_json},
      {R"({"exp":01})", Failure::payload_bad_json},
      {R"({"exp":+1})", Failure::payload_bad_json},
      {R"({"exp":0x10})", Failure::payload_bad_json},
      {R"({"exp":NaN})", Failure::payload_bad_json},
      {R"({"exp":1e999})", Failure::payload_bad_json},
      {R"({"exp":)" + std::string(400, '9') + "}", Failure::payload_bad_json},
      {R"({"exp":1,"exp":9999999999})", Failure::payload_bad_json},
      {R"({"a":{"b":1,"b":2}})", Failure::payload_bad_json},
      {R"({"a":[{"b":1,"\u0062":2}]})", Failure::payload_bad_json},
      {"{\"a\":\"\n\"}", Failure::payload_bad_json},
      {R"({"a":"\ud800"})", Failure::payload_bad_json},
      {nested(Claims::kDepthMax + 1), Failure::payload_bad_json},
      {nested(3000), Failure::payload_bad_json},
      {R"({"iss":1})", Failure::iss_not_string},
      {R"({"iss":null})", Failure::iss_not_string},
      {R"({"iss":["me"]})", Failure::iss_not_string},
      {R"({"sub":{}})", Failure::sub_not_string},
      {R"({"jti":1})", Failure::jti_not_string},
      {R"({"iat":"1"})", Failure::iat_not_integer},
      {R"({"iat":-1})", Failure::iat_not_positive},
      {R"({"nbf":"1"})", Failure::nbf_not_integer},
      {R"({"nbf":-0.5})", Failure::nbf_not_positive},
      {R"({"exp":"9999999999"})", Failure::exp_not_integer},
      {R"({"exp":null})", Failure::exp_not_integer},
      {R"({"exp":true})", Failure::exp_not_integer},
      {R"({"exp":{}})", Failure::exp_not_integer},
      {R"({"exp":-1})", Failure::exp_not_positive},
      {R"({"exp":-9223372036854775808})", Failure::exp_not_positive},
      {R"({"exp":-99999999999999999999})", Failure::exp_not_positive},
      {R"({"exp":18446744073709551616})", Failure::exp_not_positive},
      {R"({"exp":1e300})", Failure::exp_not_positive},
      {R"({"aud":1})", Failure::aud_not_string},
      {R"({"aud":null})", Failure::aud_not_string},
      {R"({"aud":{"a":"b"}})", Failure::aud_not_string},
      {R"({"aud":["a",1]})", Failure::aud_not_string},
      {R"({"aud":[["a"]]})", Failure::aud_not_string},
      {R"({"aud":1,"exp":-1,"iss":2})", Failure::iss_not_string},
  };
  for (const auto& row : rows) {
    const auto token = parse_token(token_of(kHeader, row.payload));
    ASSERT_FALSE(token) << row.payload;
    EXPECT_EQ(text(token.error()), text(row.failure)) << row.payload;
  }
}

TEST(Token, reads_times_in_every_spelling_of_a_number) {
  const struct {
    std::string_view number;
    uint64_t exp;
  } rows[] = {{"0", 0},   {"-0", 0},     {"5", 5},
              {"5.9", 5}, {"1e3", 1000}, {"18446744073709551615", 18446744073709551615U}};
  for (const auto& row : rows) {
    const std::string text = token_of(kHeader, fmt::format(R"({{"exp":{}}})", row.number));
    const auto token = parse_token(text);
    ASSERT_TRUE(token) << row.number;
    EXPECT_EQ(token->claims.registered().exp, row.exp) << row.number;
  }
}

TEST(Token, takes_what_lies_within_the_bounds) {
  EXPECT_TRUE(parse_token(token_of(kHeader, nested(Claims::kDepthMax))));
  EXPECT_TRUE(parse_token(token_of(kHeader, R"({"aud":[]})")));
  std::string many = "{\"k0\":0";
  for (int i = 1; i < 100; ++i) many += fmt::format(",\"k{}\":{}", i, i);
  EXPECT_TRUE(parse_token(token_of(kHeader, many + "}")));
  EXPECT_FALSE(parse_token(token_of(kHeader, many + ",\"k42\":1}")));
}

}  // namespace
}  // namespace sluice::jose
