// The head of a request as it goes upstream.
#pragma once

#include <string_view>

#include "pipeline/message.h"

namespace sluice {

// Host first, then the fields in their order, then what frames the body as it is now (RFC 9112 6). In the arena.
std::string_view write_request_head(const Request& request);

}  // namespace sluice
