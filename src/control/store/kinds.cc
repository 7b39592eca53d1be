#include "control/store/kinds.h"

namespace sluice {

std::vector<const Kind*> stored_kinds() {
  std::vector<const Kind*> stored;
  for (const Kind& kind : kinds::all_kinds())
    if (kind.supported) stored.push_back(&kind);
  return stored;
}

const Kind* find_stored_kind(std::string_view name) {
  for (const Kind& kind : kinds::all_kinds())
    if (kind.supported && kind.kind == name) return &kind;
  return nullptr;
}

const Kind* find_stored_resource(std::string_view group, std::string_view version, std::string_view plural) {
  for (const Kind& kind : kinds::all_kinds())
    if (kind.supported && kind.plural == plural && kind.group == group && kind.version == version) return &kind;
  return nullptr;
}

std::string group_resource(const Kind& kind) {
  return is_core(kind) ? std::string(kind.plural) : fmt::format("{}.{}", kind.plural, kind.group);
}

}  // namespace sluice
