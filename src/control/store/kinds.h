// The kinds that are stored and served, and their names as the Kubernetes API spells them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "config/kinds/kinds.h"

namespace sluice {

using Kind = kinds::KindInfo;

// Those that are supported, in a fixed order.
std::vector<const Kind*> stored_kinds();
// Supported ones only; nullptr when there is none.
const Kind* find_stored_kind(std::string_view kind);
const Kind* find_stored_resource(std::string_view group, std::string_view version, std::string_view plural);

// Kubernetes' own: Secret and ConfigMap. Everything else is a custom resource.
inline bool is_core(const Kind& kind) {
  return kind.group.empty();
}
// "virtualservices.gateway.solo.io", as Kubernetes names a resource in messages.
std::string group_resource(const Kind& kind);

}  // namespace sluice
