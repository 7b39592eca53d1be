// Trees as JSON and as YAML.
#include <fmt/format.h>
#include <algorithm>
#include <cmath>
#include <iterator>

#include "base/strings.h"
#include "config/node.h"
#include "config/scalar.h"

namespace sluice {
namespace {

void append_scalar(std::string& out, const Node& node) {
  if (const auto* value = node.boolean())
    out += *value ? "true" : "false";
  else if (const auto* whole = node.integer())
    fmt::format_to(std::back_inserter(out), "{}", *whole);
  else if (const auto* big = node.big_integer())
    fmt::format_to(std::back_inserter(out), "{}", *big);
  else if (const auto* real = node.real())
    fmt::format_to(std::back_inserter(out), "{}", *real);
  else if (const auto* text = node.text())
    append_json_quoted(out, *text);
  else
    out += "null";
}

void break_line(std::string& out, int depth) {
  if (depth < 0) return;
  out += '\n';
  out.append(static_cast<size_t>(depth) * 2, ' ');
}

// A negative depth: all in one line.
void append_json_at(std::string& out, const Node& node, int depth) {
  const int inside = depth < 0 ? depth : depth + 1;
  bool first = true;
  const auto separate = [&] {
    if (!first) out += ',';
    first = false;
    break_line(out, inside);
  };
  if (const auto* list = node.list()) {
    out += '[';
    for (const Node& element : *list) {
      separate();
      append_json_at(out, element, inside);
    }
    if (!first) break_line(out, depth);
    out += ']';
  } else if (const auto* map = node.map()) {
    out += '{';
    for (const NodeMember& member : *map) {
      separate();
      append_json_quoted(out, member.key);
      out += depth < 0 ? ":" : ": ";
      append_json_at(out, member.value, inside);
    }
    if (!first) break_line(out, depth);
    out += '}';
  } else {
    append_scalar(out, node);
  }
}

bool is_plain_text(std::string_view text) {
  if (text.empty() || text.size() > 200) return false;
  if (!resolve_plain_scalar(text).text() || is_yaml_infinity(text) || text == "<<" || text == "=") return false;
  if (std::string_view("-?:,[]{}#&*!|>'\"%@` .").contains(text.front()) || text.back() == ' ') return false;
  if (text.back() == ':' || text.contains(": ") || text.contains(" #")) return false;
  return std::ranges::all_of(text, [](char c) { return static_cast<unsigned char>(c) >= 0x20 && c != 0x7F; }) &&
         std::ranges::none_of(text, [](char c) { return static_cast<unsigned char>(c) >= 0x80; });
}

// Whether the text reads back the same from a literal block.
bool is_block_text(std::string_view text) {
  if (!text.contains('\n') || text.front() == '\n' || text.front() == ' ' || !valid_utf8(text)) return false;
  if (text.contains(" \n") || text.back() == ' ') return false;
  return std::ranges::all_of(text, [](char c) {
    return (static_cast<unsigned char>(c) >= 0x20 && static_cast<unsigned char>(c) < 0x7F) || c == '\n';
  });
}

void append_block(std::string& out, std::string_view text, size_t indent) {
  out += '|';
  if (!text.ends_with('\n'))
    out += '-';
  else if (text.ends_with("\n\n"))
    out += '+';
  if (text.ends_with('\n')) text.remove_suffix(1);
  for (const std::string_view line : split(text, '\n')) {
    out += '\n';
    if (!line.empty()) out.append(indent, ' ');
    out += line;
  }
}

// JSON's quotes, and escapes for what YAML readers take for line breaks or drop: U+0080..U+009F, U+2028, U+2029,
// U+FEFF.
void append_yaml_quoted(std::string& out, std::string_view text) {
  std::string quoted;
  append_json_quoted(quoted, text);
  for (size_t i = 0; i < quoted.size(); ++i) {
    const std::string_view rest = std::string_view(quoted).substr(i);
    if (rest.starts_with('\xC2') && static_cast<unsigned char>(rest[1]) < 0xA0) {
      fmt::format_to(std::back_inserter(out), "\\u{:04x}", static_cast<unsigned char>(rest[1]));
      i += 1;
    } else if (rest.starts_with("\xE2\x80\xA8") || rest.starts_with("\xE2\x80\xA9")) {
      out += rest[2] == '\xA8' ? "\\u2028" : "\\u2029";
      i += 2;
    } else if (rest.starts_with("\xEF\xBB\xBF")) {
      out += "\\ufeff";
      i += 2;
    } else {
      out += rest.front();
    }
  }
}

// With its colon. Readers look for that within 1024 characters (YAML 1.2.2 section 7.4.2) of a key that is not marked.
void append_yaml_key(std::string& out, std::string_view key, size_t indent) {
  if (is_plain_text(key)) {
    out += key;
  } else {
    std::string quoted;
    append_yaml_quoted(quoted, key);
    if (quoted.size() > 1000) {
      out += "? ";
      (quoted += '\n').append(indent, ' ');
    }
    out += quoted;
  }
  out += ':';
}

void append_yaml_text(std::string& out, std::string_view text, size_t indent) {
  if (is_plain_text(text))
    out += text;
  else if (is_block_text(text))
    append_block(out, text, indent);
  else
    append_yaml_quoted(out, text);
}

bool is_inline(const Node& node) {
  if (const auto* list = node.list()) return list->empty();
  if (const auto* map = node.map()) return map->empty();
  return true;
}

void append_inline(std::string& out, const Node& node, size_t indent) {
  if (node.list())
    out += "[]";
  else if (node.map())
    out += "{}";
  else if (const auto* text = node.text())
    append_yaml_text(out, *text, indent);
  else
    append_scalar(out, node);
  out += '\n';
}

// The cursor stands where the first line of the block begins, indented already.
void append_yaml(std::string& out, const Node& node, size_t indent) {
  bool first = true;
  const auto begin_line = [&] {
    if (!first) out.append(indent, ' ');
    first = false;
  };
  if (const auto* list = node.list()) {
    for (const Node& element : *list) {
      begin_line();
      out += "- ";
      if (is_inline(element))
        append_inline(out, element, indent + 2);
      else
        append_yaml(out, element, indent + 2);
    }
  } else if (const auto* map = node.map()) {
    for (const NodeMember& member : *map) {
      begin_line();
      append_yaml_key(out, member.key, indent);
      if (is_inline(member.value)) {
        out += ' ';
        append_inline(out, member.value, indent + 2);
        continue;
      }
      // Lists stand at the level of their key, as kubectl prints them.
      const size_t inner = member.value.list() ? indent : indent + 2;
      out += '\n';
      out.append(inner, ' ');
      append_yaml(out, member.value, inner);
    }
  }
}

}  // namespace

void append_json(std::string& out, const Node& node) {
  append_json_at(out, node, -1);
}

std::string to_json(const Node& node, JsonStyle style) {
  std::string out;
  append_json_at(out, node, style == JsonStyle::compact ? -1 : 0);
  return out;
}

std::string to_yaml(const Node& node) {
  std::string out;
  if (is_inline(node))
    append_inline(out, node, 2);
  else
    append_yaml(out, node, 0);
  return out;
}

}  // namespace sluice
