// Bytes both ways between two streams, after an upgrade. An end on one side is passed on to the other (half-close); the
// tunnel is over when both have ended, one broke, or nothing moved for idle_max.
#pragma once

#include "io/block.h"
#include "net/stream.h"
#include "pipeline/message.h"

namespace sluice {

class Tunnel {
 public:
  Tunnel(Stream& c, UpstreamTunnel& u, Nanos idle) : client(c), upstream(u.stream), idle_max(idle), far_(u) {}
  Tunnel(const Tunnel&) = delete;
  Tunnel& operator=(const Tunnel&) = delete;
  ~Tunnel() { far_.cutter = nullptr; }

  Stream& client;
  Stream& upstream;
  const Nanos idle_max;  // 0: none
  uint64_t bytes_to_upstream = 0;
  uint64_t bytes_to_client = 0;

  // Early bytes: what the client sent before the tunnel stood. Gives the Error that broke it first: `timeout` when
  // nothing moved, UpstreamTunnel::cut when that was set, else with the side that was at fault.
  Task<void> run(std::string_view early_from_client);

 private:
  struct Cutter final : Waiter {
    explicit Cutter(Tunnel& t) : tunnel(t) {}
    void wake() override { tunnel.give_up(*tunnel.far_.cut); }
    void cancel() override {}
    Tunnel& tunnel;
  };
  void give_up(const Error& why);
  Task<void> pump(Stream& from, Stream& to, std::string_view early, uint64_t& count);
  SteadyTime last_moved_{};
  UpstreamTunnel& far_;
  Cutter cutter_{*this};
  std::optional<Error> broken_;
  TaskGroup pumps_;
};

}  // namespace sluice
