// What a client gets when forwarding fails (gloo-policies 9.2): the answers that need more than their kind's row.
#pragma once

#include <string_view>

#include "pipeline/message.h"

namespace sluice {

// `transport`: what the system said of a connect_failure, "Connection refused"; empty for none.
Response upstream_failure(Request& request, OutcomeKind kind, std::string_view transport = {});

}  // namespace sluice
