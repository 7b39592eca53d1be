// A listener on one worker: accepts, bounds and counts connections, and hands each to whoever speaks its protocol.
//
//   ListenSocket -> Listener -> StreamHandler
//
// What stands before the protocol (TLS, the PROXY protocol, a look at the SNI) is a StreamHandler in front of another.
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "net/listen.h"
#include "pipeline/stream_info.h"
#include "serve/connection_limit.h"
#include "serve/listener_config.h"
#include "serve/turned_away.h"

namespace sluice {

class Listener;

// The place that a connection takes among those of its listener and of the process; given back when it goes. The
// listener outlives it.
class Seat {
 public:
  explicit Seat(Listener& listener);
  Seat(Seat&& other) noexcept : listener_(std::exchange(other.listener_, nullptr)), chain_(std::move(other.chain_)) {}
  Seat& operator=(Seat&&) = delete;
  ~Seat();
  // And among those of its chain, where it has been counted already.
  void take_place_of(std::shared_ptr<OpenConnections> chain);
  const Listener& listener() const { return *listener_; }

 private:
  Listener* listener_;
  std::shared_ptr<OpenConnections> chain_;  // null: of no chain with a limit
};

// What was said in front of a connection of whose it is (the PROXY protocol).
struct Introduction {
  Introduction(const SocketAddress& direct, const SocketAddress& local) : direct_peer(direct), local_address(local) {}
  SocketAddress direct_peer;    // who is at the other end of the socket
  SocketAddress local_address;  // what the client connected to
  std::vector<MetadataEntry> metadata;
  std::shared_ptr<const void> keep;  // what the names of the metadata are in
};

// A connection on its way to whoever speaks its protocol.
struct Arrival {
  Seat seat;  // given back when the stream has gone
  std::unique_ptr<Stream> stream;
  SocketAddress peer;                                  // the client
  std::unique_ptr<const Introduction> introduction{};  // null: the client is who is at the other end
  std::string server_name{};  // of a client of TLS whose handshake was read and is still to come; empty: none
};

class StreamHandler {
 public:
  virtual ~StreamHandler() = default;
  // The connection is the handler's from now on. May end it before it returns.
  virtual void take(Arrival arrival) = 0;
  // Ends a connection that nobody would miss much, as there is no room for another. False: all are needed.
  virtual bool make_room() { return false; }
};

class Listener {
 public:
  // `limit`, if any, is shared with others and outlives this, as the handler does. So does `turned_away`, of the same
  // limit; without it those over the listener's own limit are closed at once.
  Listener(Loop& loop, StreamHandler& handler, ConnectionLimit* limit, TurnedAway* turned_away = nullptr)
      : loop_(loop), handler_(handler), limit_(limit), turned_away_(turned_away) {}
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;
  // Every seat must have been given back.
  ~Listener() {
    CHECK(connections_ == 0);
    close();
  }

  // Once, before start().
  void count_into(std::shared_ptr<const ListenerMetrics> metrics) { metrics_ = std::move(metrics); }
  // From now on the address may have so many connections, over all workers. One too many is kept for `delay` and
  // closed. Those that are open stay.
  void limit(size_t connections_max, Nanos delay);
  // Before start(). Null: not any more, and what is on its way here comes. Both are those of the address, always the
  // same.
  void spread_by(std::shared_ptr<ConnectionBalance> balance);
  // From now on newcomers are counted there; null: they are not.
  void observe_tcp(std::shared_ptr<const TcpStats> stats);
  // Closes newcomers while it says so; it outlives this. Null: nobody does.
  void look_at(const Overload* overload) { overload_ = overload; }
  // Takes over a listening descriptor (ListenSocket::open). After a failure it may be called again; one that listens
  // already closes the new descriptor.
  Status start(int fd);
  // The same with other options of the socket: goes on with another descriptor of the address.
  Status replace(int fd);
  // Accepts no more.
  void close();
  size_t connections() const { return connections_; }
  const SocketAddress& address() const { return address_; }

 private:
  friend class Seat;
  friend class ConnectionBalance;
  void arrived(Incoming& incoming);
  void accept(Incoming& incoming);
  bool find_place();
  void turn_away(Incoming& incoming);
  bool has_limit() const { return connections_max_ != ListenerMetrics::kNoLimit; }

  Loop& loop_;
  StreamHandler& handler_;
  ConnectionLimit* const limit_;
  TurnedAway* const turned_away_;
  std::shared_ptr<const ListenerMetrics> metrics_;
  ListenSocket socket_;
  SocketAddress address_;
  size_t connections_ = 0;
  size_t connections_max_ = ListenerMetrics::kNoLimit;
  Nanos delay_before_close_{};
  const Overload* overload_ = nullptr;
  std::shared_ptr<ConnectionBalance> balance_;  // joined, until it closes
  bool spreads_ = false;
  std::shared_ptr<const TcpStats> tcp_stats_;  // kept once it was there: streams know it
  bool observes_tcp_ = false;
};

}  // namespace sluice
