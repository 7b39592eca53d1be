// The keys that a provider's tokens are verified with.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "engines/jose/algorithm.h"

typedef struct evp_pkey_st EVP_PKEY;

namespace sluice::jose {

struct Key {
  KeyKind kind = KeyKind::rsa;
  std::string kid;                     // empty: the key fits any `kid`
  std::optional<Algorithm> algorithm;  // from the JWK's `alg`: no other algorithm then
  std::shared_ptr<EVP_PKEY> pkey;      // null for a secret
  std::string secret;                  // for HS*; never logged
};

// Immutable, so that workers may share it. They do not verify with it directly: each has a Verifier.
class KeySet {
 public:
  static constexpr size_t kTextBytesMax = 1U << 20;
  static constexpr size_t kKeysMax = 100;
  static constexpr unsigned kRsaBitsMin = 2048;  // RFC 7518 3.3; a shorter modulus is refused, not warned about
  static constexpr unsigned kRsaBitsMax = 8192;  // the cost of a verification grows with it
  static constexpr size_t kSecretBytesMin = 32;  // RFC 7518 3.2, for HS256

  // From one of:
  // - a PEM block `BEGIN PUBLIC KEY`: RSA, EC (P-256, P-384, P-521) or Ed25519. Indentation, blank lines and text
  //   around it do no harm. It serves every algorithm of its kind and any `kid`. Never HS*: a public key is no secret.
  // - a JWK (RSA, EC, OKP Ed25519, oct), or
  // - a JWK set {"keys": [...]}: entries that cannot be used (unknown type, bad numbers, `use: enc`) are skipped.
  //
  // An error says why nothing in it can be used. Private keys are always an error: they must not be in a
  // gateway's configuration. An RSA exponent is 3 or 65537.
  static Result<std::shared_ptr<const KeySet>> parse(std::string_view text);
  // A JWK set and nothing else: what a URL of keys gives.
  static Result<std::shared_ptr<const KeySet>> parse_jwk_set(std::string_view text);

  const std::vector<Key>& keys() const { return keys_; }
  // A sentence for each entry of a set that was skipped, for a warning.
  const std::vector<std::string>& skipped() const { return skipped_; }
  // A digest of the text it was read from.
  const std::string& identity() const { return identity_; }

 private:
  enum class Form : uint8_t { any, jwk_set };
  static Result<std::shared_ptr<const KeySet>> parse(std::string_view text, Form form);

  std::vector<Key> keys_;
  std::vector<std::string> skipped_;
  std::string identity_;
};

}  // namespace sluice::jose
