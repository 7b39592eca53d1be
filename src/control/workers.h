// The worker threads: one event loop each, and on it the listeners and upstream connections that are its own.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <thread>
#include <vector>

#include "control/snapshot.h"
#include "forward/dns/resolver.h"
#include "forward/upstreams.h"
#include "io/descriptors.h"
#include "io/local.h"
#include "observe/log_file.h"
#include "serve/gateway_port.h"

namespace sluice {

// A port that is open.
struct OpenPort {
  std::string gateway;
  SocketAddress address;               // with the real port
  bool any_port = false;               // the Gateway asks for port 0
  std::string_view protocol = "http";  // SnapshotListener::protocol()
  std::vector<SocketOption> options;
  // Workers that could not begin to listen, and why.
  std::map<unsigned, Error> missing;
  // Those of them that have been given another descriptor and have not answered yet.
  std::set<unsigned> trying;
};

// Of the clients of all workers together. What is null is not there; the rest outlives the workers.
struct ClientBounds {
  ConnectionLimit* connections = nullptr;
  const Overload* overload = nullptr;
  // Keeps `overload` up to date: called as often as that says, always by the same worker. The control thread may be
  // busy with a large change for longer than memory lasts.
  std::function<void(SteadyTime now)> measure;
};

class Workers {
 public:
  // `control`: the control thread's loop, if it asks for state of its own; it outlives this.
  Workers(unsigned count, LogFiles& log_files, Metrics& metrics, const DescriptorShares& descriptors,
          ClientBounds bounds = {}, Loop* control = nullptr);
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;
  // Only after stop().
  ~Workers();

  // And the control thread's.
  const WorkerLoops& loops() const { return *loops_; }
  std::vector<WorkerPlace> places();
  // From their start on their loops use io_uring (io/ring.h), where the kernel gives it. Before start().
  void use_rings(Metrics& metrics) { rings_.emplace(metrics); }
  void start();
  // Who is told, on `home`, the control thread's loop, when failures() has changed because of what a worker did.
  // Snapshots are taken apart there, too. Before the first publish().
  void tell_of_failures(Loop& home, std::function<void()> changed);

  // From the control thread. Connections of ports that are closed have their Gateway's drain timeout to finish, then
  // they are ended. Opens ports that are new, and has every worker serve by the snapshot; requests under way
  // finish by the one they began with. Ports belong to addresses: a Gateway that takes over another's address takes its
  // open port. Gives failures(): a Gateway whose port could not be opened goes on with the one it had before, unless
  // another asks for that now. Of two that ask for one address the first has it.
  // An address that overlaps one of our own that closes just now can be opened a moment later: publish again.
  // Workers that could not begin to listen on an open port are given another try. A port whose Gateway has other socket
  // options than before goes on with other sockets, or, where they are refused, with those it has.
  std::map<std::string, Error> publish(std::shared_ptr<const Snapshot> snapshot);
  // What is not open now although it should be: gateway -> error.
  std::map<std::string, Error> failures() const;
  std::vector<OpenPort> open_ports() const;

  // Runs `job(worker index)` on each worker's thread; each job ends before stop() does.
  void on_each(const std::function<void(unsigned)>& job);
  // Accepts no more and lets busy connections finish. `done` is called, on some worker's thread, once nothing is left
  // or `timeout` has passed.
  void drain(Nanos timeout, const std::function<void()>& done);
  void stop();

 private:
  class Worker;
  struct Opened {
    std::string key;
    int fd = -1;            // -1: was open before
    bool replaces = false;  // the one that was open before
    Nanos drain_timeout;
    const PortConfig* config;
  };

  std::shared_ptr<const Snapshot> freed_at_home(std::shared_ptr<const Snapshot> snapshot) const;
  void started(unsigned worker, const std::string& key, const Status& how);
  using Ports = std::map<std::string, OpenPort>;
  struct Place {
    const SnapshotListener* listener;
    std::string key;
    std::vector<int> fds;  // one a worker, as Opened::fd
    bool replace = false;
  };

  Status place(const SnapshotListener& listener, Ports& ports, std::vector<Place>& places);
  std::vector<int> open_missing(OpenPort& port) const;
  Result<std::vector<int>> open(const SnapshotListener& listener, SocketAddress& real) const;
  Result<std::vector<int>> open_all(SocketAddress& real, std::span<const SocketOption> options) const;
  const Ports::value_type* port_before(const SnapshotListener& listener) const;

  const ClientBounds bounds_;
  std::optional<RingMetrics> rings_;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::optional<OwnedLoops> loops_;
  Ports open_;                           // by address; of any port by "gateway address"
  std::map<std::string, Error> failed_;  // ports that could not be opened at the last publish()
  Loop* home_ = nullptr;
  std::function<void()> changed_;
};

}  // namespace sluice
