// Carries one DNS query to the servers and its answer back, over UDP or TCP.
//
// Every try has a random id, and a fresh random source port as long as not too many are on their way (sockets.h); bytes
// that are no answer to the query are passed over. A truncated answer is asked for again over TCP. A server that
// refuses, fails or cannot be reached is not asked again for this query; one that stays silent is, after the others,
// with twice the patience. Earlier tries go on listening meanwhile, and the first answer to any of them counts: what a
// slow server says late is not lost.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "engines/dns/message.h"
#include "forward/dns/sockets.h"
#include "io/loop.h"
#include "io/task.h"

namespace sluice {

enum class DnsProtocol : uint8_t { udp_then_tcp, tcp };

struct DnsServer {
  Endpoint endpoint;
  DnsProtocol protocol = DnsProtocol::udp_then_tcp;

  friend bool operator==(const DnsServer&, const DnsServer&) = default;
};

struct DnsServers {
  std::vector<DnsServer> list;  // asked in this order
  Nanos patience = 1s;          // with a server in the first round, then the next is asked; doubles with each round

  static constexpr unsigned kRoundsMax = 4;

  friend bool operator==(const DnsServers&, const DnsServers&) = default;
};

// The answer to the query: any rcode, never truncated. The Error of the last server when none answered: `timeout`,
// `refused` and `unreachable` (no DNS server there), `invalid` (what came was no answer), ... `servers` and `sockets`
// must outlive the task. Ends after kRoundsMax rounds, or when it is cancelled; then all its tries have ended.
Task<dns::Answer> ask_servers(Loop& loop, const DnsServers& servers, DnsSockets& sockets, std::string name,
                              dns::RecordType type, dns::Standing standing);

}  // namespace sluice
