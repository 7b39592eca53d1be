// Connections to an Upstream for bytes that nobody looks at (tcpGateway): its endpoints, its limits, its TLS, and the
// race of connects, as for requests; but each client has a connection of its own, and nothing is kept for the next.
#pragma once

#include "forward/static_upstream.h"
#include "pipeline/tcp_service.h"

namespace sluice {

std::shared_ptr<const TcpService> make_tcp_upstream(std::shared_ptr<const StaticCluster> cluster);

}  // namespace sluice
