// Contexts and chains: what can be made of a configuration, and what is said of one that cannot.
#include "net/tls/server.h"

#include <gtest/gtest.h>

#include "net/tls/testing.h"

namespace sluice {
namespace {

const TestAuthority& authority() {
  static const TestAuthority made;
  return made;
}

std::string problem(const TlsServerOptions& options) {
  static TlsServerShared shared;
  const auto made = TlsServerContext::create(options, shared);
  return made ? "" : made.error().message;
}

TlsServerOptions with(TlsKeyPair pair) {
  return {.key_pair = std::move(pair)};
}

TEST(TlsServerContext, says_what_is_wrong_with_a_key_pair) {
  const TlsKeyPair good = authority().make({"a.example"});
  EXPECT_EQ(problem(with(good)), "");
  EXPECT_EQ(problem(with({})), "there is no certificate in PEM (-----BEGIN CERTIFICATE-----)");
  EXPECT_EQ(problem(with({.certificates = good.certificates})),
            "there is no private key in PEM (-----BEGIN PRIVATE KEY-----)");
  EXPECT_EQ(
      problem(with({.certificates = good.certificates, .private_key = authority().make({"a.example"}).private_key})),
      "the private key does not fit the certificate of CN=a.example");
  EXPECT_EQ(problem(with({.certificates = good.private_key, .private_key = good.certificates})),
            "there is no certificate in PEM (-----BEGIN CERTIFICATE-----)");
  std::string broken = good.certificates;
  broken.replace(broken.size() / 2, 4, "AAAA");
  EXPECT_NE(problem(with({.certificates = broken, .private_key = good.private_key})), "");
  EXPECT_EQ(
      problem(with({.certificates = good.certificates,
                    .private_key = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIBvTBXBgkq\n-----END ENCRYPTED PRIVATE "
                                   "KEY-----\n"})),
      "the private key has a passphrase: take it off (openssl pkey -in KEY -out KEY)");
}

TEST(TlsServerContext, says_what_is_wrong_with_the_rest) {
  TlsServerOptions options = with(authority().make({"a.example"}));
  options.parameters.cipher_suites = {"ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES127-GCM-SHA256"};
  EXPECT_EQ(problem(options), "cipher suite ECDHE-ECDSA-AES127-GCM-SHA256 is not known");
  for (const char* no_name : {"ALL", "DEFAULT", "HIGH:!aNULL", "@STRENGTH", "-ALL", ""}) {
    options.parameters.cipher_suites = {no_name};
    EXPECT_NE(problem(options).find("is not known"), std::string::npos) << no_name;
  }
  options.parameters = {.ecdh_curves = {"P-257"}};
  EXPECT_EQ(problem(options), "curve P-257 is not known");
  options.parameters = {.min = TlsVersion::tls1_3, .max = TlsVersion::tls1_2};
  EXPECT_EQ(problem(options), "the lowest TLS version is above the highest");
  options.parameters = {};
  options.alpn = {""};
  EXPECT_EQ(problem(options), "ALPN protocol `` must have 1 to 255 bytes");
  options.alpn = {};
  options.client_subject_alt_names = {"x"};
  EXPECT_EQ(problem(options), "a root_ca must be provided if verify_subject_alt_name is not empty");
  options.client_ca = "x";
  EXPECT_EQ(problem(options), "the CA: there is no certificate in PEM (-----BEGIN CERTIFICATE-----)");
  options = with(options.key_pair);
  options.ocsp = OcspStaplePolicy::must_staple;
  EXPECT_EQ(problem(options), "ocspStaplePolicy MUST_STAPLE needs an OCSP staple, and there is none");
  options.key_pair.ocsp_staple = "x";
  EXPECT_EQ(problem(options), "the OCSP staple is no OCSP response in DER");
  options.key_pair.ocsp_staple = authority().staple_for(authority().make({"b.example"}), false);
  EXPECT_EQ(problem(options), "the OCSP staple is for another certificate");
}

TEST(TlsServerContext, tells_what_an_operator_should_know) {
  TlsServerShared shared;
  const auto warnings = [&](const TlsKeyPair& pair) {
    return (*TlsServerContext::create(with(pair), shared))->warnings(wall_now());
  };
  EXPECT_TRUE(warnings(authority().make({"a.example"})).empty());
  const auto old = warnings(authority().make({.names = {"a.example"}, .days_from = -9, .days_to = -1}));
  ASSERT_EQ(old.size(), 1u);
  EXPECT_TRUE(old[0].starts_with("the certificate of CN=a.example has expired on 20")) << old[0];
  const auto young = warnings(authority().make({.names = {"a.example"}, .days_from = 2}));
  ASSERT_EQ(young.size(), 1u);
  EXPECT_TRUE(young[0].starts_with("the certificate of CN=a.example is not valid before 20")) << young[0];
  TlsKeyPair wrong_order = authority().make({"a.example"});
  wrong_order.certificates += authority().make({"b.example"}).certificates;
  EXPECT_EQ(warnings(wrong_order),
            std::vector<std::string>{
                "certificate 2 of the chain (CN=b.example) is not the issuer of the one before it (CN=Test CA)"});
  TlsKeyPair whole = authority().make({"a.example"});
  whole.certificates += authority().pem();
  EXPECT_TRUE(warnings(whole).empty());
  TlsKeyPair stale = authority().make({"a.example"});
  stale.ocsp_staple = authority().staple_for(stale, false, -1);
  ASSERT_EQ(warnings(stale).size(), 1u);
  EXPECT_TRUE(warnings(stale)[0].starts_with("the OCSP staple for CN=a.example has expired on 20"));
}

TEST(TlsServerContext, knows_what_its_certificate_says) {
  TlsServerShared shared;
  const auto made = *TlsServerContext::create(with(authority().make({"a.example", "10.0.0.1", "spiffe://a"})), shared);
  const CertificateInfo& info = made->certificate();
  EXPECT_EQ(info.subject, "CN=a.example");
  EXPECT_EQ(info.issuer, "CN=Test CA");
  EXPECT_EQ(info.dns_names, std::vector<std::string>{"a.example"});
  EXPECT_EQ(info.ip_names, std::vector<std::string>{"10.0.0.1"});
  EXPECT_EQ(info.uri_names, std::vector<std::string>{"spiffe://a"});
  EXPECT_EQ(info.fingerprint_sha256.size(), 64u);
  EXPECT_EQ(info.fingerprint_sha1.size(), 40u);
  EXPECT_GT(info.not_after, wall_now());
}

TEST(TlsServerChains, are_chosen_by_the_exact_name_the_longest_wildcard_or_none) {
  TlsServerShared shared;
  const auto context = *TlsServerContext::create(with(authority().make({"a.example"})), shared);
  const auto chains = *TlsServerChains::create(
      {{{"A.example", "b.example"}, context}, {{"*.example"}, context}, {{"*.c.example"}, context}, {{}, context}});
  EXPECT_EQ(chains->find("a.example"), 0u);
  EXPECT_EQ(chains->find("b.example"), 0u);
  EXPECT_EQ(chains->find("x.example"), 1u);
  EXPECT_EQ(chains->find("y.x.example"), 1u);
  EXPECT_EQ(chains->find("x.c.example"), 2u);
  EXPECT_EQ(chains->find("c.example"), 1u);
  EXPECT_EQ(chains->find("example"), 3u);
  EXPECT_EQ(chains->find(""), 3u);
  const auto narrow = *TlsServerChains::create({{{"a.example"}, context}});
  EXPECT_EQ(narrow->find("b.example"), std::nullopt);
  EXPECT_EQ(narrow->find(""), std::nullopt);
}

TEST(TlsServerChains, with_a_name_in_common_are_refused) {
  TlsServerShared shared;
  const auto context = *TlsServerContext::create(with(authority().make({"a.example"})), shared);
  const auto problem_of = [&](std::vector<std::string> one, std::vector<std::string> other) {
    const auto made = TlsServerChains::create({{std::move(one), context}, {std::move(other), context}});
    return made ? "" : made.error().message;
  };
  EXPECT_EQ(problem_of({"a.example"}, {"A.example"}), "two chains are for a.example");
  EXPECT_EQ(problem_of({"*.example"}, {"b", "*.example"}), "two chains are for *.example");
  EXPECT_EQ(problem_of({}, {"*"}), "two chains are for every name");
  EXPECT_EQ(problem_of({"a.example", "a.example"}, {}), "");
}

}  // namespace
}  // namespace sluice
