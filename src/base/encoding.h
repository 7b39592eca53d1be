// Base64 in its two alphabets (RFC 4648), and percent-decoding (RFC 3986 2.1).
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace sluice {

std::string base64_encode(std::string_view bytes);     // standard alphabet, padded
std::string base64url_encode(std::string_view bytes);  // URL alphabet, no padding

// Strict: padding required (its length a multiple of 4), nothing but the alphabet, no stray bits. Nothing when invalid.
std::optional<std::string> base64_decode(std::string_view text);
// Strict: no padding allowed.
std::optional<std::string> base64url_decode(std::string_view text);
// The same with room for `spare` more bytes, for readers that want some behind the text.
std::optional<std::string> base64url_decode_with_room(std::string_view text, size_t spare);

// Nothing when a % is not followed by two hex digits. A '+' stays.
std::optional<std::string> percent_decode(std::string_view text);
// The same of what is an escape; what is none stays, and an escape of one of `kept`.
std::string percent_decode_some(std::string_view text, std::string_view kept = {});

}  // namespace sluice
