#include "engines/jose/verified_tokens.h"

#include "engines/jose/sign.h"
#include "engines/jose/test_keys.h"

namespace sluice::jose {
namespace {

constexpr int64_t kNow = 1'900'000'000;

std::shared_ptr<const Provider> provider(std::string issuer = "") {
  const auto keys = KeySet::parse(fmt::format(R"({{"kty":"oct","k":"{}"}})", base64url_encode(kTestSecret)));
  return std::make_shared<Provider>(
      ProviderRules{.issuer = std::move(issuer), .clock_skew = Seconds(10), .claims = {"sub"}, .keys = *keys});
}

std::string token(std::string_view payload) {
  return *sign(payload, "HS256", kTestSecret);
}
std::string token_number(int i) {
  return token(fmt::format(R"({{"sub":"{}"}})", i));
}

TEST(VerifiedTokens, a_token_is_verified_once_and_found_after_that) {
  Verifier verifier(provider());
  VerifiedTokens tokens({});
  const std::string text = token(R"({"sub":"joe"})");

  const auto first = tokens.verify(verifier, text, kNow);
  const auto second = tokens.verify(verifier, text, kNow + 1);

  ASSERT_TRUE(first && second);
  EXPECT_EQ(*first, *second);
  EXPECT_EQ((*second)->header_values, std::vector<std::string>{"joe"});
  EXPECT_EQ(tokens.counts().hits, 1u);
  EXPECT_EQ(tokens.counts().misses, 1u);
  EXPECT_EQ(tokens.size(), 1u);
}

TEST(VerifiedTokens, refusals_are_never_remembered) {
  Verifier verifier(provider("me"));
  VerifiedTokens tokens({});
  EXPECT_EQ(tokens.verify(verifier, token(R"({"iss":"you"})"), kNow).error(), Failure::unknown_issuer);
  EXPECT_EQ(tokens.verify(verifier, "x", kNow).error(), Failure::bad_format);
  EXPECT_EQ(tokens.verify(verifier, "", kNow).error(), Failure::bad_format);
  EXPECT_EQ(tokens.size(), 0u);
}

TEST(VerifiedTokens, every_byte_of_the_token_counts) {
  Verifier verifier(provider());
  VerifiedTokens tokens({});
  const std::string text = token(R"({"sub":"joe"})");
  ASSERT_TRUE(tokens.verify(verifier, text, kNow));
  for (size_t i = 0; i < text.size(); ++i) {
    std::string other = text;
    other[i] = other[i] == 'A' ? 'B' : 'A';
    EXPECT_EQ(tokens.find(verifier.provider(), other, kNow), nullptr) << i;
  }
  EXPECT_EQ(tokens.find(verifier.provider(), text + "A", kNow), nullptr);
  EXPECT_EQ(tokens.find(verifier.provider(), text.substr(1), kNow), nullptr);
}

TEST(VerifiedTokens, what_one_provider_accepted_is_unknown_to_another) {
  Verifier mine(provider("me"));
  VerifiedTokens tokens({});
  const std::string text = token(R"({"iss":"me"})");
  ASSERT_TRUE(tokens.verify(mine, text, kNow));

  EXPECT_EQ(tokens.find(*provider("you"), text, kNow), nullptr);
  EXPECT_NE(tokens.find(*provider("me"), text, kNow), nullptr) << "the same rules in a new snapshot";
}

TEST(VerifiedTokens, a_remembered_token_expires_like_any_other) {
  Verifier verifier(provider());
  VerifiedTokens tokens({.ttl_max = Seconds(1000)});
  const std::string text = token(fmt::format(R"({{"exp":{}}})", kNow + 100));
  ASSERT_TRUE(tokens.verify(verifier, text, kNow));

  EXPECT_TRUE(tokens.verify(verifier, text, kNow + 110));
  EXPECT_EQ(tokens.verify(verifier, text, kNow + 111).error(), Failure::expired);
  EXPECT_EQ(tokens.size(), 0u);
}

TEST(VerifiedTokens, not_before_is_checked_again_should_the_clock_go_back) {
  Verifier verifier(provider());
  VerifiedTokens tokens({});
  const std::string text = token(fmt::format(R"({{"nbf":{}}})", kNow));
  ASSERT_TRUE(tokens.verify(verifier, text, kNow));
  EXPECT_EQ(tokens.verify(verifier, text, kNow - 11).error(), Failure::not_yet_valid);
}

TEST(VerifiedTokens, are_forgotten_after_the_longest_time) {
  Verifier verifier(provider());
  VerifiedTokens tokens({.ttl_max = Seconds(300)});
  const std::string text = token("{}");
  ASSERT_TRUE(tokens.verify(verifier, text, kNow));
  EXPECT_NE(tokens.find(verifier.provider(), text, kNow + 300), nullptr);
  EXPECT_EQ(tokens.find(verifier.provider(), text, kNow + 301), nullptr);
}

TEST(VerifiedTokens, the_least_recently_used_goes_first) {
  Verifier verifier(provider());
  VerifiedTokens tokens({.entries_max = 3});
  for (const int i : {0, 1, 2}) ASSERT_TRUE(tokens.verify(verifier, token_number(i), kNow));
  ASSERT_NE(tokens.find(verifier.provider(), token_number(0), kNow), nullptr);
  ASSERT_TRUE(tokens.verify(verifier, token_number(3), kNow));

  EXPECT_EQ(tokens.size(), 3u);
  EXPECT_EQ(tokens.counts().evictions, 1u);
  EXPECT_EQ(tokens.find(verifier.provider(), token_number(1), kNow), nullptr);
  EXPECT_NE(tokens.find(verifier.provider(), token_number(0), kNow), nullptr);
}

TEST(VerifiedTokens, large_tokens_count_for_several) {
  Verifier verifier(provider());
  VerifiedTokens tokens({.entries_max = 10});
  for (int i = 0; i < 10; ++i) {
    ASSERT_TRUE(tokens.verify(verifier, token(fmt::format(R"({{"sub":"{}{}"}})", std::string(5000, 'x'), i)), kNow));
  }
  EXPECT_LT(tokens.size(), 10u);
  EXPECT_GT(tokens.size(), 0u);
  EXPECT_LE(tokens.bytes(), 10 * VerifiedTokens::kBytesPerEntry);
}

TEST(VerifiedTokens, no_entries_or_no_time_remembers_nothing) {
  Verifier verifier(provider());
  for (const VerifiedTokens::Limits limits : {VerifiedTokens::Limits{.entries_max = 0}, {.ttl_max = Seconds(0)}}) {
    VerifiedTokens tokens(limits);
    EXPECT_TRUE(tokens.verify(verifier, token("{}"), kNow));
    EXPECT_TRUE(tokens.verify(verifier, token("{}"), kNow));
    EXPECT_EQ(tokens.size(), 0u);
    EXPECT_EQ(tokens.counts().hits, 0u);
  }
}

TEST(VerifiedTokens, new_limits_hold_at_once) {
  Verifier verifier(provider());
  VerifiedTokens tokens({});
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(tokens.verify(verifier, token_number(i), kNow));
  tokens.set_limits({.entries_max = 2});
  EXPECT_EQ(tokens.size(), 2u);
  tokens.set_limits({.entries_max = 0});
  EXPECT_EQ(tokens.size(), 0u);
  EXPECT_EQ(tokens.bytes(), 0u);
}

}  // namespace
}  // namespace sluice::jose
