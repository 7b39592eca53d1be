#include "base/strings.h"
#include "engines/jose/key_read.h"
#include "engines/jose/openssl.h"

namespace sluice::jose {
namespace {

Status check_rsa(EVP_PKEY* pkey) {
  const int bits = EVP_PKEY_get_bits(pkey);
  if (bits < static_cast<int>(KeySet::kRsaBitsMin)) {
    return invalid(
        fmt::format("the RSA key has {} bits, at least {} are needed: make a longer one", bits, KeySet::kRsaBitsMin));
  }
  if (bits > static_cast<int>(KeySet::kRsaBitsMax)) {
    return invalid(fmt::format("the RSA key has {} bits, at most {} are taken", bits, KeySet::kRsaBitsMax));
  }
  BIGNUM* number = nullptr;
  EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_RSA_E, &number);
  const BigNumber exponent(number);
  if (!exponent || !(BN_is_word(exponent.get(), 3) || BN_is_word(exponent.get(), 65537))) {
    return invalid("the RSA key's exponent must be 3 or 65537");
  }
  number = nullptr;
  EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_RSA_N, &number);
  const BigNumber modulus(number);
  if (!modulus || !BN_is_odd(modulus.get())) return invalid("the RSA key's modulus is even: this is no RSA key");
  return {};
}

Result<KeyKind> curve_of(EVP_PKEY* pkey) {
  char group[64];
  size_t size = 0;
  if (!EVP_PKEY_get_utf8_string_param(pkey, OSSL_PKEY_PARAM_GROUP_NAME, group, sizeof group, &size)) {
    ERR_clear_error();
    return invalid("the EC key's curve has no name");
  }
  // A curve written out as numbers instead of a name may be another curve that looks like it (CVE-2020-0601).
  int is_explicit = 0;
  EVP_PKEY_get_int_param(pkey, OSSL_PKEY_PARAM_EC_DECODED_FROM_EXPLICIT_PARAMS, &is_explicit);
  if (is_explicit) return invalid("the EC key spells out its curve; a named curve is needed");
  const std::string_view curve(group, size);
  if (curve == "prime256v1") return KeyKind::p256;
  if (curve == "secp384r1") return KeyKind::p384;
  if (curve == "secp521r1") return KeyKind::p521;
  return invalid(fmt::format("the EC key is on curve {}; P-256, P-384 and P-521 can be used", printable(curve)));
}

Status check_point(EVP_PKEY* pkey) {
  const PkeyContext context(EVP_PKEY_CTX_new_from_pkey(nullptr, pkey, nullptr));
  if (!context || EVP_PKEY_public_check(context.get()) != 1) {
    return invalid("the EC key's point is not on its curve: " + openssl_error());
  }
  return {};
}

}  // namespace

Result<Key> accept_public_key(std::shared_ptr<EVP_PKEY> pkey) {
  Key key;
  switch (EVP_PKEY_get_base_id(pkey.get())) {
    case EVP_PKEY_RSA:
      TRY(check_rsa(pkey.get()));
      key.kind = KeyKind::rsa;
      break;
    case EVP_PKEY_EC:
      key.kind = TRY(curve_of(pkey.get()));
      TRY(check_point(pkey.get()));
      break;
    case EVP_PKEY_ED25519: key.kind = KeyKind::ed25519; break;
    default: return invalid("the key is of a type that cannot be used: RSA, EC and Ed25519 can");
  }
  key.pkey = std::move(pkey);
  return key;
}

}  // namespace sluice::jose
