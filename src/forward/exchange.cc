#include "forward/exchange.h"

#include <charconv>
#include <list>

#include "base/log.h"
#include "base/strings.h"
#include "forward/failures.h"
#include "forward/introduction.h"
#include "forward/learning.h"
#include "forward/race_places.h"
#include "forward/replay_body.h"
#include "http/grpc.h"
#include "http/h1/client_session.h"
#include "http/h2/client_session.h"
#include "http/path.h"
#include "io/loop.h"
#include "net/dialer.h"
#include "net/tls_info.h"
#include "upstream/connect_race.h"
#include "upstream/retry_policy.h"

namespace sluice {
namespace {

// Of one try, by upstreams that take no more requests on a connection.
constexpr unsigned kRepeatsMax = 2;
// Of a body without a policy of retries, for that alone.
constexpr size_t kRepeatedBodyMax = 16U << 10;
constexpr std::string_view kOverTime = "downstream duration timeout";

// A request that may be sent twice without harm (RFC 9110 9.2.2), when none of its body has been given away.
bool safe_to_send_again(const Request& request) {
  if (!request.body.empty()) return false;
  return request.method == "GET" || request.method == "HEAD" || request.method == "OPTIONS" ||
         request.method == "PUT" || request.method == "DELETE";
}

// `place` points to `own` as long as this lives: for what lives in a coroutine and is to be reached from outside.
template <class T>
class Reachable {
 public:
  Reachable(T*& place, T& own) : place_(place) { place_ = &own; }
  Reachable(const Reachable&) = delete;
  Reachable& operator=(const Reachable&) = delete;
  ~Reachable() { place_ = nullptr; }

 private:
  T*& place_;
};

std::string introduction_for(const Request& request, const Cluster& cluster) {
  if (!cluster.proxy_protocol) [[likely]]
    return {};
  return introduction(cluster, request.info.downstream_peer,
                      request.client ? request.client->local_address() : std::nullopt);
}

// Lives in the exchange's arena: what must stay until the response's body has gone to the client.
class Forwarding final : private ConnectionPool::UnderWay, private ClientStream::Owner, private Request::Forwarder {
 public:
  Forwarding(Request& request, ForwardTarget target, OtherTargets* others)
      : UnderWay(target.pool, target.place),
        request_(request),
        others_(others),
        cluster_(*target.pool.cluster),
        introduction_(introduction_for(request, cluster_)),
        policy_(request.route.rules ? request.route.rules->retries : nullptr),
        judge_(target.judge),
        endpoint_(std::move(target.endpoint)),
        retries_(policy_) {
    cluster_.metrics.requests_active->add(1);
  }
  Forwarding(const Forwarding&) = delete;
  Forwarding& operator=(const Forwarding&) = delete;
  ~Forwarding();

  Task<Response> run();

 private:
  // A timeout resets the stream, so that whoever reads or writes on it wakes up.
  struct StreamLimit final : Waiter {
    explicit StreamLimit(Forwarding& f) : forwarding(f) {}
    void wake() override { forwarding.end({OutcomeKind::exchange_timeout, "", std::string(kOverTime)}); }
    void cancel() override {}
    Forwarding& forwarding;
  };
  struct Timeout final : Waiter {
    Timeout(Forwarding& f, bool each) : forwarding(f), of_one_try(each) {}
    void wake() override { forwarding.timed_out(of_one_try); }
    void cancel() override {}
    Forwarding& forwarding;
    const bool of_one_try;
  };
  // How the last try ended: with a response, or without.
  struct TryOutcome {
    std::optional<ClientResponse> response;
    Error error;                 // without
    std::optional<TryEnd> end;   // without, where another try may end otherwise
    bool of_connecting = false;  // nothing has been sent
  };

  std::span<const SocketAddress> addresses() const override;
  void own_bytes() override { place_ = request_.arena.copy(place_); }
  bool end(const Denial& why) override;
  bool is_over() const;
  void break_off(const Error& why);
  void drop_connection();
  void count_grpc() const;
  void timed_out(bool of_one_try);

  Task<void> try_once();
  Task<void> get_connection();
  Task<void> wait_for_connection();
  bool take_any();
  void add_others(std::vector<SocketAddress>& good, std::vector<SocketAddress>& last_resort) const;
  void go_to(ForwardTarget target);
  Task<bool> connect();
  Task<bool> race();
  Task<void> join();
  UpstreamProtocol protocol() const;
  bool expects_shared() const;
  std::unique_ptr<ClientSession> make_session(std::unique_ptr<Stream> stream) const;
  void learn_failure(const SocketAddress& address, const Error& error);
  Task<std::unique_ptr<Stream>> prepare(std::unique_ptr<Stream> stream);
  void open_stream();
  void note_sending() const;
  void request_sent() override;
  void arm_timeouts();
  void request_broke(Error why) override;
  bool may_repeat(const Error& error, bool reused);
  void repeat();
  void failed(Error error);

  Task<bool> go_again();
  RetryVerdict judge();
  bool may_retry();
  void end_retrying();
  Task<void> wait(Nanos pause);
  Task<void> choose_next();

  SteadyTime after_timeout() const;
  void begin_timeout();
  SteadyTime latest() const { return std::min(deadline_, connect_deadline_); }
  uint16_t health_status(const ClientResponse& answer) const;
  Response not_answered();
  Response answered(const ClientResponse& answer);
  void say_service_time(Headers& headers, SteadyTime now) const;
  Response fail(OutcomeKind kind, std::string_view transport = {});
  Response fail_late();
  Response refuse();
  Response give_up(Response answer);

  Request& request_;
  OtherTargets* const others_;
  const Cluster& cluster_;
  const std::string introduction_;   // of the client; empty: nobody asks for it
  const RetryPolicy* const policy_;  // null: none
  const AddressJudge* judge_;        // null: every address will do
  EndpointSet::Use endpoint_;
  std::vector<EndpointSet::Id> tried_;
  RetryCount retries_;
  TryOutcome outcome_;
  ReplayBody* replay_ = nullptr;  // where a body may have to be sent again

  ConnectionUse connection_;
  // Of a try that is not the first: however many there are, they take as much as one.
  std::unique_ptr<Arena> try_arena_;
  ClientStreamPtr stream_;                 // on the connection
  unsigned repeats_ = 0;                   // of this try
  bool fresh_ = false;                     // none that lay in a pool will do
  ConnectRace* race_ = nullptr;            // while it connects
  Stream* handshake_ = nullptr;            // while it shakes hands behind that
  std::vector<SocketAddress> connecting_;  // to one of these
  std::optional<Error> connect_error_;
  // Of tries that were given up while the body was still being sent. Their connections count no more.
  struct Retired {
    std::unique_ptr<Arena> arena;
    std::unique_ptr<ClientSession> session;  // where it was the stream's alone
    ClientStreamPtr stream;
  };
  std::list<Retired> retired_;

  std::optional<Response> failure_;          // nothing to wait for any more
  SteadyTime deadline_ = SteadyTime::max();  // the route's timeout, counted from the end of the request
  // The same, for connects while a body waits whose end has begun none; until there is a connection.
  SteadyTime connect_deadline_ = SteadyTime::max();
  Timeout on_timeout_{*this, false};
  Timer timeout_timer_;
  Timeout on_try_timeout_{*this, true};
  Timer try_timer_;
  StreamLimit on_stream_limit_{*this};
  Timer stream_timer_;
  bool timed_out_ = false;
  bool try_timed_out_ = false;
  bool request_sent_ = false;
  bool answered_ = false;  // with the head of a response that is passed on
  std::optional<UpstreamTunnel> tunnel_;
  std::optional<Denial> denied_;                // while it was under way
  ConnectionPool::Pending* pending_ = nullptr;  // while it waits for a connection
  ConnectionPool::Joining* joining_ = nullptr;  // while it waits for another's to be there
  Event* pause_ = nullptr;                      // while it waits for the next try
  bool retrying_ = false;
  std::optional<Error> body_error_;  // of the client's body
};

Forwarding::~Forwarding() {
  timeout_timer_.disarm();
  try_timer_.disarm();
  stream_timer_.disarm();
  cluster_.metrics.requests_active->add(-1);
  end_retrying();
  if (answered_) cluster_.metrics.request_time->record_nanos((request_.loop.now() - request_.info.start).count());
  if (answered_ && request_.grpc) count_grpc();
  drop_connection();
}

// By the status in the head, or behind the body that has been read.
void Forwarding::count_grpc() const {
  const ClientResponse& response = *outcome_.response;
  auto status = grpc::status_in(*response.headers);
  if (!status && response.body.reader && stream_->complete())
    if (const Headers* trailers = response.body.reader->trailers()) status = grpc::status_in(*trailers);
  cluster_.metrics.grpc_total->add();
  (status == 0U ? cluster_.metrics.grpc_success : cluster_.metrics.grpc_failure)->add();
}

// Back to the pool, if it may carry another request.
void Forwarding::drop_connection() {
  if (stream_) {
    cluster_.metrics.bytes_sent->add(static_cast<int64_t>(stream_->bytes_sent()));
    cluster_.metrics.bytes_received->add(static_cast<int64_t>(stream_->bytes_received()));
    if (stream_->sending()) {
      // The sender of the body meets the end; both stay until it is gone. The connection itself is over, and leaves its
      // place to the next try: where it had the last one that try would wait for its own request.
      stream_->reset({.kind = ErrorKind::reset, .message = "the try was given up", .side = Side::upstream});
      retired_.remove_if([](const Retired& one) { return !one.stream->sending(); });
      if (stream_->sending()) {
        auto session = connection_->is_shared() ? nullptr : std::move(connection_->session);
        retired_.push_back({std::move(try_arena_), std::move(session), std::move(stream_)});
      }
    }
    stream_.reset();
  }
  if (connection_ && connection_->session) pool_->keep(std::move(connection_));
  connection_.reset();
}

void Forwarding::timed_out(bool of_one_try) {
  if (answered_ && stream_->complete()) return;  // the client alone is slow
  (of_one_try ? try_timed_out_ : timed_out_) = true;
  (of_one_try ? cluster_.metrics.per_try_timeouts : cluster_.metrics.request_timeouts)->add();
  if (answered_) request_.info.end(OutcomeKind::route_timeout, request_.arena);
  break_off(
      {.kind = ErrorKind::timeout, .message = "a timeout of the route cut the response off", .side = Side::upstream});
}

std::span<const SocketAddress> Forwarding::addresses() const {
  if (connection_ && connection_->session) return {&connection_->address, 1};
  if (!connecting_.empty()) return connecting_;
  return {&endpoint_->address(), 1};
}

// Nothing more of the upstream's comes or goes.
bool Forwarding::is_over() const {
  if (failure_ || denied_) return true;
  return answered_ && !tunnel_ && !stream_->sending() && stream_->complete();
}

// Whoever reads or writes on it meets this error; a response that has begun ends for its client, too.
void Forwarding::break_off(const Error& why) {
  if (stream_) stream_->reset(why);
  if (race_) race_->give_up();
  if (handshake_) handshake_->abort();
  if (answered_ && request_.client) request_.client->cut_off(why);
}

bool Forwarding::end(const Denial& why) {
  if (is_over()) return false;
  denied_ = why;
  const Error error{.kind = ErrorKind::denied, .message = why.text, .side = Side::upstream};
  if (answered_) request_.info.end({why.kind, request_.arena.copy(why.rule)}, request_.arena);
  if (pending_) pending_->disturb();
  if (joining_) joining_->disturb();
  if (pause_) pause_->notify(request_.loop);
  break_off(error);
  if (tunnel_) {
    tunnel_->cut = error;
    if (tunnel_->cutter) tunnel_->cutter->wake();  // the last: it ends the exchange, and this with it
  }
  return true;
}

Response Forwarding::refuse() {
  Arena& arena = request_.arena;
  return give_up(reply(request_, {denied_->kind, arena.copy(denied_->rule)}, arena.copy(denied_->text)));
}

Response Forwarding::fail(OutcomeKind kind, std::string_view transport) {
  const Response answer = upstream_failure(request_, kind, transport);
  if (kind != OutcomeKind::client_idle) cluster_.metrics.count_response(terms_of(kind).status);
  return give_up(answer);
}

// The route's timeout ended while there was no stream to reset.
Response Forwarding::fail_late() {
  cluster_.metrics.request_timeouts->add();
  return fail(OutcomeKind::route_timeout);
}

Response Forwarding::give_up(Response answer) {
  failure_ = std::move(answer);
  timeout_timer_.disarm();
  try_timer_.disarm();
  drop_connection();
  if (request_.route.rules) request_.route.rules->finish_response(request_, *failure_);
  return *failure_;
}

// Try after try, until one ends with what is the answer.
Task<Response> Forwarding::run() {
  if (const auto limit = request_.stream_deadline(); limit && *limit != SteadyTime::max())
    stream_timer_.arm(request_.loop, *limit, on_stream_limit_);
  if (!cluster_.fits(*cluster_.metrics.requests_active, int64_t{cluster_.requests_max} + 1)) {
    cluster_.metrics.pending_overflow->add();
    co_return fail(OutcomeKind::upstream_overflow);
  }
  if (request_.body.empty()) {
    begin_timeout();
  } else {
    if (request_.client) request_.client->route_is_final();
    if (policy_ || expects_shared()) {
      const size_t kept_max = policy_ ? request_.body_buffer_bytes_max : kRepeatedBodyMax;
      replay_ = request_.arena.make<ReplayBody>(
          request_.loop, request_.body, std::min(kept_max, request_.body_buffer_bytes_max), request_.body_budget);
    }
  }
  for (;;) {
    auto trying = try_once();
    CO_TRY(co_await trying);
    if (denied_) co_return refuse();
    if (failure_) co_return *failure_;
    if (policy_) {
      auto deciding = go_again();
      const bool again = CO_TRY(co_await deciding);
      if (denied_) co_return refuse();
      if (failure_) co_return *failure_;
      if (again) continue;
    }
    if (outcome_.response) co_return answered(*outcome_.response);
    if (body_error_ && !outcome_.of_connecting) co_return std::unexpected(*body_error_);
    co_return not_answered();
  }
}

// --- one try ----------------------------------------------------------------------------------------------------

// On a connection of the pool first. Where that turns out to have been closed before the request came, which nobody has
// looked at then, a second one on a fresh connection counts as the same try: what else lies in the pool may have been
// closed with the first.
Task<void> Forwarding::try_once() {
  if (outcome_.end || outcome_.response) outcome_ = {};
  repeats_ = 0;
  fresh_ = false;
  for (;;) {
    ++request_.info.attempts;
    connect_error_.reset();
    if (!fresh_) connection_ = pool_->take({&endpoint_->address(), 1}, protocol(), introduction_);
    if (!connection_) {
      auto getting = get_connection();
      CO_TRY(co_await getting);
      if (connection_) connect_deadline_ = SteadyTime::max();
    }
    if (failure_ || denied_) co_return Status{};
    if (!connection_) {
      const bool late = connect_error_->kind == ErrorKind::timeout;
      outcome_ = {.response = {},
                  .error = *connect_error_,
                  .end = late ? TryEnd::connect_timeout : TryEnd::connect_failure,
                  .of_connecting = true};
      co_return Status{};
    }
    const bool reused = connection_->uses > 0;
    request_.info.upstream_host = request_.arena.copy(connection_->address_text);
    request_.info.upstream_local_address = request_.arena.copy(connection_->local_text);
    request_.info.upstream_protocol = connection_->session->multiplexes() ? "HTTP/2" : "HTTP/1.1";
    note_sending();
    open_stream();
    auto sending = stream_->send();
    auto written = co_await sending;
    // An upstream may answer and close before it has read everything: what it said counts more than the failed write.
    if (!written && written.error().side != Side::upstream) co_return std::unexpected(std::move(written).error());
    auto receiving = stream_->receive();
    auto answer = co_await receiving;
    const SteadyTime now = request_.loop.now();
    if (answer) {
      endpoint_.set().answered(*endpoint_, health_status(*answer), now);
      outcome_.response = *answer;
      co_return Status{};
    }
    if (answer.error().kind == ErrorKind::cancelled) {
      cluster_.metrics.requests_cancelled->add();
      co_return std::unexpected(std::move(answer).error());
    }
    if (may_repeat(answer.error(), reused)) {
      repeat();
      continue;
    }
    failed(std::move(answer).error());
    co_return Status{};
  }
}

// What the answer says of the endpoint.
uint16_t Forwarding::health_status(const ClientResponse& answer) const {
  const auto status = request_.grpc ? grpc::status_in(*answer.headers) : std::nullopt;
  return status ? grpc::http_status_of(*status) : answer.status;
}

// Whether the same try goes once more, on another connection.
bool Forwarding::may_repeat(const Error& error, bool reused) {
  if (timed_out_ || try_timed_out_ || denied_ || body_error_) return false;
  const ErrorKind how = error.kind;
  if (how == ErrorKind::closed) {
    // RFC 9113 8.7: the upstream has not acted on it, whatever it is.
    const bool is_whole = request_.body.empty() || (replay_ && replay_->can_begin_again());
    if (!is_whole || repeats_ == kRepeatsMax) return false;
  } else {
    const bool ended = how == ErrorKind::reset || how == ErrorKind::io || how == ErrorKind::unreachable;
    if (!ended || !reused || repeats_ > 0 || stream_->heard() || !safe_to_send_again(request_)) return false;
  }
  return may_retry();
}

// What else lies in the pool may have been closed with the connection, but not what others use.
void Forwarding::repeat() {
  ++repeats_;
  fresh_ = !connection_->is_shared();
  cluster_.metrics.request_retries->add();
  if (replay_) replay_->end_try();
  drop_connection();
  timeout_timer_.disarm();
  try_timer_.disarm();
}

// No response came. Whether that was the endpoint's fault, and whether another try may end better.
void Forwarding::failed(Error error) {
  outcome_.error = std::move(error);
  if (denied_ || body_error_) return;
  const SteadyTime now = request_.loop.now();
  const bool sent = stream_->bytes_sent() > 0;
  if (timed_out_) {
    endpoint_.set().failed(*endpoint_, Ejections::Failure::timeout, now);
  } else if (try_timed_out_) {
    endpoint_.set().failed(*endpoint_, Ejections::Failure::timeout, now);
    outcome_.end = sent ? TryEnd::timeout : TryEnd::timeout_before_request;
  } else if (outcome_.error.kind != ErrorKind::timeout) {
    endpoint_.set().failed(*endpoint_, Ejections::Failure::reset, now);
    if (outcome_.error.kind == ErrorKind::closed)
      outcome_.end = TryEnd::refused;
    else
      outcome_.end = sent ? TryEnd::reset : TryEnd::reset_before_request;
  }
}

// --- another try ------------------------------------------------------------------------------------------------

RetryVerdict Forwarding::judge() {
  Random& random = pool_->connections.random;
  if (outcome_.response)
    return retries_.after(outcome_.response->status, *outcome_.response->headers, request_.loop.wall(), random);
  return outcome_.end ? retries_.after(*outcome_.end, random) : RetryVerdict{};
}

// Within the cluster's maxRetries. A request counts once, however often it is tried.
bool Forwarding::may_retry() {
  if (retrying_) return true;
  if (!cluster_.fits(*cluster_.metrics.retries_active, cluster_.retries_max)) return false;
  cluster_.metrics.retries_active->add(1);
  return retrying_ = true;
}

void Forwarding::end_retrying() {
  if (std::exchange(retrying_, false)) cluster_.metrics.retries_active->add(-1);
}

// Whether there is to be another try; then it is prepared, and has been waited for.
Task<bool> Forwarding::go_again() {
  const ClusterMetrics& metrics = cluster_.metrics;
  const bool is_retry = retries_.retries() > 0;
  const RetryVerdict verdict = judge();
  if (verdict.what == RetryVerdict::What::done) {
    if (is_retry && outcome_.response) metrics.retry_success->add();
    co_return false;
  }
  if (verdict.what == RetryVerdict::What::used_up) {
    metrics.retry_limit_exceeded->add();
    request_.info.set(ResponseFlag::retry_limit);
    co_return false;
  }
  if (body_error_ || (replay_ && !replay_->can_begin_again())) co_return false;
  // What comes after the route's timeout comes too late: what there is now is better than that.
  if (later(request_.loop.now(), verdict.wait) >= latest()) co_return false;
  if (!may_retry()) {
    metrics.retry_overflow->add();
    request_.info.set(ResponseFlag::upstream_overflow);
    co_return false;
  }
  if (outcome_.response) metrics.count_response(outcome_.response->status);
  metrics.request_retries->add();
  (verdict.wait_was_asked ? metrics.retry_waits_asked : metrics.retry_waits)->add();
  timeout_timer_.disarm();
  try_timer_.disarm();
  try_timed_out_ = false;
  // What comes during the wait may be more than can be kept. It is for the next try, together with all before it.
  if (replay_) replay_->end_try();
  drop_connection();
  auto waiting = wait(verdict.wait);
  CO_TRY(co_await waiting);
  if (denied_ || failure_) co_return false;
  auto choosing = choose_next();
  CO_TRY(co_await choosing);
  co_return true;
}

Task<void> Forwarding::wait(Nanos pause) {
  const SteadyTime until = later(request_.loop.now(), pause);
  Event disturbed;
  const Reachable for_as_long_as_this_runs(pause_, disturbed);
  auto waiting = disturbed.wait(request_.loop, until);
  auto waited = co_await waiting;
  if (!waited && waited.error().kind == ErrorKind::cancelled) co_return waited;
  co_return Status{};
}

// An endpoint that has not been tried; when all have been, from the beginning.
Task<void> Forwarding::choose_next() {
  if (!others_) co_return Status{};  // there is one alone
  tried_.push_back(endpoint_->id());
  for (const bool anew : {false, true}) {
    if (anew) tried_.clear();
    auto choosing = others_->next(request_, tried_);
    auto next = CO_TRY(co_await choosing);
    if (!next) continue;
    go_to(*std::move(next));
    break;
  }
  co_return Status{};
}

void Forwarding::go_to(ForwardTarget target) {
  move_to(target.pool);
  place_ = target.place;
  judge_ = target.judge;
  endpoint_ = std::move(target.endpoint);
}

// --- connecting -------------------------------------------------------------------------------------------------

// What a request that is complete now may take.
SteadyTime Forwarding::after_timeout() const {
  const Nanos timeout = request_.route.rules ? request_.route.rules->timeout : Nanos(0);
  return deadline_after(request_.loop.now(), timeout);
}

void Forwarding::begin_timeout() {
  if (deadline_ == SteadyTime::max()) deadline_ = after_timeout();
}

// None lay in the pool. To a host that can be connected to: where that fails nothing has been sent, so another will do
// for any request. Afterwards there is a connection, or connect_error_, or failure_, or denied_.
Task<void> Forwarding::get_connection() {
  // A body waits with it, and has no deadline yet.
  if (connect_deadline_ == SteadyTime::max()) connect_deadline_ = after_timeout();
  for (;;) {
    if (!fresh_ && expects_shared() && pool_->may_join()) {
      auto joining = join();
      CO_TRY(co_await joining);
      if (failure_ || denied_ || connection_) co_return Status{};
      if (!connect_error_) continue;
    } else {
      if (!pool_->make_room()) {
        auto waiting = wait_for_connection();
        CO_TRY(co_await waiting);
        if (failure_ || denied_ || connection_) co_return Status{};
      }
      auto connecting = connect();
      const bool connected = CO_TRY(co_await connecting);
      if (connected || denied_) co_return Status{};
    }
    if (request_.loop.now() >= latest()) {
      fail_late();
      co_return Status{};
    }
    if (!others_) co_return Status{};
    auto choosing = others_->next(request_, tried_);
    auto next = CO_TRY(co_await choosing);
    if (!next) co_return Status{};
    go_to(*std::move(next));
    if (denied_) co_return Status{};
    if (!fresh_) connection_ = pool_->take({&endpoint_->address(), 1}, protocol(), introduction_);
    if (connection_) co_return Status{};
  }
}

// Another request connects already, and what comes of that carries this one, too. Afterwards there is a connection, or
// connect_error_, which is that of the other, or failure_, or denied_; else nothing is known.
Task<void> Forwarding::join() {
  if (!cluster_.fits(*cluster_.metrics.pending_active, cluster_.pending_max)) {
    cluster_.metrics.pending_overflow->add();
    fail(OutcomeKind::upstream_overflow);
    co_return Status{};
  }
  connect_error_.reset();
  ConnectionPool::Joining joining(*pool_);
  const Reachable for_as_long_as_this_runs(joining_, joining);
  auto waiting = joining.until_connected(latest());
  const Status connected = co_await waiting;
  if (!connected && connected.error().kind == ErrorKind::timeout) {
    fail_late();
    co_return Status{};
  }
  CO_TRY(connected);
  if (denied_ || take_any()) co_return Status{};
  if (!joining.failure()) co_return Status{};
  connect_error_ = joining.failure();
  tried_.push_back(endpoint_->id());
  co_return Status{};
}

// As far as TLS does not agree on another.
UpstreamProtocol Forwarding::protocol() const {
  if (cluster_.protocol != UpstreamProtocol::as_client) [[likely]]
    return cluster_.protocol;
  return request_.info.protocol == "HTTP/2" ? UpstreamProtocol::http2 : UpstreamProtocol::http1;
}

// What is being connected for another client is of no use to this one.
bool Forwarding::expects_shared() const {
  if (cluster_.proxy_protocol) [[unlikely]]
    return false;
  if (cluster_.protocol != UpstreamProtocol::as_client) [[likely]]
    return pool_->expects_shared();
  return protocol() == UpstreamProtocol::http2;
}

// The other addresses of the host that the request may go to. Each is asked for now: a request may have waited since it
// was allowed, for a connection or for one that had been closed, and nobody looks at addresses that it does not use
// yet. While the one that it wishes for is tried there are none.
void Forwarding::add_others(std::vector<SocketAddress>& good, std::vector<SocketAddress>& last_resort) const {
  if (request_.endpoint_wish && endpoint_->address() == request_.endpoint_wish->address) [[unlikely]]
    return;
  endpoint_.set().others(*endpoint_, tried_, request_.loop.now(), good, last_resort);
  if (!judge_) return;
  const auto is_denied = [&](const SocketAddress& address) {
    return address != endpoint_->address() && !judge_->allows(request_, *pool_, address);
  };
  std::erase_if(good, is_denied);
  std::erase_if(last_resort, is_denied);
}

// To whichever endpoint of the host.
bool Forwarding::take_any() {
  std::vector<SocketAddress> any{endpoint_->address()};
  std::vector<SocketAddress> last_resort;
  add_others(any, last_resort);
  any.insert(any.end(), last_resort.begin(), last_resort.end());
  connection_ = pool_->take(any, protocol(), introduction_);
  if (!connection_) return false;
  if (connection_->address != endpoint_->address())
    if (auto* other = endpoint_.set().find(connection_->address, endpoint_->host()))
      endpoint_ = EndpointSet::Use(endpoint_.set(), *other);
  return true;
}

// If the pool has connections, one of them will become free: idle with the next response, or closed. Without any, all
// that the process may have are busy with other destinations.
Task<void> Forwarding::wait_for_connection() {
  if (!fresh_ && take_any()) co_return Status{};
  cluster_.metrics.connections_overflow->add();
  if (!cluster_.fits(*cluster_.metrics.pending_active, cluster_.pending_max)) {
    cluster_.metrics.pending_overflow->add();
    fail(OutcomeKind::upstream_overflow);
    co_return Status{};
  }
  ConnectionPool::Pending pending(*pool_);
  const Reachable for_as_long_as_this_runs(pending_, pending);
  while (!connection_ && !pool_->make_room()) {
    if (pool_->open() == 0) {
      pool_->connections.budget.count_overflow();
      fail(OutcomeKind::upstream_overflow);
      co_return Status{};
    }
    auto waiting = pending.until_free(latest());
    auto freed = co_await waiting;
    if (!freed && freed.error().kind == ErrorKind::timeout) {
      fail_late();
      co_return Status{};
    }
    CO_TRY(std::move(freed));
    if (denied_) co_return Status{};
    take_any();
  }
  co_return Status{};
}

// To the first address of the host that takes it. False: connect_error_ is the last one's.
Task<bool> Forwarding::connect() {
  std::optional<ConnectionPool::Connecting> others_wait;
  if (expects_shared()) others_wait.emplace(*pool_);
  for (;;) {
    auto racing = race();
    auto connected = co_await racing;
    connecting_.clear();
    if (connected && *connected) co_return true;
    connection_.reset();
    if (!connected) co_return connected;
    // The system's own bound was met before ours: an idle connection's descriptor will do.
    const bool no_descriptor = connect_error_->code == EMFILE || connect_error_->code == ENFILE;
    if (!denied_ && no_descriptor && pool_->connections.budget.give_up_any()) continue;
    if (!denied_ && others_wait) others_wait->failed(*connect_error_);
    co_return false;
  }
}

Task<bool> Forwarding::race() {
  EndpointSet& set = endpoint_.set();
  connecting_.assign(1, endpoint_->address());
  std::vector<SocketAddress> last_resort;
  if (set.size() > 1) add_others(connecting_, last_resort);
  const size_t good = connecting_.size();
  connecting_.insert(connecting_.end(), last_resort.begin(), last_resort.end());
  connection_ = ConnectionUse(new UpstreamConnection(*pool_, endpoint_->address()));
  connection_->made_for = protocol();
  connection_->introduction = introduction_;
  request_.info.upstream_host = request_.arena.copy(connection_->address_text);

  FamiliesByTurns order(std::span(connecting_).first(good), std::span(connecting_).subspan(good));
  RacePlaces places(*pool_);
  ConnectRace race(request_.loop, pool_->connections.dialer, order,
                   {.connect_timeout = cluster_.connect_timeout, .deadline = latest(), .places = &places});
  const Reachable for_as_long_as_this_runs(race_, race);
  auto running = race.run();
  auto stream = co_await running;
  if (!stream && stream.error().kind == ErrorKind::cancelled) co_return std::unexpected(std::move(stream).error());
  for (const ConnectRace::Failure& failure : race.failures()) learn_failure(*failure.address, failure.error);
  if (!stream || denied_) {
    connect_error_ = stream ? Error{} : std::move(stream).error();
    co_return false;
  }
  if (race.winner() != endpoint_->address())
    if (auto* winner = set.find(race.winner(), endpoint_->host())) endpoint_ = EndpointSet::Use(set, *winner);
  std::unique_ptr<Stream> connected = *std::move(stream);
  if (pool_->tls || !introduction_.empty()) {
    auto preparing = prepare(std::move(connected));
    auto prepared = co_await preparing;
    if (!prepared && prepared.error().kind == ErrorKind::cancelled)
      co_return std::unexpected(std::move(prepared).error());
    if (!prepared || denied_) {
      connect_error_.emplace();
      if (!prepared) learn_failure(race.winner(), *connect_error_ = std::move(prepared).error());
      co_return false;
    }
    connected = *std::move(prepared);
  }
  connection_->connected(race.winner(), make_session(std::move(connected)));
  learn_connected(cluster_, endpoint_);
  co_return true;
}

// What stands before the protocol: for whom it is, and TLS, in what is left of the time to connect.
Task<std::unique_ptr<Stream>> Forwarding::prepare(std::unique_ptr<Stream> stream) {
  if (!introduction_.empty()) {
    auto introducing = stream->write_all(introduction_, cluster_.connect_timeout);
    CO_TRY(co_await introducing);
  }
  if (!pool_->tls) co_return stream;
  stream = pool_->tls->connect(std::move(stream), protocol());
  const Reachable for_as_long_as_this_runs(handshake_, *stream);
  auto shaking = stream->established(std::min(latest(), later(request_.loop.now(), cluster_.connect_timeout)));
  CO_TRY(co_await shaking);
  cluster_.metrics.tls_handshakes->add();
  if (stream->tls()->resumed) cluster_.metrics.tls_resumed->add();
  co_return stream;
}

std::unique_ptr<ClientSession> Forwarding::make_session(std::unique_ptr<Stream> stream) const {
  const TlsInfo* tls = stream->tls();
  // RFC 7301 3.2: who knows nothing of ALPN speaks what was written down of it.
  const bool http2 = tls && !tls->alpn.empty() ? tls->alpn == "h2" : protocol() == UpstreamProtocol::http2;
  return http2 ? h2::make_client_session(std::move(stream), cluster_.http2)
               : h1::make_client_session(std::move(stream));
}

void Forwarding::learn_failure(const SocketAddress& address, const Error& error) {
  learn_connect_failure(cluster_, endpoint_, address, error, request_.loop.now(), tried_);
}

// --- sending ----------------------------------------------------------------------------------------------------

void Forwarding::open_stream() {
  cluster_.metrics.requests->add();
  ++connection_->uses;
  const bool expects_continue = request_.expects_continue && !(replay_ && replay_->begun());
  if (retries_.retries() > 0) try_arena_ = std::make_unique<Arena>();
  Arena& arena = try_arena_ ? *try_arena_ : request_.arena;
  stream_ = connection_->session->open({.method = request_.method,
                                        .target = request_.path,
                                        .authority = request_.authority,
                                        .headers = request_.headers,
                                        .body = replay_ ? replay_->begin(arena) : request_.body,
                                        .expects_continue = expects_continue,
                                        .upgrade = request_.upgrade,
                                        .accepts_trailers = request_.accepts_trailers,
                                        .kept_from_trailers = request_.kept_from_trailers,
                                        .written_names = request_.written_names,
                                        .idle_max = request_.idle_max()},
                                       *this, arena, *request_.background);
  // The client has sent all of it: this try's sending is the upstream's time, too.
  if (request_sent_) arm_timeouts();
}

void Forwarding::note_sending() const {
  ForwardingTimes* times = request_.info.forwarding_times;
  if (times && !times->sending) [[unlikely]]
    times->sending = request_.loop.precise_now();
}

void Forwarding::request_sent() {
  if (!std::exchange(request_sent_, true)) request_.info.request_end = request_.loop.now();
  begin_timeout();
  arm_timeouts();
}

void Forwarding::arm_timeouts() {
  if (deadline_ != SteadyTime::max()) timeout_timer_.arm(request_.loop, deadline_, on_timeout_);
  if (policy_ && policy_->per_try_timeout() > 0s && !try_timer_.armed())
    try_timer_.arm(request_.loop, later(request_.loop.now(), policy_->per_try_timeout()), on_try_timeout_);
}

void Forwarding::request_broke(Error why) {
  body_error_ = std::move(why);
}

// --- the answer -------------------------------------------------------------------------------------------------

Response Forwarding::not_answered() {
  const Error& error = outcome_.error;
  if (outcome_.of_connecting) {
    const OutcomeKind kind = connect_outcome(error);
    if (kind == OutcomeKind::connect_timeout) return fail(kind);
    return fail(kind, request_.arena.copy(error.message));
  }
  if (timed_out_) return fail(OutcomeKind::route_timeout);
  if (try_timed_out_) return fail(OutcomeKind::per_try_timeout);
  if (error.kind == ErrorKind::timeout)
    return fail(request_sent_ ? OutcomeKind::upstream_idle : OutcomeKind::client_idle);
  if (error.kind == ErrorKind::invalid) return fail(OutcomeKind::upstream_protocol);
  cluster_.metrics.requests_reset_by_upstream->add();
  return fail(OutcomeKind::upstream_ended);
}

void Forwarding::say_service_time(Headers& headers, SteadyTime now) const {
  const StreamInfo& info = request_.info;
  const fmt::format_int waited(std::chrono::floor<Millis>(now - info.request_end.value_or(info.start)).count());
  headers.set(Known::x_envoy_upstream_service_time, request_.arena.copy({waited.data(), waited.size()}));
}

Response Forwarding::answered(const ClientResponse& answer) {
  const SteadyTime now = request_.loop.now();
  StreamInfo& info = request_.info;
  info.upstream_first_byte = now;
  info.details = "via_upstream";
  cluster_.metrics.count_response(answer.status);

  answered_ = true;
  request_.forwarder = this;
  end_retrying();       // or a tunnel would keep others from being tried again for days
  try_timer_.disarm();  // a response that has begun has the route's timeout alone, as Envoy has it
  Response response;
  response.status = answer.status;
  response.headers = answer.headers;
  response.body = answer.body;
  if (!request_.route.rules || request_.route.rules->envoy_headers) say_service_time(*answer.headers, now);
  if (answer.tunnel) {
    timeout_timer_.disarm();
    tunnel_.emplace(*answer.tunnel, answer.early_bytes);
    response.tunnel = &*tunnel_;
  }
  if (request_.route.rules) request_.route.rules->finish_response(request_, response);
  return response;
}

}  // namespace

EndpointSet::Endpoint* pick_endpoint(EndpointSet& set, const EndpointWish* wish, Tried tried, SteadyTime now) {
  if (wish) [[unlikely]] {
    if (auto* endpoint = set.pick_at(wish->address, tried, now)) return endpoint;
    if (wish->strict) return nullptr;
  }
  return set.pick(tried, now);
}

Task<Response> forward(Request& request, ForwardTarget target, OtherTargets* others) {
  request.info.upstream_cluster = target.pool.cluster->name;
  if (request.route.rules) {
    const std::string_view before = request.path;
    request.route.rules->rewrite_request(request);
    if (request.path.data() != before.data())
      if (const auto problem = rewrite_problem(before, request.path); !problem.empty())
        return reply(request, OutcomeKind::invalid_rewrite, problem);
  }
  return request.arena.make<Forwarding>(request, std::move(target), others)->run();
}

}  // namespace sluice
