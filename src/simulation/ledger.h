// What the simulated clients have asked and the simulated hosts have answered, and what of it does not fit together.
#pragma once

#include <array>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "base/time.h"

namespace sluice::simulation {

// What a host says first in a tunnel.
inline constexpr std::string_view kGreeting = "welcome ";

struct Asked {
  std::string method;
  std::string to;  // where it is to go: see World
  size_t body_bytes = 0;
  bool safe = false;  // may be sent twice without being told to
  bool upgrades = false;
  std::vector<std::set<std::string>> names;  // of its destination, by the configuration that serves it: their hosts
  std::set<std::string> may_reach;           // of these hosts, by some rules that have held for it
  bool refused = false;                      // some rules that have held for it refuse one of the names
  unsigned deliveries = 0;                   // heads of it that hosts have read
  unsigned answers_seen = 0;                 // whole or not, by its client
};

// Rules that refuse one host hold for the request, perhaps beside others before.
inline void hold_against(Asked& asked, const std::string& denied) {
  for (const std::set<std::string>& hosts : asked.names) {
    if (hosts.contains(denied))
      asked.refused = true;
    else
      asked.may_reach.insert(hosts.begin(), hosts.end());
  }
}

struct Answer {
  std::string id;  // of the request
  int status = 0;
  size_t bytes = 0;
  bool whole = false;  // the host has sent all of it, and ended so that it arrives
  unsigned times_seen = 0;
};

struct Ledger {
  std::map<std::string, Asked, std::less<>> asked;  // by id: the request's path
  std::string denied_now;                           // the host that the rules which hold now refuse; "" none
  std::vector<Answer> answers;                      // by number
  std::vector<std::string> wrong;                   // what must not be
  std::vector<std::string> events;                  // what happened, in its order
  std::array<size_t, 5> whole_answers{};            // that clients have read, by class
  size_t answers_of_hosts_seen = 0;                 // of those, and of those that were cut
  size_t unanswered = 0;                            // and excused
  size_t tunnels = 0;                               // whole
  size_t policy_refusals = 0;                       // of what another configuration lets pass
  bool draining = false;
  SteadyTime begin{};

  void note(SteadyTime now, std::string what) {
    events.push_back(fmt::format("{:>7} ms  {}", std::chrono::floor<Millis>(now - begin).count(), what));
  }
  void fault(SteadyTime now, std::string what) {
    note(now, "WRONG: " + what);
    wrong.push_back(std::move(what));
  }
};

}  // namespace sluice::simulation
