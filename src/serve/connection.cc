#include "serve/connection.h"

#include <optional>

#include "http/h1/server_session.h"
#include "serve/exchange.h"
#include "serve/http_server.h"

namespace sluice {
namespace {

constexpr unsigned kExchangesATurn = 16;  // in one turn of the loop without having waited

}  // namespace

Connection::Connection(HttpServer& server, Arrival arrival, uint64_t id)
    : server_(server),
      seat_(std::move(arrival.seat)),
      peer_(arrival.peer),
      introduction_(std::move(arrival.introduction)),
      id_(id),
      tls_(arrival.stream->tls()),
      session_(h1::make_server_session(std::move(arrival.stream))) {
  const ServerMetrics& metrics = *server_.config_.peek().metrics;
  metrics.connections->add();
  metrics.connections_active->add();
  if (!tls_) return;
  metrics.tls_connections->add();
  metrics.tls_connections_active->add();
}

Connection::~Connection() {
  if (waits_since_ != SteadyTime::max()) --server_.waiting_;
  const ServerMetrics& metrics = *server_.config_.peek().metrics;
  metrics.connections_active->sub();
  if (tls_) metrics.tls_connections_active->sub();
}

void Connection::start() {
  // Most clients send with the connection's last handshake packet: look before waiting.
  runner_.start(serve());
}

void Connection::park() {
  if (server_.draining_) {
    server_.remove(*this);
    return;
  }
  session_->when_readable(static_cast<ConnectionInput*>(this));
  waits_since_ = server_.loop.now();
  ++server_.waiting_;
  const Nanos idle = server_.config_.peek().idle_timeout;
  if (idle.count() > 0)
    idle_timer_.arm(server_.loop, later(server_.loop.now(), idle), static_cast<ConnectionIdleExpiry&>(*this));
}

void ConnectionInput::wake() {
  static_cast<Connection*>(this)->has_input();
}

void ConnectionIdleExpiry::wake() {
  static_cast<Connection*>(this)->has_expired();
}

void Connection::has_input() {
  waits_since_ = SteadyTime::max();
  --server_.waiting_;
  idle_timer_.disarm();
  runner_.start(serve());
}

void Connection::on_served(void* self, Result<void> result) {
  auto& connection = *static_cast<Connection*>(self);
  if (result && !connection.session_->over())
    connection.park();
  else
    connection.server_.remove(connection);
}

void Connection::head_begins() {
  head_since_ = server_.loop.now();
  ++server_.heads_;
}

void Connection::head_ends() {
  head_since_ = SteadyTime::max();
  --server_.heads_;
}

void Connection::drain() {
  if (idle()) server_.remove(*this);
}

void Connection::abort() {
  if (idle())
    server_.remove(*this);
  else
    runner_.cancel();
}

void Connection::has_expired() {
  server_.config_.peek().metrics->connections_idle_timeout->add();
  server_.remove(*this);
}

Loop& Connection::loop() const {
  return server_.loop;
}

std::string_view Connection::date() {
  return server_.date();
}
Upstreams* Connection::upstreams() const {
  return server_.upstreams;
}

bool Connection::draining() const {
  return server_.draining_;
}

Task<void> Connection::serve() {
  std::optional<HttpServer::ArenaLease> arena(std::in_place, server_);
  for (TurnBudget budget(kExchangesATurn);;) {
    if (budget.spent(server_.loop)) {
      auto turn = next_turn(server_.loop);
      CO_TRY(co_await turn);
    }
    ConfigSlot::Lease config = server_.config_.lease();
    const Exchange::Start start{server_.loop.now(), server_.loop.wall()};
    auto coming = session_->next({.head = config->limits,
                                  .head_timeout = config->head_timeout,
                                  .idle_max = config->stream_idle_timeout,
                                  .request_timeout = config->request_timeout,
                                  .no_memory = config->overload ? &config->overload->no_memory() : nullptr},
                                 **arena);
    if (!coming.ready()) head_begins();
    auto came = co_await coming;
    if (head_since_ != SteadyTime::max()) head_ends();
    ServerStreamPtr stream = CO_TRY(std::move(came));
    if (stream) {
      Exchange exchange(*this, std::move(stream), std::move(config), **arena, start);
      auto running = exchange.run();
      CO_TRY(co_await running);
    }
    if (session_->over()) {
      arena.reset();
      auto lingering = session_->linger();
      co_return co_await lingering;
    }
    // What came meanwhile has been told already, and will not be told again: look before parking.
    if (!session_->has_input()) co_return Status{};
  }
}

}  // namespace sluice
