// What TLS is to be like on one end, as plain data: config fills it, server.h and client.h make contexts of it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/time.h"

namespace sluice {

enum class TlsVersion : uint8_t { automatic, tls1_0, tls1_1, tls1_2, tls1_3 };

struct TlsParameters {
  TlsVersion min = TlsVersion::automatic;  // TLS 1.2
  TlsVersion max = TlsVersion::automatic;  // the newest
  // BoringSSL's (Gloo's) spelling or OpenSSL's, in the order of preference; empty: the library's own.
  std::vector<std::string> cipher_suites;
  std::vector<std::string> ecdh_curves;  // "X25519", "P-256"; empty: the library's own
  bool operator==(const TlsParameters&) const = default;
};

struct TlsKeyPair {
  std::string certificates;  // PEM, the server's own first
  std::string private_key;   // PEM
  std::string ocsp_staple;   // DER; empty: none
  bool operator==(const TlsKeyPair&) const = default;
};

// envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext.OcspStaplePolicy
enum class OcspStaplePolicy : uint8_t { lenient_stapling, strict_stapling, must_staple };

struct TlsServerOptions {
  TlsKeyPair key_pair;
  // PEM: client certificates are required and verified against these. Empty: none is asked for.
  std::string client_ca;
  bool client_certificate_optional = false;           // asked for, and verified if there is one
  std::vector<std::string> client_subject_alt_names;  // exact; one of them must be in the certificate; empty: any
  TlsParameters parameters;
  std::vector<std::string> alpn;  // in the order of preference; empty: none is agreed on
  bool tickets = true;            // TLS sessions may be resumed
  OcspStaplePolicy ocsp = OcspStaplePolicy::lenient_stapling;
  Nanos handshake_timeout{};  // from its begin, in place of the listener's once the client has said whom it asks for;
                              // 0: the listener's
  bool operator==(const TlsServerOptions&) const = default;
};

struct TlsClientOptions {
  enum class Verify : uint8_t {
    nothing,  // any certificate, also an expired one
    chain,    // its issuers and dates
    name,     // and that it is for the name that is connected to (RFC 9525)
  };
  Verify verify = Verify::name;
  std::string ca;                              // PEM; empty: the system's roots
  std::vector<std::string> subject_alt_names;  // exact; if any, one of them must be in the certificate, in place of the
                                               // name that is connected to
  TlsKeyPair key_pair;                         // of the client; empty: none is shown
  TlsParameters parameters;
  std::vector<std::string> alpn;  // empty: what the protocol of the destination needs
  bool allow_renegotiation = false;
  bool operator==(const TlsClientOptions&) const = default;
};

}  // namespace sluice
