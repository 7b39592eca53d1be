#include "engines/jose/signature_check.h"

#include <openssl/crypto.h>
#include <openssl/rsa.h>

#include "engines/jose/ecdsa_form.h"

namespace sluice::jose {
namespace {

constexpr size_t kEd25519SignatureBytes = 64;

using DigestBytes = std::array<unsigned char, EVP_MAX_MD_SIZE>;

// The digest of `input` with the context of this algorithm, which is made once and then started again and again.
std::optional<unsigned> digest(DigestContext& context, Algorithm algorithm, std::string_view input, DigestBytes& out) {
  if (!context) {
    const Digest md(EVP_MD_fetch(nullptr, facts(algorithm).digest, nullptr));
    DigestContext fresh(EVP_MD_CTX_new());
    if (!md || !fresh || EVP_DigestInit_ex2(fresh.get(), md.get(), nullptr) != 1) return std::nullopt;
    context = std::move(fresh);
  } else if (EVP_DigestInit_ex2(context.get(), nullptr, nullptr) != 1) {
    return std::nullopt;
  }
  unsigned size = 0;
  if (EVP_DigestUpdate(context.get(), input.data(), input.size()) != 1) return std::nullopt;
  if (EVP_DigestFinal_ex(context.get(), out.data(), &size) != 1) return std::nullopt;
  return size;
}

PkeyContext make_verify_context(EVP_PKEY* pkey, Algorithm algorithm) {
  PkeyContext context(EVP_PKEY_CTX_new_from_pkey(nullptr, pkey, nullptr));
  const Digest md(EVP_MD_fetch(nullptr, facts(algorithm).digest, nullptr));
  if (!context || !md || EVP_PKEY_verify_init(context.get()) != 1) return nullptr;
  if (EVP_PKEY_CTX_set_signature_md(context.get(), md.get()) != 1) return nullptr;
  if (facts(algorithm).scheme == Scheme::rsa_pkcs1) {
    if (EVP_PKEY_CTX_set_rsa_padding(context.get(), RSA_PKCS1_PADDING) != 1) return nullptr;
  }
  if (facts(algorithm).scheme ==
      Scheme::rsa_pss) {  // RFC 7518 3.5: the salt is as long as the digest, MGF1 uses it too
    if (EVP_PKEY_CTX_set_rsa_padding(context.get(), RSA_PKCS1_PSS_PADDING) != 1) return nullptr;
    if (EVP_PKEY_CTX_set_rsa_pss_saltlen(context.get(), RSA_PSS_SALTLEN_DIGEST) != 1) return nullptr;
  }
  return context;
}

MacContext make_mac_context(const Key& key, Algorithm algorithm) {
  const Mac mac(EVP_MAC_fetch(nullptr, "HMAC", nullptr));
  MacContext context(EVP_MAC_CTX_new(mac.get()));
  std::string digest_name = facts(algorithm).digest;
  const OSSL_PARAM params[] = {
      OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest_name.data(), digest_name.size()),
      OSSL_PARAM_construct_end()};
  if (!context || EVP_MAC_init(context.get(), bytes_of(key.secret), key.secret.size(), params) != 1) return nullptr;
  return context;
}

bool may_try(const Key& key, const Token& token) {
  if (!key.kid.empty() && !token.kid.empty() && key.kid != token.kid) return false;
  return !key.algorithm || key.algorithm == token.algorithm;
}

}  // namespace

SignatureCheck::SignatureCheck(std::shared_ptr<const KeySet> keys)
    : keys_(std::move(keys)), contexts_(keys_->keys().size()), eddsa_(EVP_MD_CTX_new()) {
  for (size_t i = 0; i < contexts_.size(); ++i) {
    EVP_PKEY* const pkey = keys_->keys()[i].pkey.get();
    if (!pkey) continue;
    contexts_[i].pkey.reset(EVP_PKEY_dup(pkey));
    contexts_[i].rsa = RsaSignature::create(pkey);
  }
}

std::optional<Failure> SignatureCheck::check(const Token& token) {
  const std::vector<Key>& keys = keys_->keys();
  if (keys.empty()) return Failure::no_valid_keys;
  bool tried = false;
  for (size_t i = 0; i < keys.size(); ++i) {
    if (!may_try(keys[i], token)) continue;
    tried = true;
    if (!serves(keys[i].kind, token.algorithm)) continue;
    if (token.algorithm == Algorithm::eddsa && token.signature.size() != kEd25519SignatureBytes) {
      return Failure::ed25519_wrong_length;
    }
    if (made_by(i, token)) return std::nullopt;
    ERR_clear_error();
  }
  return tried ? Failure::verification_failed : Failure::no_matching_key;
}

bool SignatureCheck::made_by(size_t key, const Token& token) {
  KeyContexts& contexts = contexts_[key];
  switch (facts(token.algorithm).scheme) {
    case Scheme::hmac: return check_mac(keys_->keys()[key], contexts, token);
    case Scheme::eddsa: return check_eddsa(contexts, token);
    case Scheme::ecdsa: return check_ecdsa(contexts, token);
    case Scheme::rsa_pkcs1:
    case Scheme::rsa_pss: return check_public(contexts, token, token.signature);
  }
  return false;
}

bool SignatureCheck::check_public(KeyContexts& contexts, const Token& token, std::string_view signature) {
  const size_t index = static_cast<size_t>(token.algorithm);
  const Scheme scheme = facts(token.algorithm).scheme;
  // RFC 8017 8.1.2 step 1: as long as the modulus. OpenSSL takes one whose leading zero was cut off, too.
  const bool rsa = scheme == Scheme::rsa_pss || scheme == Scheme::rsa_pkcs1;
  if (rsa && signature.size() != static_cast<size_t>(EVP_PKEY_get_size(contexts.pkey.get()))) return false;
  DigestBytes hash;
  const auto size = digest(digests_[index], token.algorithm, token.signing_input, hash);
  if (!size) return false;
  if (contexts.rsa && scheme == Scheme::rsa_pkcs1)
    return contexts.rsa->matches(signature, token.algorithm, {reinterpret_cast<const char*>(hash.data()), *size});
  PkeyContext& context = contexts.verify[index];
  if (!context) context = make_verify_context(contexts.pkey.get(), token.algorithm);
  if (!context) return false;
  return EVP_PKEY_verify(context.get(), bytes_of(signature), signature.size(), hash.data(), *size) == 1;
}

bool SignatureCheck::check_ecdsa(KeyContexts& contexts, const Token& token) {
  const auto der = ecdsa_to_der(token.signature, facts(token.algorithm).coordinate_bytes);
  return der && check_public(contexts, token, *der);
}

bool SignatureCheck::check_eddsa(KeyContexts& contexts, const Token& token) {
  if (!eddsa_ || EVP_MD_CTX_reset(eddsa_.get()) != 1) return false;
  if (EVP_DigestVerifyInit(eddsa_.get(), nullptr, nullptr, nullptr, contexts.pkey.get()) != 1) return false;
  return EVP_DigestVerify(eddsa_.get(), bytes_of(token.signature), token.signature.size(),
                          bytes_of(token.signing_input), token.signing_input.size()) == 1;
}

bool SignatureCheck::check_mac(const Key& key, KeyContexts& contexts, const Token& token) {
  MacContext& context = contexts.mac[static_cast<size_t>(token.algorithm)];
  if (!context) {
    context = make_mac_context(key, token.algorithm);
  } else if (EVP_MAC_init(context.get(), nullptr, 0, nullptr) != 1) {  // the same key again
    context.reset();
  }
  if (!context) return false;
  DigestBytes mac;
  size_t size = 0;
  if (EVP_MAC_update(context.get(), bytes_of(token.signing_input), token.signing_input.size()) != 1) return false;
  if (EVP_MAC_final(context.get(), mac.data(), &size, mac.size()) != 1) return false;
  return token.signature.size() == size && CRYPTO_memcmp(token.signature.data(), mac.data(), size) == 0;
}

}  // namespace sluice::jose
