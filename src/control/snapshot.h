// What the workers serve by: put together from all objects, never changed, swapped as a whole. What did not change from
// one to the next is shared by both.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "config/diagnostics.h"
#include "control/tls_unit.h"
#include "forward/dynamic_upstream.h"
#include "forward/static_upstream.h"
#include "observe/access_log.h"
#include "route/router.h"
#include "serve/gateway_port.h"

namespace sluice {

// A chain that speaks HTTP: an httpGateway.
struct SnapshotHttp {
  std::string name;  // as the chain of the port
  ListenerConfig config;
  std::shared_ptr<const Router> router;  // with `chain_routers` it serves those who belong to no chain: nothing
  std::vector<std::shared_ptr<const Router>> chain_routers;  // where each chain has its own virtual hosts
  std::vector<ChainUse> chains;                              // of config.tls, by number

  std::vector<const Router*> routers() const {
    std::vector<const Router*> out;
    out.reserve(chain_routers.size() + 1);
    for (const auto& one : chain_routers) out.push_back(one.get());
    if (out.empty()) out.push_back(router.get());
    return out;
  }
  // Who serves a client that asks for that name.
  const Router& router_for(std::string_view sni) const {
    const auto chain = chain_routers.empty() ? std::nullopt : config.tls->find(sni);
    return chain ? *chain_routers[*chain] : *router;
  }
};

// A chain that passes bytes on: a host of a tcpGateway.
struct SnapshotTcp {
  std::string name;  // as the chain of the port
  TcpConfig config;
  ServerCertificatePtr certificate;  // null: TLS does not end here
};

// One open port: a Gateway.
struct SnapshotListener {
  std::string gateway;    // "gloo-system/gateway-proxy"
  SocketAddress address;  // as configured; port 0 is any
  std::vector<SocketOption> socket_options;
  Nanos drain_timeout = 30s;
  ListenerConfig config;          // what is common to all on the port
  std::deque<SnapshotHttp> http;  // one, or, of a hybridGateway, any number
  std::deque<SnapshotTcp> tcp;
  PortConfig port;  // all of it, as a worker's port has it
  std::shared_ptr<const AccessLog> access_log;

  // "http", "https", "tcp", or "hybrid" where there are several chains of which one is HTTP.
  std::string_view protocol() const {
    if (http.empty()) return "tcp";
    if (http.size() > 1 || !tcp.empty()) return "hybrid";
    return http.front().config.tls ? "https" : "http";
  }
  // All connections are HTTP, by the one in `http`. It stays where it is from now on.
  void serve_http() {
    port = {.listener = &config, .chains = {{.name = "", .http = &http.front().config}}, .table = nullptr};
  }
};

using StaticClusters = std::map<ObjectKey, std::shared_ptr<const StaticCluster>>;  // by Upstream

struct Snapshot {
  uint64_t id = 0;
  std::vector<std::unique_ptr<SnapshotListener>> listeners;
  // That routes lead to. Never null in one that is published.
  std::shared_ptr<const StaticClusters> static_clusters = std::make_shared<const StaticClusters>();
  std::set<std::shared_ptr<const DynamicCluster>> dynamic_clusters;
  Preparations preparations;                // of filters
  std::shared_ptr<const EgressNow> egress;  // rules of dynamic destinations, by place
  // Ports that no dynamic destination may be: those that were open, and those that Gateways ask for. Sorted.
  std::vector<uint16_t> own_ports;
  std::vector<uint16_t> wished_ports;
  // What is refused as long as its policies are not in force: lines for people, and by cluster name.
  std::vector<std::string> closed;
  std::map<std::string, std::vector<std::string>> closed_clusters;
  Gauge* live = nullptr;  // counts snapshots that somebody still holds

  ~Snapshot() {
    if (live) live->sub();
  }
};

}  // namespace sluice
