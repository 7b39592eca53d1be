#include "engines/jose/ecdsa_form.h"

#include <openssl/ecdsa.h>

#include "engines/jose/openssl.h"

namespace sluice::jose {
namespace {

// DER INTEGER: no leading zeros but the one that keeps the sign bit clear. At most 66 + 1 bytes, so a short length.
void append_integer(std::string& out, std::string_view digits) {
  const bool sign_bit = static_cast<unsigned char>(digits.front()) >= 0x80;
  out += '\x02';
  out += static_cast<char>(digits.size() + sign_bit);
  if (sign_bit) out += '\0';
  out += digits;
}

std::string_view without_leading_zeros(std::string_view bytes) {
  bytes.remove_prefix(std::min(bytes.find_first_not_of('\0'), bytes.size()));
  return bytes;
}

}  // namespace

std::optional<std::string> ecdsa_to_der(std::string_view raw, size_t coordinate_bytes) {
  if (coordinate_bytes == 0 || raw.size() != 2 * coordinate_bytes) return std::nullopt;
  const std::string_view r = without_leading_zeros(raw.substr(0, coordinate_bytes));
  const std::string_view s = without_leading_zeros(raw.substr(coordinate_bytes));
  if (r.empty() || s.empty()) return std::nullopt;
  std::string body;
  body.reserve(raw.size() + 6);
  append_integer(body, r);
  append_integer(body, s);
  std::string der = "\x30";
  if (body.size() >= 0x80) der += '\x81';  // P-521: up to 138 bytes
  der += static_cast<char>(body.size());
  return der + body;
}

std::optional<std::string> ecdsa_from_der(std::string_view der, size_t coordinate_bytes) {
  const unsigned char* at = bytes_of(der);
  const Owned<ECDSA_SIG, ECDSA_SIG_free> signature(d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(der.size())));
  if (!signature) return std::nullopt;
  std::string raw(2 * coordinate_bytes, '\0');
  const int size = static_cast<int>(coordinate_bytes);
  if (BN_bn2binpad(ECDSA_SIG_get0_r(signature.get()), bytes_of(raw), size) != size) return std::nullopt;
  if (BN_bn2binpad(ECDSA_SIG_get0_s(signature.get()), bytes_of(raw) + size, size) != size) return std::nullopt;
  return raw;
}

}  // namespace sluice::jose
