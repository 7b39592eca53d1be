#include "base/strings.h"

#include <gtest/gtest.h>

#include "base/encoding.h"

namespace sluice {
namespace {

TEST(Strings, suggests_the_nearest_name) {
  const std::vector<std::string_view> names = {"retries", "timeout", "prefixRewrite"};
  EXPECT_EQ(nearest("retires", names), "retries");
  EXPECT_EQ(nearest("prefixrewrite", names), "prefixRewrite");
  EXPECT_EQ(nearest("xyz", names), std::nullopt);
}

TEST(Strings, quotes_for_json) {
  EXPECT_EQ(json_quote("a\"b\\\n\x01"), R"("a\"b\\\n\u0001")");
  EXPECT_EQ(json_quote("\xff"), "\"\xEF\xBF\xBD\"");
}

TEST(Strings, tells_utf8_from_other_bytes) {
  EXPECT_TRUE(valid_utf8("gr\xC3\xBC\xC3\x9F \xF0\x9F\x98\x80"));
  for (const char* bad : {"\x80", "\xC0\x80", "\xED\xA0\x80", "\xF5\x80\x80\x80", "\xE2\x82", "a\xFF"})
    EXPECT_FALSE(valid_utf8(bad)) << bad;
}

TEST(Strings, decimals_have_no_sign_and_no_overflow) {
  EXPECT_EQ(parse_decimal("18446744073709551615"), 18446744073709551615ULL);
  for (const char* bad : {"", "-1", "+1", " 1", "1 ", "0x1", "18446744073709551616"})
    EXPECT_EQ(parse_decimal(bad), std::nullopt) << bad;
}

TEST(Encoding, base64_refuses_a_second_spelling) {
  EXPECT_EQ(base64_encode("a"), "YQ==");
  EXPECT_EQ(base64url_encode("\xFB\xFF"), "-_8");
  EXPECT_EQ(base64_decode("YQ=="), "a");
  EXPECT_EQ(base64url_decode("-_8"), "\xFB\xFF");
  for (const char* bad : {"YQ", "YR==", "Y===", "YQ=a", "Y Q="}) EXPECT_EQ(base64_decode(bad), std::nullopt) << bad;
  for (const char* bad : {"YQ==", "A", "-_9"}) EXPECT_EQ(base64url_decode(bad), std::nullopt) << bad;
}

TEST(Encoding, percent_decoding_is_strict) {
  EXPECT_EQ(percent_decode("a%20b+c"), "a b+c");
  EXPECT_EQ(percent_decode("%2"), std::nullopt);
  EXPECT_EQ(percent_decode("%zz"), std::nullopt);
}

}  // namespace
}  // namespace sluice
