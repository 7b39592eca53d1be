// A listener on one worker: accepts, bounds and counts connections, and hands each to whoever speaks its protocol.
//
//   ListenSocket -> Listener -> StreamHandler
//
// What stands before the protocol (TLS, the PROXY protocol, a look at the SNI) is a StreamHandler in front of another.
#pragma once

#include <list>
#include <memory>
#include <utility>

#include "net/listen.h"
#include "serve/connection_limit.h"
#include "serve/listener_config.h"

namespace sluice {

class Listener;

// The place that a connection takes among those of its listener and of the process; given back when it goes. The
// listener outlives it.
class Seat {
 public:
  explicit Seat(Listener& listener);
  Seat(Seat&& other) noexcept : listener_(std::exchange(other.listener_, nullptr)) {}
  Seat& operator=(Seat&&) = delete;
  ~Seat();
  const Listener& listener() const { return *listener_; }

 private:
  Listener* listener_;
};

// A connection on its way to whoever speaks its protocol.
struct Arrival {
  Seat seat;  // given back when the stream has gone
  std::unique_ptr<Stream> stream;
  SocketAddress peer;
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
  // `limit`, if any, is shared with others and outlives this, as the handler does.
  Listener(Loop& loop, StreamHandler& handler, ConnectionLimit* limit)
      : loop_(loop), handler_(handler), limit_(limit) {}
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;
  // Every seat must have been given back.
  ~Listener() { CHECK(connections_ == 0); }

  // Once, before start().
  void count_into(std::shared_ptr<const ListenerMetrics> metrics) { metrics_ = std::move(metrics); }
  // From now on the address may have so many connections, over all workers. One too many is kept for `delay` and
  // closed. Those that are open stay.
  void limit(size_t connections_max, Nanos delay);
  // Takes over a listening descriptor (ListenSocket::open). After a failure it may be called again; one that listens
  // already closes the new descriptor.
  Status start(int fd);
  // Accepts no more.
  void close() {
    socket_.close();
    turned_away_.clear();
  }
  size_t connections() const { return connections_; }
  const SocketAddress& address() const { return address_; }

 private:
  friend class Seat;
  // One too many, which is not read. It has a place of the process, and none of the listener.
  struct TurnedAway final : Waiter {
    TurnedAway(Listener& l, std::unique_ptr<Stream> s);
    ~TurnedAway();
    void wake() override { listener.turned_away_.erase(self); }  // its time is over, or its client has left
    void cancel() override {}
    Listener& listener;
    std::list<TurnedAway>::iterator self;
    std::unique_ptr<Stream> stream;
    Timer timer;
  };
  void accept(Incoming& incoming);
  bool find_place();
  void turn_away(Incoming& incoming);
  bool has_limit() const { return connections_max_ != ListenerMetrics::kNoLimit; }

  Loop& loop_;
  StreamHandler& handler_;
  ConnectionLimit* const limit_;
  std::shared_ptr<const ListenerMetrics> metrics_;
  ListenSocket socket_;
  SocketAddress address_;
  size_t connections_ = 0;
  size_t connections_max_ = ListenerMetrics::kNoLimit;
  Nanos delay_before_close_{};
  std::list<TurnedAway> turned_away_;  // the one that came first in front
};

}  // namespace sluice
