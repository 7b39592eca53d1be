// What a plain YAML scalar is: text, a number, a boolean or null, as kubectl's YAML reader decides.
#pragma once

#include <string_view>

#include "config/node.h"

namespace sluice {

Node resolve_plain_scalar(std::string_view text);

// Infinity or NaN in YAML's spelling, which has no JSON.
bool is_yaml_infinity(std::string_view text);

}  // namespace sluice
