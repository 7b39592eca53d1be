// The signature algorithms of RFC 7518 and RFC 8037 that we know. `none` is not among them, in any spelling.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace sluice::jose {

enum class Algorithm : uint8_t {
  rs256,
  rs384,
  rs512,
  ps256,
  ps384,
  ps512,
  es256,
  es384,
  es512,
  hs256,
  hs384,
  hs512,
  eddsa,
};
inline constexpr size_t kAlgorithms = 13;

enum class Scheme : uint8_t { rsa_pkcs1, rsa_pss, ecdsa, hmac, eddsa };

// What a key is. A key serves the algorithms of its kind and no others, whatever a token says.
enum class KeyKind : uint8_t { rsa, p256, p384, p521, ed25519, secret };

struct AlgorithmFacts {
  std::string_view name;  // as in the `alg` header, exact case
  Scheme scheme;
  const char* digest;         // OpenSSL's name; null for EdDSA, which hashes by itself
  unsigned coordinate_bytes;  // of r and of s in an ECDSA signature (RFC 7518 3.4); otherwise 0
};

const AlgorithmFacts& facts(Algorithm algorithm);
std::optional<Algorithm> parse_algorithm(std::string_view name);
std::string_view name(KeyKind kind);

// RSA serves RS* and PS*; each curve serves the one ES* made for it; Ed25519 EdDSA; a secret HS*.
bool serves(KeyKind kind, Algorithm algorithm);

}  // namespace sluice::jose
