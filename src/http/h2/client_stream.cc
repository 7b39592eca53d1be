#include "http/h2/client_stream.h"

#include <openssl/evp.h>
#include <algorithm>
#include <charconv>

#include "base/encoding.h"
#include "base/strings.h"
#include "http/head_limits.h"
#include "http/one_hop.h"
#include "http/status.h"

namespace sluice::h2 {
namespace {

constexpr unsigned kInformationalMax = 16;  // as with HTTP/1
constexpr Nanos kContinueWait = 1s;
constexpr HeadLimits kLimits{};

// RFC 9113 8.2.2: what has no meaning here, and what is written anew.
constexpr KnownSet kLeftOut{Known::host,
                            Known::connection,
                            Known::keep_alive,
                            Known::proxy_connection,
                            Known::te,
                            Known::transfer_encoding,
                            Known::upgrade,
                            Known::http2_settings,
                            Known::content_length};

// RFC 6455 4.2.2: what a client of HTTP/1 makes sure of, and nobody says in HTTP/2.
std::string websocket_accept(std::string_view key) {
  const std::string text = std::string(key) + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
  unsigned char digest[20];
  CHECK(EVP_Digest(text.data(), text.size(), digest, nullptr, EVP_sha1(), nullptr) == 1);
  return base64_encode({reinterpret_cast<const char*>(digest), sizeof digest});
}

std::string_view digits_of(uint64_t number, Arena& arena) {
  char text[24];
  const auto end = std::to_chars(text, text + sizeof text, number).ptr;
  return arena.copy({text, static_cast<size_t>(end - text)});
}

}  // namespace

ClientRequestStream::ClientRequestStream(Client& client, const ClientRequest& request, Owner& owner, Arena& arena,
                                         TaskGroup& background)
    : client_(&client), loop_(client.loop()), request_(request), owner_(owner), arena_(arena), background_(background) {
  client.entered(*this);
}

ClientRequestStream::~ClientRequestStream() {
  CHECK(!pulling_);
  leave();
}

// From now on nothing of it comes or goes.
void ClientRequestStream::leave() {
  if (!client_) return;
  continue_timer_.disarm();
  if (id_ < 0) {
    client_->stream_ended();
  } else if (!client_->is_over()) {
    if (on_wire_) {
      nghttp2_session_set_stream_user_data(client_->frames(), id_, nullptr);
      nghttp2_submit_rst_stream(client_->frames(), NGHTTP2_FLAG_NONE, id_, NGHTTP2_CANCEL);
    }
    if (received_.held() > 0) nghttp2_session_consume_connection(client_->frames(), received_.held());
    if (nghttp2_session_want_write(client_->frames())) client_->send_soon();
  }
  on_wire_ = false;
  client_->left(*this);
  client_ = nullptr;
}

void ClientRequestStream::reset(Error why) {
  reset_ = std::move(why);
  leave();
  if (tunnel_) tunnel_->broke(*reset_);
  news_.notify(loop_);
}

void ClientRequestStream::broke(ErrorKind kind, std::string message) {
  if (!broken_) broken_ = Error{.kind = kind, .message = std::move(message), .side = Side::upstream};
  if (tunnel_) tunnel_->broke(*broken_);
  news_.notify(loop_);
}

void ClientRequestStream::connection_ended(const Error& why) {
  const bool was_open = std::exchange(on_wire_, false);
  continue_timer_.disarm();
  if (peer_ended_) {
    if (tunnel_ && was_open) tunnel_->broke(why);  // what is still to be said has nowhere to go
    return;
  }
  // Before its head is a frame nothing has been sent, so that any request may be sent again. Behind that RFC 9113 8.7
  // has no certainty to offer but GOAWAY and REFUSED_STREAM, which close the stream before this. Where something else
  // than HTTP/2 is spoken another connection would do no better.
  const bool unsent = bytes_sent_ == 0 && why.kind != ErrorKind::invalid;
  broke(unsent ? ErrorKind::closed : why.kind, why.message);
}

void ClientRequestStream::closed(uint32_t code) {
  on_wire_ = false;
  continue_timer_.disarm();
  // RFC 9113 8.1: an upstream that has answered may want no more of the request; of a tunnel it may not, nor may it
  // have nghttp2 end that.
  if (peer_ended_ && !(tunnel_ && (peer_reset_ || code != NGHTTP2_NO_ERROR))) return;
  // RFC 9113 8.7: not even looked at, also what stands above the last stream of a GOAWAY.
  if (code == NGHTTP2_REFUSED_STREAM && bytes_received_ == 0)
    return broke(ErrorKind::closed, "the upstream refused the stream");
  if (peer_reset_)
    return broke(ErrorKind::reset, fmt::format("the upstream reset the stream: {}", nghttp2_http2_strerror(code)));
  broke(ErrorKind::invalid, "no HTTP response");
}

// --- sending ----------------------------------------------------------------------------------------------------

// RFC 8441 3: a tunnel may be asked for once the upstream has said that it takes such.
Task<void> ClientRequestStream::send() {
  asks_for_tunnel_ = request_.connects;
  if (!request_.upgrade) return send_now();
  if (client_ && client_->settings_came()) {
    asks_for_tunnel_ = client_->takes_tunnels();
    return send_now();
  }
  return send_when_settings_came();
}

Task<void> ClientRequestStream::send_when_settings_came() {
  while (client_ && !broken_ && !client_->settings_came()) {
    auto waiting = news();
    CO_TRY(co_await waiting);
  }
  asks_for_tunnel_ = client_ && !client_->is_over() && client_->takes_tunnels();
  auto sending = send_now();
  co_return co_await sending;
}

// All that is at hand goes out at the end of this turn.
Task<void> ClientRequestStream::send_now() {
  if (!client_ || !submit()) {
    broke(ErrorKind::closed, "the connection takes no more streams");
    return Status{};
  }
  if (request_.body.empty()) {
    request_ended();
  } else if (request_.expects_continue) {
    held_back_ = true;
    continue_timer_.arm(loop_, later(loop_.now(), kContinueWait), waited_for_100_);
  } else {
    pull();
  }
  if (client_) client_->send_soon();
  return Status{};
}

bool ClientRequestStream::submit() {
  if (client_->is_over()) return false;
  const auto all = fields();
  const nghttp2_data_provider body{.source = {}, .read_callback = Client::body_callback()};
  id_ = nghttp2_submit_request(client_->frames(), nullptr, all.data(), all.size(),
                               request_.body.empty() && !asks_for_tunnel_ ? nullptr : &body, this);
  on_wire_ = id_ >= 0;
  return on_wire_;
}

// RFC 9113 8.3.1. What is told of the body is told by it as it is now, whatever the fields say.
std::span<nghttp2_nv> ClientRequestStream::fields() {
  constexpr size_t kBesides = 7;
  const size_t most = request_.headers.size() + kBesides;
  auto* const begin = static_cast<nghttp2_nv*>(arena_.allocate(most * sizeof(nghttp2_nv), alignof(nghttp2_nv)));
  nghttp2_nv* at = begin;
  const auto add = [&](std::string_view name, std::string_view value) { *at++ = field(name, value); };
  add(":method", asks_for_tunnel_ ? "CONNECT" : request_.method);
  if (request_.upgrade && asks_for_tunnel_) add(":protocol", "websocket");
  if (!request_.connects) add(":scheme", client_->is_protected() ? "https" : "http");
  add(":authority", request_.authority);
  if (!request_.connects) add(":path", request_.target);
  bool had_length = false;
  for (const HeaderField& one : request_.headers) {
    had_length |= one.known == Known::content_length;
    if (!kLeftOut.has(one.known)) add(one.name, one.value);
  }
  const Body& body = request_.body;
  if (body.empty() ? had_length : body.length.has_value())
    add("content-length", digits_of(body.empty() ? 0 : *body.length, arena_));
  if (request_.accepts_trailers) add("te", "trailers");
  return {begin, at};
}

void ClientRequestStream::request_ended() {
  request_sent_ = true;
  owner_.request_sent();
}

void ClientRequestStream::body_is_wanted() {
  if (!std::exchange(held_back_, false)) return;
  continue_timer_.disarm();
  if (!client_ || client_->is_over()) return;
  if (std::exchange(wanted_, false)) client_->want_body(*this);
  client_->send_soon();
}

ssize_t ClientRequestStream::offer(size_t most, uint32_t& flags) {
  if (asks_for_tunnel_) return tunnel_ ? tunnel_->offer(most, flags) : NGHTTP2_ERR_DEFERRED;
  if (piece_.empty() && !piece_last_) {
    if (held_back_)
      wanted_ = true;
    else if (!pulling_)
      client_->want_body(*this);
    return NGHTTP2_ERR_DEFERRED;
  }
  const size_t bytes = std::min(most, piece_.size());
  if (bytes > 0) flags |= NGHTTP2_DATA_FLAG_NO_COPY;
  if (bytes == piece_.size() && piece_last_) {
    flags |= NGHTTP2_DATA_FLAG_EOF;
    say_trailers(client_->frames(), id_, request_trailers(), flags);
    if (bytes == 0) request_ended();
  }
  return static_cast<ssize_t>(bytes);
}

// Those that a client may say (F7).
const Headers* ClientRequestStream::request_trailers() {
  if (!request_.accepts_trailers) return nullptr;
  return without(request_.body.reader->trailers(), request_.kept_from_trailers, arena_);
}

void ClientRequestStream::gave(size_t bytes) {
  last_sent_ = loop_.now();
  if (tunnel_) return tunnel_->gave(bytes);
  piece_ = piece_.subspan(bytes);
  if (piece_.empty() && piece_last_) request_ended();
}

bool ClientRequestStream::pull() {
  if (pulling_ || !client_) return false;
  if (pulls_.spent(loop_)) {
    client_->want_body(*this);
    return false;
  }
  auto reading = request_.body.reader->read();
  if (!reading.ready()) {
    background_.spawn(pull_waiting(std::move(reading)));
    return false;
  }
  pulled(reading.take());
  return on_wire_;
}

Task<void> ClientRequestStream::pull_waiting(Task<Chunk> reading) {
  pulling_ = true;
  auto chunk = co_await reading;
  pulling_ = false;
  pulled(std::move(chunk));
  co_return Status{};
}

// The client's body broke off: the upstream must not take what it has for the whole. A stream that was reset before has
// told its owner enough: the body may have been taken from it for another try.
void ClientRequestStream::pulled(Result<Chunk> chunk) {
  if (!chunk) {
    if (chunk.error().kind == ErrorKind::cancelled || reset_ || broken_) return;
    const Error why = std::move(chunk).error();
    reset(why);
    owner_.request_broke(why);
    return;
  }
  if (!on_wire_) return;
  piece_ = chunk->bytes;
  piece_last_ = chunk->last;
  nghttp2_session_resume_data(client_->frames(), id_);
  client_->send_soon();
}

// --- the answer -------------------------------------------------------------------------------------------------

void ClientRequestStream::head_begins() {
  head_bytes_ = 0;
  headers_ = arena_.make<Headers>(arena_);
}

ClientRequestStream::FieldFate ClientRequestStream::field_came(std::string_view name, std::string_view value) {
  head_bytes_ += name.size() + value.size() + 4;
  if (head_bytes_ > kLimits.head_bytes_max || headers_->size() >= kLimits.fields_max) {
    broke(ErrorKind::invalid, "the response head is too large");
    return FieldFate::too_large;
  }
  if (name == ":status") {  // three digits: nghttp2 has looked
    std::from_chars(value.data(), value.data() + value.size(), status_);
    if (status_ >= 100 && status_ <= 599) return FieldFate::taken;
    broke(ErrorKind::invalid, "no HTTP response: no status is that large or small");
    return FieldFate::malformed;
  }
  const Known known = known_header(name);
  headers_->push({known == Known::other ? arena_.copy(name) : header_name(known), arena_.copy(value), known});
  return FieldFate::taken;
}

void ClientRequestStream::head_came(bool last, size_t wire_bytes) {
  bytes_received_ += wire_bytes;
  if (head_done_) {
    remove_from_trailers(*headers_);
    if (headers_->size() > 0) trailers_ = headers_;
    if (last) peer_ended();
    return;
  }
  if (status_ < 200) {
    if (status_ == 100) body_is_wanted();
    if (++informational_ > kInformationalMax) broke(ErrorKind::invalid, "too many informational responses");
    return;
  }
  remove_hop_by_hop(*headers_);
  answer_ = headers_;  // trailers may come before anybody asks for it
  head_done_ = true;
  if (const auto length = headers_->get(Known::content_length)) length_ = parse_decimal(*length);
  if (last)
    peer_ended();
  else
    news_.notify(loop_);
}

void ClientRequestStream::data_came(std::string_view bytes) {
  bytes_received_ += bytes.size();
  received_.put(bytes);
  if (tunnel_) tunnel_->came();
  news_.notify(loop_);
}

void ClientRequestStream::peer_ended() {
  peer_ended_ = true;
  if (tunnel_) tunnel_->end_came();
  news_.notify(loop_);
}

// While the request's body still moves, nobody is idle.
Task<void> ClientRequestStream::news() {
  for (SteadyTime since = std::max(loop_.now(), last_sent_);; since = last_sent_) {
    auto waiting = news_.wait(loop_, deadline_after(since, request_.idle_max));
    const Status waited = co_await waiting;
    if (waited || waited.error().kind == ErrorKind::cancelled) co_return waited;
    if (last_sent_ <= since) co_return fail(ErrorKind::timeout, "timed out", Side::upstream);
  }
}

Task<ClientResponse> ClientRequestStream::receive() {
  for (;;) {
    if (reset_) co_return std::unexpected(*reset_);
    if (head_done_) co_return asks_for_tunnel_&& status_ < 300 ? became_tunnel() : answered();
    if (broken_) co_return std::unexpected(*broken_);
    auto waiting = news();
    CO_TRY(co_await waiting);
  }
}

ClientResponse ClientRequestStream::answered() {
  answered_ = true;
  ClientResponse out{.status = status_, .headers = answer_};
  const bool no_body = request_.method == "HEAD" || never_has_body(status_);
  if (no_body || (peer_ended_ && received_.empty() && !trailers_)) {
    all_read_ = true;
  } else {
    out.body.reader = &body_;
    out.body.length = length_;
  }
  return out;
}

// RFC 8441 5: to whoever relays a WebSocket, what HTTP/1 would have said.
ClientResponse ClientRequestStream::became_tunnel() {
  answered_ = true;
  tunnel_.emplace(Side::upstream, loop_, static_cast<Tunnel::Carrier&>(*this), received_);
  if (peer_ended_) tunnel_->end_came();
  if (broken_) tunnel_->broke(*broken_);
  answer_->remove(Known::content_length);
  if (request_.connects) return {.status = status_, .headers = answer_, .tunnel = &*tunnel_};
  if (const auto key = request_.headers.get("sec-websocket-key"); key && !answer_->get("sec-websocket-accept"))
    answer_->add("sec-websocket-accept", arena_.copy(websocket_accept(*key)));
  return {.status = 101, .headers = answer_, .tunnel = &*tunnel_};
}

void ClientRequestStream::tunnel_writes() {
  if (!on_wire_) return;
  nghttp2_session_resume_data(client_->frames(), id_);
  client_->send_soon();
}

void ClientRequestStream::tunnel_aborts() {
  reset({.kind = ErrorKind::reset, .message = "the tunnel was given up", .side = Side::upstream});
}

SocketAddress ClientRequestStream::tunnel_address() const {
  return client_ ? client_->local_address() : SocketAddress{};
}

Task<Chunk> ClientRequestStream::read() {
  if (auto now = at_hand()) return std::move(*now);
  return read_waiting();
}

Task<Chunk> ClientRequestStream::read_waiting() {
  for (;;) {
    auto waiting = news();
    CO_TRY(co_await waiting);
    if (auto now = at_hand()) co_return std::move(*now);
  }
}

std::optional<Result<Chunk>> ClientRequestStream::at_hand() {
  if (reset_) return std::unexpected(*reset_);
  credit(received_.give_back());
  const auto bytes = received_.take();
  const bool last = peer_ended_ && received_.empty();
  if (bytes.empty() && !last) {
    if (broken_) return std::unexpected(*broken_);
    return std::nullopt;
  }
  all_read_ = last;
  return Chunk{bytes, last};
}

// The upstream may send as much again.
void ClientRequestStream::credit(size_t bytes) {
  if (bytes == 0 || !client_ || client_->is_over()) return;
  nghttp2_session_consume(client_->frames(), id_, bytes);  // where it is closed, of the connection alone
  if (nghttp2_session_want_write(client_->frames())) client_->send_soon();
}

}  // namespace sluice::h2
