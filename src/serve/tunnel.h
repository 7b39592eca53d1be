// Bytes both ways between two streams, after an upgrade or of a TCP gateway. An end on one side is passed on to the
// other (half-close); the tunnel is over when both have ended, one broke, or nothing moved for idle_max. While nothing
// moves it holds no memory but itself; much at a time goes through a pipe, where both are plain sockets.
#pragma once

#include "io/block.h"
#include "net/splice.h"
#include "net/stream.h"
#include "pipeline/message.h"

namespace sluice {

// Is told of bytes as they are given to either side.
class TunnelCounts {
 public:
  virtual void to_upstream(uint64_t bytes) = 0;
  virtual void to_client(uint64_t bytes) = 0;

 protected:
  ~TunnelCounts() = default;
};

class Tunnel {
 public:
  // All of them outlive it.
  Tunnel(Stream& c, UpstreamTunnel& u, Nanos idle, TunnelCounts& counts)
      : client(c), upstream(u.stream), idle_max(idle), counts_(counts), far_(u) {}
  Tunnel(const Tunnel&) = delete;
  Tunnel& operator=(const Tunnel&) = delete;
  ~Tunnel() { far_.cutter = nullptr; }

  Stream& client;
  Stream& upstream;
  const Nanos idle_max;  // 0: none

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
  enum class Way : uint8_t { to_upstream, to_client };
  struct Counting final : SpliceListener {
    Counting(Tunnel& t, Way w) : tunnel(t), way(w) {}
    void moved(uint64_t bytes) override { tunnel.count(way, bytes); }
    Tunnel& tunnel;
    const Way way;
  };
  void give_up(const Error& why);
  Task<void> pump(Way way, std::string_view early);
  Task<bool> wait(Stream& from);
  Task<bool> move(Way way, Stream& from, Stream& to);
  void count(Way way, uint64_t bytes);
  Nanos write_max() const { return idle_max.count() > 0 ? idle_max : Nanos(24h); }
  TunnelCounts& counts_;
  SteadyTime last_moved_{};
  UpstreamTunnel& far_;
  Cutter cutter_{*this};
  std::optional<Error> broken_;
  TaskGroup pumps_;
};

}  // namespace sluice
