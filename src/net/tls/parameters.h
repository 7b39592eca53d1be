// Versions, ciphers and curves as OpenSSL takes them.
#pragma once

#include "net/tls/openssl.h"
#include "net/tls/options.h"

namespace sluice::tls {

// TLS 1.2 and 1.3 where the parameters do not say otherwise. Errors name the cipher or curve that is not known.
Status apply(const TlsParameters& parameters, SSL_CTX& context);

// ALPN as it goes over the wire (RFC 7301 3.1). Each name has 1 to 255 bytes.
Result<std::string> alpn_wire(std::span<const std::string> protocols);

// Trust in these, in PEM.
Result<StorePtr> make_store(std::string_view pem);

}  // namespace sluice::tls
