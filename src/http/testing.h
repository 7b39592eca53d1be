// What the tests and the fuzz target of paths share.
#pragma once

#include <string>
#include <string_view>

namespace sluice {

// As a servlet container reads it: parameters off, decoded, `\` taken for `/`; or decoded first.
inline bool finds_dot_segment(std::string_view path, bool parameters_first) {
  const auto hex = [](char c) { return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1; };
  const auto lower = [](char c) { return c >= 'A' && c <= 'F' ? static_cast<char>(c + 32) : c; };
  const auto decoded = [&](std::string_view text) {
    std::string out;
    for (size_t i = 0; i < text.size(); ++i) {
      char byte = text[i];
      if (byte == '%' && i + 2 < text.size() && hex(lower(text[i + 1])) >= 0 && hex(lower(text[i + 2])) >= 0) {
        byte = static_cast<char>(hex(lower(text[i + 1])) * 16 + hex(lower(text[i + 2])));
        i += 2;
      }
      out += byte == '\\' ? '/' : byte;
    }
    return out;
  };
  const auto bare = [](std::string_view text) {
    std::string out;
    bool inside = false;
    for (const char c : text) {
      inside = c == ';' || (inside && c != '/');
      if (!inside) out += c;
    }
    return out;
  };
  const std::string text = (parameters_first ? decoded(bare(path)) : bare(decoded(path))) + "/";
  return text.contains("/./") || text.contains("/../");
}

}  // namespace sluice
