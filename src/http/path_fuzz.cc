// No reader that decodes once finds a dot segment in a normalised path, and normalising again changes nothing.
#include <cstdlib>
#include <string>

#include "http/path.h"

using namespace sluice;

// As a servlet container reads it: parameters off, decoded, `\` taken for `/`; or decoded first.
static bool finds_dot_segment(std::string_view path, bool parameters_first) {
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

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Arena arena;
  std::string path("/");
  path.append(reinterpret_cast<const char*>(data), size);
  const std::string_view normal = normalize_path(path, arena);
  if (!normal.starts_with('/') || normalize_path(normal, arena) != normal) std::abort();
  const std::string_view only_path = normal.substr(0, normal.find('?'));
  if (has_dot_segments(normal) || finds_dot_segment(only_path, true) || finds_dot_segment(only_path, false))
    std::abort();
  if (rewrite_problem(path, merge_slashes(normal, arena)).contains("dot segment")) std::abort();
  return 0;
}
