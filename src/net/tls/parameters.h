// Versions, ciphers and curves as OpenSSL takes them.
#pragma once

#include "net/tls/openssl.h"
#include "net/tls/options.h"

namespace sluice::tls {

// What has been applied to a context, and a connection that was made by another context must be told again.
struct Applied {
  std::string suites_of_13;  // as OpenSSL takes them; empty: its own
  std::string curves;        // likewise
};
// TLS 1.2 and 1.3 where the parameters do not say otherwise. Errors name the cipher or curve that is not known.
Result<Applied> apply(const TlsParameters& parameters, SSL_CTX& context);

// ALPN as it goes over the wire (RFC 7301 3.1). Each name has 1 to 255 bytes.
Result<std::string> alpn_wire(std::span<const std::string> protocols);
// The names in that, for people: "h2, http/1.1".
std::string alpn_names(std::string_view wire);

// Trust in these, in PEM.
Result<StorePtr> make_store(std::string_view pem);

}  // namespace sluice::tls
