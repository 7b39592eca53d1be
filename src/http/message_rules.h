// What requests say in their fields, whichever protocol carries them.
#pragma once

#include "http/headers.h"

namespace sluice {

// F24: whether Expect, where there is one, is the only expectation that there is, said once.
bool expects_only_continue(const Headers& headers);
// TE: trailers.
bool takes_trailers(const Headers& headers);
// All digits, at most 2^63-1.
std::optional<uint64_t> parse_content_length(std::string_view value);

}  // namespace sluice
