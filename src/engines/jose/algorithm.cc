#include "engines/jose/algorithm.h"

#include <array>

namespace sluice::jose {
namespace {

constexpr std::array<AlgorithmFacts, kAlgorithms> kFacts = {{
    {"RS256", Scheme::rsa_pkcs1, "SHA256", 0},
    {"RS384", Scheme::rsa_pkcs1, "SHA384", 0},
    {"RS512", Scheme::rsa_pkcs1, "SHA512", 0},
    {"PS256", Scheme::rsa_pss, "SHA256", 0},
    {"PS384", Scheme::rsa_pss, "SHA384", 0},
    {"PS512", Scheme::rsa_pss, "SHA512", 0},
    {"ES256", Scheme::ecdsa, "SHA256", 32},
    {"ES384", Scheme::ecdsa, "SHA384", 48},
    {"ES512", Scheme::ecdsa, "SHA512", 66},
    {"HS256", Scheme::hmac, "SHA256", 0},
    {"HS384", Scheme::hmac, "SHA384", 0},
    {"HS512", Scheme::hmac, "SHA512", 0},
    {"EdDSA", Scheme::eddsa, nullptr, 0},
}};

}  // namespace

const AlgorithmFacts& facts(Algorithm algorithm) {
  return kFacts[static_cast<size_t>(algorithm)];
}

std::optional<Algorithm> parse_algorithm(std::string_view name) {
  for (size_t i = 0; i < kFacts.size(); ++i) {
    if (kFacts[i].name == name) return static_cast<Algorithm>(i);
  }
  return std::nullopt;
}

std::string_view name(KeyKind kind) {
  switch (kind) {
    case KeyKind::rsa: return "RSA";
    case KeyKind::p256: return "EC P-256";
    case KeyKind::p384: return "EC P-384";
    case KeyKind::p521: return "EC P-521";
    case KeyKind::ed25519: return "Ed25519";
    case KeyKind::secret: return "oct";
  }
  return "";
}

bool serves(KeyKind kind, Algorithm algorithm) {
  const Scheme scheme = facts(algorithm).scheme;
  switch (kind) {
    case KeyKind::rsa: return scheme == Scheme::rsa_pkcs1 || scheme == Scheme::rsa_pss;
    case KeyKind::p256: return algorithm == Algorithm::es256;
    case KeyKind::p384: return algorithm == Algorithm::es384;
    case KeyKind::p521: return algorithm == Algorithm::es512;
    case KeyKind::ed25519: return scheme == Scheme::eddsa;
    case KeyKind::secret: return scheme == Scheme::hmac;
  }
  return false;
}

}  // namespace sluice::jose
