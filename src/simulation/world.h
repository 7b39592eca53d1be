// One run of the simulation: a gateway between clients and hosts, all in memory, on one loop whose clock is turned by
// hand. The seed decides everything that happens, so that a run is the same each time.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace sluice::simulation {

struct Outcome {
  std::vector<std::string> wrong;   // empty: all is well
  std::vector<std::string> events;  // in their order
  size_t whole_answers = 0;
  size_t unanswered = 0;  // for a good reason
  size_t retries = 0;
  size_t tunnels = 0;
  size_t policy_refusals = 0;
};

Outcome play(uint64_t seed);

}  // namespace sluice::simulation
