// JSON of tokens: strict, bounded, without two meanings.
#pragma once

#include <simdjson.h>

#include <optional>
#include <string>

namespace sluice::jose {

// Parses a JSON object into `document`. Nothing when it is invalid, not an object, nests deeper than `depth_max`, or
// when any of its objects holds a name twice. Integers beyond 64 bits become doubles.
// `text` may grow by spare bytes behind its end (kJsonSpare of them reserved save a copy). The element lives as long as
// `document`. `parser` is memory to be used again, best with the same depth.
inline constexpr size_t kJsonSpare = simdjson::SIMDJSON_PADDING;
std::optional<simdjson::dom::element> parse_object(std::string& text, simdjson::dom::document& document,
                                                   simdjson::dom::parser& parser, size_t depth_max);

}  // namespace sluice::jose
