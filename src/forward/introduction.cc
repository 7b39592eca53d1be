#include "forward/introduction.h"

namespace sluice {

std::string introduction(const Cluster& cluster, const SocketAddress* client,
                         const std::optional<SocketAddress>& connected_to) {
  if (!cluster.proxy_protocol) return {};
  if (!client || !connected_to) return write_proxy_header(*cluster.proxy_protocol, std::nullopt);
  return write_proxy_header(*cluster.proxy_protocol, ProxiedConnection{*client, *connected_to});
}

}  // namespace sluice
