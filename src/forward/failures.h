// What a client gets when forwarding fails (gloo-policies 9.2): the answers that need more than their kind's row.
#pragma once

#include <string_view>

#include "pipeline/message.h"

namespace sluice {

struct Cluster;

// `transport`: what the system said of a connect_failure, "Connection refused"; empty for none.
Response upstream_failure(Request& request, OutcomeKind kind, std::string_view transport = {});
// No endpoint of the cluster can be gone to. Counted as an answer of its.
Response no_endpoint(Request& request, const Cluster& cluster);

}  // namespace sluice
