// Checks signatures with the keys of one set.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <vector>

#include "engines/jose/key_set.h"
#include "engines/jose/openssl.h"
#include "engines/jose/rsa_signature.h"
#include "engines/jose/token.h"

namespace sluice::jose {

// Keeps OpenSSL's digest and key contexts ready, on copies of the keys of its own, so that workers share no reference
// count. Belongs to one thread.
class SignatureCheck {
 public:
  explicit SignatureCheck(std::shared_ptr<const KeySet> keys);

  // Nothing when one of the keys made the signature.
  //
  // A key is tried when neither `kid` nor `alg` speaks against it; it never serves an algorithm of another kind, so a
  // public key is never used as an HMAC secret.
  std::optional<Failure> check(const Token& token);

 private:
  struct KeyContexts {
    Pkey pkey;
    std::unique_ptr<RsaSignature> rsa;  // null: verify[] serves RS* too
    std::array<PkeyContext, kAlgorithms> verify;
    std::array<MacContext, kAlgorithms> mac;
  };

  bool made_by(size_t key, const Token& token);
  bool check_public(KeyContexts& contexts, const Token& token, std::string_view signature);
  bool check_ecdsa(KeyContexts& contexts, const Token& token);
  bool check_eddsa(KeyContexts& contexts, const Token& token);
  bool check_mac(const Key& key, KeyContexts& contexts, const Token& token);

  std::shared_ptr<const KeySet> keys_;
  std::vector<KeyContexts> contexts_;  // beside keys_->keys()
  std::array<DigestContext, kAlgorithms> digests_;
  DigestContext eddsa_;
};

}  // namespace sluice::jose
