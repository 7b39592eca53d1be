#include "forward/exchange.h"

#include <charconv>

#include "base/log.h"
#include "base/strings.h"
#include "forward/failures.h"
#include "http/h1/client_session.h"
#include "http/path.h"
#include "io/loop.h"
#include "net/dialer.h"

namespace sluice {
namespace {

// A request that may be sent twice without harm (RFC 9110 9.2.2), when none of its body has been given away.
bool safe_to_send_again(const Request& request) {
  if (!request.body.empty()) return false;
  return request.method == "GET" || request.method == "HEAD" || request.method == "OPTIONS" ||
         request.method == "PUT" || request.method == "DELETE";
}

// Lives in the exchange's arena: what must stay until the response's body has gone to the client.
class Exchange final : private ConnectionPool::UnderWay, private ClientStream::Owner {
 public:
  Exchange(Request& request, const ForwardTarget& target)
      : UnderWay(target.pool, target.place),
        request_(request),
        targets_(target.addresses),
        others_(target.others),
        cluster_(*target.pool.cluster) {
    cluster_.metrics.requests->add();
    cluster_.metrics.requests_active->add(1);
  }
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;
  ~Exchange();

  Task<Response> run();

 private:
  std::span<const SocketAddress> addresses() const override;
  bool end(const Denial& why) override;
  bool is_over() const;
  void break_off(const Error& why);
  void drop_connection();
  // The route's timeout: resets the stream, so that whoever reads or writes on it wakes up.
  struct RouteTimeout final : Waiter {
    explicit RouteTimeout(Exchange& e) : exchange(e) {}
    void wake() override;
    void cancel() override {}
    Exchange& exchange;
  };
  Task<void> get_connection(bool fresh);
  Task<void> wait_for_connection();
  SteadyTime after_timeout() const;
  void begin_timeout();
  void fail_late();
  void not_connected(const Error& error);
  Task<void> connect();
  Task<void> connect_to(const SocketAddress& address);
  Task<void> establish(const SocketAddress& address);
  void tell_failed(const Error& error, Nanos pause) const;
  void tell_connected() const;
  std::span<const SocketAddress> in_order() const;
  void open_stream();
  void request_sent() override;
  void request_broke(Error why) override;
  Task<Response> not_answered(const Error& error);
  Response answered(const ClientResponse& answer);
  Response fail(UpstreamFailure failure, std::string_view transport = {});
  Response refuse();
  Response give_up(Response answer);

  Nanos idle_max() const;

  Request& request_;
  std::span<const SocketAddress> targets_;
  OtherHosts* const others_;
  const Cluster& cluster_;
  std::unique_ptr<UpstreamConnection> connection_;
  Stream* dialed_ = nullptr;         // while it is connected
  std::optional<Response> failure_;  // nothing to wait for any more

  ClientStreamPtr stream_;                   // on the connection
  SteadyTime deadline_ = SteadyTime::max();  // the route's timeout, counted from the end of the request
  RouteTimeout on_timeout_{*this};
  Timer timeout_timer_;
  bool timed_out_ = false;
  bool request_sent_ = false;
  bool answered_ = false;  // with the head of a response
  std::optional<UpstreamTunnel> tunnel_;
  std::optional<Denial> denied_;                // while it was under way
  ConnectionPool::Pending* pending_ = nullptr;  // while it waits for a connection
  bool retrying_ = false;
  std::optional<Error> body_error_;  // of the client's body
};

Exchange::~Exchange() {
  timeout_timer_.disarm();
  cluster_.metrics.requests_active->add(-1);
  if (retrying_) cluster_.metrics.retries_active->add(-1);
  if (answered_) cluster_.metrics.request_time->record_nanos((request_.loop.now() - request_.info.start).count());
  drop_connection();
}

// Back to the pool, if it may carry another request.
void Exchange::drop_connection() {
  if (stream_) {
    cluster_.metrics.bytes_sent->add(static_cast<int64_t>(stream_->bytes_sent()));
    cluster_.metrics.bytes_received->add(static_cast<int64_t>(stream_->bytes_received()));
    stream_.reset();
  }
  if (connection_ && connection_->session) pool_->keep(std::move(connection_));
  connection_.reset();
}

Nanos Exchange::idle_max() const {
  const auto own = request_.route.rules ? request_.route.rules->idle_timeout : std::nullopt;
  return own.value_or(request_.stream_idle_timeout);
}

void Exchange::RouteTimeout::wake() {
  exchange.timed_out_ = true;
  exchange.cluster_.metrics.request_timeouts->add();
  if (exchange.answered_ && !exchange.stream_->complete()) exchange.request_.info.set(ResponseFlag::upstream_timeout);
  exchange.break_off(
      {.kind = ErrorKind::timeout, .message = "the route's timeout cut the response off", .side = Side::upstream});
}

std::span<const SocketAddress> Exchange::addresses() const {
  return connection_ ? std::span(&connection_->address, 1) : targets_;
}

// Nothing more of the upstream's comes or goes.
bool Exchange::is_over() const {
  if (failure_ || denied_) return true;
  return answered_ && !tunnel_ && !stream_->sending() && stream_->complete();
}

// Whoever reads or writes on it meets this error.
void Exchange::break_off(const Error& why) {
  if (stream_)
    stream_->reset(why);
  else if (connection_ && dialed_)
    dialed_->abort();
}

bool Exchange::end(const Denial& why) {
  if (is_over()) return false;
  denied_ = why;
  const Error error{.kind = ErrorKind::denied, .message = why.text, .side = Side::upstream};
  if (answered_) request_.info.details = request_.arena.copy(why.details);
  if (pending_) pending_->disturb();
  if (tunnel_) {
    tunnel_->cut = error;
    if (tunnel_->cutter) tunnel_->cutter->wake();
  }
  break_off(error);
  return true;
}

Response Exchange::refuse() {
  return give_up(local_reply(request_, 403, request_.arena.copy(denied_->text), request_.arena.copy(denied_->details)));
}

Response Exchange::fail(UpstreamFailure failure, std::string_view transport) {
  return give_up(upstream_failure(request_, failure, transport));
}

Response Exchange::give_up(Response answer) {
  failure_ = std::move(answer);
  timeout_timer_.disarm();
  // The sender of the body may be writing just now: it meets the end, and the connection goes with the exchange.
  if (stream_ && stream_->sending())
    stream_->reset({.kind = ErrorKind::reset, .message = "the request was given up", .side = Side::upstream});
  else
    drop_connection();
  if (request_.route.rules) request_.route.rules->finish_response(request_, *failure_);
  return *failure_;
}

Task<Response> Exchange::run() {
  if (!cluster_.fits(*cluster_.metrics.requests_active, cluster_.requests_max + 1)) {
    cluster_.metrics.pending_overflow->add();
    co_return fail(UpstreamFailure::overflow);
  }
  if (request_.body.empty()) begin_timeout();
  const bool may_repeat = safe_to_send_again(request_);
  for (bool repeated = false;; repeated = true) {
    // The second time on a fresh one: what else lies in the pool may have been closed with the first.
    connection_ = repeated ? nullptr : pool_->take(targets_);
    if (!connection_) {
      auto getting = get_connection(repeated);
      CO_TRY(co_await getting);
      if (failure_) co_return *failure_;
      if (denied_) co_return refuse();
    }
    const bool reused = connection_->uses > 0;
    request_.info.upstream_host = request_.arena.copy(connection_->address_text);
    request_.info.upstream_local_address = request_.arena.copy(connection_->local_text);
    ++request_.info.attempts;

    open_stream();
    auto sending = stream_->send();
    auto written = co_await sending;
    // An upstream may answer and close before it has read everything: what it said counts more than the failed write.
    if (!written && written.error().side != Side::upstream) co_return std::unexpected(std::move(written).error());
    auto receiving = stream_->receive();
    auto answer = co_await receiving;
    if (answer) co_return answered(*answer);
    const ErrorKind how = answer.error().kind;
    const bool ended = how == ErrorKind::reset || how == ErrorKind::io || how == ErrorKind::unreachable;
    if (reused && !repeated && ended && may_repeat && !stream_->heard() && !timed_out_ && !denied_ &&
        cluster_.fits(*cluster_.metrics.retries_active, cluster_.retries_max)) {
      // It was closed while it lay in the pool: nothing of this request has been looked at.
      cluster_.metrics.request_retries->add();
      cluster_.metrics.retries_active->add(1);
      retrying_ = true;
      drop_connection();
      timeout_timer_.disarm();
      continue;
    }
    auto result = not_answered(answer.error());
    co_return co_await result;
  }
}

// --- connecting -------------------------------------------------------------------------------------------------

// What a request that is complete now may take.
SteadyTime Exchange::after_timeout() const {
  const Nanos timeout = request_.route.rules ? request_.route.rules->timeout : Nanos(0);
  return deadline_after(request_.loop.now(), timeout);
}

void Exchange::begin_timeout() {
  if (deadline_ == SteadyTime::max()) deadline_ = after_timeout();
}

// The route's timeout ended before there was a connection to break.
void Exchange::fail_late() {
  cluster_.metrics.request_timeouts->add();
  fail(UpstreamFailure::timeout);
}

// To a host that can be connected to: where that fails nothing has been sent, so another will do for any request.
// `fresh`: none that lay in a pool.
Task<void> Exchange::get_connection(bool fresh) {
  for (;;) {
    if (!pool_->make_room()) {
      auto waiting = wait_for_connection();
      CO_TRY(co_await waiting);
      if (failure_ || denied_ || connection_) co_return Status{};
    }
    auto connecting = connect();
    const Status connected = co_await connecting;
    if (connected || denied_) co_return Status{};
    if (connected.error().kind == ErrorKind::cancelled) co_return connected;
    if (request_.loop.now() >= deadline_) {
      fail_late();
      co_return Status{};
    }
    auto choosing = others_ ? others_->next(request_) : Task<std::optional<ForwardTarget>>(std::nullopt);
    const std::optional<ForwardTarget> next = CO_TRY(co_await choosing);
    if (!next) {
      not_connected(connected.error());
      co_return Status{};
    }
    move_to(next->pool);
    targets_ = next->addresses;
    if (!fresh) connection_ = pool_->take(targets_);
    if (connection_) co_return Status{};
  }
}

void Exchange::not_connected(const Error& error) {
  if (error.kind == ErrorKind::timeout)
    fail(UpstreamFailure::connect_timeout);
  else
    fail(UpstreamFailure::connect, request_.arena.copy(error.message));
}

// If the pool has connections, one of them will become free: idle with the next response, or closed. Without any, all
// that the process may have are busy with other destinations.
Task<void> Exchange::wait_for_connection() {
  struct Waiting {
    Waiting(ConnectionPool::Pending*& p, ConnectionPool::Pending& own) : pending(p) { pending = &own; }
    ~Waiting() { pending = nullptr; }
    ConnectionPool::Pending*& pending;
  };
  cluster_.metrics.connections_overflow->add();
  if (!cluster_.fits(*cluster_.metrics.pending_active, cluster_.pending_max)) {
    cluster_.metrics.pending_overflow->add();
    fail(UpstreamFailure::overflow);
    co_return Status{};
  }
  const SteadyTime latest = std::min(deadline_, after_timeout());  // a body that waits with it has no deadline yet
  ConnectionPool::Pending pending(*pool_);
  const Waiting for_as_long_as_this_runs(pending_, pending);
  while (!connection_ && !pool_->make_room()) {
    if (pool_->open() == 0) {
      pool_->connections.budget.count_overflow();
      fail(UpstreamFailure::overflow);
      co_return Status{};
    }
    auto waiting = pending.until_free(latest);
    auto freed = co_await waiting;
    if (!freed && freed.error().kind == ErrorKind::timeout) {
      fail_late();
      co_return Status{};
    }
    CO_TRY(std::move(freed));
    if (denied_) co_return Status{};
    connection_ = pool_->take(targets_);
  }
  co_return Status{};
}

// Those that failed lately last.
std::span<const SocketAddress> Exchange::in_order() const {
  if (pool_->memory.empty() || targets_.size() == 1) return targets_;
  const SteadyTime now = request_.loop.now();
  auto* sorted = request_.arena.make<std::vector<SocketAddress>>();
  sorted->reserve(targets_.size());
  for (const bool failed : {false, true})
    for (const SocketAddress& one : targets_)
      if (pool_->memory.left_out(one, now) == failed) sorted->push_back(one);
  return *sorted;
}

// To the first address that takes it; the Error of the last.
Task<void> Exchange::connect() {
  Status last;
  for (const SocketAddress& address : in_order()) {
    auto connecting = connect_to(address);
    last = co_await connecting;
    const bool no_use =
        last || denied_ || last.error().kind == ErrorKind::cancelled || request_.loop.now() >= deadline_;
    if (no_use) break;
  }
  co_return last;
}

// Once for each pause of an address, not for each request; those are counted.
void Exchange::tell_failed(const Error& error, Nanos pause) const {
  static log::Site site{LogLevel::warn, "upstream", "an address cannot be connected to"};
  if (pause == 0s || !site.admits()) return;
  site.write({{"cluster", cluster_.name},
              {"address", request_.info.upstream_host},
              {"error", error.message},
              {"left_out_s", pause / 1s}});
}

void Exchange::tell_connected() const {
  static log::Site site{LogLevel::info, "upstream", "an address can be connected to again"};
  if (site.admits()) site.write({{"cluster", cluster_.name}, {"address", connection_->address_text}});
}

Task<void> Exchange::establish(const SocketAddress& address) {
  std::unique_ptr<Stream> stream = CO_TRY(pool_->connections.dialer.dial(request_.loop, address));
  const SteadyTime now = request_.loop.now();
  dialed_ = stream.get();
  auto establishing = stream->established(std::min(deadline_, later(now, cluster_.connect_timeout)));
  auto established = co_await establishing;
  dialed_ = nullptr;
  if (established) connection_->session = h1::make_client_session(std::move(stream));
  co_return established;
}

Task<void> Exchange::connect_to(const SocketAddress& address) {
  for (;;) {
    connection_ = std::make_unique<UpstreamConnection>(*pool_, address);
    request_.info.upstream_host = request_.arena.copy(connection_->address_text);
    auto establishing = establish(address);
    const Status connected = co_await establishing;
    if (connected) {
      connection_->local_text = connection_->session->local_address().to_string();
      if (pool_->memory.connected(address)) [[unlikely]]
        tell_connected();
      co_return connected;
    }
    connection_.reset();
    if (denied_) co_return connected;
    const Error& error = connected.error();
    // The system's own bound was met before ours: an idle connection's descriptor will do.
    const bool no_descriptor = error.code == EMFILE || error.code == ENFILE;
    if (no_descriptor && pool_->connections.budget.give_up_any()) continue;
    const bool theirs = error.side == Side::upstream;
    if (error.kind != ErrorKind::cancelled && request_.loop.now() < deadline_) {
      if (theirs) tell_failed(error, pool_->memory.failed(address, request_.loop.now()));
      (error.kind == ErrorKind::timeout ? cluster_.metrics.connect_timeouts : cluster_.metrics.connect_failures)->add();
    }
    co_return connected;
  }
}

// --- sending ----------------------------------------------------------------------------------------------------

void Exchange::open_stream() {
  ++connection_->uses;
  stream_ = connection_->session->open({.method = request_.method,
                                        .target = request_.path,
                                        .authority = request_.authority,
                                        .headers = request_.headers,
                                        .body = request_.body,
                                        .expects_continue = request_.expects_continue,
                                        .upgrade = request_.upgrade,
                                        .accepts_trailers = request_.accepts_trailers,
                                        .kept_from_trailers = request_.kept_from_trailers,
                                        .idle_max = idle_max()},
                                       *this, request_.arena, *request_.background);
}

void Exchange::request_sent() {
  request_sent_ = true;
  request_.info.request_end = request_.loop.now();
  begin_timeout();
  if (deadline_ != SteadyTime::max()) timeout_timer_.arm(request_.loop, deadline_, on_timeout_);
}

void Exchange::request_broke(Error why) {
  body_error_ = std::move(why);
}

// --- the answer -------------------------------------------------------------------------------------------------

Task<Response> Exchange::not_answered(const Error& error) {
  if (error.kind == ErrorKind::cancelled) {
    cluster_.metrics.requests_cancelled->add();
    return std::unexpected(error);
  }
  if (denied_) return refuse();
  if (body_error_) return std::unexpected(*body_error_);
  if (timed_out_) return fail(UpstreamFailure::timeout);
  if (error.kind == ErrorKind::timeout)
    return fail(request_sent_ ? UpstreamFailure::idle : UpstreamFailure::idle_client);
  if (error.kind == ErrorKind::invalid) return fail(UpstreamFailure::protocol);
  cluster_.metrics.requests_reset_by_upstream->add();
  return fail(UpstreamFailure::ended);
}

Response Exchange::answered(const ClientResponse& answer) {
  const SteadyTime now = request_.loop.now();
  StreamInfo& info = request_.info;
  info.upstream_first_byte = now;
  info.details = "via_upstream";
  cluster_.metrics.responses[answer.status / 100U - 1]->add();

  answered_ = true;
  Response response;
  response.status = answer.status;
  response.headers = answer.headers;
  response.body = answer.body;
  const auto waited = std::chrono::floor<Millis>(now - info.request_end.value_or(info.start)).count();
  char digits[24];
  const auto end = std::to_chars(digits, digits + sizeof digits, waited).ptr;
  response.headers->set(Known::x_envoy_upstream_service_time,
                        request_.arena.copy({digits, static_cast<size_t>(end - digits)}));
  if (answer.tunnel) {
    timeout_timer_.disarm();
    place_ = request_.arena.copy(place_);  // a tunnel lets the snapshot go
    tunnel_.emplace(*answer.tunnel, answer.early_bytes);
    response.tunnel = &*tunnel_;
  }
  if (request_.route.rules) request_.route.rules->finish_response(request_, response);
  return response;
}

}  // namespace

Task<Response> forward(Request& request, ForwardTarget target) {
  request.info.upstream_cluster = target.pool.cluster->name;
  if (request.route.rules) {
    const std::string_view before = request.path;
    request.route.rules->rewrite_request(request);
    if (request.path.data() != before.data())
      if (const auto problem = rewrite_problem(before, request.path); !problem.empty())
        return local_reply(request, 400, problem, "invalid_rewritten_path");
  }
  return request.arena.make<Exchange>(request, target)->run();
}

}  // namespace sluice
