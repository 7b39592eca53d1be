// A public key as PEM (RFC 7468): the base64 of a DER SubjectPublicKeyInfo between two lines.
#include <openssl/x509.h>

#include "base/encoding.h"
#include "base/strings.h"
#include "engines/jose/key_read.h"
#include "engines/jose/openssl.h"

namespace sluice::jose {
namespace {

constexpr std::string_view kBegin = "-----BEGIN PUBLIC KEY-----";
constexpr std::string_view kEnd = "-----END PUBLIC KEY-----";

std::unexpected<Error> no_public_key(std::string_view text) {
  if (text.find("-----BEGIN CERTIFICATE-----") != text.npos) {
    return invalid(
        "this is a certificate; a public key is wanted: `openssl x509 -in CERT.pem -pubkey -noout` prints it");
  }
  if (text.find("-----BEGIN RSA PUBLIC KEY-----") != text.npos) {
    return invalid(
        "this is an RSA key in PKCS#1 form; `openssl rsa -RSAPublicKey_in -in KEY.pem -pubout` prints the form that is "
        "read");
  }
  return invalid("no -----BEGIN PUBLIC KEY----- and no JSON object: give a PEM public key, a JWK or a JWK set");
}

Result<std::string> decode_block(std::string_view text) {
  const size_t begin = text.find(kBegin);
  if (begin == text.npos) return no_public_key(text);
  const size_t end = text.find(kEnd, begin);
  if (end == text.npos) return invalid("the PEM public key has no -----END PUBLIC KEY----- line");
  if (text.find(kBegin, begin + 1) != text.npos) {
    return invalid("there are several PEM public keys: put them into a JWK set, or give each its own provider");
  }
  std::string body;
  for (const char c : text.substr(begin + kBegin.size(), end - begin - kBegin.size())) {
    if (!ascii_space(c)) body += c;
  }
  auto der = base64_decode(body);
  if (!der) return invalid("the lines of the PEM public key are not base64");
  return *std::move(der);
}

}  // namespace

Result<Key> read_pem(std::string_view text) {
  if (text.find("PRIVATE KEY-----") != text.npos) {
    return fail(
        ErrorKind::denied,
        "this is a private key; a gateway verifies with the public one: `openssl pkey -in KEY.pem -pubout` prints it");
  }
  const std::string der = TRY(decode_block(text));
  const unsigned char* at = bytes_of(der);
  std::shared_ptr<EVP_PKEY> pkey(d2i_PUBKEY(nullptr, &at, static_cast<long>(der.size())), Pkey::deleter_type{});
  if (!pkey) return invalid("the PEM public key cannot be read: " + openssl_error());
  if (at != bytes_of(der) + der.size()) return invalid("the PEM public key has bytes behind the key");
  return accept_public_key(std::move(pkey));
}

}  // namespace sluice::jose
