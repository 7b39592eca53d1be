// Paths such as "spec.virtualHost.routes[0].options", as diagnostics name places.
#pragma once

#include <string_view>

#include "config/node.h"

namespace sluice {

// Takes out what the path names: a member of a map. Keys that have dots themselves are found too. False when there is
// no such member.
bool erase_path(Node& root, std::string_view path);

}  // namespace sluice
