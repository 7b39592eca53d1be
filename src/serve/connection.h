// One client connection: takes requests off it, one after the other, and has each answered.
//
// While it waits for a request it is only this object and its session, a few hundred bytes: no buffer, no coroutine.
// Input starts serve(), which goes on until there is nothing at hand any more.
#pragma once

#include <memory>

#include "http/server_session.h"
#include "io/loop.h"
#include "serve/exchange.h"
#include "serve/idle_connections.h"
#include "serve/listener.h"

namespace sluice {

class HttpServer;

class Connection final : public ExchangeHost, private Waiter, private IdleLink {
 public:
  Connection(HttpServer& server, Arrival arrival, uint64_t id);
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection();

  // Serves what comes. May end the connection before it returns.
  void start();
  // The server drains: no further request; one that is under way is finished.
  void drain();
  // At once, also what is under way.
  void abort();
  // It waits for a request, and is to make room for somebody else.
  void give_up() { delete this; }
  static Connection& of(IdleLink& link) { return static_cast<Connection&>(link); }
  bool idle() const { return !runner_.running(); }
  bool aborted() const { return runner_.cancelled; }

  Loop& loop() const override;
  Upstreams* upstreams() const override;
  const SocketAddress& peer() const override { return peer_; }
  const SocketAddress& local_address() const override { return seat_.listener().address(); }
  uint64_t connection_id() const override { return id_; }
  std::string_view date() override;
  bool draining() const override;
  void client_gone() override { runner_.cancel(); }

 private:
  friend class HttpServer;
  struct IdleExpiry final : Waiter {
    explicit IdleExpiry(Connection& c) : connection(c) {}
    void wake() override;
    void cancel() override {}
    Connection& connection;
  };

  void wake() override;  // input while parked
  void cancel() override {}
  static void on_served(void* self, Result<void> result);
  void park();
  Task<void> serve();

  HttpServer& server_;
  const Seat seat_;  // given back last
  const SocketAddress peer_;
  const uint64_t id_;
  const std::unique_ptr<ServerSession> session_;
  Runner runner_{this, &Connection::on_served};
  IdleExpiry expiry_{*this};
  Timer idle_timer_;
  Connection* next_ = nullptr;
  Connection* previous_ = nullptr;
};

}  // namespace sluice
