// Carries one DNS query to the servers and its answer back, over UDP or TCP.
//
// Every query has a socket of its own, so a fresh random source port (RFC 5452), and a random id; the socket is
// connected, so the kernel drops what comes from elsewhere; bytes that are no answer to the query are passed over. A
// truncated answer is asked for again over TCP. A server that refuses, fails or cannot be reached is not asked again
// for this query; one that stays silent is, after the others, with twice the patience.
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
  Nanos patience = 1s;          // with a server in the first round; doubles with each

  static constexpr unsigned kRoundsMax = 4;

  friend bool operator==(const DnsServers&, const DnsServers&) = default;
};

// Room for one datagram; used only between two awaits, so one for a thread is enough.
using DatagramBuffer = std::array<char, 4096>;

// The answer to the query: any rcode, never truncated. The Error of the last server when none answered: `timeout`,
// `refused` and `unreachable` (no DNS server there), `invalid` (what came was no answer), ... `servers` and `buffer`
// must outlive the task. Ends after kRoundsMax rounds, or when it is cancelled.
Task<dns::Answer> ask_servers(Loop& loop, const DnsServers& servers, DatagramBuffer& buffer, std::string name,
                              dns::RecordType type);

}  // namespace sluice
