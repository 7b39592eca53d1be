#include "net/tls/certificate.h"

#include <gtest/gtest.h>
#include <openssl/pem.h>

#include "net/tls/authority.h"

namespace sluice::tls {
namespace {

// The key in one of the forms that tools write.
std::string pem_of(EVP_PKEY* key, bool traditional) {
  const BioPtr out(BIO_new(BIO_s_mem()));
  if (traditional)
    PEM_write_bio_PrivateKey_traditional(out.get(), key, nullptr, nullptr, 0, nullptr, nullptr);
  else
    PEM_write_bio_PrivateKey(out.get(), key, nullptr, nullptr, 0, nullptr, nullptr);
  char* bytes = nullptr;
  const long size = BIO_get_mem_data(out.get(), &bytes);
  return {bytes, static_cast<size_t>(size)};
}

TEST(PrivateKeys, are_read_in_every_usual_form) {
  const KeyPtr keys[] = {KeyPtr(EVP_RSA_gen(2048)), KeyPtr(EVP_EC_gen("P-256")), KeyPtr(EVP_EC_gen("P-384")),
                         KeyPtr(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"))};
  for (const KeyPtr& key : keys) {
    for (const bool traditional : {false, true}) {
      if (traditional && &key == &keys[3]) continue;  // there is none
      const std::string pem = "some text in front\n" + pem_of(key.get(), traditional);
      const auto read = read_private_key(pem);
      ASSERT_TRUE(read) << read.error().message << pem;
      EXPECT_EQ(EVP_PKEY_eq(read->get(), key.get()), 1) << pem;
    }
  }
}

TEST(PrivateKeys, with_a_passphrase_are_refused) {
  const KeyPtr key(EVP_EC_gen("P-256"));
  const BioPtr out(BIO_new(BIO_s_mem()));
  unsigned char secret[] = "secret";
  PEM_write_bio_PrivateKey(out.get(), key.get(), EVP_aes_128_cbc(), secret, 6, nullptr, nullptr);
  char* bytes = nullptr;
  const long size = BIO_get_mem_data(out.get(), &bytes);
  const auto read = read_private_key({bytes, static_cast<size_t>(size)});
  ASSERT_FALSE(read);
  EXPECT_TRUE(read.error().message.starts_with("the private key has a passphrase")) << read.error().message;
}

std::string pem_of_new_certificate() {
  const KeyPtr key(EVP_EC_gen("P-256"));
  const CertificatePtr made(X509_new());
  X509_gmtime_adj(X509_getm_notBefore(made.get()), 0);
  X509_gmtime_adj(X509_getm_notAfter(made.get()), 1000);
  X509_set_pubkey(made.get(), key.get());
  X509_sign(made.get(), key.get(), EVP_sha256());
  return to_pem(*made);
}

TEST(Certificates, are_all_read_or_none) {
  const std::string one = pem_of_new_certificate(), two = pem_of_new_certificate();
  const auto both = read_certificates("text in front\n" + one + "text between\n\n" + two + "text behind, no line");
  ASSERT_TRUE(both);
  EXPECT_EQ(both->size(), 2);
  // A file that is being written: each of its beginnings that ends in the second one.
  for (size_t size = two.find('\n') + 1; size < two.size() - 1; ++size) {
    const auto half = read_certificates(one + two.substr(0, size));
    ASSERT_FALSE(half) << two.substr(0, size);
    EXPECT_TRUE(half.error().message.starts_with("certificate 2 cannot be read")) << half.error().message;
  }
  EXPECT_FALSE(read_certificates(one + "-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n" + two));
}

TEST(Certificates, of_a_chain_that_no_peer_takes_are_refused) {
  const auto authority = TlsAuthority::create("An authority", 100);
  TlsKeyPair pair = authority.make({.names = {"a.example"}, .days_to = 30});
  const std::string own = pair.certificates;
  for (int i = 0; i < 50; ++i) pair.certificates += own;
  const auto some = read_key_pair(pair);
  ASSERT_TRUE(some);
  const auto warnings = warnings_of(*some, wall_now());
  ASSERT_EQ(warnings.size(), 1) << "of fifty that do not fit one is told";
  EXPECT_TRUE(warnings[0].starts_with("certificate 2 of the chain (CN=a.example) is not the issuer of the one before"));
  for (int i = 0; i < 500; ++i) pair.certificates += own;
  const auto many = read_key_pair(pair);
  ASSERT_FALSE(many);
  EXPECT_TRUE(many.error().message.starts_with("the chain of 551 certificates has ")) << many.error().message;
}

TEST(Certificates, end_where_the_clock_does_when_they_are_for_ever) {
  const KeyPtr key(EVP_EC_gen("P-256"));
  const CertificatePtr made(X509_new());
  ASN1_TIME_set_string_X509(X509_getm_notBefore(made.get()), "19500101000000Z");
  ASN1_TIME_set_string_X509(X509_getm_notAfter(made.get()), "99991231235959Z");  // RFC 5280 4.1.2.5
  X509_set_pubkey(made.get(), key.get());
  X509_sign(made.get(), key.get(), EVP_sha256());
  const CertificateInfo info = describe(*made);
  EXPECT_EQ(info.not_after, WallTime::max());
  EXPECT_LT(info.not_before, WallTime{});
}

TEST(Names, are_held_against_all_kinds_of_a_certificates) {
  const CertificateInfo info{.dns_names = {"A.example"},
                             .uri_names = {"spiffe://X"},
                             .ip_names = {"10.0.0.1"},
                             .email_names = {"me@a.example"}};
  for (const char* name : {"a.example", "spiffe://X", "10.0.0.1", "me@a.example"})
    EXPECT_TRUE(has_subject_alt_name(info, name)) << name;
  for (const char* name : {"b.example", "spiffe://x", "10.0.0.2", "", "*.example"})
    EXPECT_FALSE(has_subject_alt_name(info, name)) << name;
}

}  // namespace
}  // namespace sluice::tls
