// The client connections of one worker that wait for a request, over all its listeners of one bound. They give way when
// that bound is reached or nearly so, or memory is short (serve/overload.h): those that have waited longest go first,
// as their clients are the least likely to miss them, and none before it has waited for kGrace. Where newcomers could
// end each other before their requests arrive, a crowd would get nobody served. Belongs to one loop.
//
// Where memory is short, those whose head is on its way go before them: what has come of it lies in memory, and who
// sends a head and no end of it would have the others pay for that. Such a head has kGrace, too, and no time at all
// while requests are refused, as it would be.
//
// No list in the order of waiting is kept: each request would change it, at connections that nobody has touched for
// long. Who is asked looks at all of them instead, and ends a part of them at once, so that it is not asked often. A
// look that found none is not repeated before there can be one: at the bound each newcomer would walk over all the
// busy.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/metrics.h"
#include "base/time.h"
#include "serve/connection_limit.h"
#include "serve/overload.h"

namespace sluice {

class Connection;
class HttpServer;

class IdleConnections {
 public:
  static constexpr Nanos kGrace = 1s;
  static constexpr Nanos kBetweenVainLooks = 100ms;  // at least

  // Whether at the bound those whose head is on its way give way, too, after those that wait: where the bound is low
  // and the clients that are to get through are near, a head that takes a second is nobody's whom they should wait for.
  enum class HeadsAtTheBound : uint8_t { stay, give_way };

  // `limit`, which outlives this, counts those that were made to go.
  explicit IdleConnections(const ConnectionLimit& limit, HeadsAtTheBound heads = HeadsAtTheBound::stay)
      : given_up_(limit.given_up()), heads_given_up_(limit.heads_given_up()), heads_at_the_bound_(heads) {}
  IdleConnections(const IdleConnections&) = delete;
  IdleConnections& operator=(const IdleConnections&) = delete;

  // Its connections are among them as long as it lives.
  void join(HttpServer& server) { servers_.push_back(&server); }
  void leave(HttpServer& server) { std::erase(servers_, &server); }

  // Ends the one that has waited longest, in order: its client sees the end of an idle connection, as after
  // `idleTimeout`. Of many that wait, one in 64 goes. False: none has waited long enough.
  bool make_room(SteadyTime now);
  // Ends as many as `overload` says, of which this is one worker of so many.
  void relieve(const Overload& overload, size_t workers, SteadyTime now);
  // How often it went over all connections.
  uint64_t looks() const { return looks_; }

 private:
  std::vector<Connection*> waiting(SteadyTime now);
  size_t end_heads(Nanos patience, size_t most, SteadyTime now);

  Counter* const given_up_;
  Counter* const heads_given_up_;
  const HeadsAtTheBound heads_at_the_bound_;
  std::vector<HttpServer*> servers_;
  SteadyTime next_look_ = SteadyTime::min();
  uint64_t looks_ = 0;
};

}  // namespace sluice
