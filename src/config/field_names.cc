#include "config/field_names.h"

#include <algorithm>

namespace sluice {

std::string camel_case(std::string_view name) {
  std::string out;
  bool upper = false;
  for (const char c : name) {
    if (c == '_') {
      upper = true;
      continue;
    }
    out += upper && c >= 'a' && c <= 'z' ? static_cast<char>(c - 0x20) : c;
    upper = false;
  }
  return out;
}

const Node* find_field(const Node& object, std::initializer_list<std::string_view> path) {
  const Node* at = &object;
  for (const std::string_view name : path) {
    const Node::Map* members = at->map();
    if (!members) return nullptr;
    const auto found = std::ranges::find_if(
        *members, [name](const NodeMember& member) { return member.key == name || camel_case(member.key) == name; });
    if (found == members->end() || found->value.is_null()) return nullptr;
    at = &found->value;
  }
  return at;
}

}  // namespace sluice
