#include "engines/jose/rsa_signature.h"

#include <gtest/gtest.h>
#include <openssl/rsa.h>

#include <random>

#include "engines/jose/test_keys.h"

namespace sluice::jose {
namespace {

struct Hash {
  Algorithm algorithm;
  const EVP_MD* digest;
};
const Hash kHashes[] = {
    {Algorithm::rs256, EVP_sha256()}, {Algorithm::rs384, EVP_sha384()}, {Algorithm::rs512, EVP_sha512()}};

std::string hash_of(const Hash& hash, std::string_view text) {
  std::string out(static_cast<size_t>(EVP_MD_get_size(hash.digest)), '\0');
  EVP_Digest(text.data(), text.size(), bytes_of(out), nullptr, hash.digest, nullptr);
  return out;
}

// What OpenSSL says.
bool evp_says(EVP_PKEY* key, const Hash& hash, std::string_view signature, std::string_view digest) {
  const PkeyContext context(EVP_PKEY_CTX_new(key, nullptr));
  CHECK(EVP_PKEY_verify_init(context.get()) == 1);
  CHECK(EVP_PKEY_CTX_set_rsa_padding(context.get(), RSA_PKCS1_PADDING) == 1);
  CHECK(EVP_PKEY_CTX_set_signature_md(context.get(), hash.digest) == 1);
  const bool good =
      EVP_PKEY_verify(context.get(), bytes_of(signature), signature.size(), bytes_of(digest), digest.size()) == 1;
  ERR_clear_error();
  return good;
}

std::string signed_by(EVP_PKEY* key, const EVP_MD* digest, int padding, std::string_view text) {
  const PkeyContext context(EVP_PKEY_CTX_new(key, nullptr));
  CHECK(EVP_PKEY_sign_init(context.get()) == 1 && EVP_PKEY_CTX_set_rsa_padding(context.get(), padding) == 1);
  if (digest) CHECK(EVP_PKEY_CTX_set_signature_md(context.get(), digest) == 1);
  std::string out(static_cast<size_t>(EVP_PKEY_get_size(key)), '\0');
  size_t size = out.size();
  CHECK(EVP_PKEY_sign(context.get(), bytes_of(out), &size, bytes_of(text), text.size()) == 1);
  return out;
}

TEST(RsaSignature, says_what_openssl_says) {
  std::mt19937 random(1);
  for (const char* type : {"RSA-2048", "RSA-2050", "RSA-3072"}) {
    EVP_PKEY* const key = test_key(type).pkey.get();
    const auto checker = RsaSignature::create(key);
    ASSERT_TRUE(checker);
    for (const Hash& hash : kHashes) {
      const std::string digest = hash_of(hash, "a text");
      const std::string signature = signed_by(key, hash.digest, RSA_PKCS1_PADDING, digest);
      EXPECT_TRUE(checker->matches(signature, hash.algorithm, digest)) << type;
      EXPECT_TRUE(evp_says(key, hash, signature, digest));
      EXPECT_FALSE(checker->matches(signature, hash.algorithm, hash_of(hash, "another"))) << type;
      for (int i = 0; i < 200; ++i) {
        std::string bad = signature;
        bad[random() % bad.size()] ^= static_cast<char>(1U << random() % 8);
        ASSERT_EQ(checker->matches(bad, hash.algorithm, digest), evp_says(key, hash, bad, digest)) << type << " " << i;
      }
      EXPECT_TRUE(checker->matches(signature, hash.algorithm, digest)) << "what failed before leaves nothing behind";
    }
  }
}

TEST(RsaSignature, refuses_numbers_and_lengths_that_are_no_signature) {
  const TestKey& key = test_key("RSA-2048");
  const auto checker = RsaSignature::create(key.pkey.get());
  const Hash& hash = kHashes[0];
  const std::string digest = hash_of(hash, "a text");
  const std::string good = signed_by(key.pkey.get(), hash.digest, RSA_PKCS1_PADDING, digest);
  std::string modulus = *base64url_decode(key.number("n")), below = modulus;
  below.back() ^= 1;  // odd, so this is n - 1
  std::string one(256, '\0');
  one.back() = 1;
  for (const std::string& bad : {std::string(), good.substr(1), good + '\0', '\0' + good, std::string(256, '\0'),
                                 std::string(256, '\xff'), modulus, below, one})
    EXPECT_FALSE(checker->matches(bad, hash.algorithm, digest));
  // The same residue, too large by the modulus.
  BigNumber sum(BN_bin2bn(bytes_of(good), 256, nullptr)), n(BN_bin2bn(bytes_of(modulus), 256, nullptr));
  BN_add(sum.get(), sum.get(), n.get());
  if (BN_num_bytes(sum.get()) == 256) {
    std::string bytes(256, '\0');
    BN_bn2bin(sum.get(), bytes_of(bytes));
    EXPECT_FALSE(checker->matches(bytes, hash.algorithm, digest));
  }
  EXPECT_FALSE(checker->matches(good, Algorithm::rs384, digest));
  EXPECT_FALSE(checker->matches(good, Algorithm::rs512, digest));
  EXPECT_FALSE(checker->matches(good, Algorithm::ps256, digest));
  EXPECT_FALSE(checker->matches(good, Algorithm::rs256, digest.substr(1)));
  EXPECT_FALSE(checker->matches(good, Algorithm::rs256, digest + "x"));
}

// What lenient parsers took for a signature, signed with the real key so that only the encoding is wrong
// (Bleichenbacher 2006, BERserk 2014 and their kin).
TEST(RsaSignature, refuses_every_other_encoding_of_the_digest) {
  using namespace std::string_literals;
  const TestKey& key = test_key("RSA-2048");
  const auto checker = RsaSignature::create(key.pkey.get());
  const Hash& hash = kHashes[0];
  const std::string digest = hash_of(hash, "a text");
  const std::string oid = "\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01"s;
  const std::string info = "\x30\x31\x30\x0d"s + oid + "\x05\x00\x04\x20"s + digest;
  const auto padded = [](const std::string& type, const std::string& end, char fill = '\xff') {
    return type + std::string(256 - type.size() - 1 - end.size(), fill) + '\0' + end;
  };
  EXPECT_TRUE(checker->matches(signed_by(key.pkey.get(), nullptr, RSA_NO_PADDING, padded("\x00\x01"s, info)),
                               hash.algorithm, digest));
  std::string one_hole = padded("\x00\x01"s, info);
  one_hole[100] = '\xfe';
  const std::string rows[] = {
      padded("\x00\x02"s, info),
      padded("\x00\x00"s, info, '\0'),
      padded("\x00\x01"s, info, '\x01'),
      one_hole,
      "\x00\x01"s + std::string(8, '\xff') + '\0' + info + std::string(256 - 11 - info.size(), '\0'),
      "\x00\x01"s + std::string(8, '\xff') + '\0' + info + std::string(256 - 11 - info.size(), 'g'),
      padded("\x00\x01"s, "\x30\x2f\x30\x0b"s + oid + "\x04\x20"s + digest),                          // no NULL
      padded("\x00\x01"s, "\x30\x81\x31\x30\x0d"s + oid + "\x05\x00\x04\x20"s + digest),              // a long length
      padded("\x00\x01"s, "\x30\x33\x30\x0f"s + oid + "\x05\x02xx\x04\x20"s + digest),                // in the NULL
      padded("\x00\x01"s, "\x30\x31\x30\x0d"s + oid + "\x05\x00\x04\x20"s + digest.substr(1) + 'x'),  // another digest
      padded("\x00\x01"s, digest),                                                                    // no DigestInfo
  };
  for (const std::string& row : rows) {
    ASSERT_EQ(row.size(), 256U);
    const std::string signature = signed_by(key.pkey.get(), nullptr, RSA_NO_PADDING, row);
    EXPECT_FALSE(checker->matches(signature, hash.algorithm, digest)) << &row - rows;
  }
}

TEST(RsaSignature, leaves_other_keys_to_openssl) {
  EXPECT_FALSE(RsaSignature::create(nullptr));
  EXPECT_FALSE(RsaSignature::create(test_key("P-256").pkey.get()));
  EXPECT_FALSE(RsaSignature::create(test_key("Ed25519").pkey.get()));
  const BigNumber three(BN_new());
  BN_set_word(three.get(), 3);
  const PkeyContext context(EVP_PKEY_CTX_new_from_name(nullptr, "RSA", nullptr));
  EVP_PKEY* made = nullptr;
  ASSERT_EQ(EVP_PKEY_keygen_init(context.get()), 1);
  ASSERT_EQ(EVP_PKEY_CTX_set1_rsa_keygen_pubexp(context.get(), three.get()), 1);
  ASSERT_EQ(EVP_PKEY_CTX_set_rsa_keygen_bits(context.get(), 2048), 1);
  ASSERT_EQ(EVP_PKEY_generate(context.get(), &made), 1);
  const Pkey key(made);
  EXPECT_FALSE(RsaSignature::create(key.get()));
}

}  // namespace
}  // namespace sluice::jose
