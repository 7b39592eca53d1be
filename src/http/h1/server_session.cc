#include "http/h1/server_session.h"

#include "base/strings.h"
#include "http/h1/framing.h"
#include "http/h1/head.h"
#include "http/h1/message_body.h"
#include "http/h1/write.h"
#include "http/h1/write_head.h"
#include "http/linger.h"
#include "http/status.h"
#include "io/block.h"
#include "io/loop.h"

namespace sluice::h1 {
namespace {

constexpr size_t kDrainBytesMax = 64U << 10;  // of a request body that nobody reads (F18)
constexpr Nanos kHalfCloseGrace = 5s;         // see OneRequest::wake

// RFC 9113 3.4: what a client of HTTP/2 says first begins like a request.
constexpr std::string_view kHttp2Line = "PRI * HTTP/2.0\r\n";

class OneRequest;

class Session final : public ServerSession {
 public:
  Session(std::unique_ptr<Stream> s, Http2 http2) : stream(std::move(s)), may_be_http2_(http2 == Http2::handed_over) {}

  Task<ServerStreamPtr> next(const ServerLimits& limits, Arena& arena) override;
  Task<ServerStreamPtr> next_waiting(ServerStreamPtr out, OneRequest& request);
  bool has_input() const override { return filled > 0 || stream->has_buffered(); }
  void when_readable(Waiter* waiter) override { stream->when_readable(waiter); }
  bool over() const override { return used_up_; }
  Task<void> linger() override;
  std::optional<HandedOver> hand_over() override;

  // What has come of the next request moves to the front.
  void stream_ended(std::span<const char> rest, bool goes_on);
  // Of a first request that is none: whether it is how HTTP/2 begins, as far as it has come.
  bool begins_http2();
  bool is_http2() const { return is_http2_; }

  std::unique_ptr<Stream> stream;  // null once it has been handed over
  Block block;                     // while there is something in it
  size_t filled = 0;
  bool client_ended = false;
  Nanos linger_max = 1s;

 private:
  bool used_up_ = false;
  bool may_be_http2_;  // nothing else has come yet
  bool is_http2_ = false;
};

class OneRequest final : public ServerStream, private Waiter {
 public:
  OneRequest(Session& session, const ServerLimits& limits, Arena& arena)
      : session_(session),
        stream_(*session.stream),
        limits_(limits),
        arena_(arena),
        head_(limits.head),
        request_{.refused = {}, .method = {}, .target = {}, .headers = Headers(arena), .body = {}},
        start_(loop().now()) {
    if (limits.http1 && limits.http1->keep_case) head_.written_names = &written_names_;
  }
  OneRequest(const OneRequest&) = delete;
  OneRequest& operator=(const OneRequest&) = delete;
  ~OneRequest() override;

  enum class HeadRead : uint8_t { whole, nothing, more };
  // As far as the bytes have come. What breaks ends the session.
  HeadRead read_head();
  Task<HeadRead> read_rest_of_head();

  ServerRequest& request() override { return request_; }
  bool bodiless(uint16_t status) const override { return never_has_body(status) || request_.method == "HEAD"; }
  void watch(Owner* owner) override;
  Task<void> begin(const ServerResponse& response, Chunk first) override;
  Task<void> send(Chunk chunk) override;
  std::optional<Task<void>> pass_on(BodyReader& body, uint64_t& moved) override;
  Stream& become_tunnel(std::string_view& early) override;
  Task<void> finish() override;
  void reset() override;
  void set_idle_max(Nanos idle_max) override;
  bool is_broken() const override { return stream_.is_broken(); }
  SocketAddress local_address() const override { return stream_.local_address(); }
  uint64_t body_bytes_read() const override { return body_ ? body_->bytes_read() : 0; }

 private:
  void wake() override;
  void cancel() override {}
  Loop& loop() const { return stream_.loop(); }
  HeadRead parse_head();
  bool take(const Result<size_t>& got);
  void make_space();
  void head_complete();
  void refuse(HeadFailure why) {
    request_.refused = why;
    keep_alive_ = false;
  }
  bool is_refused() const { return request_.refused != HeadFailure::none; }
  void attach_body();
  bool will_find_next_request(const ServerResponse& response) const;
  Task<void> begin_after_continue(const ServerResponse& response, Chunk first);
  Task<void> write(const ServerResponse& response, Chunk first);
  Task<void> drain_body();
  Piece piece(std::string_view head, Chunk chunk) const;

  Session& session_;
  Stream& stream_;
  ServerLimits limits_;
  Arena& arena_;
  RequestHeadParser head_;
  WrittenNames written_names_;
  RequestFraming framing_;
  ServerRequest request_;
  std::optional<MessageBody> body_;
  const SteadyTime start_;
  SteadyTime head_deadline_ = SteadyTime::max();
  bool keep_alive_ = true;  // as long as nothing is known of a request
  bool proper_case_ = false;

  // Of the response that has begun:
  Body answer_;
  std::span<const std::string_view> kept_from_trailers_;

  Owner* owner_ = nullptr;
  Timer grace_;
  bool grace_begun_ = false;
  bool answering_ = false;             // the response is on its way: only a reset ends it
  bool ends_with_connection_ = false;  // its body does: there is nothing else to tell where
};

// --- the session ------------------------------------------------------------------------------------------------

// A head mostly comes in one piece, and then costs no coroutine.
Task<ServerStreamPtr> Session::next(const ServerLimits& limits, Arena& arena) {
  linger_max = limits.linger_max;
  void* place = arena.allocate(sizeof(OneRequest), alignof(OneRequest));
  auto* request = new (place) OneRequest(*this, limits, arena);
  ServerStreamPtr out(request);
  switch (request->read_head()) {
    case OneRequest::HeadRead::whole: return out;
    case OneRequest::HeadRead::nothing: return ServerStreamPtr();
    case OneRequest::HeadRead::more: break;
  }
  return next_waiting(std::move(out), *request);
}

Task<ServerStreamPtr> Session::next_waiting(ServerStreamPtr out, OneRequest& request) {
  auto reading = request.read_rest_of_head();
  const OneRequest::HeadRead read = CO_TRY(co_await reading);
  if (read == OneRequest::HeadRead::nothing) out.reset();
  co_return std::move(out);
}

// Looked at only where HTTP/1 finds no request, so that its own pay nothing: the line is no other's, as its version is
// none of HTTP/1.
bool Session::begins_http2() {
  is_http2_ = may_be_http2_ && std::string_view(block.data(), filled).starts_with(kHttp2Line);
  return is_http2_;
}

std::optional<ServerSession::HandedOver> Session::hand_over() {
  if (!is_http2_) return std::nullopt;
  return HandedOver{std::move(stream), {block.data(), filled}};
}

void Session::stream_ended(std::span<const char> rest, bool goes_on) {
  may_be_http2_ &= filled == 0;
  used_up_ = !goes_on;
  if (used_up_) rest = {};
  if (rest.size() > block.size()) {
    Block larger(rest.size());
    std::memcpy(larger.data(), rest.data(), rest.size());
    block = std::move(larger);
  } else if (!rest.empty()) {
    std::memmove(block.data(), rest.data(), rest.size());
  }
  filled = rest.size();
  if (filled == 0) block.release();
}

Task<void> Session::linger() {
  if (client_ended) return Status{};
  return sluice::linger(*stream, linger_max);
}

// --- the head ---------------------------------------------------------------------------------------------------

OneRequest::HeadRead OneRequest::read_head() {
  for (;;) {
    const HeadRead read = parse_head();
    if (read == HeadRead::whole) return read;
    if (!stream_.has_buffered() || session_.is_http2()) return read;
    make_space();
    const auto got = stream_.try_read(session_.block.span().subspan(session_.filled));
    if (!got) return read;
    if (!take(*got)) return HeadRead::nothing;
  }
}

Task<OneRequest::HeadRead> OneRequest::read_rest_of_head() {
  for (;;) {
    make_space();
    auto reading = stream_.read(session_.block.span().subspan(session_.filled), head_deadline_);
    const auto got = co_await reading;
    if (!got && got.error().kind == ErrorKind::cancelled) co_return std::unexpected(got.error());
    if (!got && got.error().kind == ErrorKind::timeout) {
      refuse(HeadFailure::timeout);
      co_return HeadRead::whole;
    }
    if (!take(got)) co_return HeadRead::nothing;
    if (parse_head() == HeadRead::whole) co_return HeadRead::whole;
    if (session_.is_http2()) co_return HeadRead::nothing;
  }
}

OneRequest::HeadRead OneRequest::parse_head() {
  if (session_.filled == 0) return HeadRead::nothing;
  const HeadProgress progress = head_.parse(session_.block.span().first(session_.filled), request_.headers);
  if (progress == HeadProgress::more) {
    if (limits_.no_memory && limits_.no_memory->load(std::memory_order_relaxed)) {
      refuse(HeadFailure::no_memory);
      return HeadRead::whole;
    }
    if (head_deadline_ == SteadyTime::max() && limits_.head_timeout.count() > 0)
      head_deadline_ = later(loop().now(), limits_.head_timeout);
    return HeadRead::more;
  }
  if (progress == HeadProgress::done) {
    head_complete();
  } else {
    if (session_.begins_http2()) [[unlikely]]
      return HeadRead::nothing;
    refuse(head_.failure());
  }
  return HeadRead::whole;
}

// False: the client has ended the connection, or it broke.
bool OneRequest::take(const Result<size_t>& got) {
  if (got && *got > 0) {
    session_.filled += *got;
    return true;
  }
  session_.client_ended = true;
  keep_alive_ = false;
  return false;
}

void OneRequest::make_space() {
  Block& block = session_.block;
  if (block.empty()) block = Block(Block::kSmall);
  if (session_.filled < block.size()) return;
  Block larger(std::max(Block::kLarge, 2 * block.size()));
  std::memcpy(larger.data(), block.data(), session_.filled);
  block = std::move(larger);
  head_.restart(request_.headers);
}

void OneRequest::head_complete() {
  request_.method = head_.method;
  request_.target = head_.target;
  if (head_.minor_version == 0) request_.protocol = "HTTP/1.0";
  static const Http1Options kDefaults;
  const Http1Options& options = limits_.http1 ? *limits_.http1 : kDefaults;
  request_.refused = frame_request(head_, request_.headers, framing_, options);
  // Envoy's default: HTTP/1.0 is not accepted.
  if (!is_refused() && head_.minor_version == 0 && !options.old_version) refuse(HeadFailure::old_version);
  if (head_.written_names) request_.written_names = &written_names_;
  proper_case_ = options.proper_case;
  // F25: any other upgrade (h2c, TLS/1.2, ...) is an offer that is not taken, which is no error (RFC 9110 7.8): its
  // fields end here, and the request is served.
  if (framing_.upgrade)
    for_each_token(*request_.headers.joined(Known::upgrade), [&](std::string_view token) {
      request_.asks_for_websocket |= equals_ignoring_case(token, "websocket");
    });
  if (!is_refused() && !remove_hop_by_hop(request_.headers)) refuse(HeadFailure::malformed);
  request_.expects_continue = framing_.expects_continue;
  request_.accepts_trailers = framing_.accepts_trailers;
  keep_alive_ = !is_refused() && framing_.keep_alive;
  if (!is_refused()) attach_body();
}

void OneRequest::attach_body() {
  if (framing_.body == BodyKind::none) return;
  const std::span<char> early = session_.block.span().first(session_.filled).subspan(head_.size());
  body_.emplace(MessageBody::Source{.stream = stream_,
                                    .block = session_.block,
                                    .reserved = head_.size(),
                                    .early = early,
                                    .side = Side::downstream,
                                    .idle_max = limits_.idle_max,
                                    .arena = arena_},
                framing_.body, framing_.length);
  if (limits_.request_timeout.count() > 0) body_->set_deadline(later(start_, limits_.request_timeout));
  if (framing_.expects_continue && early.empty()) body_->say_first("HTTP/1.1 100 Continue\r\n\r\n");
  request_.body.reader = &*body_;
  if (framing_.body == BodyKind::length) request_.body.length = framing_.length;
}

OneRequest::~OneRequest() {
  watch(nullptr);
  if (session_.is_http2()) return;  // what has come is not this protocol's
  const std::span<const char> came(session_.block.data(), session_.filled);
  const std::span<const char> rest =
      body_ ? std::span<const char>(body_->rest()) : came.subspan(std::min(head_.size(), came.size()));
  session_.stream_ended(rest, keep_alive_);
}

// --- the client leaves ------------------------------------------------------------------------------------------

void OneRequest::watch(Owner* owner) {
  owner_ = owner;
  stream_.when_hung_up(owner ? this : nullptr);
  if (!owner)
    grace_.disarm();
  else if (stream_.peer_ended() && !body_)
    wake();
}

// A reset means that nobody waits for the answer. An end of the client's sending may be a half-close, which is legal
// and rare, or the whole goodbye, which is common; both look alike. So the answer gets a few more seconds.
void OneRequest::wake() {
  const bool waited = grace_begun_ && !grace_.armed();
  if (!stream_.is_broken() && (answering_ || !waited)) {
    if (!answering_ && !std::exchange(grace_begun_, true)) grace_.arm(loop(), loop().now() + kHalfCloseGrace, *this);
    stream_.when_hung_up(this);
    return;
  }
  grace_.disarm();
  if (owner_) std::exchange(owner_, nullptr)->client_gone();
}

// --- the response -----------------------------------------------------------------------------------------------

Task<void> OneRequest::begin(const ServerResponse& response, Chunk first) {
  answering_ = true;
  grace_.disarm();
  // From here on "100 Continue" would be part of the answer. A client that was not told to go on may send its body or
  // not: where the next request would begin nobody knows.
  if (body_ && framing_.expects_continue) return begin_after_continue(response, first);
  return write(response, first);
}

Task<void> OneRequest::begin_after_continue(const ServerResponse& response, Chunk first) {
  if (body_->say_nothing()) keep_alive_ = false;
  auto saying = body_->said();
  CO_TRY(co_await saying);
  auto writing = write(response, first);
  co_return co_await writing;
}

Task<void> OneRequest::write(const ServerResponse& response, Chunk first) {
  if (response.close || response.drain || !will_find_next_request(response)) keep_alive_ = false;
  const bool no_body = bodiless(response.status);
  const bool old_client = head_.minor_version == 0;
  ends_with_connection_ = old_client && !no_body && !response.body.empty() && !response.body.length;
  if (ends_with_connection_) keep_alive_ = false;
  Then then = keep_alive_ ? Then::goes_on : Then::closes;
  if (response.status == 101) {
    then = Then::becomes_websocket;
    keep_alive_ = false;
  }
  const std::string_view head = write_head({.status = response.status,
                                            .headers = response.headers,
                                            .body = response.body,
                                            .to_head_request = request_.method == "HEAD",
                                            .old_client = old_client,
                                            .proper_case = proper_case_,
                                            .then = then},
                                           arena_);
  if (no_body || response.body.empty()) return stream_.write_all(head, limits_.idle_max);
  answer_ = response.body;
  kept_from_trailers_ = response.kept_from_trailers;
  if (first.bytes.empty() && !first.last) return stream_.write_all(head, limits_.idle_max);
  return write_piece(stream_, piece(head, first), limits_.idle_max);
}

Task<void> OneRequest::send(Chunk chunk) {
  return write_piece(stream_, piece({}, chunk), limits_.idle_max);
}

// Where the bytes on the connection are those of the body, as they are.
std::optional<Task<void>> OneRequest::pass_on(BodyReader& body, uint64_t& moved) {
  if (!answer_.length) return std::nullopt;
  return body.pass_to(stream_, limits_.idle_max, moved);
}

Piece OneRequest::piece(std::string_view head, Chunk chunk) const {
  const bool trailers = chunk.last && framing_.accepts_trailers;
  return {.head = head,
          .chunk = chunk,
          .chunked = !answer_.length && !ends_with_connection_,
          .trailers = trailers ? without(answer_.reader->trailers(), kept_from_trailers_, arena_) : nullptr};
}

Stream& OneRequest::become_tunnel(std::string_view& early) {
  watch(nullptr);
  const size_t head = head_.size();
  early = {session_.block.data() + head, session_.filled - head};
  session_.filled = head;
  return stream_;
}

void OneRequest::reset() {
  keep_alive_ = false;
  if (ends_with_connection_)
    stream_.abort();  // an end in good order would make what has gone out look whole
  else
    stream_.end_writing();
}

void OneRequest::set_idle_max(Nanos idle_max) {
  limits_.idle_max = idle_max;
  if (body_) body_->set_idle_max(idle_max);
}

// --- after the response -----------------------------------------------------------------------------------------

// Whether the connection can go on behind an answer that begins now: its client must hear of it with the head (RFC 9112
// 9.6), or its next request is lost. Promised is only what will be kept by finish(): a body that is here as a whole,
// and behind an answer of our own, which nobody's reading of the body can hold up, also the rest of a short one that
// was not asked for by 100. An upstream that answers early may want none of the rest; Envoy says close then, too.
bool OneRequest::will_find_next_request(const ServerResponse& response) const {
  if (!body_ || body_->complete()) return true;
  const auto missing = body_->missing();
  if (!missing || *missing > kDrainBytesMax) return false;
  if (response.local && !framing_.expects_continue) return true;
  return *missing <= body_->rest().size() + stream_.buffered_bytes();
}

// F18. However slowly the rest comes, each wait has the listener's streamIdleTimeout, as if somebody read it.
Task<void> OneRequest::finish() {
  if (!keep_alive_ || !body_ || body_->complete()) return Status{};
  return drain_body();
}

Task<void> OneRequest::drain_body() {
  for (bool last = false; !last;) {
    auto reading = body_->read();
    auto chunk = co_await reading;
    if (!chunk) {
      keep_alive_ = false;
      break;
    }
    last = chunk->last;
  }
  co_return Status{};
}

}  // namespace

std::unique_ptr<ServerSession> make_server_session(std::unique_ptr<Stream> stream, Http2 http2) {
  return std::make_unique<Session>(std::move(stream), http2);
}

}  // namespace sluice::h1
