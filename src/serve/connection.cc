#include "serve/connection.h"

#include "base/log.h"
#include "base/strings.h"
#include "http/h1/write.h"
#include "http/h1/write_head.h"
#include "pipeline/rerouting.h"
#include "pipeline/rescue.h"
#include "serve/http_server.h"
#include "serve/proxy_status.h"
#include "serve/request_setup.h"
#include "serve/tunnel.h"

namespace sluice {
namespace {

// What one connection may do in one turn of the loop without having waited.
constexpr unsigned kExchangesATurn = 16;
constexpr unsigned kPiecesATurn = 32;
constexpr size_t kDrainBytesMax = 64U << 10;  // of a request body that nobody reads (F18)
constexpr Nanos kLingerMax = 1s;              // Envoy's delayedCloseTimeout
constexpr Nanos kHalfCloseGrace = 5s;         // see Hangup

// `Date` changes once a second; each worker writes its own.
std::string_view date_now(WallTime wall) {
  thread_local int64_t second = -1;
  thread_local std::string text;
  if (const int64_t now = unix_seconds(wall); now != second) {
    second = now;
    text = format_http_date(wall);
  }
  return text;
}

// What a client may ask for that this program cannot do yet; its owner should learn of it without an access log.
void tell_unsupported(const Request& request, std::string_view what) {
  static log::Site site{LogLevel::warn, "listener", "a request is refused"};
  if (!site.admits()) return;
  site.write({{"reason", what}, {"method", request.method}, {"target", printable(request.info.original_path)}});
}

// Bodies of refusals as Envoy words them (gloo-policies 9.2); where it says nothing, a sentence for who reads it.
Response refuse(Request& request, const HeadFailure& failure) {
  std::string_view body;
  if (failure.details == "http1.codec_error" || failure.details == "http1.headers_too_large") {
    request.info.set(ResponseFlag::downstream_protocol_error);
    body = h1::reason_phrase(failure.status);
  } else if (failure.details == "request_header_timeout") {
    body = "request header timeout";
  } else if (failure.details == "low_version") {
    body = "HTTP/1.0 is not supported: send HTTP/1.1";
  } else if (failure.details == "expectation_failed") {
    body = "the only expectation that is supported is 100-continue";
  } else if (failure.details == kMethodNotAllowed) {
    body = request.arena.concat(request.method, std::string_view(" is not supported on this listener"));
    tell_unsupported(request, body);
  } else if (failure.details == kHttpsTarget) {
    body = "a target with https:// needs TLS to the destination, which is not supported yet: it is not sent in clear";
    tell_unsupported(request, body);
  }
  Response response = local_reply(request, failure.status, body, failure.details);
  // RFC 9110 15.5.6. Other methods pass as well; these are the ones that people mean.
  if (failure.status == 405) response.headers->add("allow", "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");
  response.close = true;
  return response;
}

// A response that began and could not be sent whole, for the log. False: it was the client's end that broke.
bool note_cut(StreamInfo& info, const Error& error) {
  constexpr std::string_view kEnded = "upstream_reset_after_response_started{connection_termination}";
  constexpr std::string_view kBroken = "upstream_reset_after_response_started{protocol_error}";
  if (info.has(ResponseFlag::upstream_timeout)) {
    info.details = "response_timeout";
  } else if (error.kind == ErrorKind::timeout) {
    info.set(ResponseFlag::stream_idle_timeout);
    info.details = "stream_idle_timeout";
  } else if (error.kind == ErrorKind::denied) {
    // Who cut it off has said why.
  } else if (error.side == Side::upstream) {
    const bool broken = error.kind == ErrorKind::invalid;
    info.set(broken ? ResponseFlag::upstream_protocol_error : ResponseFlag::upstream_connection_ended);
    info.details = broken ? kBroken : kEnded;
  } else {
    return false;
  }
  return true;
}

}  // namespace

// While an exchange runs: the client went away (or will send no more, which may mean the same).
struct Connection::Hangup final : Waiter {
  explicit Hangup(Connection& c) : connection(c) {}
  ~Hangup() {
    if (connection.stream_) connection.stream_->when_hung_up(nullptr);
  }
  void wake() override;
  void cancel() override {}
  Connection& connection;
  Timer grace;
  bool grace_begun = false;
  bool answering = false;  // the response is on its way: only a reset ends it
};

struct Connection::Exchange {
  Exchange(Connection& connection, ConfigSlot::Lease lease, SteadyTime now)
      : hangup(connection),
        config(std::move(lease)),
        request(connection.memory_->arena, connection.server_.loop, info),
        head(config->limits) {
    info.start = now;
    info.start_wall = connection.server_.loop.wall();
    info.downstream_peer = &connection.peer_;
    info.downstream_address = &connection.seat_.listener().address();
    info.connection_id = connection.id_;
    request.background = &background;
    request.upstreams = connection.server_.upstreams;
    request.body_budget = config->body_budget;
  }

  // A tunnel may last for days: it holds on to what is needed at its end, and lets the snapshot go.
  void let_go_of_config(Response& response) {
    kept.emplace(config->metrics, config->observer);
    request.own_bytes();
    response.headers->own_bytes();
    config.release();
  }
  const ServerMetrics& metrics() const { return kept ? *kept->metrics : *config->metrics; }
  const ExchangeObserver* observer() const { return kept ? kept->observer.get() : config->observer.get(); }

  struct Kept {
    std::shared_ptr<const ServerMetrics> metrics;
    std::shared_ptr<const ExchangeObserver> observer;
  };
  std::optional<Hangup> hangup;  // until the response has gone
  ConfigSlot::Lease config;
  std::optional<Kept> kept;  // set: `config` has been given back
  StreamInfo info;
  TaskGroup background;
  Request request;
  RequestHeadParser head;
  RequestFraming framing;
  std::optional<HeadFailure> refused;
  std::optional<MessageBody> body;
  bool keep_alive = false;
  bool head_sent = false;
  bool complete = false;  // the response has gone out whole
  bool cut = false;       // it has not, and the log says why
};

// --- life of a connection ---------------------------------------------------------------------------------------

Connection::Connection(HttpServer& server, Arrival arrival, uint64_t id)
    : server_(server),
      seat_(std::move(arrival.seat)),
      peer_(arrival.peer),
      id_(id),
      stream_(std::move(arrival.stream)) {
  server_.link(*this);
  const ServerMetrics& metrics = *server_.config_.peek().metrics;
  metrics.connections->add();
  metrics.connections_active->add();
}

Connection::~Connection() {
  server_.config_.peek().metrics->connections_active->sub();
  server_.give_memory(std::move(memory_));
  server_.unlink(*this);
}

void Connection::start() {
  // Most clients send with the connection's last handshake packet: look before waiting.
  runner_.start(serve());
}

void Connection::park() {
  if (server_.draining_) {
    delete this;
    return;
  }
  server_.give_memory(std::move(memory_));
  stream_->when_readable(this);
  const Nanos idle = server_.config_.peek().idle_timeout;
  if (idle.count() > 0) idle_timer_.arm(server_.loop, later(server_.loop.now(), idle), expiry_);
}

void Connection::wake() {
  idle_timer_.disarm();
  runner_.start(serve());
}

void Connection::on_served(void* self, Result<void> result) {
  auto& connection = *static_cast<Connection*>(self);
  if (result && connection.stream_)
    connection.park();
  else
    delete &connection;
}

void Connection::drain() {
  if (idle()) delete this;
}

void Connection::abort() {
  if (idle())
    delete this;
  else
    runner_.cancel();
}

void Connection::IdleExpiry::wake() {
  connection.server_.config_.peek().metrics->connections_idle_timeout->add();
  delete &connection;
}

// A reset means that nobody waits for the answer. An end of the client's sending may be a half-close, which is legal
// and rare, or the whole goodbye, which is common; both look alike. So the answer gets a few more seconds.
void Connection::Hangup::wake() {
  Stream& stream = *connection.stream_;
  const bool waited = grace_begun && !grace.armed();
  if (!stream.is_broken() && (answering || !waited)) {
    if (!answering && !std::exchange(grace_begun, true))
      grace.arm(connection.server_.loop, connection.server_.loop.now() + kHalfCloseGrace, *this);
    stream.when_hung_up(this);
    return;
  }
  grace.disarm();
  connection.client_gone_ = true;
  connection.runner_.cancel();
}

// --- requests ---------------------------------------------------------------------------------------------------

Task<void> Connection::serve() {
  if (!memory_) memory_ = server_.take_memory();
  for (TurnBudget budget(kExchangesATurn);;) {
    if (budget.spent(server_.loop)) {
      auto turn = next_turn(server_.loop);
      CO_TRY(co_await turn);
    }
    Exchange exchange(*this, server_.config_.lease(), server_.loop.now());
    auto reading = read_head(exchange);
    const HeadRead read = CO_TRY(co_await reading);
    if (read == HeadRead::nothing) co_return Status{};

    auto handling = handle(exchange);
    auto handled = co_await handling;
    exchange.hangup.reset();
    exchange.background.cancel();
    auto joining = exchange.background.join();
    auto joined = co_await joining;
    finish(exchange, handled ? *handled : Response{});
    keep_rest(exchange);
    memory_->arena.reset();  // gives the upstream's connection back; before the request it refers to goes
    if (!handled || !joined || client_gone_) co_return cancelled_error();
    if (!exchange.keep_alive) {
      auto lingering = linger();
      co_await lingering;
      stream_ = nullptr;
      co_return Status{};
    }
    // What came meanwhile has been told already, and will not be told again: look before parking.
    if (memory_->filled == 0 && !stream_->has_buffered()) co_return Status{};
  }
}

Task<Connection::HeadRead> Connection::read_head(Exchange& exchange) {
  ConnectionMemory& memory = *memory_;
  if (memory.block.empty()) memory.block = Block(Block::kSmall);
  SteadyTime deadline = SteadyTime::max();
  for (;;) {
    if (memory.filled > 0) {
      const HeadProgress progress =
          exchange.head.parse(memory.block.span().first(memory.filled), exchange.request.headers);
      if (progress == HeadProgress::done) co_return HeadRead::request;
      if (progress == HeadProgress::failed) {
        exchange.refused = exchange.head.failure();
        co_return HeadRead::refused;
      }
      if (deadline == SteadyTime::max() && exchange.config->head_timeout.count() > 0)
        deadline = later(server_.loop.now(), exchange.config->head_timeout);
    } else if (!stream_->has_buffered()) {
      co_return HeadRead::nothing;
    }
    if (memory.filled == memory.block.size()) {
      Block larger(std::max(Block::kLarge, 2 * memory.block.size()));
      std::memcpy(larger.data(), memory.block.data(), memory.filled);
      memory.block = std::move(larger);
      exchange.head.restart(exchange.request.headers);
    }
    const std::span<char> into = memory.block.span().subspan(memory.filled);
    Stream::Attempt got = stream_->has_buffered() ? stream_->try_read(into) : std::nullopt;
    if (!got) {
      if (memory.filled == 0) co_return HeadRead::nothing;
      auto reading = stream_->read(into, deadline);
      got = co_await reading;
    }
    if (!*got && got->error().kind == ErrorKind::timeout) {
      exchange.refused = HeadFailure{408, "request_header_timeout"};
      co_return HeadRead::refused;
    }
    if (!*got && got->error().kind == ErrorKind::cancelled) co_return std::unexpected(got->error());
    if (!*got || **got == 0) {
      stream_ = nullptr;
      co_return HeadRead::nothing;
    }
    memory.filled += **got;
  }
}

Task<Response> Connection::handle(Exchange& exchange) {
  const ListenerConfig& config = *exchange.config;
  Request& request = exchange.request;
  config.metrics->requests->add();
  config.metrics->requests_active->add();
  if (!exchange.refused) exchange.refused = set_up_request(exchange.head, config, peer_, request, exchange.framing);
  exchange.keep_alive = !exchange.refused && exchange.framing.keep_alive;

  Response response;
  if (exchange.refused) {
    response = refuse(request, *exchange.refused);
  } else {
    attach_body(exchange);
    stream_->when_hung_up(&*exchange.hangup);
    if (stream_->peer_ended() && exchange.framing.body == BodyKind::none) exchange.hangup->wake();
    auto handling = config.service->handle(request);
    auto handled = co_await handling;
    if (handled && request.rerouting) [[unlikely]] {
      auto finishing = finish_rerouted(request, *handled);
      handled = co_await finishing;
    }
    response = handled ? *handled : failed(exchange, handled.error());
  }
  auto answering = answer(exchange, response);
  auto answered = co_await answering;
  if (!answered && answered.error().kind == ErrorKind::cancelled) client_gone_ = true;
  if (!answered) {
    exchange.keep_alive = false;
    exchange.cut = note_cut(exchange.info, answered.error());
  }
  if (exchange.keep_alive && exchange.body && !exchange.body->complete()) {
    // F18: what nobody read must go before the next request can be found.
    exchange.background.cancel();
    auto joining = exchange.background.join();
    CO_TRY(co_await joining);
    auto draining = drain_body(exchange);
    CO_TRY(co_await draining);
  }
  co_return response;
}

void Connection::attach_body(Exchange& exchange) {
  const ListenerConfig& config = *exchange.config;
  if (exchange.framing.body == BodyKind::none) {
    exchange.info.request_end = exchange.info.start;
    return;
  }
  const std::span<char> early = memory_->block.span().first(memory_->filled).subspan(exchange.head.size());
  exchange.body.emplace(MessageBody::Source{.stream = *stream_,
                                            .block = memory_->block,
                                            .reserved = exchange.head.size(),
                                            .early = early,
                                            .side = Side::downstream,
                                            .idle_max = config.stream_idle_timeout,
                                            .arena = memory_->arena},
                        exchange.framing.body, exchange.framing.length);
  if (config.request_timeout.count() > 0)
    exchange.body->set_deadline(later(exchange.info.start, config.request_timeout));
  if (exchange.framing.expects_continue && early.empty()) exchange.body->say_first("HTTP/1.1 100 Continue\r\n\r\n");
  exchange.request.body.reader = &*exchange.body;
  if (exchange.framing.body == BodyKind::length) exchange.request.body.length = exchange.framing.length;
}

Response Connection::failed(Exchange& exchange, const Error& error) {
  Request& request = exchange.request;
  const Nanos request_timeout = exchange.config->request_timeout;
  Response response;
  if (error.kind == ErrorKind::timeout && error.side == Side::downstream && request_timeout.count() > 0 &&
      server_.loop.now() >= later(exchange.info.start, request_timeout)) {
    response = local_reply(request, 408, "request timeout", "request_overall_timeout");
    response.close = true;
  } else {
    response = rescue(request, error);
  }
  if (error.kind == ErrorKind::cancelled) client_gone_ = true;
  if (request.route.rules && !response.finished) request.route.rules->finish_response(request, response);
  return response;
}

// --- responses --------------------------------------------------------------------------------------------------

// Fields that every response gets, and the head as bytes.
std::string_view Connection::write_head(Exchange& exchange, Response& response) {
  const ListenerConfig& config = *exchange.config;
  Arena& arena = memory_->arena;
  Headers& headers = *response.headers;
  if (!config.server_name.empty()) headers.set(Known::server, config.server_name);
  if (!headers.has(Known::date)) headers.add(Known::date, arena.copy(date_now(server_.loop.wall())));
  if (!config.via.empty() && !response.local) {
    const auto via = headers.joined("via");
    headers.set(Known::via,
                via ? arena.concat(*via, std::string_view(", "), config.via) : std::string_view(config.via));
  }
  h1::Then then = exchange.keep_alive ? h1::Then::goes_on : h1::Then::closes;
  if (response.tunnel) then = h1::Then::becomes_websocket;
  return h1::write_head({.status = response.status,
                         .headers = headers,
                         .body = response.body,
                         .to_head_request = exchange.info.method == "HEAD",
                         .then = then},
                        arena);
}

Task<void> Connection::answer(Exchange& exchange, Response& response) {
  if (client_gone_) co_return cancelled_error();
  if (response.local && exchange.config->proxy_answers) answer_as_proxy(exchange.request, response);
  if (response.close || server_.draining_) exchange.keep_alive = false;
  // From here on "100 Continue" would be part of the answer. A client that was not told to go on may send its body or
  // not: where the next request would begin nobody knows.
  if (exchange.body && exchange.framing.expects_continue) {
    if (exchange.body->say_nothing()) exchange.keep_alive = false;
    auto saying = exchange.body->said();
    CO_TRY(co_await saying);
  }
  if (!will_find_next_request(exchange, response)) exchange.keep_alive = false;
  exchange.info.code = response.status;
  exchange.hangup->answering = true;
  exchange.hangup->grace.disarm();
  if (response.tunnel) {
    auto relaying = relay(exchange, response);
    co_return co_await relaying;
  }
  const bool bodiless = h1::never_has_body(response.status) || exchange.info.method == "HEAD";
  if (bodiless || response.body.empty()) {
    const std::string_view head = write_head(exchange, response);
    exchange.head_sent = true;
    auto writing = stream_->write_all(head, exchange.config->stream_idle_timeout);
    CO_TRY(co_await writing);
    exchange.complete = true;
    co_return Status{};
  }
  auto writing = write_body(exchange, response);
  co_return co_await writing;
}

Task<void> Connection::write_body(Exchange& exchange, Response& response) {
  const Nanos idle = exchange.config->stream_idle_timeout;
  auto reading = response.body.reader->read();
  if (reading.ready()) {
    auto chunk = reading.take();
    if (!chunk) {
      // Nothing has gone out yet: there is still time for a proper answer.
      response = failed(exchange, chunk.error());
      if (exchange.config->proxy_answers) answer_as_proxy(exchange.request, response);
      exchange.keep_alive = false;
      exchange.info.code = response.status;
      reading = response.body.empty() ? Task<Chunk>(Chunk{{}, true}) : response.body.reader->read();
      chunk = reading.take();
    }
    const std::string_view head = write_head(exchange, response);
    exchange.head_sent = true;
    auto writing = write_piece(*stream_, piece(exchange, response, head, *chunk), idle);
    CO_TRY(co_await writing);
    exchange.info.bytes_sent += chunk->bytes.size();
    if (chunk->last) {
      exchange.complete = true;
      co_return Status{};
    }
    reading = response.body.reader->read();
  } else {
    const std::string_view head = write_head(exchange, response);
    exchange.head_sent = true;
    auto writing = stream_->write_all(head, idle);
    CO_TRY(co_await writing);
  }
  // What is made here, such as by decompressing, can be at hand for ever.
  for (TurnBudget budget(kPiecesATurn);;) {
    if (budget.spent(server_.loop)) {
      auto turn = next_turn(server_.loop);
      CO_TRY(co_await turn);
    }
    auto chunk = co_await reading;
    if (!chunk) co_return std::unexpected(std::move(chunk).error());
    auto writing = write_piece(*stream_, piece(exchange, response, {}, *chunk), idle);
    CO_TRY(co_await writing);
    exchange.info.bytes_sent += chunk->bytes.size();
    if (chunk->last) break;
    reading = response.body.reader->read();
  }
  exchange.complete = true;
  co_return Status{};
}

Piece Connection::piece(const Exchange& exchange, const Response& response, std::string_view head, Chunk chunk) const {
  const Request& request = exchange.request;
  const bool trailers = chunk.last && request.accepts_trailers && !response.body.empty();
  return {.head = head,
          .chunk = chunk,
          .chunked = !response.body.empty() && !response.body.length,
          .trailers =
              trailers ? without(response.body.reader->trailers(), request.kept_from_response_trailers, request.arena)
                       : nullptr};
}

Task<void> Connection::relay(Exchange& exchange, Response& response) {
  const Nanos idle = exchange.config->stream_idle_timeout;
  const std::string_view head = write_head(exchange, response);
  exchange.head_sent = true;
  exchange.keep_alive = false;
  auto writing = stream_->write_all(head, idle);
  CO_TRY(co_await writing);
  stream_->when_hung_up(nullptr);
  exchange.let_go_of_config(response);
  const ServerMetrics& metrics = exchange.metrics();
  metrics.upgrades->add();
  metrics.upgrades_active->add();
  const std::string_view early(memory_->block.data() + exchange.head.size(), memory_->filled - exchange.head.size());
  Tunnel tunnel(*stream_, *response.tunnel, idle);
  auto relaying = tunnel.run(early);
  auto relayed = co_await relaying;
  metrics.upgrades_active->sub();
  exchange.info.bytes_received += tunnel.bytes_to_upstream;
  exchange.info.bytes_sent += tunnel.bytes_to_client;
  exchange.complete = relayed.has_value();
  memory_->filled = exchange.head.size();
  co_return relayed;
}

// --- after the response -----------------------------------------------------------------------------------------

// Whether the connection can go on behind an answer that begins now: its client must hear of it with the head (RFC 9112
// 9.6), or its next request is lost. Promised is only what will be kept by drain_body: a body that is here as a whole,
// and behind an answer of our own, which nobody's reading of the body can hold up, also the rest of a short one that
// was not asked for by 100. An upstream that answers early may want none of the rest; Envoy says close then, too.
bool Connection::will_find_next_request(const Exchange& exchange, const Response& response) {
  if (!exchange.body || exchange.body->complete()) return true;
  const auto missing = exchange.body->missing();
  if (!missing || *missing > kDrainBytesMax) return false;
  if (response.local && !exchange.framing.expects_continue) return true;
  return *missing <= exchange.body->rest().size() + stream_->buffered_bytes();
}

// F18: only after will_find_next_request() said so. However slowly the rest comes, each wait has the listener's
// streamIdleTimeout, as if somebody read it.
Task<void> Connection::drain_body(Exchange& exchange) {
  for (bool last = false; !last;) {
    auto reading = exchange.body->read();
    auto chunk = co_await reading;
    if (!chunk) {
      exchange.keep_alive = false;
      break;
    }
    last = chunk->last;
  }
  co_return Status{};
}

// Closing with unread bytes would send a reset, which may overtake the response: let the client close first.
Task<void> Connection::linger() {
  if (client_gone_ || !stream_) co_return Status{};
  stream_->end_writing();
  const SteadyTime deadline = server_.loop.now() + kLingerMax;
  const Block sink(Block::kSmall);
  for (size_t drained = 0; drained < 16 * kDrainBytesMax;) {
    auto reading = stream_->read(sink.span(), deadline);
    auto got = co_await reading;
    if (!got || *got == 0) break;
    drained += *got;
  }
  co_return Status{};
}

void Connection::finish(Exchange& exchange, const Response& response) {
  const ServerMetrics& metrics = exchange.metrics();
  StreamInfo& info = exchange.info;
  metrics.requests_active->sub();
  if (exchange.body) info.bytes_received = exchange.body->bytes_read();
  if (!exchange.complete && !exchange.cut && (client_gone_ || !stream_ || stream_->is_broken())) {
    info.set(ResponseFlag::downstream_connection_ended);
    info.details = "downstream_remote_disconnect";
    metrics.requests_reset->add();
    if (!exchange.head_sent) info.code = 0;
  }
  if (info.code >= 100) metrics.responses[info.code / 100U - 1]->add();
  if (info.has(ResponseFlag::downstream_protocol_error)) metrics.requests_malformed->add();
  if (info.code == 413 || info.code == 414 || info.code == 431) metrics.requests_too_large->add();
  if (info.code == 408) metrics.requests_timeout->add();
  const SteadyTime now = server_.loop.now();
  info.upstream_last_byte = now;
  metrics.request_time->record_nanos((now - info.start).count());
  if (const ExchangeObserver* observer = exchange.observer()) observer->finished(exchange.request, response, now);
}

// What has come of the next request moves to the front.
void Connection::keep_rest(const Exchange& exchange) {
  ConnectionMemory& memory = *memory_;
  const std::span<char> rest =
      exchange.body ? exchange.body->rest()
                    : memory.block.span().first(memory.filled).subspan(std::min(exchange.head.size(), memory.filled));
  if (rest.size() > memory.block.size()) {
    Block larger(rest.size());
    std::memcpy(larger.data(), rest.data(), rest.size());
    memory.block = std::move(larger);
  } else if (!rest.empty()) {
    std::memmove(memory.block.data(), rest.data(), rest.size());
  }
  memory.filled = rest.size();
}

}  // namespace sluice
