// Bytes both ways between two sockets, after an upgrade. An end on one side is passed on to the other (half-close); the
// tunnel is over when both have ended, one broke, or nothing moved for idle_max.
#pragma once

#include "io/block.h"
#include "io/socket.h"

namespace sluice {

class Tunnel {
 public:
  Tunnel(Socket& c, Socket& u, Nanos idle) : client(c), upstream(u), idle_max(idle) {}

  Socket& client;
  Socket& upstream;
  const Nanos idle_max;  // 0: none
  uint64_t bytes_to_upstream = 0;
  uint64_t bytes_to_client = 0;

  // Early bytes: what each side sent before the tunnel stood. Gives the Error that broke it first: `timeout` when
  // nothing moved, else with the side that was at fault.
  Task<void> run(std::string_view early_from_client, std::string_view early_from_upstream);

 private:
  Task<void> pump(Socket& from, Socket& to, std::string_view early, uint64_t& count);
  SteadyTime last_moved_{};
  std::optional<Error> broken_;
};

}  // namespace sluice
