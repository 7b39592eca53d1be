// What can be told of a file that cannot be parsed, by its text alone: nobody may serve in the place of what stands
// there.
#pragma once

#include <optional>
#include <string_view>

#include "config/node.h"

namespace sluice {

// Whether it may hold a Gateway: a line of `kind: Gateway`, not the reference of a policy in one line.
bool may_hold_gateway(std::string_view bytes);

// A VirtualService with all hosts that stand behind `domains:` anywhere, up to 1,000 of them; nothing without one.
std::optional<Node> service_in(std::string_view bytes);

}  // namespace sluice
