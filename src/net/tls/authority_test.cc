#include "net/tls/authority.h"

#include <gtest/gtest.h>

#include "net/tls/certificate.h"

namespace sluice {
namespace {

CertificateInfo info_of(const TlsKeyPair& pair) {
  return tls::read_key_pair(pair)->info;
}

TEST(TlsAuthority, makes_certificates_for_names_and_addresses) {
  const auto authority = TlsAuthority::create("An authority", 100);
  const auto info = info_of(authority.make({.names = {"a.example", "b.example", "10.0.0.7", "::1"}, .days_to = 30}));
  EXPECT_EQ(info.subject, "CN=a.example");
  EXPECT_EQ(info.issuer, "CN=An authority");
  EXPECT_EQ(info.dns_names, (std::vector<std::string>{"a.example", "b.example"}));
  EXPECT_EQ(info.ip_names, (std::vector<std::string>{"10.0.0.7", "::1"}));
  EXPECT_LT(info.not_before, wall_now());
  EXPECT_GT(info.not_after, wall_now() + std::chrono::days(29));
  EXPECT_GT(authority.ends(), wall_now() + std::chrono::days(99));
}

TEST(TlsAuthority, takes_a_name_that_is_too_long_for_a_common_name) {
  const std::string name = std::string(60, 'a') + "." + std::string(60, 'b') + ".example";
  EXPECT_EQ(info_of(TlsAuthority::create("x", 10).make({.names = {name}})).dns_names, std::vector<std::string>{name});
}

TEST(TlsAuthority, is_read_back_from_what_it_says_of_itself) {
  const auto made = TlsAuthority::create("An authority", 100);
  const auto read = TlsAuthority::read(made.private_key() + made.certificate());
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(read->certificate(), made.certificate());
  EXPECT_EQ(info_of(read->make({.names = {"a.example"}})).issuer, "CN=An authority");
}

TEST(TlsAuthority, refuses_what_is_none) {
  const auto one = TlsAuthority::create("One", 100), other = TlsAuthority::create("Other", 100);
  const auto leaf = one.make({.names = {"a.example"}});
  for (const std::string& pem : {std::string(), std::string("nothing"), one.certificate(), one.private_key(),
                                 one.private_key() + other.certificate(), leaf.private_key + leaf.certificates})
    EXPECT_FALSE(TlsAuthority::read(pem)) << pem;
}

}  // namespace
}  // namespace sluice
