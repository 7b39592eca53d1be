// The worker threads: one event loop each, and on it the listeners and upstream connections that are its own.
#pragma once

#include <map>
#include <thread>

#include "control/snapshot.h"
#include "forward/dns/resolver.h"
#include "forward/upstreams.h"
#include "observe/log_file.h"
#include "serve/listener.h"

namespace sluice {

// A port that is open, and what became of it.
struct OpenPort {
  std::string gateway;
  SocketAddress address;  // with the real port
};

class Workers {
 public:
  Workers(unsigned count, LogFiles& log_files);
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;
  // Only after stop().
  ~Workers();

  std::vector<Loop*> loops();
  void start();

  // From the control thread. Opens ports that are new, and has every worker serve by the snapshot; requests under way
  // finish by the one they began with. Gives what could not be opened: gateway -> error.
  std::map<std::string, Error> publish(std::shared_ptr<const Snapshot> snapshot);
  std::vector<OpenPort> open_ports() const;

  // Runs `job(worker index)` on each worker's thread; each job ends before stop() does.
  void on_each(const std::function<void(unsigned)>& job);
  // Accepts no more and lets busy connections finish. `done` is called, on some worker's thread, once nothing is left
  // or `timeout` has passed.
  void drain(Nanos timeout, std::function<void()> done);
  void stop();

 private:
  class Worker;
  struct Opened {
    std::string key;
    int fd = -1;  // -1: was open before
    const ListenerConfig* config;
  };

  Result<std::vector<int>> open(const SocketAddress& wanted, SocketAddress& real) const;

  std::vector<std::unique_ptr<Worker>> workers_;
  std::map<std::string, OpenPort> open_;  // by "gateway address"
};

}  // namespace sluice
