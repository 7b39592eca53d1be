// Changes the members of a YAML document that differ, and no other byte of it.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "config/node.h"

namespace sluice {

// `file` with the document at [begin, end), which was read as `before` with the places of its values, edited to say
// `after`. Maps and lists in block style are followed to the member that differs; anything else is written anew from
// the member that holds it. Nothing when the document is not in block style at its top. The caller must parse the
// result and compare: this works on lines and does not know all of YAML (anchors, tags, odd indentation).
std::optional<std::string> edit_yaml(std::string_view file, size_t begin, size_t end, const Node& before,
                                     const Node& after);

}  // namespace sluice
