// What is learned of an endpoint from connecting to it: in the cluster's metrics, the endpoint's pauses, and the log.
// Whoever forwards requests or bytes learns the same.
#pragma once

#include <vector>

#include "forward/cluster.h"
#include "pipeline/outcome.h"

namespace sluice {

// `address` is one of those of the endpoint's host; it has been tried from now on.
void learn_connect_failure(const Cluster& cluster, const EndpointSet::Use& endpoint, const SocketAddress& address,
                           const Error& error, SteadyTime now, std::vector<EndpointSet::Id>& tried);
void learn_connected(const Cluster& cluster, const EndpointSet::Use& endpoint);

// What it is for whoever waited for the connection.
OutcomeKind connect_outcome(const Error& error);

}  // namespace sluice
