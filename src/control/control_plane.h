// The control thread: watches the configuration, translates it, has the workers swap to the result, writes statuses,
// and serves the API and the admin port. Also what the program does with signals.
#pragma once

#include <optional>

#include "control/admin_service.h"
#include "control/api_service.h"
#include "control/own_access.h"
#include "control/store/config_folder.h"
#include "control/translate.h"
#include "control/workers.h"

namespace sluice {

// How the workers' loops wait (io/loop.h, io/ring.h).
enum class LoopBackend : uint8_t {
  automatic,  // io_uring where the kernel has and allows it
  epoll,
  io_uring,  // or not at all
};

struct RunOptions {
  std::vector<std::string> config_paths;
  unsigned workers = 1;
  std::optional<SocketAddress> admin;  // nothing: off
  std::optional<SocketAddress> api;
  OwnAccessOptions access;               // to those two, where they are beyond loopback
  std::optional<SocketAddress> metrics;  // /metrics, /healthz and /readyz alone; may be beyond loopback
  std::vector<Endpoint> resolvers;
  std::string access_log = "/dev/stdout";  // where a Gateway configures none; "" is off
  bool strict = false;
  LoopBackend loop = LoopBackend::automatic;
  size_t connections_max = 0;                 // of clients, on all Gateways together; 0: by the limit of descriptors
  size_t body_bytes_max = size_t{512} << 20;  // of bodies that are collected at once
  size_t memory_bytes_max = 0;                // of the process; 0: as its cgroup says
  std::string version;
  std::vector<const FilterFactory*> filters;
};

// What is told of the ports that Gateways have, and of objects.
std::vector<MetricFamily> control_plane_metric_families();

// Runs until SIGTERM, SIGINT or /drain; returns the program's exit code (design.md 2).
int run_gateway(const RunOptions& options);

}  // namespace sluice
