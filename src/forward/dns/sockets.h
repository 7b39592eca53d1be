// The sockets by which one worker asks DNS servers: few, however many questions are on their way.
//
// A question over UDP gets a socket of its own, connected to its server from a fresh random port, while there are fewer
// than its lane may have; after that it joins one of the lane that carries questions to the same server already. A
// socket takes kQuestionsMax questions in its life and is closed with the last of them, so ports change under load,
// too. Nothing is left of the strength against forged answers (RFC 5452) that a socket for each question has: who
// guesses must still meet the server's address, the port, the random id of this very question, and its name and type; a
// forged answer to one of a socket's questions is none to the others.
//
// Strangers and names in use have lanes of their own: questions that nobody answers never keep a refresh waiting.
// Where a lane has no room, questions wait for it until their deadline. Belongs to one worker.
#pragma once

#include <array>
#include <functional>
#include <list>
#include <memory>
#include <unordered_map>

#include "base/ip.h"
#include "engines/dns/name_table.h"
#include "net/datagrams.h"

namespace sluice {

struct DnsSocketStats {
  uint64_t waited = 0;  // questions that found no room at first
  uint64_t timeouts = 0;
  size_t open = 0;  // sockets just now, TCP too
};

// Nobody can guess it.
uint16_t random_query_id();

class DnsSockets {
 public:
  static constexpr size_t kQuestionsMax = 128;
  class Question;

  // `descriptors`: how many sockets there may be in all; a few more when there are many servers, as each may have one.
  DnsSockets(Loop& loop, size_t descriptors);
  ~DnsSockets();
  DnsSockets(const DnsSockets&) = delete;
  DnsSockets& operator=(const DnsSockets&) = delete;

  const DnsSocketStats& stats() const { return stats_; }
  void count_timeout() { ++stats_.timeouts; }

 private:
  class Shared;  // a UDP socket
  struct Lane {
    size_t udp_max;
    size_t tcp_max;
    std::list<std::unique_ptr<Shared>> udp;
    size_t tcp = 0;
    std::list<Question*> waiting_udp;  // first come, first told
    std::list<Question*> waiting_tcp;
  };

  Lane& lane(dns::Standing standing) { return lanes_[static_cast<size_t>(standing)]; }
  Result<Shared*> find_room(Lane& lane, const Endpoint& server);
  void close(Lane& lane, Shared& socket);
  void tell_next(const std::list<Question*>& waiting);

  Loop& loop_;
  std::array<Lane, 2> lanes_;
  std::array<char, 4096> buffer_;  // for one datagram
  DnsSocketStats stats_;
};

// One question on its way. Lives as long as its asker waits; gives its place back at the end.
class DnsSockets::Question {
 public:
  // `accept` looks at a datagram with this question's id and says whether it is the answer.
  Question(DnsSockets& sockets, dns::Standing standing, std::function<bool(std::string_view)> accept = {})
      : sockets_(sockets), lane_(sockets.lane(standing)), accept_(std::move(accept)) {}
  Question(const Question&) = delete;
  Question& operator=(const Question&) = delete;
  ~Question();

  // A place on a UDP socket to the server, and with it a random id that no other question there has. Once.
  Task<uint16_t> join(Endpoint server, SteadyTime deadline);
  Status send(std::string_view message);
  // Until `accept` has taken an answer; the Error of the socket, or `timeout`.
  Task<void> answered(SteadyTime deadline);

  // Room for a TCP connection, which the asker opens and closes before this ends. Once.
  Task<void> take_tcp(SteadyTime deadline);

 private:
  friend class DnsSockets;
  friend class DnsSockets::Shared;
  Task<void> wait_in(std::list<Question*>& waiting, SteadyTime deadline);
  void leave_queue();
  void fail(const Error& error);
  bool ended() const { return accepted_ || error_; }

  DnsSockets& sockets_;
  Lane& lane_;
  std::function<bool(std::string_view)> accept_;
  Shared* shared_ = nullptr;
  uint16_t id_ = 0;
  bool has_tcp_ = false;
  bool accepted_ = false;
  std::optional<Error> error_;
  Event event_;  // room, or an answer
  std::list<Question*>* queue_ = nullptr;
  std::list<Question*>::iterator place_;
};

}  // namespace sluice
