// Key pairs for tests and benchmarks, made fresh in each run: no private key lies in the tree.
#pragma once

#include <openssl/pem.h>

#include <map>
#include <string>

#include "base/check.h"
#include "base/encoding.h"
#include "engines/jose/openssl.h"

namespace sluice::jose {

struct TestKey {
  Pkey pkey;
  std::string private_pem;
  std::string public_pem;

  // A number of the public key as base64url: "n", "e" of RSA; "qx", "qy" of EC.
  std::string number(const char* name, size_t size = 0) const {
    BIGNUM* value = nullptr;
    CHECK(EVP_PKEY_get_bn_param(pkey.get(), name, &value) == 1);
    const BigNumber owner(value);
    std::string bytes(size ? size : static_cast<size_t>(BN_num_bytes(value)), '\0');
    CHECK(BN_bn2binpad(value, bytes_of(bytes), static_cast<int>(bytes.size())) >= 0);
    return base64url_encode(bytes);
  }
};

inline std::string read_bio(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  return std::string(data, static_cast<size_t>(size));
}

inline TestKey make_test_key(EVP_PKEY* pkey) {
  CHECK(pkey != nullptr);
  TestKey key{.pkey = Pkey(pkey)};
  const Owned<BIO, BIO_free> secret(BIO_new(BIO_s_mem()));
  PEM_write_bio_PrivateKey(secret.get(), pkey, nullptr, nullptr, 0, nullptr, nullptr);
  key.private_pem = read_bio(secret.get());
  const Owned<BIO, BIO_free> open(BIO_new(BIO_s_mem()));
  PEM_write_bio_PUBKEY(open.get(), pkey);
  key.public_pem = read_bio(open.get());
  return key;
}

// `type` is "RSA-<bits>", "Ed25519", "X25519" or a curve's name. The same name gives the same key within a run;
// "RSA-2048/other" is another one.
inline const TestKey& test_key(const std::string& type) {
  static std::map<std::string, TestKey> keys;
  auto& key = keys[type];
  if (key.pkey) return key;
  const std::string base = type.substr(0, type.find('/'));
  if (base.starts_with("RSA-")) {
    key = make_test_key(EVP_PKEY_Q_keygen(nullptr, nullptr, "RSA", static_cast<size_t>(std::stoul(base.substr(4)))));
  } else if (base.ends_with("25519")) {
    key = make_test_key(EVP_PKEY_Q_keygen(nullptr, nullptr, base.c_str()));
  } else {
    key = make_test_key(EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", base.c_str()));
  }
  return key;
}

// The type of test_key that signs this algorithm; "" for HS*.
inline std::string key_type_for(std::string_view algorithm) {
  if (algorithm.starts_with("RS") || algorithm.starts_with("PS")) return "RSA-2048";
  if (algorithm == "ES256") return "P-256";
  if (algorithm == "ES384") return "P-384";
  if (algorithm == "ES512") return "P-521";
  return algorithm == "EdDSA" ? "Ed25519" : "";
}

inline constexpr std::string_view kTestSecret =
    "a secret of more than sixty-four bytes, which is enough for HS512 as well";

}  // namespace sluice::jose
