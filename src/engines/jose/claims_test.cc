#include "engines/jose/claims.h"

namespace sluice::jose {
namespace {

using Value = std::optional<std::string>;

TEST(Claims, become_header_values_as_in_envoy) {
  const struct {
    std::string json;
    std::string claim;
    Value value;
  } rows[] = {
      {R"({"a":"tenant-1"})", "a", "tenant-1"},
      {R"({"a":"two words, \"quoted\""})", "a", "two words, \"quoted\""},
      {R"({"a":"tab\there"})", "a", "tab\there"},
      {R"({"a":"gr\u00fcn"})", "a", "gr\xc3\xbcn"},
      {R"({"a":0})", "a", "0"},
      {R"({"a":42})", "a", "42"},
      {R"({"a":9007199254740993})", "a", "9007199254740993"},
      {R"({"a":18446744073709551615})", "a", "18446744073709551615"},
      {R"({"a":18446744073709551616})", "a", "18446744073709551616.000000"},
      {R"({"a":1.0})", "a", "1"},
      {R"({"a":1e3})", "a", "1000"},
      {R"({"a":1.5})", "a", "1.500000"},
      {R"({"a":-5})", "a", "-5.000000"},
      {R"({"a":-0.25})", "a", "-0.250000"},
      {R"({"a":true})", "a", "true"},
      {R"({"a":false})", "a", "false"},
      {R"({"a":{"b": [1, "x"]}})", "a", "eyJiIjpbMSwieCJdfQ=="},
      {R"({"a":[ ]})", "a", "W10="},
      {R"({"a":{"b":"deep"}})", "a.b", "deep"},
      {R"({"a":{"b":{"c":7}}})", "a.b.c", "7"},
      {R"({"a.b":"exact","a":{"b":"path"}})", "a.b", "exact"},
      {R"({"https://x.test/role":"admin"})", "https://x.test/role", "admin"},
      {R"({"a":{"b.c":"x"}})", "a.b.c", std::nullopt},
      {R"({"a":null})", "a", std::nullopt},
      {R"({"a":""})", "a", std::nullopt},
      {R"({"a":1})", "b", std::nullopt},
      {R"({"a":1})", "A", std::nullopt},
      {R"({"a":1})", "a.b", std::nullopt},
      {R"({"a":{"b":1}})", "a.", std::nullopt},
      {R"({"a":{"b":1}})", ".", std::nullopt},
      {R"({"a":{"b":1}})", "", std::nullopt},
      {R"({"a":[{"b":1}]})", "a.b", std::nullopt},
      {R"({"a":"x\r\ny: z"})", "a", std::nullopt},
      {R"({"a":"x\ny"})", "a", std::nullopt},
      {R"({"a":"x\u0000"})", "a", std::nullopt},
      {R"({"a":"x\u007f"})", "a", std::nullopt},
      {R"({"a":" x"})", "a", std::nullopt},
      {R"({"a":"x\t"})", "a", std::nullopt},
  };
  for (const auto& row : rows) {
    const auto claims = Claims::parse(row.json);
    ASSERT_TRUE(claims) << row.json;
    EXPECT_EQ(claims->header_value(row.claim), row.value) << row.json << " " << row.claim;
  }
}

TEST(Claims, keep_the_bytes_of_the_payload) {
  const std::string json = R"({ "b" : 1.50, "a" : 99999999999999999999 })";
  const auto claims = Claims::parse(json);
  ASSERT_TRUE(claims);
  EXPECT_EQ(claims->json(), json);
}

TEST(Claims, integers_beyond_64_bits_become_doubles_and_text_stays_as_it_is) {
  const auto claims =
      Claims::parse(R"({"a":99999999999999999999,"b":"99999999999999999999 \" 5","c":[12345678901234567890123]})");
  ASSERT_TRUE(claims);
  EXPECT_EQ(claims->header_value("a"), "100000000000000000000.000000");
  EXPECT_EQ(claims->header_value("b"), "99999999999999999999 \" 5");
}

}  // namespace
}  // namespace sluice::jose
