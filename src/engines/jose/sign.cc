#include "engines/jose/sign.h"

#include <openssl/pem.h>
#include <openssl/rsa.h>

#include "base/encoding.h"
#include "base/strings.h"
#include "engines/jose/ecdsa_form.h"
#include "engines/jose/json.h"
#include "engines/jose/key_read.h"
#include "engines/jose/openssl.h"

namespace sluice::jose {
namespace {

constexpr size_t kPayloadBytesMax = 64U << 10;
constexpr size_t kPayloadDepthMax = 32;

Result<std::string> compact(std::string_view json) {
  if (json.size() > kPayloadBytesMax) {
    return fail(ErrorKind::limit,
                fmt::format("the payload has {} bytes, at most {} are signed", json.size(), kPayloadBytesMax));
  }
  std::string text(json);
  simdjson::dom::parser parser;
  simdjson::dom::document document;
  if (!parse_object(text, document, parser, kPayloadDepthMax)) {
    return invalid("the payload must be a valid JSON object, each name only once");
  }
  std::string out(text.size() + simdjson::SIMDJSON_PADDING, '\0');
  size_t size = 0;
  if (simdjson::minify(text.data(), text.size(), out.data(), size) != simdjson::SUCCESS) {
    return invalid("the payload cannot be made compact");
  }
  out.resize(size);
  return out;
}

int no_passphrase(char*, int, int, void*) {
  return -1;
}

Result<Pkey> read_private_key(std::string_view pem) {
  const Owned<BIO, BIO_free> bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  Pkey pkey(PEM_read_bio_PrivateKey(bio.get(), nullptr, no_passphrase, nullptr));
  if (!pkey) return invalid("the private key cannot be read (PEM without passphrase is wanted): " + openssl_error());
  return pkey;
}

// The private key, if it is one for this algorithm, by the same rules as for public ones.
Result<Pkey> private_key_for(Algorithm algorithm, std::string_view pem) {
  Pkey pkey = TRY(read_private_key(pem));
  EVP_PKEY_up_ref(pkey.get());
  const Key key = TRY(accept_public_key(std::shared_ptr<EVP_PKEY>(pkey.get(), Pkey::deleter_type{})));
  if (!serves(key.kind, algorithm)) {
    return invalid(fmt::format("a key of type {} does not sign {}", name(key.kind), facts(algorithm).name));
  }
  return pkey;
}

Result<std::string> sign_with_key(Algorithm algorithm, std::string_view pem, std::string_view input) {
  const Pkey pkey = TRY(private_key_for(algorithm, pem));
  const DigestContext context(EVP_MD_CTX_new());
  EVP_PKEY_CTX* options = nullptr;
  bool ok = EVP_DigestSignInit_ex(context.get(), &options, facts(algorithm).digest, nullptr, nullptr, pkey.get(),
                                  nullptr) == 1;
  if (facts(algorithm).scheme == Scheme::rsa_pss) {
    ok = ok && EVP_PKEY_CTX_set_rsa_padding(options, RSA_PKCS1_PSS_PADDING) == 1 &&
         EVP_PKEY_CTX_set_rsa_pss_saltlen(options, RSA_PSS_SALTLEN_DIGEST) == 1;
  }
  size_t size = 0;
  ok = ok && EVP_DigestSign(context.get(), nullptr, &size, bytes_of(input), input.size()) == 1;
  std::string signature(size, '\0');
  ok = ok && EVP_DigestSign(context.get(), bytes_of(signature), &size, bytes_of(input), input.size()) == 1;
  if (!ok) return fail(ErrorKind::internal, "signing failed: " + openssl_error());
  signature.resize(size);
  if (facts(algorithm).scheme != Scheme::ecdsa) return signature;
  auto raw = ecdsa_from_der(signature, facts(algorithm).coordinate_bytes);
  if (!raw) return fail(ErrorKind::internal, "signing failed: the signature has an unknown form");
  return *std::move(raw);
}

Result<std::string> sign_with_secret(Algorithm algorithm, std::string_view secret, std::string_view input) {
  if (secret.size() < KeySet::kSecretBytesMin) {
    return invalid(
        fmt::format("the secret has {} bytes, at least {} are needed", secret.size(), KeySet::kSecretBytesMin));
  }
  std::string mac(EVP_MAX_MD_SIZE, '\0');
  size_t size = 0;
  if (!EVP_Q_mac(nullptr, "HMAC", nullptr, facts(algorithm).digest, nullptr, secret.data(), secret.size(),
                 bytes_of(input), input.size(), bytes_of(mac), mac.size(), &size)) {
    return fail(ErrorKind::internal, "signing failed: " + openssl_error());
  }
  mac.resize(size);
  return mac;
}

}  // namespace

Result<std::string> sign(std::string_view payload_json, std::string_view algorithm_name, std::string_view key,
                         std::string_view kid) {
  const auto algorithm = parse_algorithm(algorithm_name);
  if (!algorithm) {
    return invalid(fmt::format("algorithm \"{}\" is not supported: RS256/384/512, PS*, ES*, HS* and EdDSA are",
                               printable(algorithm_name)));
  }
  const std::string payload = TRY(compact(payload_json));
  std::string header = fmt::format(R"({{"alg":"{}","typ":"JWT")", algorithm_name);
  if (!kid.empty()) header += ",\"kid\":" + json_quote(kid);
  header += '}';
  const std::string token = base64url_encode(header) + "." + base64url_encode(payload);
  const bool with_secret = facts(*algorithm).scheme == Scheme::hmac;
  const std::string signature =
      TRY(with_secret ? sign_with_secret(*algorithm, key, token) : sign_with_key(*algorithm, key, token));
  return token + "." + base64url_encode(signature);
}

}  // namespace sluice::jose
