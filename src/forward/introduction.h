// What connections to a cluster with proxyProtocolVersion begin with: for whose sake they are made.
//
// It is also what tells them apart in a pool: a connection that was introduced for one client serves no other.
#pragma once

#include <optional>
#include <string>

#include "forward/cluster.h"

namespace sluice {

// Empty where the cluster has none. `client`, and what it connected to: null and nothing where the gateway itself asks,
// or nobody knows; then it is said that it is the gateway's own.
std::string introduction(const Cluster& cluster, const SocketAddress* client,
                         const std::optional<SocketAddress>& connected_to);

}  // namespace sluice
