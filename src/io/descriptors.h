// How the process's file descriptors are shared, computed in one place, so that the bounds of all who open some add up.
//
//   total = rest + dns + pipes + upstream + downstream
//
// Each use has its share to itself: a flood of one kind leaves the others theirs. The shares of dns and upstream are
// divided by the workers; each keeps to its own part and asks nobody. That of downstream is one bound for the process,
// as the kernel spreads connections unevenly (serve/connection_limit.h).
#pragma once

#include <cstddef>
#include <vector>

#include "base/metrics.h"

namespace sluice {

struct DescriptorShares {
  size_t total = 0;       // RLIMIT_NOFILE
  size_t rest = 0;        // loops, listeners, files, the API and the admin port, what libraries open
  size_t dns = 0;         // sockets that ask for names
  size_t pipes = 0;       // for bytes that go from socket to socket (net/splice.h)
  size_t upstream = 0;    // connections to upstreams
  size_t downstream = 0;  // connections of clients

  size_t dns_of_worker(unsigned workers) const { return part(dns, workers); }
  // Whole pipes; perhaps none, without which bytes are copied.
  size_t pipes_of_worker(unsigned workers) const { return pipes / workers / 2; }
  size_t upstream_of_worker(unsigned workers) const { return part(upstream, workers); }

 private:
  static size_t part(size_t share, unsigned workers) { return share / workers > 0 ? share / workers : 1; }
};

// Pure: of `total` descriptors for so many workers. Every share is at least one a worker, even if that is more than
// there are.
DescriptorShares share_descriptors(size_t total, unsigned workers);

// Raises the soft limit of descriptors to the hard one (systemd and shells leave it at 1,024 for programs that use
// select(), which this one does not). The limit in force then.
size_t raise_descriptor_limit();

// sluice_descriptors_max{use}: set once, by the control thread.
void publish_descriptor_shares(const DescriptorShares& shares, Metrics& metrics);
std::vector<MetricFamily> descriptor_metric_families();

}  // namespace sluice
