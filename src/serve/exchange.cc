#include "serve/exchange.h"

#include "base/log.h"
#include "base/strings.h"
#include "io/loop.h"
#include "pipeline/rerouting.h"
#include "pipeline/rescue.h"
#include "serve/proxy_status.h"
#include "serve/request_setup.h"
#include "serve/tunnel.h"

namespace sluice {
namespace {

constexpr unsigned kPiecesATurn = 32;  // of a body, in one turn of the loop without having waited

// What a client may ask for that this program cannot do yet; its owner should learn of it without an access log.
void tell_unsupported(const Request& request, std::string_view what) {
  static log::Site site{LogLevel::warn, "listener", "a request is refused"};
  if (!site.admits()) return;
  site.write({{"reason", what}, {"method", request.method}, {"target", printable(request.info.original_path)}});
}

// To the path that the request has now. One that begins with two slashes would be read as a host (RFC 3986 4.2).
Response redirect(Request& request) {
  Response response = reply(request, OutcomeKind::path_redirected);
  const std::string_view in_front = request.path.starts_with("//") ? "/." : "";
  response.headers->add(Known::location, request.arena.concat(in_front, request.path));
  return response;
}

// A head, before anybody has looked at what it asks for.
Response refuse(Request& request, OutcomeKind why) {
  if (why == OutcomeKind::https_target) tell_unsupported(request, terms_of(why).body);
  if (why == OutcomeKind::path_redirected) return redirect(request);
  if (why != OutcomeKind::method_not_supported) return reply(request, why);
  const auto text = request.arena.concat(request.method, std::string_view(" is not supported on this listener"));
  tell_unsupported(request, text);
  Response response = reply(request, why, text);
  // RFC 9110 15.5.6. Other methods pass as well; these are the ones that people mean.
  response.headers->add("allow", "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");
  return response;
}

// What it was when a response that began could not be sent whole. None: it was the client's end that broke.
OutcomeKind cut_outcome(const StreamInfo& info, const Error& error) {
  if (info.outcome.kind == OutcomeKind::route_timeout) return OutcomeKind::route_timeout;
  if (error.kind == ErrorKind::timeout)
    return error.side == Side::upstream ? OutcomeKind::upstream_idle : OutcomeKind::client_idle;
  if (error.side != Side::upstream) return OutcomeKind::none;
  return error.kind == ErrorKind::invalid ? OutcomeKind::cut_invalid : OutcomeKind::cut_ended;
}

// The same, for the log.
bool note_cut(StreamInfo& info, const Error& error, Arena& arena) {
  if (error.kind == ErrorKind::denied) return true;  // who cut it off has said why
  const OutcomeKind how = cut_outcome(info, error);
  if (how == OutcomeKind::none) return false;
  info.end(how, arena);
  return true;
}

}  // namespace

Exchange::Exchange(ExchangeHost& host, ServerStreamPtr stream, ConfigSlot::Lease config, Arena& arena, Start start)
    : host_(host),
      arena_(arena),
      stream_(std::move(stream)),
      config_(std::move(config)),
      request_(arena, host.loop(), info_) {
  host.request_begins();
  info_.start = start.steady;
  info_.start_wall = start.wall;
  info_.downstream_peer = &host.peer();
  info_.downstream_address = &host.local_address();
  info_.connection_id = host.connection_id();
  info_.tls = host.tls();
  if (info_.tls) info_.requested_server_name = info_.tls->sni;
  if (const Introduction* said = host.introduction()) {
    info_.downstream_direct_peer = &said->direct_peer;
    info_.metadata = said->metadata;
  }
  request_.background = &background_;
  request_.client = this;
  request_.upstreams = host.upstreams();
  request_.body_budget = config_->body_budget;
}

std::optional<SocketAddress> Exchange::local_address() const {
  if (const Introduction* said = host_.introduction()) return said->local_address;
  return stream_->local_address();
}

Task<void> Exchange::run() {
  Response response;
  deadline_ = deadline_after(info_.start, config_->stream_max);
  if (!begin(response)) {
    const bool timed = deadline_ != SteadyTime::max();
    auto handling = timed ? handle_in_time() : config_->service->handle(request_);
    auto handled = co_await handling;
    if (handled && request_.rerouting) [[unlikely]] {
      auto finishing = finish_rerouted(request_, *handled);
      handled = co_await finishing;
    }
    response = handled ? *handled : failed(handled.error());
  }
  auto answering = deadline_ != SteadyTime::max() ? answer_in_time(response) : answer(response);
  Status ended = co_await answering;
  if (!ended) [[unlikely]] {
    ended = give_up_answer(ended.error());
  } else {
    // Nobody else may read the body now.
    if (!background_.empty()) {
      auto ending = end_background();
      ended = co_await ending;
    }
    if (ended) {
      auto finishing = stream_->finish();
      ended = co_await finishing;
    }
  }
  stream_->watch(nullptr);
  if (!background_.empty()) {
    auto ending = end_background();
    if (const Status joined = co_await ending; !joined) gone_ = true;
  }
  finish(ended ? response : Response{});
  if (!ended || gone_) co_return cancelled_error();
  co_return Status{};
}

// --- maxStreamDuration ------------------------------------------------------------------------------------------

// The task in a tree of its own, which is cancelled when the time is over: then `out` has its last word.
template <class T>
Task<void> Exchange::finish_in_time(Task<T> task, std::optional<Result<T>>& out) {
  struct Part {
    static Task<void> run(Task<T> task, std::optional<Result<T>>& out, Event& done, Loop& loop) {
      out = co_await task;
      done.notify(loop);
      co_return Status{};
    }
  };
  TaskGroup part;
  Event done;
  part.spawn(Part::run(std::move(task), out, done, request_.loop));
  while (!out) {
    auto waiting = done.wait(request_.loop, deadline_);
    const Status waited = co_await waiting;
    if (out) break;
    const bool late = !waited && waited.error().kind == ErrorKind::timeout;
    if (late && route_has_its_own_limit()) continue;
    if (late) {
      over_time_ = true;
      metrics().requests_over_age->add();
    }
    part.cancel();
    break;
  }
  auto joining = part.join();
  co_return co_await joining;
}

// Which stands in place of the listener's: whoever forwards sees to it.
bool Exchange::route_has_its_own_limit() {
  if (request_.stream_deadline()) deadline_ = SteadyTime::max();
  return deadline_ == SteadyTime::max();
}

Task<Response> Exchange::handle_in_time() {
  std::optional<Result<Response>> handled;
  auto handling = finish_in_time(config_->service->handle(request_), handled);
  CO_TRY(co_await handling);
  if (over_time_) co_return reply(request_, OutcomeKind::exchange_timeout);
  co_return std::move(*handled);
}

// What has begun can only be cut off.
Task<void> Exchange::answer_in_time(Response& response) {
  if (over_time_) {
    auto answering = answer(response);
    co_return co_await answering;
  }
  std::optional<Status> answered;
  auto answering = finish_in_time(answer(response), answered);
  CO_TRY(co_await answering);
  if (!over_time_) co_return std::move(*answered);
  info_.end(OutcomeKind::exchange_timeout, arena_);
  co_return fail(ErrorKind::denied, "maxStreamDuration is over", Side::ours);
}

// Whether the request has its response already. Otherwise it goes to the service.
bool Exchange::begin(Response& response) {
  const ListenerConfig& config = *config_;
  config.metrics->requests->add();
  config.metrics->requests_active->add();
  OutcomeKind refused = set_up_request(stream_->request(), config, host_.peer(), request_);
  if (refused == OutcomeKind::none && config.overload && config.overload->refuses_requests())
    refused = OutcomeKind::overload;
  if (refused != OutcomeKind::none) [[unlikely]] {
    response = refused == OutcomeKind::overload ? refuse_for_want_of_memory() : refuse(request_, refused);
    return true;
  }
  if (request_.body.empty()) info_.request_end = info_.start;
  stream_->watch(this);
  return false;
}

// It could not be sent whole, for which there may be an outcome of its own.
Status Exchange::give_up_answer(const Error& why) {
  if (why.kind == ErrorKind::cancelled) gone_ = true;
  stream_->reset();
  cut_ = note_cut(info_, cut_off_ ? *cut_off_ : why, arena_);
  return {};
}

// Nothing of the request is looked at: its connection ends.
Response Exchange::refuse_for_want_of_memory() {
  metrics().requests_refused->add();
  Response response = reply(request_, OutcomeKind::overload);
  response.close = true;
  return response;
}

bool Exchange::wants_no_more(const Response& response) const {
  if (host_.draining() || host_.ends_behind(*config_)) return true;
  if (!config_->overload || !config_->overload->ends_connections()) return false;
  if (!response.close && host_.is_first_to_end()) metrics().connections_unkept->add();
  return true;
}

Task<void> Exchange::end_background() {
  background_.cancel();
  auto joining = background_.join();
  co_return co_await joining;
}

// The rest of the next request is kept, then the upstream's connection given back, before the request that it refers to
// goes.
Exchange::~Exchange() {
  leave();
  stream_.reset();
  arena_.reset();
}

void Exchange::client_gone() {
  gone_ = true;
  host_.client_gone();
}

void Exchange::route_is_final() {
  if (deadline_ != SteadyTime::max()) route_has_its_own_limit();
  if (request_.route.rules && request_.route.rules->idle_timeout) stream_->set_idle_max(request_.idle_max());
}

// Before the head has gone whoever reads the response meets its end, and there is time for an answer.
void Exchange::cut_off(const Error& why) {
  if (!head_sent_ || own_answer_ || complete_) return;
  cut_off_ = why;
  stream_->reset();
}

// --- the request ------------------------------------------------------------------------------------------------

Response Exchange::failed(const Error& error) {
  const Nanos request_timeout = config_->request_timeout;
  Response response;
  if (error.kind == ErrorKind::timeout && error.side == Side::downstream && request_timeout.count() > 0 &&
      request_.loop.now() >= later(info_.start, request_timeout)) {
    response = reply(request_, OutcomeKind::request_timeout);
  } else {
    response = rescue(request_, error);
  }
  if (error.kind == ErrorKind::cancelled) gone_ = true;
  if (request_.route.rules && !response.finished) request_.route.rules->finish_response(request_, response);
  return response;
}

// --- the response -----------------------------------------------------------------------------------------------

// Fields that every response gets.
void Exchange::finish_head(Response& response) {
  const ListenerConfig& config = *config_;
  Headers& headers = *response.headers;
  const bool names_server = config.server_field == ServerField::overwrite ||
                            (config.server_field == ServerField::if_absent && !headers.has(Known::server));
  if (names_server && !config.server_name.empty()) headers.set(Known::server, config.server_name);
  if (!headers.has(Known::date)) headers.add(Known::date, arena_.copy(host_.date()));
  if (!config.via.empty() && !response.local) {
    const auto via = headers.joined(Known::via);
    headers.set(Known::via,
                via ? arena_.concat(*via, std::string_view(", "), config.via) : std::string_view(config.via));
  }
  info_.code = response.status;
  head_sent_ = true;
  answer_headers_ = &headers;
}

// The head with the first piece of the body, if that is at hand; what is sent whole with it costs no coroutine.
Task<void> Exchange::answer(Response& response) {
  if (gone_) return cancelled_error();
  if (response.local && config_->proxy_answers) answer_as_proxy(request_, response);
  info_.code = response.status;
  const bool bodiless = response.tunnel || response.body.empty() || stream_->bodiless(response.status);
  Task<Chunk> reading = bodiless ? Task<Chunk>(Chunk{{}, true}) : response.body.reader->read();
  Chunk first;
  if (reading.ready()) {
    auto chunk = reading.take();
    first = TRY(chunk ? std::move(chunk) : replace(response, chunk.error()));
  }
  finish_head(response);
  route_is_final();
  own_answer_ = response.local;
  auto& out = *arena_.make<ServerResponse>(ServerResponse{.status = response.status,
                                                          .headers = *response.headers,
                                                          .body = response.body,
                                                          .local = response.local,
                                                          .close = response.close,
                                                          .drain = wants_no_more(response),
                                                          .kept_from_trailers = request_.kept_from_response_trailers});
  if (response.tunnel) return relay(response, out);
  auto beginning = stream_->begin(out, first);
  if (!first.last || !beginning.ready()) return send_rest(response, std::move(beginning), first, std::move(reading));
  TRY(beginning.take());
  info_.bytes_sent += first.bytes.size();
  sent_whole();
  return Status{};
}

// Piece by piece: read one, write it.
Task<void> Exchange::send_rest(Response& response, Task<void> beginning, Chunk first, Task<Chunk> reading) {
  CO_TRY(co_await beginning);
  info_.bytes_sent += first.bytes.size();
  bool last = first.last;
  bool holds_config = !last && !offer_config();
  if (!last && reading.ready()) reading = response.body.reader->read();
  // What is made here, such as by decompressing, can be at hand for ever.
  for (TurnBudget budget(kPiecesATurn); !last;) {
    if (budget.spent(request_.loop)) {
      auto turn = next_turn(request_.loop);
      CO_TRY(co_await turn);
    }
    auto chunk = co_await reading;
    if (!chunk) co_return std::unexpected(std::move(chunk).error());
    auto sending = stream_->send(*chunk);
    CO_TRY(co_await sending);
    info_.bytes_sent += chunk->bytes.size();
    last = chunk->last;
    if (last) break;
    if (holds_config) [[unlikely]]
      holds_config = !offer_config();
    // Nobody asks again while a body is passed on, which may take days.
    if (!holds_config) {
      if (auto passing = stream_->pass_on(*response.body.reader, info_.bytes_sent)) {
        CO_TRY(co_await *passing);
        break;
      }
    }
    reading = response.body.reader->read();
  }
  sent_whole();
  co_return Status{};
}

void Exchange::sent_whole() {
  leave();
  complete_ = true;
}

// Nothing has gone out yet: there is still time for a proper answer. Gives the first piece of its body.
Result<Chunk> Exchange::replace(Response& response, const Error& why) {
  response = failed(why);
  if (config_->proxy_answers) answer_as_proxy(request_, response);
  response.close = true;
  if (response.body.empty()) return Chunk{{}, true};
  return response.body.reader->read().take();
}

// A tunnel or the rest of a body may last for days: it holds on to what is needed at its end, and lets the snapshot go.
void Exchange::let_go_of_config() {
  kept_.emplace(config_->metrics, config_->observer);
  request_.own_bytes();
  answer_headers_->own_bytes();
  config_.release();
}

void Exchange::config_is_old() {
  let_go_of_config();
}

// To be given back when it is old. False: while the request is still being sent, whoever does needs the route.
bool Exchange::offer_config() {
  if (!info_.request_end || !background_.empty()) return false;
  config_.tell_when_old(*this);
  return true;
}

Task<void> Exchange::relay(Response& response, ServerResponse& answer) {
  const Nanos idle = request_.idle_max();
  auto beginning = stream_->begin(answer, {});
  CO_TRY(co_await beginning);
  std::string_view early;
  Stream& client = stream_->become_tunnel(early);
  let_go_of_config();
  metrics().upgrades->add();
  metrics().upgrades_active->add();
  Tunnel tunnel(client, *response.tunnel, idle, *this);
  auto relaying = tunnel.run(early);
  auto relayed = co_await relaying;
  metrics().upgrades_active->sub();
  complete_ = relayed.has_value();
  co_return relayed;
}

void Exchange::finish(const Response& response) {
  const ServerMetrics& metrics = this->metrics();
  metrics.requests_active->sub();
  info_.bytes_received += stream_->body_bytes_read();
  if (!complete_ && !cut_ && (gone_ || stream_->is_broken())) {
    info_.end(OutcomeKind::client_gone, arena_);
    metrics.requests_reset->add();
    if (!head_sent_) info_.code = 0;
  }
  if (info_.code >= 100) metrics.responses[info_.code / 100U - 1]->add();
  if (info_.has(ResponseFlag::downstream_protocol_error)) metrics.requests_malformed->add();
  if (info_.code == 413 || info_.code == 414 || info_.code == 431) metrics.requests_too_large->add();
  if (info_.code == 408) metrics.requests_timeout->add();
  if (info_.outcome.kind == OutcomeKind::exchange_timeout && !over_time_) metrics.requests_over_age->add();
  const SteadyTime now = request_.loop.now();
  info_.upstream_last_byte = now;
  metrics.request_time->record_nanos((now - info_.start).count());
  if (const ExchangeObserver* observer = this->observer()) observer->finished(request_, response, now);
}

}  // namespace sluice
