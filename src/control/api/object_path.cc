#include "control/api/object_path.h"

#include "base/strings.h"

namespace sluice {
namespace {

// "[3]..." at a list.
bool erase_in_list(Node::List& list, std::string_view path) {
  const auto close = path.find(']');
  if (!path.starts_with('[') || close == path.npos) return false;
  const auto index = parse_decimal(path.substr(1, close - 1));
  if (!index || *index >= list.size()) return false;
  auto rest = path.substr(close + 1);
  if (rest.starts_with('.')) rest.remove_prefix(1);
  return !rest.empty() && erase_path(list[*index], rest);
}

}  // namespace

bool erase_path(Node& root, std::string_view path) {
  if (Node::List* list = root.list()) return erase_in_list(*list, path);
  Node::Map* map = root.map();
  if (!map) return false;
  if (root.erase(path)) return true;
  for (NodeMember& member : *map) {
    if (member.key.empty() || !path.starts_with(member.key)) continue;
    auto rest = path.substr(member.key.size());
    if (rest.starts_with('.')) {
      rest.remove_prefix(1);
    } else if (!rest.starts_with('[')) {
      continue;
    }
    if (erase_path(member.value, rest)) return true;
  }
  return false;
}

}  // namespace sluice
