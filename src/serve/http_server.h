// Who speaks HTTP on one worker's connections of a listener: owns them, and knows the configuration they use.
#pragma once

#include <vector>

#include "serve/connection.h"
#include "serve/idle_connections.h"
#include "serve/listener.h"
#include "serve/proxy_protocol_reader.h"
#include "serve/tls_handler.h"

namespace sluice {

class HttpServer final : public StreamHandler {
 public:
  // `upstreams` may be null where the service forwards nothing; `idle` where nobody gives way. Both outlive this.
  HttpServer(Loop& l, Upstreams* u, IdleConnections* i) : loop(l), upstreams(u), idle_(i) {
    if (idle_) idle_->join(*this);
  }
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;
  // Every connection must have ended: drain(), then abort(), then turn the loop until there is none.
  ~HttpServer() override {
    CHECK(!first_);
    if (idle_) idle_->leave(*this);
  }

  // From now on requests are served by this; those under way keep what they began with. `config` lives as long as
  // `keep`. Before the first connection comes.
  // Connections end whose clients were met otherwise than they would be now: whose certificates are asked for, or
  // verified by others, or who spoke in the clear.
  void configure(std::shared_ptr<const void> keep, const ListenerConfig* config);
  void take(Arrival arrival) override;
  bool make_room() override { return idle_ && idle_->make_room(loop.now()); }
  // Idle connections end, busy ones after their response, those that are still to come as well.
  void drain();
  void abort();
  // The text of now. It changes once a second.
  std::string_view date();
  bool empty() const { return !first_; }
  // How many of its connections wait for a request.
  size_t waiting() const { return waiting_; }
  // Those that have waited since then or before. Returns since when the one does that has waited longest.
  SteadyTime add_waiting(SteadyTime since, std::vector<Connection*>& to) const;
  // Those that have waited for the rest of a head since then or before.
  void add_heads(SteadyTime since, std::vector<Connection*>& to) const;

  Loop& loop;
  Upstreams* const upstreams;

 private:
  friend class Connection;
  friend class ConcurrentExchanges;
  static constexpr size_t kArenasKept = 256;  // of 8 KiB

  // Memory for one connection that is busy; kept for the next one.
  class ArenaLease {
   public:
    explicit ArenaLease(HttpServer& server);
    ArenaLease(const ArenaLease&) = delete;
    ArenaLease& operator=(const ArenaLease&) = delete;
    ~ArenaLease();
    Arena& operator*() const { return *arena_; }

   private:
    HttpServer& server_;
    std::unique_ptr<Arena> arena_;
  };
  bool would_be_met_so(const TlsInfo* tls) const;
  void link(Connection& connection);
  // Ends it: it is the server's.
  void remove(Connection& connection);

  IdleConnections* const idle_;
  ConfigSlot config_;
  std::shared_ptr<const TlsServerChains> chains_;  // its TLS
  std::vector<std::unique_ptr<Arena>> arenas_;
  Connection* first_ = nullptr;
  size_t waiting_ = 0;
  size_t heads_ = 0;  // connections that wait for the rest of one
  uint64_t last_id_ = 0;
  int64_t date_second_ = -1;
  std::string date_;
  bool draining_ = false;
};

// A listener whose protocol is HTTP.
class HttpListener {
 public:
  HttpListener(Loop& loop, Upstreams* upstreams, ConnectionLimit* limit = nullptr, IdleConnections* idle = nullptr,
               TurnedAway* turned_away = nullptr)
      : server_(loop, upstreams, idle),
        tls_(loop, server_),
        proxied_(loop, tls_),
        listener_(loop, proxied_, limit, turned_away) {}

  // See HttpServer and Listener.
  void configure(std::shared_ptr<const void> keep, const ListenerConfig* config) {
    if (!std::exchange(configured_, true)) {  // of the address, which stays
      listener_.count_into(config->listener);
      proxied_.count_into(config->listener.get());
    }
    proxied_.configure(config->proxy_protocol);
    listener_.limit(config->connections_max, config->delay_before_close);
    listener_.look_at(config->overload);
    tls_.configure(*config);
    server_.configure(std::move(keep), config);
  }
  // configure() must have been called.
  Status start(int fd) { return listener_.start(fd); }
  void drain() {
    listener_.close();
    proxied_.end_waiting();
    server_.drain();
  }
  void abort() {
    tls_.end_waiting();
    server_.abort();
  }
  size_t connections() const { return listener_.connections(); }
  const SocketAddress& address() const { return listener_.address(); }
  Listener& listener() { return listener_; }
  HttpServer& server() { return server_; }

 private:
  HttpServer server_;
  TlsHandler tls_;
  ProxyProtocolReader proxied_;
  Listener listener_;  // its seats are taken by connections, which those have
  bool configured_ = false;
};

}  // namespace sluice
