// Cipher suites of TLS by the names that operators write: OpenSSL's, which are BoringSSL's, and RFC 8446's for TLS 1.3.
// Also those that nothing here speaks any more, for who chooses by what a client offers.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace sluice {

// Its number at IANA.
std::optional<uint16_t> cipher_suite_named(std::string_view name);
std::span<const std::string_view> cipher_suite_names();
// Whether it says something else than a cipher: GREASE (RFC 8701), or a signal (RFC 5746 3.3, RFC 7507).
constexpr bool is_signalling_suite(uint16_t suite) {
  const bool grease = (suite & 0x0f0f) == 0x0a0a && (suite >> 8) == (suite & 0xff);
  return grease || suite == 0x00ff || suite == 0x5600;
}

}  // namespace sluice
