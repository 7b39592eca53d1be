// RSASSA-PKCS1-v1_5 with the exponent 65537, the way nearly every token is signed (RFC 8017 8.2.2).
//
// The multiplications are OpenSSL's; what is left out is what EVP_PKEY_verify() does around them for keys and paddings
// of every kind: 15.9 us instead of 19.7 for 2,048 bits (docs/decisions/0013). Nothing here is secret.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "engines/jose/algorithm.h"
#include "engines/jose/openssl.h"

namespace sluice::jose {

// Belongs to one thread.
class RsaSignature {
 public:
  // Null for keys that are not RSA or have another exponent: those are EVP's.
  static std::unique_ptr<RsaSignature> create(EVP_PKEY* key);

  // Whether the key made `signature` over a text with this digest; `algorithm` is one of RS256, RS384, RS512.
  bool matches(std::string_view signature, Algorithm algorithm, std::string_view digest);

 private:
  RsaSignature() = default;

  size_t bytes_ = 0;  // of the modulus
  BigNumber modulus_, signature_, power_;
  Owned<BN_CTX, BN_CTX_free> scratch_;
  Owned<BN_MONT_CTX, BN_MONT_CTX_free> montgomery_;
  std::string decoded_, expected_;
};

}  // namespace sluice::jose
