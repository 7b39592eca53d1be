#include "engines/jose/rsa_signature.h"

#include <openssl/evp.h>

namespace sluice::jose {
namespace {

constexpr unsigned kExponent = 65537;
constexpr int kSquarings = 16;  // 65537 = 2^16 + 1

// DER of DigestInfo up to the digest (RFC 8017 9.2, note 1).
std::string_view digest_info(Algorithm algorithm) {
  using namespace std::string_view_literals;
  switch (algorithm) {
    case Algorithm::rs256: return "\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20"sv;
    case Algorithm::rs384: return "\x30\x41\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x02\x05\x00\x04\x30"sv;
    case Algorithm::rs512: return "\x30\x51\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x03\x05\x00\x04\x40"sv;
    default: return {};
  }
}

BigNumber part_of(EVP_PKEY* key, const char* name) {
  BIGNUM* number = nullptr;
  EVP_PKEY_get_bn_param(key, name, &number);
  return BigNumber(number);
}

}  // namespace

std::unique_ptr<RsaSignature> RsaSignature::create(EVP_PKEY* key) {
  if (!key || EVP_PKEY_get_base_id(key) != EVP_PKEY_RSA) return nullptr;
  const BigNumber exponent = part_of(key, OSSL_PKEY_PARAM_RSA_E);
  std::unique_ptr<RsaSignature> made(new RsaSignature);
  made->modulus_ = part_of(key, OSSL_PKEY_PARAM_RSA_N);
  if (!exponent || BN_is_word(exponent.get(), kExponent) != 1 || !made->modulus_) return nullptr;
  made->bytes_ = static_cast<size_t>(BN_num_bytes(made->modulus_.get()));
  made->signature_.reset(BN_new());
  made->power_.reset(BN_new());
  made->scratch_.reset(BN_CTX_new());
  made->montgomery_.reset(BN_MONT_CTX_new());
  if (!made->signature_ || !made->power_ || !made->scratch_ || !made->montgomery_) return nullptr;
  if (BN_MONT_CTX_set(made->montgomery_.get(), made->modulus_.get(), made->scratch_.get()) != 1) return nullptr;
  made->decoded_.resize(made->bytes_);
  return made;
}

bool RsaSignature::matches(std::string_view signature, Algorithm algorithm, std::string_view digest) {
  const std::string_view info = digest_info(algorithm);
  // 9.2 step 3: at least eight bytes of padding. 8.2.2 step 1: neither shorter nor longer than the modulus.
  if (info.empty() || bytes_ < info.size() + digest.size() + 11 || signature.size() != bytes_) return false;
  BIGNUM* const s = signature_.get();
  BIGNUM* const power = power_.get();
  BN_MONT_CTX* const montgomery = montgomery_.get();
  BN_CTX* const scratch = scratch_.get();
  if (!BN_bin2bn(bytes_of(signature), static_cast<int>(signature.size()), s)) return false;
  if (BN_ucmp(s, modulus_.get()) >= 0) return false;  // 5.2.2 step 1
  // s^65537: squared sixteen times in Montgomery form; the last factor is s itself, which also leads out of that form.
  bool done = BN_to_montgomery(power, s, montgomery, scratch) == 1;
  for (int i = 0; i < kSquarings; ++i) done = done && BN_mod_mul_montgomery(power, power, power, montgomery, scratch);
  done = done && BN_mod_mul_montgomery(power, power, s, montgomery, scratch);
  if (!done || BN_bn2binpad(power, bytes_of(decoded_), static_cast<int>(bytes_)) < 0) return false;

  // Built and compared as a whole, not parsed: nothing but the one right encoding counts (8.2.2 step 4).
  expected_.assign("\x00\x01", 2);
  expected_.append(bytes_ - info.size() - digest.size() - 3, '\xFF');
  expected_.append(1, '\0').append(info).append(digest);
  return decoded_ == expected_;
}

}  // namespace sluice::jose
