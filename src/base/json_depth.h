// How deep a JSON text is nested, told without parsing it: parsers and printers recurse, or cost more than a text's
// size where they are asked to watch over it themselves.
#pragma once

#include <cstddef>
#include <string_view>

namespace sluice {

// Whether brackets outside of strings go deeper than so many levels. Of text that is no JSON it says something as well:
// that fails in the parser afterwards. One pass.
bool json_deeper_than(std::string_view text, size_t levels);

}  // namespace sluice
