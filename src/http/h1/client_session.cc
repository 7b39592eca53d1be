#include "http/h1/client_session.h"

#include "base/strings.h"
#include "http/h1/framing.h"
#include "http/h1/head.h"
#include "http/h1/message_body.h"
#include "http/h1/write.h"
#include "http/h1/write_head.h"
#include "io/block.h"
#include "io/loop.h"

namespace sluice::h1 {
namespace {

constexpr unsigned kInformationalMax = 16;  // F14
constexpr Nanos kContinueWait = 1s;         // F24
constexpr size_t kAtOnceMax = 16U << 10;    // of a body: what a socket takes without waiting
constexpr unsigned kPiecesATurn = 32;       // of a body, in one turn of the loop
constexpr HeadLimits kResponseLimits{.line_bytes_max = 16U << 10, .field_bytes_max = Block::kLarge};

std::unexpected<Error> no_response(std::string message) {
  return fail(ErrorKind::invalid, std::move(message), Side::upstream);
}

// Whether a 101 switches to what was asked for, and nothing else speaks against it (RFC 9110 7.8, 8.6).
bool becomes_websocket(const Headers& headers) {
  const auto upgrade = headers.joined(header_name(Known::upgrade));
  return upgrade && equals_ignoring_case(trim(*upgrade), "websocket") && !headers.has(Known::content_length) &&
         !headers.has(Known::transfer_encoding);
}

class Session final : public ClientSession {
 public:
  explicit Session(std::unique_ptr<Stream> s) : stream(std::move(s)) {}

  size_t capacity() const override { return open_ || used_up_ ? 0 : 1; }
  ClientStreamPtr open(const ClientRequest& request, ClientStream::Owner& owner, Arena& arena,
                       TaskGroup& background) override;
  SocketAddress local_address() const override { return stream->local_address(); }
  bool is_silent() override { return stream->is_silent(); }
  void when_disturbed(Waiter* waiter) override { stream->when_readable(waiter); }

  void stream_opened() {
    open_ = true;
    block = Block(Block::kSmall);
  }
  void stream_ended(bool reusable) {
    open_ = false;
    used_up_ = !reusable;
    block.release();
  }

  const std::unique_ptr<Stream> stream;
  Block block;  // only while a stream is open

 private:
  bool open_ = false;
  bool used_up_ = false;
};

class OneRequest final : public ClientStream {
 public:
  OneRequest(Session& session, const ClientRequest& request, Owner& owner, Arena& arena, TaskGroup& background)
      : session_(session),
        stream_(*session.stream),
        request_(request),
        owner_(owner),
        arena_(arena),
        background_(background) {
    session_.stream_opened();
  }
  OneRequest(const OneRequest&) = delete;
  OneRequest& operator=(const OneRequest&) = delete;
  ~OneRequest() override {
    CHECK(!sending_);
    session_.stream_ended(is_clean());
  }

  Task<void> send() override;
  Task<ClientResponse> receive() override;
  void reset(Error why) override;

  bool sending() const override { return sending_; }
  bool heard() const override { return filled_ > 0 || head_bytes_ > 0; }
  bool complete() const override { return answered_ && !upgraded_ && (!body_ || body_->complete()); }
  uint64_t bytes_sent() const override { return bytes_sent_; }
  uint64_t bytes_received() const override { return head_bytes_ + (body_ ? body_->bytes_read() : 0); }

 private:
  bool is_clean() const;
  Loop& loop() const { return stream_.loop(); }
  Task<void> send_with_body(std::string_view head);
  Task<void> send_rest(std::optional<Task<Chunk>> first, std::string_view head);
  Piece piece(std::string_view head, Chunk chunk) const;
  void request_ended();
  void body_failed(Error error);
  bool make_space();
  Result<ClientResponse> answered();

  Session& session_;
  Stream& stream_;
  const ClientRequest request_;
  Owner& owner_;
  Arena& arena_;
  TaskGroup& background_;

  ResponseHeadParser head_{kResponseLimits};
  Headers* headers_ = nullptr;
  ResponseFraming framing_;
  size_t filled_ = 0;  // bytes in the session's block
  std::optional<MessageBody> body_;

  std::optional<Error> reset_;
  bool request_sent_ = false;
  bool sending_ = false;   // send_rest() runs, and uses the connection
  bool answered_ = false;  // with the head of a response
  bool upgraded_ = false;
  Event may_send_;  // the upstream said 100
  SteadyTime last_sent_{};
  uint64_t bytes_sent_ = 0;
  uint64_t head_bytes_ = 0;
};

ClientStreamPtr Session::open(const ClientRequest& request, ClientStream::Owner& owner, Arena& arena,
                              TaskGroup& background) {
  CHECK(capacity() > 0);
  void* place = arena.allocate(sizeof(OneRequest), alignof(OneRequest));
  return ClientStreamPtr(new (place) OneRequest(*this, request, owner, arena, background));
}

// Whether the connection may carry another request (F15, F16).
bool OneRequest::is_clean() const {
  if (!request_sent_ || reset_ || upgraded_ || !answered_ || !framing_.keep_alive) return false;
  if (body_) return body_->complete() && body_->rest().empty();
  return filled_ == head_.size();
}

void OneRequest::reset(Error why) {
  if (body_ && !body_->complete()) body_->break_off(why);  // F17: what lasts until the end must not look whole
  reset_ = std::move(why);
  stream_.abort();
  may_send_.notify(loop());  // whoever waits to send a body need not
}

// --- sending ----------------------------------------------------------------------------------------------------

// The head, and what little of the body is at hand, in one write; the rest is sent while the answer is read: an
// upstream that refuses a body does not always read it.
Task<void> OneRequest::send() {
  const std::string_view head = write_head({.method = request_.method,
                                            .target = request_.target,
                                            .host = request_.authority,
                                            .headers = request_.headers,
                                            .body = request_.body,
                                            .accepts_trailers = request_.accepts_trailers,
                                            .written_names = request_.written_names,
                                            .then = request_.upgrade ? Then::becomes_websocket : Then::goes_on},
                                           arena_);
  if (!request_.body.empty()) {
    bytes_sent_ = head.size();
    return send_with_body(head);
  }
  request_ended();
  auto writing = stream_.write_all(head, request_.idle_max);
  if (!writing.ready()) {
    bytes_sent_ = head.size();
    return writing;
  }
  auto written = writing.take();
  if (written) bytes_sent_ = head.size();
  return written;
}

Task<void> OneRequest::send_with_body(std::string_view head) {
  std::optional<Task<Chunk>> first;
  if (!request_.expects_continue) first.emplace(request_.body.reader->read());
  if (first && first->ready()) {
    const Chunk chunk = CO_TRY(first->take());
    first.reset();
    if (chunk.bytes.size() > kAtOnceMax) {
      first.emplace(chunk);
    } else {
      bytes_sent_ += chunk.bytes.size();
      auto writing = write_piece(stream_, piece(head, chunk), request_.idle_max);
      CO_TRY(co_await writing);
      if (chunk.last) {
        request_ended();
        co_return Status{};
      }
      head = {};
    }
  } else {
    auto writing = stream_.write_all(head, request_.idle_max);
    CO_TRY(co_await writing);
    head = {};
  }
  background_.spawn(send_rest(std::move(first), head));
  co_return Status{};
}

Task<void> OneRequest::send_rest(std::optional<Task<Chunk>> first, std::string_view head) {
  struct Sending {
    explicit Sending(bool& s) : sending(s) { sending = true; }
    ~Sending() { sending = false; }
    bool& sending;
  };
  const Sending for_as_long_as_this_runs(sending_);
  if (request_.expects_continue) {
    // F24: an upstream that never says 100 gets the body after a second.
    auto waiting = may_send_.wait(loop(), loop().now() + kContinueWait);
    auto told = co_await waiting;
    if (!told && told.error().kind == ErrorKind::cancelled) co_return told;
    if (reset_) co_return Status{};
  }
  for (TurnBudget budget(kPiecesATurn);;) {
    if (budget.spent(loop())) {
      auto turn = next_turn(loop());
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
    bytes_sent_ += chunk->bytes.size();
    auto writing = write_piece(stream_, piece(std::exchange(head, {}), *chunk), request_.idle_max);
    auto written = co_await writing;
    if (!written) co_return Status{};  // the one who reads the answer meets the same end
    last_sent_ = loop().now();
    if (last) {
      request_ended();
      co_return Status{};
    }
  }
}

// F7: trailers without what the client may not say.
Piece OneRequest::piece(std::string_view head, Chunk chunk) const {
  const bool trailers = chunk.last && request_.accepts_trailers;
  return {
      .head = head,
      .chunk = chunk,
      .chunked = !request_.body.length,
      .trailers = trailers ? without(request_.body.reader->trailers(), request_.kept_from_trailers, arena_) : nullptr};
}

void OneRequest::request_ended() {
  request_sent_ = true;
  owner_.request_sent();
}

// The client's body broke off: the upstream must not take what it has for the whole. A stream that was reset before has
// told its owner enough: the body may have been taken from it for another try.
void OneRequest::body_failed(Error error) {
  if (error.kind == ErrorKind::cancelled || reset_) return;
  reset(error);
  owner_.request_broke(std::move(error));
}

// --- reading the answer -----------------------------------------------------------------------------------------

Task<ClientResponse> OneRequest::receive() {
  const Block& block = session_.block;
  headers_ = arena_.make<Headers>(arena_);
  head_.restart(*headers_);
  for (unsigned informational = 0;;) {
    const HeadProgress progress =
        filled_ == 0 ? HeadProgress::more : head_.parse(block.span().first(filled_), *headers_);
    if (progress == HeadProgress::failed) co_return no_response("no HTTP response");
    if (progress == HeadProgress::more) {
      if (!make_space()) co_return no_response("the response head is too large");
      const SteadyTime since = std::max(loop().now(), last_sent_);
      auto reading = stream_.read(block.span().subspan(filled_), deadline_after(since, request_.idle_max));
      auto got = co_await reading;
      if (!got && reset_ && got.error().kind != ErrorKind::cancelled) co_return std::unexpected(*reset_);
      // While the request's body still moves, nobody is idle.
      if (!got && got.error().kind == ErrorKind::timeout && last_sent_ > since) continue;
      const size_t bytes = CO_TRY(std::move(got));
      if (bytes == 0) co_return fail(ErrorKind::reset, "the upstream closed the connection", Side::upstream);
      filled_ += bytes;
      continue;
    }
    if (head_.status >= 200 || head_.status == 101) co_return answered();
    if (++informational > kInformationalMax) co_return no_response("too many informational responses");
    if (head_.status == 100) may_send_.notify(loop());
    head_bytes_ += head_.size();
    filled_ -= head_.size();
    std::memmove(block.data(), block.data() + head_.size(), filled_);
    head_.restart(*headers_);
  }
}

// For the next bytes of the head; false when it is too large.
bool OneRequest::make_space() {
  Block& block = session_.block;
  if (filled_ < block.size()) return true;
  Block larger(Block::kLarge);
  if (block.size() >= larger.size()) return false;
  std::memcpy(larger.data(), block.data(), filled_);
  block = std::move(larger);
  head_.restart(*headers_);
  return true;
}

Result<ClientResponse> OneRequest::answered() {
  if (!frame_response(head_, *headers_, request_.method == "HEAD", framing_)) return no_response("broken framing");
  const bool switches = head_.status == 101;
  if (switches && (!request_.upgrade || !becomes_websocket(*headers_)))
    return no_response("a switch of protocols that was not asked for");  // F14, F25
  if (!remove_hop_by_hop(*headers_)) return no_response("too many connection options");
  answered_ = true;
  head_bytes_ += head_.size();
  ClientResponse out{.status = head_.status, .headers = headers_};
  const std::span<char> behind = session_.block.span().first(filled_).subspan(head_.size());
  if (switches) {
    upgraded_ = true;
    out.tunnel = &stream_;
    out.early_bytes = {behind.data(), behind.size()};
  } else if (framing_.body != BodyKind::none) {
    body_.emplace(MessageBody::Source{.stream = stream_,
                                      .block = session_.block,
                                      .reserved = head_.size(),
                                      .early = behind,
                                      .side = Side::upstream,
                                      .idle_max = request_.idle_max,
                                      .arena = arena_},
                  framing_.body, framing_.length);
    out.body.reader = &*body_;
    if (framing_.body == BodyKind::length) out.body.length = framing_.length;
  }
  return out;
}

}  // namespace

std::unique_ptr<ClientSession> make_client_session(std::unique_ptr<Stream> stream) {
  return std::make_unique<Session>(std::move(stream));
}

}  // namespace sluice::h1
