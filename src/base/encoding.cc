#include "base/encoding.h"

#include <array>
#include <cstdint>

#include "base/strings.h"

namespace sluice {
namespace {

constexpr std::string_view kStandard = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::string_view kUrl = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
constexpr uint8_t kNone = 0xFF;

constexpr std::array<uint8_t, 256> reverse(std::string_view alphabet) {
  std::array<uint8_t, 256> table;
  table.fill(kNone);
  for (size_t i = 0; i < alphabet.size(); ++i) table[static_cast<unsigned char>(alphabet[i])] = static_cast<uint8_t>(i);
  return table;
}

std::string encode(std::string_view bytes, std::string_view alphabet, bool padded) {
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (size_t i = 0; i < bytes.size(); i += 3) {
    const size_t count = std::min<size_t>(3, bytes.size() - i);
    uint32_t group = 0;
    for (size_t j = 0; j < 3; ++j) group = group << 8 | (j < count ? static_cast<unsigned char>(bytes[i + j]) : 0);
    for (size_t j = 0; j < 4; ++j) {
      if (j <= count)
        out += alphabet[group >> (18 - 6 * j) & 63];
      else if (padded)
        out += '=';
    }
  }
  return out;
}

std::optional<std::string> decode(std::string_view text, const std::array<uint8_t, 256>& table, size_t spare = 0) {
  if (text.size() % 4 == 1) return std::nullopt;
  const size_t size = text.size() / 4 * 3 + (text.size() % 4 == 0 ? 0 : text.size() % 4 - 1);
  std::string out;
  out.reserve(size + spare);
  out.resize(size);
  const auto value = [&text, &table](size_t i) { return table[static_cast<unsigned char>(text[i])]; };
  char* at = out.data();
  size_t i = 0;
  for (; i + 4 <= text.size(); i += 4) {
    const uint8_t a = value(i), b = value(i + 1), c = value(i + 2), d = value(i + 3);
    if ((a | b | c | d) & 0xC0) return std::nullopt;  // kNone has bits that no value has
    *at++ = static_cast<char>(a << 2 | b >> 4);
    *at++ = static_cast<char>(b << 4 | c >> 2);
    *at++ = static_cast<char>(c << 6 | d);
  }
  uint32_t group = 0;
  unsigned bits = 0;
  for (; i < text.size(); ++i) {
    if (value(i) == kNone) return std::nullopt;
    group = group << 6 | value(i);
    bits += 6;
    if (bits >= 8) {
      bits -= 8;
      *at++ = static_cast<char>(group >> bits);
    }
  }
  if (group & ((1U << bits) - 1)) return std::nullopt;  // two spellings of one value would be two tokens
  return out;
}

}  // namespace

std::string base64_encode(std::string_view bytes) {
  return encode(bytes, kStandard, true);
}
std::string base64url_encode(std::string_view bytes) {
  return encode(bytes, kUrl, false);
}

std::optional<std::string> base64_decode(std::string_view text) {
  static constexpr auto kTable = reverse(kStandard);
  if (text.size() % 4 != 0) return std::nullopt;
  if (text.ends_with('=')) text.remove_suffix(1);
  if (text.ends_with('=')) text.remove_suffix(1);
  return decode(text, kTable);
}

std::optional<std::string> base64url_decode(std::string_view text) {
  return base64url_decode_with_room(text, 0);
}

std::optional<std::string> base64url_decode_with_room(std::string_view text, size_t spare) {
  static constexpr auto kTable = reverse(kUrl);
  return decode(text, kTable, spare);
}

std::optional<std::string> percent_decode(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    if (i + 2 >= text.size()) return std::nullopt;
    const int high = hex_value(text[i + 1]), low = hex_value(text[i + 2]);
    if (high < 0 || low < 0) return std::nullopt;
    out += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return out;
}

std::string percent_decode_some(std::string_view text, std::string_view kept) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    const int high = text[i] == '%' && i + 2 < text.size() ? hex_value(text[i + 1]) : -1;
    const int low = high >= 0 ? hex_value(text[i + 2]) : -1;
    const char byte = low >= 0 ? static_cast<char>(high * 16 + low) : '\0';
    if (low < 0 || kept.contains(byte)) {
      out += text[i];
      continue;
    }
    out += byte;
    i += 2;
  }
  return out;
}

}  // namespace sluice
