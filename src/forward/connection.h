// Connections to upstreams, and the pool in which they wait for their next request.
//
// A connection is one request's for as long as that takes, or, where its protocol carries several, as many requests'
// as its session has streams: those that join it find it by the pool. A pool belongs to one worker and one destination:
// static endpoint or host:port of a dynamic route. Nothing is shared between destinations, so that a connection is
// never used for a name it was not made for.
#pragma once

#include <list>
#include <memory>
#include <span>
#include <string>
#include <utility>

#include "base/short_list.h"
#include "forward/budget.h"
#include "forward/cluster.h"
#include "http/client_session.h"
#include "io/loop.h"
#include "pipeline/outcome.h"

namespace sluice {

class ConnectionPool;
using SocketAddressList = ShortList<SocketAddress, 1>;  // most destinations have one

// What an open descriptor takes of its pool, its cluster and the worker's budget, while this lives.
class ConnectionPlace {
 public:
  explicit ConnectionPlace(ConnectionPool& pool);
  ConnectionPlace(const ConnectionPlace&) = delete;
  ConnectionPlace& operator=(const ConnectionPlace&) = delete;
  ~ConnectionPlace();

 private:
  ConnectionPool& pool_;
};

// The same of an attempt of a race, besides its first.
class AttemptPlace {
 public:
  explicit AttemptPlace(ConnectionPool& pool);
  AttemptPlace(const AttemptPlace&) = delete;
  AttemptPlace& operator=(const AttemptPlace&) = delete;
  ~AttemptPlace();

 private:
  ClusterConnections& connections_;
  const ConnectionPlace place_;
};

// How the connections of a pool are protected: with the sessions of its destination, to be resumed.
class PoolTls {
 public:
  // What is offered by ALPN, where the context has nothing of its own: the protocol that is asked for, or all of them.
  enum class Offer : uint8_t { asked, all };
  // `name`: the SNI, and what the certificate must be for where the context verifies names, unless `certificate_name`
  // is that.
  PoolTls(std::shared_ptr<const TlsClientContext> context, std::string_view name, Offer offer,
          std::string_view certificate_name = {})
      : context_(std::move(context)), name_(name), certificate_name_(certificate_name), offer_(offer) {}
  // `asked`: http1 or http2.
  std::unique_ptr<Stream> connect(std::unique_ptr<Stream> below, UpstreamProtocol asked);
  // For a tunnel, whose protocol only its ends know: nothing is offered.
  std::unique_ptr<Stream> connect_for_bytes(std::unique_ptr<Stream> below);
  // Empty: the name itself.
  std::string_view certificate_name() const { return certificate_name_; }

 private:
  std::unique_ptr<Stream> connect(std::unique_ptr<Stream> below, std::span<const std::string_view> alpn);

  const std::shared_ptr<const TlsClientContext> context_;
  const std::string name_;
  const std::string certificate_name_;
  const Offer offer_;
  TlsSessions sessions_;
};

// A request's use of a connection. Ends with it: without keep(), one that carries one request alone is closed.
struct EndUse {
  void operator()(UpstreamConnection* connection) const;
};
using ConnectionUse = std::unique_ptr<UpstreamConnection, EndUse>;

class UpstreamConnection final : private Waiter {
 public:
  explicit UpstreamConnection(ConnectionPool& pool, const SocketAddress& address);
  UpstreamConnection(const UpstreamConnection&) = delete;
  UpstreamConnection& operator=(const UpstreamConnection&) = delete;

  // To one of several addresses, the one that took it. Others may join it from now on, where it carries several.
  void connected(const SocketAddress& to, std::unique_ptr<ClientSession> on);
  bool is_shared() const { return users_ > 0; }

  SocketAddress address;  // until it is connected, the first that is tried
  std::string address_text;
  std::string local_text;                               // this end's "ip:port", once connected
  std::string introduction;                             // what it began with; empty: nothing
  std::unique_ptr<ClientSession> session;               // null until it is connected
  uint64_t uses = 0;                                    // requests sent on it
  UpstreamProtocol made_for = UpstreamProtocol::http1;  // where the cluster's are of both kinds
  ConnectionPool& pool;

  // While it is idle:
  SteadyTime idle_since() const { return idle_since_; }
  void give_up() { wake(); }  // closes and destroys it

 private:
  friend class ConnectionPool;
  friend class ClusterConnections;
  struct IdleExpiry final : Waiter {
    explicit IdleExpiry(UpstreamConnection& c) : connection(c) {}
    void wake() override;
    void cancel() override {}
    UpstreamConnection& connection;
  };
  // While shared: it may carry more requests than before.
  struct Roomier final : Waiter {
    explicit Roomier(UpstreamConnection& c) : connection(c) {}
    void wake() override;
    void cancel() override {}
    UpstreamConnection& connection;
  };
  // While idle: the peer closed it, or sent bytes nobody asked for; either way it is of no use.
  void wake() override;
  void cancel() override {}

  const ConnectionPlace place_;
  IdleExpiry expiry_{*this};
  Roomier roomier_{*this};
  Timer idle_timer_;
  UpstreamConnection* next_ = nullptr;  // among the idle ones of the pool, or the shared ones
  UpstreamConnection* previous_ = nullptr;
  size_t users_ = 0;       // where it is shared
  bool settling_ = false;  // its peer has not said how many requests it takes
  SteadyTime idle_since_{};
  UpstreamConnection* newer_ = nullptr;  // among the idle ones of the cluster
  UpstreamConnection* older_ = nullptr;
};

class ConnectionPool {
 public:
  ConnectionPool(Loop& l, ClusterConnections& c)
      : loop(l), connections(c), cluster(c.cluster), expects_shared_(c.cluster->protocol == UpstreamProtocol::http2) {}
  ConnectionPool(const ConnectionPool&) = delete;
  ConnectionPool& operator=(const ConnectionPool&) = delete;
  // No connection may be in use.
  ~ConnectionPool();

  // One to an address in `allowed`: that others use and that has room for one more, else the one that was used last;
  // nullptr when there is none. Connections on which the peer spoke or hung up meanwhile are closed on the way
  // (docs/decisions/0020).
  // `protocol`: where the cluster's connections are of both kinds, which will do. `introduction`: of whose client.
  ConnectionUse take(std::span<const SocketAddress> allowed, UpstreamProtocol protocol = UpstreamProtocol::http1,
                     std::string_view introduction = {});
  // Keeps it for the next request, unless its address has been withdrawn meanwhile.
  void keep(ConnectionUse connection);
  // From now on only these addresses: closes idle connections to others, and those in use when they would be kept.
  void drop_others(std::span<const SocketAddress> allowed);

  // Whether one more may be opened; may close idle ones to other destinations.
  bool make_room() { return connections.make_room(open_); }
  // The same for another attempt of a race. A request that has none yet goes before another's second.
  bool make_room_for_attempt() { return !has_pending() && connections.make_room_for_attempt(); }

  size_t idle() const { return idle_; }
  size_t open() const { return open_; }  // idle, in use or on the way to be

  // Requests that refer to this pool: it must not end before they do.
  class User {
   public:
    explicit User(ConnectionPool& pool) : pool_(pool) { pool_.request_begins(); }
    User(const User&) = delete;
    User& operator=(const User&) = delete;
    ~User() { pool_.request_ends(); }

   private:
    ConnectionPool& pool_;
  };
  // A request under way, for those who may have to end it because its destination is not allowed any more.
  class UnderWay {
   public:
    struct Denial {
      OutcomeKind kind = OutcomeKind::destination_denied;
      std::string rule;  // of the outcome
      std::string text;  // for the client
      bool operator==(const Denial&) const = default;
    };
    // `place`: whose rules allowed it; empty where there are none. Lives as long as the request's route.
    UnderWay(ConnectionPool& pool, std::string_view place);
    UnderWay(const UnderWay&) = delete;
    UnderWay& operator=(const UnderWay&) = delete;
    // What it is connected to, or may connect to.
    virtual std::span<const SocketAddress> addresses() const = 0;
    // Ends it; false when nothing of it is left to end.
    virtual bool end(const Denial& why) = 0;
    std::string_view place() const { return place_; }

   protected:
    ~UnderWay();
    // It goes on in another pool.
    void move_to(ConnectionPool& pool);
    ConnectionPool* pool_;
    std::string_view place_;

   private:
    friend class ConnectionPool;
    void enter(ConnectionPool& pool);
    void leave();
    UnderWay* next_ = nullptr;
    UnderWay* previous_ = nullptr;
  };
  // Calls `look(UnderWay&)` for each; it may end them.
  template <class Look>
  void each_under_way(Look&& look) {
    for (UnderWay* one = under_way_; one;) look(*std::exchange(one, one->next_));
  }
  // A request that waits for a connection of this pool, because the cluster may have no more. First come, first told.
  class Pending {
   public:
    explicit Pending(ConnectionPool& pool);
    Pending(const Pending&) = delete;
    Pending& operator=(const Pending&) = delete;
    ~Pending();
    // ErrorKind::timeout after `deadline`. Then look again: somebody may have been quicker; wait again if so.
    Event::Await until_free(SteadyTime deadline);
    // Whoever waits is woken, though nothing is free.
    void disturb() { freed_.notify(pool_.loop); }

   private:
    friend class ConnectionPool;
    ConnectionPool& pool_;
    Event freed_;
    bool told_ = false;
    std::list<Pending*>::iterator place_;
  };
  bool has_pending() const { return !pending_.empty(); }

  // While a request connects, of a pool whose connections carry several: others wait for it, and then until the
  // upstream has said how many it takes. Ends as it is left.
  class Connecting {
   public:
    explicit Connecting(ConnectionPool& pool) : pool_(pool) { ++pool_.connecting_; }
    Connecting(const Connecting&) = delete;
    Connecting& operator=(const Connecting&) = delete;
    ~Connecting();
    // There is none, so that those who wait have none either.
    void failed(Error why) { why_ = std::move(why); }

   private:
    ConnectionPool& pool_;
    std::optional<Error> why_;
  };
  // A request that waits for another's connection.
  class Joining {
   public:
    explicit Joining(ConnectionPool& pool);
    Joining(const Joining&) = delete;
    Joining& operator=(const Joining&) = delete;
    ~Joining();
    // ErrorKind::timeout after `deadline`. Then look again, unless it failed.
    Event::Await until_connected(SteadyTime deadline) { return told_.wait(pool_.loop, deadline); }
    const std::optional<Error>& failure() const { return why_; }
    void disturb() { told_.notify(pool_.loop); }

   private:
    friend class ConnectionPool;
    ConnectionPool& pool_;
    Event told_;
    std::optional<Error> why_;
    std::list<Joining*>::iterator place_;
  };
  // What is being connected may have room for one more.
  bool may_join() const { return joining_.size() < (connecting_ + settling_) * kJoiningMax; }
  // The next connection will carry several requests: as configured, or as the last one did.
  bool expects_shared() const { return expects_shared_; }
  bool in_use() const { return requests_ > 0; }

  // From the first connection on, and then for all. Null: in the clear.
  std::unique_ptr<PoolTls> tls;
  Loop& loop;
  ClusterConnections& connections;
  const std::shared_ptr<const Cluster> cluster;

 private:
  friend class ConnectionPlace;
  friend class UpstreamConnection;
  void request_begins() {
    ++requests_;
    connections.request_begins();
  }
  void request_ends() {
    --requests_;
    connections.request_ends(loop);
  }
  // Of one connection, before it is there and says itself how many streams it takes.
  static constexpr size_t kJoiningMax = 100;
  bool fits(const UpstreamConnection& connection, std::span<const SocketAddress> allowed, UpstreamProtocol protocol,
            std::string_view introduction) const;
  void share(UpstreamConnection& connection);
  void leave(UpstreamConnection& connection);
  void settle(UpstreamConnection& connection);
  void tell_joining(const std::optional<Error>& why);
  void make_idle(std::unique_ptr<UpstreamConnection> connection);
  static void link(UpstreamConnection*& first, UpstreamConnection& connection);
  static void unlink(UpstreamConnection*& first, UpstreamConnection& connection);
  friend struct EndUse;
  // One that is idle: it is the pool's no more.
  std::unique_ptr<UpstreamConnection> take_out(UpstreamConnection& connection);
  // A connection has become idle, has room for one more, or is gone.
  void tell_next();

  std::optional<SocketAddressList> allowed_;  // nothing: all
  std::list<Pending*> pending_;
  UnderWay* under_way_ = nullptr;
  UpstreamConnection* first_ = nullptr;         // that is idle
  UpstreamConnection* first_shared_ = nullptr;  // that is in use, and may have room for more
  std::list<Joining*> joining_;
  bool expects_shared_;
  size_t connecting_ = 0;
  size_t settling_ = 0;  // shared ones that have not been told how many requests they may carry
  size_t requests_ = 0;  // that refer to it
  size_t idle_ = 0;
  size_t open_ = 0;
};

}  // namespace sluice
