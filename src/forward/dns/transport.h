// Carries one DNS query to the servers and its answer back, over UDP or TCP.
//
// Every try has a socket of its own, so a fresh random source port (RFC 5452), and a random id; the socket is
// connected, so the kernel drops what comes from elsewhere; bytes that are no answer to the query are passed over. A
// truncated answer is asked for again over TCP. A server that refuses, fails or cannot be reached is not asked again
// for this query; one that stays silent is, after the others, with twice the patience. Earlier tries go on listening
// meanwhile, and the first answer to any of them counts: what a slow server says late is not lost. So a query has at
// most kRoundsMax sockets a server, one for each try.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "engines/dns/message.h"
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

// Room for one datagram; used only between two awaits, so one for a thread is enough.
using DatagramBuffer = std::array<char, 4096>;

// The answer to the query: any rcode, never truncated. The Error of the last server when none answered: `timeout`,
// `refused` and `unreachable` (no DNS server there), `invalid` (what came was no answer), ... `servers` and `buffer`
// must outlive the task. Ends after kRoundsMax rounds, or when it is cancelled; then all its sockets are closed.
Task<dns::Answer> ask_servers(Loop& loop, const DnsServers& servers, DatagramBuffer& buffer, std::string name,
                              dns::RecordType type);

}  // namespace sluice
