// JSON of tokens: strict, bounded, without two meanings.
#pragma once

#include <simdjson.h>

#include <optional>
#include <string>

namespace sluice::jose {

// Parses a JSON object into `document`. Nothing when it is invalid, not an object, nests deeper than `depth_max`, or
// when any of its objects holds a name twice. Integers beyond 64 bits become doubles.
// `text` may grow by spare bytes behind its end. The element lives as long as `document`.
std::optional<simdjson::dom::element> parse_object(std::string& text, simdjson::dom::document& document,
                                                   size_t depth_max);

}  // namespace sluice::jose
