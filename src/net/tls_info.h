// What is known of a connection that TLS protects, once its handshake is done. Plain data, nothing of a library.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"

namespace sluice {

// A certificate that a peer showed, or one of ours. Names as RFC 5280 writes them, in text.
struct CertificateInfo {
  std::string subject;  // RFC 2253: "CN=a.example,O=Example"
  std::string issuer;
  std::string serial;              // lower-case hexadecimal
  std::string fingerprint_sha256;  // lower-case hexadecimal, of the DER
  std::string fingerprint_sha1;
  std::vector<std::string> dns_names;  // subjectAltName
  std::vector<std::string> uri_names;
  std::vector<std::string> ip_names;
  std::vector<std::string> email_names;
  WallTime not_before{};
  WallTime not_after{};
};

struct PeerCertificate {
  CertificateInfo info;
  std::string pem;        // of the certificate itself
  std::string chain_pem;  // of all that the peer sent, its own first
};

struct TlsInfo {
  std::string_view version;  // "TLSv1.3"
  std::string_view cipher;   // "TLS_AES_128_GCM_SHA256", "ECDHE-RSA-AES128-GCM-SHA256"
  std::string sni;           // the name that the client asked for, lower case; empty: none
  std::string alpn;          // what both agreed on, "h2"; empty: nothing
  std::string session_id;    // on a server: lower-case hexadecimal; may be empty with TLS 1.3
  bool resumed = false;
  size_t chain = 0;                             // on a server: which of its chains the SNI chose
  uint64_t client_policy = 0;                   // of that: TlsServerContext::client_policy()
  std::shared_ptr<const PeerCertificate> peer;  // of a client; null: none was shown, or this is an upstream
  std::shared_ptr<const CertificateInfo> own;   // null: none was shown by this end
};

// Why a handshake failed, for those who count and answer. established() gives an Error that knows it.
enum class TlsFailure : uint8_t {
  none,            // no failure of TLS: the connection ended, or the time did
  protocol,        // nothing in common, garbage, an alert of the peer
  no_chain,        // none is for the name that the client asks for
  no_certificate,  // the peer showed none, and had to
  untrusted,       // its issuers, dates or use
  wrong_name,      // it is for somebody else
};
TlsFailure tls_failure(const Error& error);
// `message`: a sentence for people.
Error tls_error(TlsFailure failure, std::string message, Side side);

}  // namespace sluice
