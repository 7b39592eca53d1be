#include "forward/exchange.h"

#include <charconv>

#include "base/log.h"
#include "base/strings.h"
#include "forward/failures.h"
#include "http/h1/head.h"
#include "http/h1/message_body.h"
#include "http/h1/write.h"
#include "http/h1/write_head.h"
#include "http/path.h"
#include "io/loop.h"
#include "net/dialer.h"

namespace sluice {
namespace {

constexpr unsigned kInformationalMax = 16;  // F14
constexpr Nanos kContinueWait = 1s;         // F24
constexpr size_t kAtOnceMax = 16U << 10;    // of a body: what a socket takes without waiting
constexpr unsigned kPiecesATurn = 32;       // of a body, in one turn of the loop
constexpr HeadLimits kResponseLimits{.line_bytes_max = 16U << 10, .field_bytes_max = Block::kLarge};

// A request that may be sent twice without harm (RFC 9110 9.2.2), when none of its body has been given away.
bool safe_to_send_again(const Request& request) {
  if (!request.body.empty()) return false;
  return request.method == "GET" || request.method == "HEAD" || request.method == "OPTIONS" ||
         request.method == "PUT" || request.method == "DELETE";
}

// Whether a 101 switches to what was asked for, and nothing else speaks against it (RFC 9110 7.8, 8.6).
bool becomes_websocket(const Headers& headers) {
  const auto upgrade = headers.joined(header_name(Known::upgrade));
  return upgrade && equals_ignoring_case(trim(*upgrade), "websocket") && !headers.has(Known::content_length) &&
         !headers.has(Known::transfer_encoding);
}

// Lives in the exchange's arena: what must stay until the response's body has gone to the client.
class Exchange final : private ConnectionPool::UnderWay {
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
  void break_connection() const;
  // The route's timeout: breaks the connection, so that whoever reads or writes on it wakes up.
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
  Task<void> write_request();
  Task<void> write_with_body(std::string_view head);
  Task<void> send_rest(std::optional<Task<Chunk>> first, std::string_view head);
  Piece piece(std::string_view head, Chunk chunk) const;
  const Headers* trailers() const;
  void request_ended();
  void body_failed(Error error);

  Task<void> read_head();
  bool make_space();
  Task<Response> not_answered(const Error& error);
  Response answered();
  Response fail(UpstreamFailure failure, std::string_view transport = {});
  Response refuse();
  Response give_up(Response answer);

  Nanos idle_max() const;
  bool clean() const;

  Request& request_;
  std::span<const SocketAddress> targets_;
  OtherHosts* const others_;
  const Cluster& cluster_;
  std::unique_ptr<UpstreamConnection> connection_;
  std::optional<Response> failure_;  // nothing to wait for any more

  ResponseHeadParser head_{kResponseLimits};
  Headers* headers_ = nullptr;
  ResponseFraming framing_;
  size_t filled_ = 0;  // bytes in the connection's block
  std::optional<MessageBody> body_;

  SteadyTime deadline_ = SteadyTime::max();  // the route's timeout, counted from the end of the request
  RouteTimeout on_timeout_{*this};
  Timer timeout_timer_;
  bool timed_out_ = false;
  bool request_sent_ = false;
  bool sending_ = false;   // send_rest() runs, and uses the connection
  bool answered_ = false;  // with the head of a response
  bool upgraded_ = false;
  std::optional<UpstreamTunnel> tunnel_;
  std::optional<Denial> denied_;                // while it was under way
  ConnectionPool::Pending* pending_ = nullptr;  // while it waits for a connection
  bool retrying_ = false;
  std::optional<Error> body_error_;  // of the client's body
  Event may_send_;                   // the upstream said 100
  SteadyTime last_sent_{};
};

Exchange::~Exchange() {
  timeout_timer_.disarm();
  cluster_.metrics.requests_active->add(-1);
  if (retrying_) cluster_.metrics.retries_active->add(-1);
  if (!connection_) return;
  if (body_) cluster_.metrics.bytes_received->add(static_cast<int64_t>(body_->bytes_read()));
  if (headers_) cluster_.metrics.request_time->record_nanos((request_.loop.now() - request_.info.start).count());
  if (clean()) pool_->keep(std::move(connection_));
}

// Whether the connection may carry another request (F15, F16).
bool Exchange::clean() const {
  if (!request_sent_ || timed_out_ || denied_ || body_error_ || upgraded_ || failure_ || !framing_.keep_alive)
    return false;
  if (body_) return body_->complete() && body_->rest().empty();
  return head_.status != 0 && filled_ == head_.size();
}

Nanos Exchange::idle_max() const {
  const auto own = request_.route.rules ? request_.route.rules->idle_timeout : std::nullopt;
  return own.value_or(request_.stream_idle_timeout);
}

void Exchange::RouteTimeout::wake() {
  exchange.timed_out_ = true;
  exchange.cluster_.metrics.request_timeouts->add();
  if (exchange.body_ && !exchange.body_->complete()) {
    exchange.request_.info.set(ResponseFlag::upstream_timeout);
    exchange.body_->break_off(
        {.kind = ErrorKind::timeout, .message = "the route's timeout cut the response off", .side = Side::upstream});
  }
  exchange.break_connection();
}

std::span<const SocketAddress> Exchange::addresses() const {
  return connection_ ? std::span(&connection_->address, 1) : targets_;
}

// Nothing more of the upstream's comes or goes.
bool Exchange::is_over() const {
  if (failure_ || denied_) return true;
  return answered_ && !upgraded_ && !sending_ && (!body_ || body_->complete());
}

// Whoever reads or writes on it meets an error.
void Exchange::break_connection() const {
  if (connection_ && connection_->stream) connection_->stream->abort();
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
  } else if (body_ && !body_->complete()) {
    body_->break_off(error);
  }
  break_connection();
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
  if (sending_)
    break_connection();
  else
    connection_.reset();
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

    auto writing = write_request();
    auto written = co_await writing;
    // An upstream may answer and close before it has read everything: what it said counts more than the failed write.
    if (!written && written.error().side != Side::upstream) co_return std::unexpected(std::move(written).error());
    auto reading = read_head();
    auto read = co_await reading;
    if (read) co_return answered();
    const ErrorKind how = read.error().kind;
    const bool ended = how == ErrorKind::reset || how == ErrorKind::io || how == ErrorKind::unreachable;
    if (reused && !repeated && ended && may_repeat && filled_ == 0 && !timed_out_ && !denied_ &&
        cluster_.fits(*cluster_.metrics.retries_active, cluster_.retries_max)) {
      // It was closed while it lay in the pool: nothing of this request has been looked at.
      cluster_.metrics.request_retries->add();
      cluster_.metrics.retries_active->add(1);
      retrying_ = true;
      connection_.reset();
      timeout_timer_.disarm();
      continue;
    }
    auto result = not_answered(read.error());
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
  connection_->stream = CO_TRY(pool_->connections.dialer.dial(request_.loop, address));
  const SteadyTime now = request_.loop.now();
  auto establishing = connection_->stream->established(std::min(deadline_, later(now, cluster_.connect_timeout)));
  co_return co_await establishing;
}

Task<void> Exchange::connect_to(const SocketAddress& address) {
  for (;;) {
    connection_ = std::make_unique<UpstreamConnection>(*pool_, address);
    request_.info.upstream_host = request_.arena.copy(connection_->address_text);
    auto establishing = establish(address);
    const Status connected = co_await establishing;
    if (connected) {
      connection_->local_text = connection_->stream->local_address().to_string();
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

// The head, and what little of the body is at hand, in one write; the rest is sent while the answer is read: an
// upstream that refuses a body does not always read it.
Task<void> Exchange::write_request() {
  const std::string_view head =
      h1::write_head({.method = request_.method,
                      .target = request_.path,
                      .host = request_.authority,
                      .headers = request_.headers,
                      .body = request_.body,
                      .accepts_trailers = request_.accepts_trailers,
                      .then = request_.upgrade ? h1::Then::becomes_websocket : h1::Then::goes_on},
                     request_.arena);
  ++connection_->uses;
  cluster_.metrics.bytes_sent->add(static_cast<int64_t>(head.size()));
  if (!request_.body.empty()) return write_with_body(head);
  request_ended();
  return connection_->stream->write_all(head, idle_max());
}

Task<void> Exchange::write_with_body(std::string_view head) {
  std::optional<Task<Chunk>> first;
  if (!request_.expects_continue) first.emplace(request_.body.reader->read());
  if (first && first->ready()) {
    const Chunk chunk = CO_TRY(first->take());
    first.reset();
    if (chunk.bytes.size() > kAtOnceMax) {
      first.emplace(chunk);
    } else {
      auto writing = write_piece(*connection_->stream, piece(head, chunk), idle_max());
      CO_TRY(co_await writing);
      if (chunk.last) {
        request_ended();
        co_return Status{};
      }
      head = {};
    }
  } else {
    auto writing = connection_->stream->write_all(head, idle_max());
    CO_TRY(co_await writing);
    head = {};
  }
  request_.background->spawn(send_rest(std::move(first), head));
  co_return Status{};
}

Task<void> Exchange::send_rest(std::optional<Task<Chunk>> first, std::string_view head) {
  struct Sending {
    explicit Sending(bool& s) : sending(s) { sending = true; }
    ~Sending() { sending = false; }
    bool& sending;
  };
  const Sending for_as_long_as_this_runs(sending_);
  if (request_.expects_continue) {
    // F24: an upstream that never says 100 gets the body after a second.
    auto waiting = may_send_.wait(request_.loop, request_.loop.now() + kContinueWait);
    auto told = co_await waiting;
    if (!told && told.error().kind == ErrorKind::cancelled) co_return told;
  }
  for (TurnBudget budget(kPiecesATurn);;) {
    if (budget.spent(request_.loop)) {
      auto turn = next_turn(request_.loop);
      CO_TRY(co_await turn);
    }
    auto reading = first ? std::move(*first) : request_.body.reader->read();
    first.reset();
    auto chunk = co_await reading;
    if (!chunk) {
      body_failed(std::move(chunk).error());
      co_return Status{};
    }
    const bool last = chunk->last;
    auto writing = write_piece(*connection_->stream, piece(std::exchange(head, {}), *chunk), idle_max());
    auto written = co_await writing;
    if (!written) co_return Status{};  // the one who reads the answer meets the same end
    last_sent_ = request_.loop.now();
    if (last) {
      request_ended();
      co_return Status{};
    }
  }
}

Piece Exchange::piece(std::string_view head, Chunk chunk) const {
  return {.head = head,
          .chunk = chunk,
          .chunked = !request_.body.length,
          .trailers = chunk.last && request_.accepts_trailers ? trailers() : nullptr};
}

// F7; without what the client may not say.
const Headers* Exchange::trailers() const {
  return request_.without_kept(request_.body.reader->trailers(), request_.kept_from_trailers);
}

void Exchange::request_ended() {
  request_sent_ = true;
  request_.info.request_end = request_.loop.now();
  begin_timeout();
  if (deadline_ != SteadyTime::max()) timeout_timer_.arm(request_.loop, deadline_, on_timeout_);
}

// The client's body broke off: the upstream must not take what it has for the whole.
void Exchange::body_failed(Error error) {
  if (error.kind == ErrorKind::cancelled) return;
  if (body_) body_->break_off(error);  // F17: an answer that lasts until the end must not look whole
  body_error_ = std::move(error);
  break_connection();
}

// --- reading the answer -----------------------------------------------------------------------------------------

Task<void> Exchange::read_head() {
  connection_->block = Block(Block::kSmall);
  headers_ = request_.arena.make<Headers>(request_.arena);
  filled_ = 0;
  head_.restart(*headers_);
  for (unsigned informational = 0;;) {
    const HeadProgress progress =
        filled_ == 0 ? HeadProgress::more : head_.parse(connection_->block.span().first(filled_), *headers_);
    if (progress == HeadProgress::failed)
      co_return sluice::fail(ErrorKind::invalid, "no HTTP response", Side::upstream);
    if (progress == HeadProgress::more) {
      if (!make_space()) co_return sluice::fail(ErrorKind::invalid, "the response head is too large", Side::upstream);
      const SteadyTime since = std::max(request_.loop.now(), last_sent_);
      const std::span<char> into = connection_->block.span().subspan(filled_);
      auto reading = connection_->stream->read(into, deadline_after(since, idle_max()));
      auto got = co_await reading;
      // While the request's body still moves, nobody is idle.
      if (!got && got.error().kind == ErrorKind::timeout && last_sent_ > since) continue;
      const size_t bytes = CO_TRY(std::move(got));
      if (bytes == 0) co_return sluice::fail(ErrorKind::reset, "the upstream closed the connection", Side::upstream);
      filled_ += bytes;
      continue;
    }
    if (head_.status >= 200 || head_.status == 101) co_return Status{};
    if (++informational > kInformationalMax)
      co_return sluice::fail(ErrorKind::invalid, "too many informational responses", Side::upstream);
    if (head_.status == 100) may_send_.notify(request_.loop);
    char* data = connection_->block.data();
    filled_ -= head_.size();
    std::memmove(data, data + head_.size(), filled_);
    head_.restart(*headers_);
  }
}

// For the next bytes of the head; false when it is too large.
bool Exchange::make_space() {
  Block& block = connection_->block;
  if (filled_ < block.size()) return true;
  Block larger(Block::kLarge);
  if (block.size() >= larger.size()) return false;
  std::memcpy(larger.data(), block.data(), filled_);
  block = std::move(larger);
  head_.restart(*headers_);
  return true;
}

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

Response Exchange::answered() {
  const bool to_head = request_.method == "HEAD";
  if (!frame_response(head_, *headers_, to_head, framing_)) return fail(UpstreamFailure::protocol);
  if (head_.status == 101 && (!request_.upgrade || !becomes_websocket(*headers_)))
    return fail(UpstreamFailure::protocol);  // F14, F25
  if (!remove_hop_by_hop(*headers_)) return fail(UpstreamFailure::protocol);

  const SteadyTime now = request_.loop.now();
  StreamInfo& info = request_.info;
  info.upstream_first_byte = now;
  info.details = "via_upstream";
  cluster_.metrics.responses[head_.status / 100U - 1]->add();

  answered_ = true;
  Response response;
  response.status = head_.status;
  response.headers = headers_;
  const auto waited = std::chrono::floor<Millis>(now - info.request_end.value_or(info.start)).count();
  char digits[24];
  const auto end = std::to_chars(digits, digits + sizeof digits, waited).ptr;
  headers_->set(Known::x_envoy_upstream_service_time, request_.arena.copy({digits, static_cast<size_t>(end - digits)}));
  const std::span<char> behind = connection_->block.span().first(filled_).subspan(head_.size());
  if (head_.status == 101) {
    upgraded_ = true;
    timeout_timer_.disarm();
    place_ = request_.arena.copy(place_);  // a tunnel lets the snapshot go
    tunnel_.emplace(*connection_->stream, std::string_view(behind.data(), behind.size()));
    response.tunnel = &*tunnel_;
  } else if (framing_.body != BodyKind::none) {
    body_.emplace(MessageBody::Source{.stream = *connection_->stream,
                                      .block = connection_->block,
                                      .reserved = head_.size(),
                                      .early = behind,
                                      .side = Side::upstream,
                                      .idle_max = idle_max(),
                                      .arena = request_.arena},
                  framing_.body, framing_.length);
    response.body.reader = &*body_;
    if (framing_.body == BodyKind::length) response.body.length = framing_.length;
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
