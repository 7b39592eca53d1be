#include "http/path.h"

#include <algorithm>
#include <string>
#include <vector>

#include "base/strings.h"

namespace sluice {
namespace {

bool unreserved(char c) {
  return ascii_alpha(c) || ascii_digit(c) || c == '-' || c == '.' || c == '_' || c == '~';
}

// Nearly every path is normal already; one look tells.
bool may_need_work(std::string_view path) {
  for (size_t i = 0; i < path.size(); ++i) {
    if (path[i] == '%' || path[i] == '\\') return true;
    if (path[i] == '/' && i + 1 < path.size() && path[i + 1] == '.') return true;
  }
  return false;
}

// Escapes that mean nothing but their byte are decoded, once: what would complete a broken escape stays, or `%2%65`
// would become `%2e` here, and a dot for the next who decodes.
std::string unescape_unreserved(std::string_view path) {
  std::string out;
  out.reserve(path.size());
  const auto completes_escape = [&out](char byte) {
    const size_t size = out.size();
    return hex_value(byte) >= 0 &&
           (out.ends_with('%') || (size >= 2 && out[size - 2] == '%' && hex_value(out.back()) >= 0));
  };
  for (size_t i = 0; i < path.size(); ++i) {
    if (path[i] == '%' && i + 2 < path.size()) {
      const int high = hex_value(path[i + 1]), low = hex_value(path[i + 2]);
      const char byte = static_cast<char>(high * 16 + low);
      if (high >= 0 && low >= 0 && unreserved(byte) && !completes_escape(byte)) {
        out += byte;
        i += 2;
        continue;
      }
    }
    out += path[i] == '\\' ? '/' : path[i];
  }
  return out;
}

// A part of a path as the most lenient reader cuts it: `%2f` and `%5c` count as slashes, too.
struct PathPart {
  std::string_view separator;
  std::string_view name;
  bool plain() const { return separator == "/"; }
};
std::vector<PathPart> cut_leniently(std::string_view path) {
  std::vector<PathPart> out;
  for (size_t i = 0; i < path.size();) {
    const std::string_view escape = path.substr(i, 3);
    const bool slash = path[i] == '/';
    if (slash || equals_ignoring_case(escape, "%2f") || equals_ignoring_case(escape, "%5c")) {
      const std::string_view separator = slash ? std::string_view("/") : escape;
      i += separator.size();
      out.push_back({separator, path.substr(i, 0)});
    } else {
      std::string_view& name = out.back().name;
      name = {name.data(), name.size() + 1};
      ++i;
    }
  }
  return out;
}

// How many dots a dot segment has, 0 for another name. Parameters do not count: servlet containers take them off
// before they look for dot segments, so that `/a/..;x=1/b` is `/b` to them; some decode `%3b` first.
size_t dots(std::string_view name) {
  name = name.substr(0, name.find(';'));
  name = name.substr(0, std::min(name.find("%3b"), name.find("%3B")));
  return name == "." || name == ".." ? name.size() : 0;
}

// RFC 3986 5.2.4, for every reader: what no part of the result is, nobody can find in it. Going above the root stays at
// the root. An empty last part is the trailing slash.
std::string remove_dot_segments(std::string_view path) {
  const std::vector<PathPart> parts = cut_leniently(path);
  std::vector<PathPart> kept;
  const auto up = [&kept](bool whole_segment) {
    while (!kept.empty()) {
      const bool plain = kept.back().plain();
      kept.pop_back();
      if (plain || !whole_segment) return;
    }
  };
  bool resolved = false;  // the part before was one of dots: what follows stands behind a slash
  for (const PathPart& part : parts) {
    const size_t count = dots(part.name);
    if (count == 2) up(part.plain());
    if (count == 0) kept.push_back({resolved ? std::string_view("/") : part.separator, part.name});
    resolved = count > 0;
  }
  if (resolved) kept.push_back({"/", {}});
  std::string out;
  for (const PathPart& part : kept) (out += part.separator) += part.name;
  return out.empty() ? "/" : out;
}

std::string_view without_query(std::string_view path) {
  return path.substr(0, path.find('?'));
}

}  // namespace

std::string_view normalize_path(std::string_view path, Arena& arena) {
  const std::string_view only_path = without_query(path);
  if (!only_path.starts_with('/') || !may_need_work(only_path)) return path;
  return arena.concat(remove_dot_segments(unescape_unreserved(only_path)), path.substr(only_path.size()));
}

std::string_view merge_slashes(std::string_view path, Arena& arena) {
  const std::string_view only_path = without_query(path);
  if (!only_path.contains("//") && !only_path.contains("/;") && !only_path.contains("/%3")) return path;
  std::string merged;
  for (size_t begin = 0; begin < only_path.size();) {
    const size_t end = std::min(only_path.find('/', begin + 1), only_path.size());
    const std::string_view segment = only_path.substr(begin, end - begin);  // its slash in front
    const bool last = end == only_path.size();
    // A servlet container reads `/;x=1/a` as `//a`. The last one stays: `/;x=1` is the root.
    const bool parameters_only =
        segment.starts_with("/;") || segment.starts_with("/%3b") || segment.starts_with("/%3B");
    if (segment == "/" ? last && !merged.ends_with('/') : last || !parameters_only) merged += segment;
    begin = end;
  }
  return arena.concat(merged.empty() ? std::string_view("/") : std::string_view(merged), path.substr(only_path.size()));
}

std::string_view unescape_slashes(std::string_view path, Arena& arena) {
  const std::string_view only_path = without_query(path);
  if (!only_path.contains('%')) return path;
  const auto is_slash = [](std::string_view escape) {
    return equals_ignoring_case(escape, "%2f") || equals_ignoring_case(escape, "%5c");
  };
  std::string out;
  for (size_t i = 0; i < only_path.size(); ++i) {
    const bool slash = only_path[i] == '%' && is_slash(only_path.substr(i, 3));
    if (!slash) {
      out += only_path[i];
      continue;
    }
    out += only_path[i + 1] == '2' ? '/' : '\\';
    i += 2;
  }
  return out.size() == only_path.size() ? path : arena.concat(out, path.substr(only_path.size()));
}

bool has_dot_segments(std::string_view path) {
  const std::string_view only_path = without_query(path);
  if (!only_path.starts_with('/') || !may_need_work(only_path)) return false;
  const std::string text = unescape_unreserved(only_path);
  return std::ranges::any_of(cut_leniently(text), [](const PathPart& part) { return dots(part.name) > 0; });
}

std::string_view rewrite_problem(std::string_view before, std::string_view after) {
  if (after == "*" && before == "*") return {};  // OPTIONS of the whole server
  if (!after.starts_with('/')) return "the rewritten path does not begin with \"/\"";
  const auto forbidden = [](unsigned char c) { return c <= 0x20 || c == 0x7F; };
  if (std::ranges::any_of(after, forbidden)) return "the rewritten path has a space or a control byte";
  if (has_dot_segments(after) && !has_dot_segments(before)) return "the rewritten path has a dot segment";
  return {};
}

}  // namespace sluice
