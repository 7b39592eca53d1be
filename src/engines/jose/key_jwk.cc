// A key as JSON: RFC 7517, with the members of RFC 7518 6 (RSA, EC, oct) and RFC 8037 2 (OKP).
#include <nlohmann/json.hpp>

#include "base/encoding.h"
#include "base/strings.h"
#include "engines/jose/key_read.h"
#include "engines/jose/openssl.h"

namespace sluice::jose {
namespace {

using Json = nlohmann::json;

// A member that must be a string if it is there at all.
Result<std::string> text_member(const Json& jwk, const char* name) {
  const auto member = jwk.find(name);
  if (member == jwk.end()) return std::string();
  if (!member->is_string()) return invalid(fmt::format("\"{}\" must be a string", name));
  return member->get<std::string>();
}

Result<std::string> bytes_member(const Json& jwk, const char* name) {
  const std::string text = TRY(text_member(jwk, name));
  if (text.empty()) return invalid(fmt::format("\"{}\" is missing", name));
  auto bytes = base64url_decode(text);
  if (!bytes) return invalid(fmt::format("\"{}\" is not base64url without padding", name));
  return *std::move(bytes);
}

Result<BigNumber> number_member(const Json& jwk, const char* name) {
  const std::string bytes = TRY(bytes_member(jwk, name));
  return BigNumber(BN_bin2bn(bytes_of(bytes), static_cast<int>(bytes.size()), nullptr));
}

Result<std::shared_ptr<EVP_PKEY>> key_from_params(const char* type, OSSL_PARAM_BLD* builder) {
  const Owned<OSSL_PARAM, OSSL_PARAM_free> params(OSSL_PARAM_BLD_to_param(builder));
  const PkeyContext context(EVP_PKEY_CTX_new_from_name(nullptr, type, nullptr));
  EVP_PKEY* pkey = nullptr;
  if (!params || !context || EVP_PKEY_fromdata_init(context.get()) != 1 ||
      EVP_PKEY_fromdata(context.get(), &pkey, EVP_PKEY_PUBLIC_KEY, params.get()) != 1) {
    return invalid(fmt::format("the numbers are no {} key: {}", type, openssl_error()));
  }
  return std::shared_ptr<EVP_PKEY>(pkey, Pkey::deleter_type{});
}

using ParamBuilder = Owned<OSSL_PARAM_BLD, OSSL_PARAM_BLD_free>;

Result<Key> read_rsa(const Json& jwk) {
  const BigNumber modulus = TRY(number_member(jwk, "n"));
  const BigNumber exponent = TRY(number_member(jwk, "e"));
  const ParamBuilder builder(OSSL_PARAM_BLD_new());
  OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, modulus.get());
  OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_E, exponent.get());
  auto pkey = TRY(key_from_params("RSA", builder.get()));
  return accept_public_key(std::move(pkey));
}

struct Curve {
  std::string_view crv;
  const char* group;
  Algorithm algorithm;
};
constexpr Curve kCurves[] = {
    {"P-256", "prime256v1", Algorithm::es256},
    {"P-384", "secp384r1", Algorithm::es384},
    {"P-521", "secp521r1", Algorithm::es512},
};

// Without `crv` the curve is the one of `alg`, and P-256 without either, as in Envoy.
Result<Curve> curve_of(const Json& jwk, std::optional<Algorithm> algorithm) {
  const std::string crv = TRY(text_member(jwk, "crv"));
  for (const Curve& curve : kCurves) {
    if (crv.empty() ? curve.algorithm == algorithm.value_or(Algorithm::es256) : curve.crv == crv) return curve;
  }
  return invalid(fmt::format("curve \"{}\" cannot be used: P-256, P-384 and P-521 can", printable(crv)));
}

Result<Key> read_ec(const Json& jwk, std::optional<Algorithm> algorithm) {
  const Curve curve = TRY(curve_of(jwk, algorithm));
  const std::string x = TRY(bytes_member(jwk, "x"));
  const std::string y = TRY(bytes_member(jwk, "y"));
  const unsigned size = facts(curve.algorithm).coordinate_bytes;
  if (x.size() > size || y.size() > size) {
    return invalid(fmt::format("\"x\" and \"y\" must have {} bytes on curve {}", size, curve.crv));
  }
  std::string point("\x04");  // uncompressed, SEC 1 2.3.3; short coordinates are filled up, as some libraries cut zeros
  point.append(size - x.size(), '\0').append(x);
  point.append(size - y.size(), '\0').append(y);
  const ParamBuilder builder(OSSL_PARAM_BLD_new());
  OSSL_PARAM_BLD_push_utf8_string(builder.get(), OSSL_PKEY_PARAM_GROUP_NAME, curve.group, 0);
  OSSL_PARAM_BLD_push_octet_string(builder.get(), OSSL_PKEY_PARAM_PUB_KEY, point.data(), point.size());
  auto pkey = TRY(key_from_params("EC", builder.get()));
  return accept_public_key(std::move(pkey));
}

Result<Key> read_okp(const Json& jwk) {
  const std::string crv = TRY(text_member(jwk, "crv"));
  if (crv != "Ed25519") return invalid(fmt::format("OKP curve \"{}\" cannot be used: Ed25519 can", printable(crv)));
  const std::string x = TRY(bytes_member(jwk, "x"));
  std::shared_ptr<EVP_PKEY> pkey(EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, bytes_of(x), x.size()),
                                 Pkey::deleter_type{});
  if (!pkey) return invalid(fmt::format("\"x\" has {} bytes, an Ed25519 key has 32", x.size()));
  return accept_public_key(std::move(pkey));
}

Result<Key> read_secret(const Json& jwk) {
  Key key{.kind = KeyKind::secret};
  key.secret = TRY(bytes_member(jwk, "k"));
  if (key.secret.size() < KeySet::kSecretBytesMin) {
    return invalid(fmt::format("the secret \"k\" has {} bytes, at least {} are needed (RFC 7518 3.2)",
                               key.secret.size(), KeySet::kSecretBytesMin));
  }
  return key;
}

// RFC 7517 4.2, 4.3: a key made for something else is not used for verifying.
Status check_purpose(const Json& jwk) {
  const std::string use = TRY(text_member(jwk, "use"));
  if (!use.empty() && use != "sig") return invalid(fmt::format("its use is \"{}\", not \"sig\"", printable(use)));
  const auto operations = jwk.find("key_ops");
  if (operations == jwk.end()) return {};
  if (!operations->is_array()) return invalid("\"key_ops\" must be a list");
  for (const Json& operation : *operations) {
    if (operation == "verify") return {};
  }
  return invalid("its key_ops do not contain \"verify\"");
}

Result<std::optional<Algorithm>> algorithm_of(const Json& jwk) {
  const std::string name = TRY(text_member(jwk, "alg"));
  if (name.empty()) return std::nullopt;
  const auto algorithm = parse_algorithm(name);
  if (!algorithm) return invalid(fmt::format("algorithm \"{}\" is not supported", printable(name)));
  return algorithm;
}

Result<Key> read_by_type(const Json& jwk, std::optional<Algorithm> algorithm) {
  const std::string kty = TRY(text_member(jwk, "kty"));
  if (kty == "oct") return read_secret(jwk);
  if (jwk.contains("d")) {
    return fail(
        ErrorKind::denied,
        "this is a private key (member \"d\"); a gateway verifies with the public one: leave the private members out");
  }
  if (kty == "RSA") return read_rsa(jwk);
  if (kty == "EC") return read_ec(jwk, algorithm);
  if (kty == "OKP") return read_okp(jwk);
  if (kty.empty()) return invalid("\"kty\" is missing: this is neither a JWK nor a JWK set");
  return invalid(fmt::format("key type \"{}\" cannot be used: RSA, EC, OKP and oct can", printable(kty)));
}

}  // namespace

Result<Key> read_jwk(const Json& jwk) {
  if (!jwk.is_object()) return invalid("a key must be a JSON object");
  TRY(check_purpose(jwk));
  const auto algorithm = TRY(algorithm_of(jwk));
  Key key = TRY(read_by_type(jwk, algorithm));
  if (algorithm && !serves(key.kind, *algorithm)) {
    return invalid(
        fmt::format("algorithm {} does not go with a key of type {}", facts(*algorithm).name, name(key.kind)));
  }
  key.algorithm = algorithm;
  key.kid = TRY(text_member(jwk, "kid"));
  return key;
}

}  // namespace sluice::jose
