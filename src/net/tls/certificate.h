// Certificates and keys: read from PEM, told about, held against names. Nothing of connections.
#pragma once

#include <span>

#include "net/tls/openssl.h"
#include "net/tls/options.h"
#include "net/tls_info.h"

namespace sluice::tls {

// All certificates of a PEM text, in its order; other blocks are passed over. An Error where there is none, or one that
// cannot be read.
Result<std::vector<CertificatePtr>> read_certificates(std::string_view pem);
// The first private key of a PEM text. One with a passphrase is an Error.
Result<KeyPtr> read_private_key(std::string_view pem);

std::string hex(std::span<const unsigned char> bytes);  // lower case

CertificateInfo describe(const X509& certificate);
std::string to_pem(const X509& certificate);

// Exactly one of the certificate's DNS names, URIs, addresses or e-mail addresses. DNS names without regard to case.
bool has_subject_alt_name(const CertificateInfo& certificate, std::string_view name);

struct OwnCertificate {
  std::vector<CertificatePtr> chain;  // the own one first
  KeyPtr key;
  CertificateInfo info;
  std::string ocsp_staple;   // DER; empty: none
  WallTime ocsp_until{};     // its nextUpdate
  bool ocsp_good = false;    // it says that the certificate is good
  bool must_staple = false;  // RFC 7633
};
// Errors say which part is wrong: the certificates, the key, or that they do not fit.
Result<OwnCertificate> read_key_pair(const TlsKeyPair& pair);

// What an operator should know: it has expired, is not valid yet, or lacks an issuer that a client would need.
std::vector<std::string> warnings_of(const OwnCertificate& certificate, WallTime now);

}  // namespace sluice::tls
