// The two forms of an ECDSA signature: JOSE's r || s of fixed length (RFC 7518 3.4) and ASN.1's
// SEQUENCE { INTEGER r, INTEGER s }, which OpenSSL speaks.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace sluice::jose {

// Nothing unless `raw` has exactly twice `coordinate_bytes` bytes and neither number is zero.
std::optional<std::string> ecdsa_to_der(std::string_view raw, size_t coordinate_bytes);
// Nothing when `der` is no signature, or a number does not fit.
std::optional<std::string> ecdsa_from_der(std::string_view der, size_t coordinate_bytes);

}  // namespace sluice::jose
