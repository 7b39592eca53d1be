#include "serve/connection.h"

#include <algorithm>
#include <optional>

#include "http/h1/server_session.h"
#include "http/h2/server_session.h"
#include "net/tls_info.h"
#include "serve/exchange.h"
#include "serve/http_server.h"

namespace sluice {
namespace {

constexpr unsigned kExchangesATurn = 16;  // in one turn of the loop without having waited
constexpr Nanos kGoodbyeMax = 1s;         // behind the last GOAWAY, for a client without a request

bool speaks_http2(const ListenerConfig& config, const Stream& stream) {
  if (config.codec != Codec::by_client) return config.codec == Codec::http2;
  return stream.tls() && stream.tls()->alpn == "h2";
}

// Who agreed on a protocol by ALPN has none to change to.
h1::Http2 looks_for_http2(const ListenerConfig& config, const Stream& stream) {
  const bool agreed = stream.tls() && !stream.tls()->alpn.empty();
  return config.codec == Codec::by_client && !agreed ? h1::Http2::handed_over : h1::Http2::refused;
}

}  // namespace

Connection::Connection(HttpServer& server, Arrival arrival, uint64_t id)
    : server_(server),
      seat_(std::move(arrival.seat)),
      peer_(arrival.peer),
      introduction_(std::move(arrival.introduction)),
      id_(id),
      tls_(arrival.stream->tls()),
      since_(server.loop.now()) {
  const ListenerConfig& config = server_.config_.peek();
  config.metrics->connections->add();
  config.metrics->connections_active->add();
  if (tls_) {
    config.metrics->tls_connections->add();
    config.metrics->tls_connections_active->add();
  }
  if (speaks_http2(config, *arrival.stream)) {
    speak_http2(std::move(arrival.stream), {});
  } else {
    const h1::Http2 http2 = looks_for_http2(config, *arrival.stream);
    session_ = h1::make_server_session(std::move(arrival.stream), http2);
  }
}

Connection::~Connection() {
  if (waits_since_ != SteadyTime::max()) --server_.waiting_;
  if (later_) server_.loop.undefer(static_cast<ConnectionInput&>(*this));
  const ServerMetrics& metrics = *server_.config_.peek().metrics;
  metrics.connections_active->sub();
  if (tls_) metrics.tls_connections_active->sub();
  if (speaks_ == Speaks::http1) metrics.http1_connections_active->sub();
  if (speaks_ == Speaks::http2) metrics.http2_connections_active->sub();
}

// Known by its first request.
void Connection::speak_http1() {
  speaks_ = Speaks::http1;
  const ServerMetrics& metrics = *server_.config_.peek().metrics;
  metrics.http1_connections->add();
  metrics.http1_connections_active->add();
}

void Connection::speak_http2(std::unique_ptr<Stream> stream, std::string_view early) {
  speaks_ = Speaks::http2;
  const ListenerConfig& config = server_.config_.peek();
  config.metrics->http2_connections->add();
  config.metrics->http2_connections_active->add();
  ServerLimits limits = server_limits(config);
  limits.http1 = nullptr;  // the session outlives this configuration
  session_ = h2::make_server_session(std::move(stream), early, limits, config.http2, config.metrics->http2);
  several_ = std::make_unique<ConcurrentExchanges>(server_, *session_, *this, static_cast<ConnectionInput&>(*this));
}

void Connection::start() {
  // Most clients send with the connection's last handshake packet: look before waiting.
  if (several_)
    serve_several();
  else
    runner_.start(serve());
}

void Connection::park() {
  const ListenerConfig& config = server_.config_.peek();
  if (server_.draining_ || ends_ || is_over_age(config)) {
    if (!server_.draining_ && !ends_) count_end_by_age(config);
    server_.remove(*this);
    return;
  }
  session_->when_readable(static_cast<ConnectionInput*>(this));
  begin_waiting();
}

void Connection::begin_waiting() {
  waits_since_ = server_.loop.now();
  ++server_.waiting_;
  watch_the_clock();
}

// Who has been asked to go does so soon, or is ended.
void Connection::watch_the_clock() {
  const ListenerConfig& config = server_.config_.peek();
  const SteadyTime now = server_.loop.now();
  SteadyTime until = deadline_after(now, config.idle_timeout);
  if (said_goodbye_)
    until = std::min(until, later(now, config.http2.drain_max + kGoodbyeMax));
  else if (config.connection_max.count() > 0)
    until = std::min(until, later(since_, config.connection_max));
  if (until != SteadyTime::max()) idle_timer_.arm(server_.loop, until, static_cast<ConnectionIdleExpiry&>(*this));
}

void Connection::end_waiting() {
  if (waits_since_ == SteadyTime::max()) return;
  waits_since_ = SteadyTime::max();
  --server_.waiting_;
  idle_timer_.disarm();
}

void ConnectionInput::wake() {
  static_cast<Connection*>(this)->has_input();
}

void ConnectionIdleExpiry::wake() {
  static_cast<Connection*>(this)->has_expired();
}

void Connection::has_input() {
  if (several_) return serve_several();
  end_waiting();
  runner_.start(serve());
}

// Requests have come, or the last exchange has ended, or the session is over.
void Connection::serve_several() {
  if (std::exchange(later_, false)) server_.loop.undefer(static_cast<ConnectionInput&>(*this));
  if (runner_.running()) return;  // it lingers
  if (aborted_) {
    if (several_->empty()) server_.remove(*this);
    return;
  }
  if (session_->has_input()) end_waiting();
  later_ = !several_->take(kExchangesATurn);
  if (later_) {
    server_.loop.defer_to_next_turn(static_cast<ConnectionInput&>(*this));
    return;
  }
  if (!several_->empty()) {
    session_->when_readable(static_cast<ConnectionInput*>(this));
  } else if (session_->over()) {
    end_waiting();
    runner_.start(session_->linger());
  } else {
    if (server_.draining_ || is_over_age(server_.config_.peek())) say_goodbye();
    session_->when_readable(static_cast<ConnectionInput*>(this));
    if (waits_since_ == SteadyTime::max()) begin_waiting();
  }
}

void Connection::on_served(void* self, Result<void> result) {
  auto& connection = *static_cast<Connection*>(self);
  if (result && connection.several_ && !connection.session_->over())
    connection.serve_several();
  else if (result && !connection.session_->over())
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
  if (several_)
    session_->drain();
  else if (idle())
    server_.remove(*this);
}

void Connection::end_now() {
  server_.config_.peek().metrics->connections_outdated->add();
  ends_ = true;
  if (!several_) {
    if (idle()) server_.remove(*this);
    return;
  }
  said_goodbye_ = true;
  session_->end_now();
  if (waits_since_ != SteadyTime::max()) watch_the_clock();
}

void Connection::abort() {
  if (idle()) {
    server_.remove(*this);
    return;
  }
  aborted_ = true;
  if (runner_.running())
    runner_.cancel();  // perhaps the end of this
  else
    several_->cancel();
}

// RFC 9113 6.8: what a client of HTTP/2 has sent before it hears that it is to go is served.
void Connection::has_expired() {
  if (said_goodbye_) return server_.remove(*this);
  const ListenerConfig& config = server_.config_.peek();
  if (is_over_age(config))
    count_end_by_age(config);
  else
    config.metrics->connections_idle_timeout->add();
  if (!several_) return server_.remove(*this);
  say_goodbye();
  watch_the_clock();
}

void Connection::say_goodbye() {
  said_goodbye_ = true;
  session_->drain();
}

void Connection::count_end_by_age(const ListenerConfig& config) {
  if (is_first_to_end()) config.metrics->connections_over_age->add();
}

bool Connection::is_over_age(const ListenerConfig& config) const {
  return config.connection_max.count() > 0 && server_.loop.now() >= later(since_, config.connection_max);
}

bool Connection::ends_behind(const ListenerConfig& config) {
  if (ends_) return true;
  const bool has_had_enough = config.requests_max > 0 && requests_ >= config.requests_max;
  if (!has_had_enough && !is_over_age(config)) return false;
  if (!is_first_to_end()) return true;
  const ServerMetrics& metrics = *config.metrics;
  (has_had_enough ? metrics.connections_over_requests : metrics.connections_over_age)->add();
  return true;
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
    auto coming = session_->next(server_limits(*config), **arena);
    if (!coming.ready()) head_begins();
    auto came = co_await coming;
    if (head_since_ != SteadyTime::max()) head_ends();
    ServerStreamPtr stream = CO_TRY(std::move(came));
    if (ends_) [[unlikely]]
      co_return Status{};
    if (stream) {
      if (speaks_ == Speaks::unknown) [[unlikely]]
        speak_http1();
      Exchange exchange(*this, std::move(stream), std::move(config), **arena, start);
      auto running = exchange.run();
      CO_TRY(co_await running);
    }
    if (!stream) {
      if (auto handed = session_->hand_over()) {
        const std::unique_ptr<ServerSession> before = std::move(session_);  // has what came early
        speak_http2(std::move(handed->stream), handed->early);
        co_return Status{};
      }
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
