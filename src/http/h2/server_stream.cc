#include "http/h2/server_stream.h"

#include <algorithm>
#include <array>

#include "base/encoding.h"
#include "base/strings.h"
#include "http/message_rules.h"
#include "http/one_hop.h"
#include "http/status.h"
#include "http/target.h"

namespace sluice::h2 {
namespace {

// RFC 9113 8.2.2: what HTTP/2 says otherwise, or not at all.
constexpr KnownSet kOfHttp1{Known::connection, Known::keep_alive, Known::proxy_connection, Known::transfer_encoding,
                            Known::upgrade};

std::unexpected<Error> stream_reset() {
  return fail(ErrorKind::reset, "the client has reset the stream", Side::downstream);
}

// As HTTP/1 hosts want one, which HTTP/2 has no use for (RFC 8441 5).
std::string_view make_websocket_key(Random& random, Arena& arena) {
  std::array<uint64_t, 2> bits{random.next(), random.next()};
  return arena.copy(base64_encode({reinterpret_cast<const char*>(bits.data()), sizeof bits}));
}

}  // namespace

ServerStreamOne::ServerStreamOne(ServerConnection& connection, Incoming& incoming, const ServerLimits& limits,
                                 Arena& arena)
    : connection_(connection),
      incoming_(&incoming),
      limits_(limits),
      arena_(arena),
      request_{.refused = incoming.refused,
               .method = {},
               .target = {},
               .protocol = "HTTP/2",
               .headers = Headers(arena),
               .body = {}},
      body_(*this) {
  incoming.taker = this;
  read_head();
  if (request_.refused == HeadFailure::none) check();
}

ServerStreamOne::~ServerStreamOne() {
  if (!ended_)
    reset();  // the response is not whole, and never will be
  else if (!incoming_->ended)
    connection_.end_soon(*incoming_);
  tunnel_.reset();
  connection_.let_go(*incoming_);
}

// --- the request ------------------------------------------------------------------------------------------------

// RFC 9113 8.3.1. That none is missing or there twice, nghttp2 has seen to.
void ServerStreamOne::read_pseudo(std::string_view name, std::string_view value) {
  if (name == ":method") {
    request_.method = value;
  } else if (name == ":path") {
    request_.target = value;
  } else if (name == ":authority") {
    authority_ = value;
    has_authority_ = true;
  } else if (name == ":scheme") {
    request_.scheme = value;
  } else if (name == ":protocol") {
    upgrade_protocol_ = value;
  }
}

void ServerStreamOne::read_head() {
  const char* at = arena_.copy(incoming_->text).data();
  for (size_t i = 0; i < incoming_->head_fields; ++i) {
    const Incoming::Field& field = incoming_->fields[i];
    const std::string_view name(at, field.name_bytes), value(at + field.name_bytes, field.value_bytes);
    at += name.size() + value.size();
    if (name.starts_with(':'))
      read_pseudo(name, value);
    else
      request_.headers.add(name, value);
  }
  bodiless_method_ = request_.method == "HEAD";
  if (request_.headers.size() > limits_.head.fields_max) refuse(HeadFailure::too_large);
}

void ServerStreamOne::check() {
  Headers& headers = request_.headers;
  const bool connects = request_.method == "CONNECT";
  if (has_authority_) {
    // RFC 9113 8.3.1: they must not contradict one another.
    const auto host = headers.get(Known::host);
    if (host && (headers.count(Known::host) > 1 || !equals_ignoring_case(*host, authority_)))
      return refuse(HeadFailure::malformed);
    headers.set(Known::host, authority_);
  }
  const auto host = headers.get(Known::host);
  if (!host) return refuse(HeadFailure::no_host);
  if (headers.count(Known::host) > 1 || !valid_host(*host)) return refuse(HeadFailure::malformed);
  if (!upgrade_protocol_.empty()) {
    // RFC 8441 4: to whom it matters it is the handshake that HTTP/1 has.
    if (upgrade_protocol_ != "websocket") return refuse(HeadFailure::malformed);
    request_.method = "GET";
    request_.asks_for_websocket = true;
    if (!headers.get("sec-websocket-key"))
      headers.add("sec-websocket-key", make_websocket_key(connection_.loop().random, arena_));
  } else if (connects) {
    request_.target = authority_;
  }
  if (!connects || request_.asks_for_websocket) {
    if (!request_.target.starts_with('/') && request_.target != "*") return refuse(HeadFailure::malformed);
    if (!has_target_bytes(request_.target)) return refuse(HeadFailure::malformed);  // nghttp2 takes bytes above ASCII
    if (!equals_ignoring_case(request_.scheme, "http") && !equals_ignoring_case(request_.scheme, "https"))
      return refuse(HeadFailure::malformed);
  }
  if (request_.method.size() + request_.target.size() > limits_.head.line_bytes_max)
    return refuse(HeadFailure::line_too_long);
  if (headers.has(Known::expect)) {
    if (!expects_only_continue(headers)) return refuse(HeadFailure::unknown_expectation);
    request_.expects_continue = incoming_->has_body && !request_.asks_for_websocket;
  }
  request_.accepts_trailers = takes_trailers(headers);
  remove_hop_by_hop(headers);  // of Connection there is none
  join_cookies();
  if (!incoming_->has_body || request_.asks_for_websocket) return;
  request_.body.reader = &body_;
  if (const auto length = headers.get(Known::content_length)) request_.body.length = parse_content_length(*length);
  continue_waits_ = request_.expects_continue;
}

// RFC 9113 8.2.3: crumbs are one field to whoever does not speak HTTP/2.
void ServerStreamOne::join_cookies() {
  Headers& headers = request_.headers;
  if (!headers.has(Known::cookie) || headers.count(Known::cookie) < 2) return;
  std::string all;
  for (const HeaderField& field : headers) {
    if (field.known != Known::cookie) continue;
    if (!all.empty()) all += "; ";
    all += field.value;
  }
  headers.set(Known::cookie, arena_.copy(all));
}

const Headers* ServerStreamOne::trailers() {
  if (trailers_ || incoming_->fields.size() == incoming_->head_fields) return trailers_;
  size_t skipped = 0;
  for (size_t i = 0; i < incoming_->head_fields; ++i)
    skipped += incoming_->fields[i].name_bytes + incoming_->fields[i].value_bytes;
  const char* at = arena_.copy(std::string_view(incoming_->text).substr(skipped)).data();
  trailers_ = arena_.make<Headers>(arena_);
  for (size_t i = incoming_->head_fields; i < incoming_->fields.size(); ++i) {
    const Incoming::Field& field = incoming_->fields[i];
    trailers_->add({at, field.name_bytes}, {at + field.name_bytes, field.value_bytes});
    at += field.name_bytes + field.value_bytes;
  }
  remove_from_trailers(*trailers_);
  return trailers_;
}

// Before anything of the response.
void ServerStreamOne::say_continue() {
  if (!std::exchange(continue_waits_, false) || begun_ || !incoming_->received.empty() || incoming_->ended) return;
  const nghttp2_nv status = field(":status", "100");
  continue_goes_ =
      nghttp2_submit_headers(connection_.native(), NGHTTP2_FLAG_NONE, incoming_->id, nullptr, &status, 1, nullptr) == 0;
  connection_.say();
}

Task<Chunk> RequestBody::read() {
  if (auto chunk = at_hand()) return std::move(*chunk);
  return read_waiting();
}

std::optional<Result<Chunk>> RequestBody::at_hand() {
  Incoming& incoming = *stream_.incoming_;
  if (const size_t read = incoming.received.give_back(); read > 0) stream_.connection_.consumed(incoming, read);
  if (const auto bytes = incoming.received.take(); !bytes.empty()) {
    bytes_read_ += bytes.size();
    return Chunk{bytes, incoming.ended && incoming.received.empty()};
  }
  if (incoming.ended) return Chunk{{}, true};
  if (stream_.gone()) return stream_reset();
  return std::nullopt;
}

Task<Chunk> RequestBody::read_waiting() {
  const ServerLimits& limits = stream_.limits_;
  stream_.say_continue();
  Loop& loop = stream_.connection_.loop();
  const SteadyTime latest =
      limits.request_timeout.count() > 0 ? later(stream_.incoming_->began, limits.request_timeout) : SteadyTime::max();
  for (;;) {
    auto waiting = came_.wait(loop, std::min(latest, deadline_after(loop.now(), limits.idle_max)));
    const Status waited = co_await waiting;
    if (auto chunk = at_hand()) co_return std::move(*chunk);
    if (!waited && waited.error().kind == ErrorKind::timeout)
      co_return fail(ErrorKind::timeout, "timed out", Side::downstream);
    CO_TRY(waited);
  }
}

void RequestBody::input_came() {
  came_.notify(stream_.connection_.loop());
}

const Headers* RequestBody::trailers() const {
  return stream_.trailers();
}

void ServerStreamOne::input_came() {
  if (!tunnel_) return body_.input_came();
  if (!incoming_->received.empty()) tunnel_->came();
  if (incoming_->ended) tunnel_->end_came();
}

// --- the client leaves ------------------------------------------------------------------------------------------

void ServerStreamOne::watch(Owner* owner) {
  owner_ = owner;
  if (incoming_->closed && !ended_ && owner_) std::exchange(owner_, nullptr)->client_gone();
}

void ServerStreamOne::stream_closed() {
  body_.input_came();
  moved_.notify(connection_.loop());
  if (tunnel_ && !(incoming_->ended && ended_)) tunnel_->broke(stream_reset().error());
  if (!ended_ && owner_) std::exchange(owner_, nullptr)->client_gone();  // perhaps the end of this
}

// --- the response -----------------------------------------------------------------------------------------------

bool ServerStreamOne::bodiless(uint16_t status) const {
  return never_has_body(status) || bodiless_method_;
}

Task<void> ServerStreamOne::begin(const ServerResponse& response, Chunk first) {
  if (gone()) return stream_reset();
  begun_ = true;
  if (response.drain) connection_.drain();
  const bool tunnel = response.status == 101;
  const bool with_body = tunnel || (!bodiless(response.status) && !response.body.empty());
  answer_ = response.body;
  kept_from_trailers_ = response.kept_from_trailers;
  chunk_ = with_body && !tunnel ? first : Chunk{};
  answer(response, with_body);
  connection_.say();
  return pushed();
}

Task<void> ServerStreamOne::send(Chunk chunk) {
  if (gone()) return stream_reset();
  chunk_ = chunk;
  resume();
  return pushed();
}

void ServerStreamOne::resume() {
  if (std::exchange(deferred_, false)) nghttp2_session_resume_data(connection_.native(), incoming_->id);
  connection_.say();
}

Task<void> ServerStreamOne::pushed() {
  if (taken()) return Status{};
  return wait_until_taken();
}

Task<void> ServerStreamOne::wait_until_taken() {
  while (!taken()) {
    if (gone()) co_return stream_reset();
    auto waiting = moved_.wait(connection_.loop(), deadline_after(connection_.loop().now(), limits_.idle_max));
    const Status waited = co_await waiting;
    if (!waited && waited.error().kind == ErrorKind::timeout) {
      connection_.metrics().flush_timeouts->add();
      co_return fail(ErrorKind::timeout, "timed out", Side::downstream);
    }
    CO_TRY(waited);
  }
  co_return Status{};
}

// RFC 8441 4: 2xx is the tunnel, and nothing else may pass for one: a host that answered as if nobody had asked for
// one.
uint16_t ServerStreamOne::status_of(const ServerResponse& response) const {
  if (response.status == 101) return 200;
  return request_.asks_for_websocket && response.status < 300 ? 502 : response.status;
}

// The head. Its fields are not copied: they lie in the arena, and begin() waits until they have become a frame.
void ServerStreamOne::answer(const ServerResponse& response, bool with_body) {
  const Headers& headers = response.headers;
  const bool tunnel = response.status == 101;
  auto* const fields = static_cast<nghttp2_nv*>(arena_.allocate((headers.size() + 2) * sizeof(nghttp2_nv)));
  size_t count = 0;
  const auto add = [&](std::string_view name, std::string_view value) { fields[count++] = lasting_field(name, value); };
  const auto number = [&](uint64_t value) { return arena_.copy(fmt::format_int(value).c_str()); };
  add(":status", number(status_of(response)));
  const bool no_body = bodiless(response.status);
  bool length_done = tunnel;
  const Body& body = response.body;
  for (const HeaderField& field : headers) {
    if (kOfHttp1.has(field.known)) continue;
    if (tunnel && field.name == "sec-websocket-accept") continue;
    if (field.known == Known::content_length) {
      // RFC 9110 8.6: never with 1xx and 204; otherwise once, with the length that the body has now.
      if (length_done || response.status == 204) continue;
      if (!no_body || !body.empty()) {
        if (!body.empty() && !body.length) continue;
        add(field.name, number(body.empty() ? 0 : *body.length));
      } else {
        add(field.name, field.value);
      }
      length_done = true;
      continue;
    }
    add(field.name, field.value);
  }
  if (!length_done && response.status != 204 && !body.empty() && body.length)
    add("content-length", number(*body.length));
  nghttp2_data_provider provider{.source = {.ptr = this},
                                 .read_callback = [](nghttp2_session*, int32_t, uint8_t*, size_t most, uint32_t* flags,
                                                     nghttp2_data_source* source, void*) -> ssize_t {
                                   return static_cast<ServerStreamOne*>(source->ptr)->next_data(most, *flags);
                                 }};
  head_is_all_ = !with_body;
  if (nghttp2_submit_response(connection_.native(), incoming_->id, fields, count, with_body ? &provider : nullptr) != 0)
    reset();
}

void ServerStreamOne::head_sent() {
  if (std::exchange(continue_goes_, false)) return;
  if (head_sent_) trailers_waiting_ = false;
  head_sent_ = true;
  if (head_is_all_) ended_ = incoming_->answered = true;
  moved_.notify(connection_.loop());
}

ssize_t ServerStreamOne::next_data(size_t most, uint32_t& flags) {
  ssize_t bytes = NGHTTP2_ERR_DEFERRED;
  if (tunnel_) {
    bytes = tunnel_->offer(most, flags);
  } else if (!chunk_.bytes.empty() || chunk_.last) {
    bytes = static_cast<ssize_t>(std::min(most, chunk_.bytes.size()));
    if (bytes > 0) flags |= NGHTTP2_DATA_FLAG_NO_COPY;
    if (chunk_.last && static_cast<size_t>(bytes) == chunk_.bytes.size()) {
      flags |= NGHTTP2_DATA_FLAG_EOF;
      trailers_waiting_ = say_trailers(connection_.native(), incoming_->id, answer_trailers(), flags);
    }
  }
  deferred_ = bytes == NGHTTP2_ERR_DEFERRED;
  if ((flags & NGHTTP2_DATA_FLAG_EOF) != 0) {
    ended_ = incoming_->answered = true;
    moved_.notify(connection_.loop());
  }
  return bytes;
}

void ServerStreamOne::gave(size_t bytes) {
  if (tunnel_) return tunnel_->gave(bytes);
  chunk_.bytes = chunk_.bytes.subspan(bytes);
  moved_.notify(connection_.loop());
}

const Headers* ServerStreamOne::answer_trailers() const {
  if (!request_.accepts_trailers || answer_.empty()) return nullptr;
  const Headers* trailers = answer_.reader->trailers();
  return trailers ? without(trailers, kept_from_trailers_, arena_) : nullptr;
}

// Whoever has only a part of the response must not take it for the whole.
void ServerStreamOne::reset() {
  if (std::exchange(reset_, true)) return;
  connection_.reset(*incoming_, NGHTTP2_INTERNAL_ERROR);
  moved_.notify(connection_.loop());
  body_.input_came();
  if (tunnel_) tunnel_->broke(stream_reset().error());
}

SocketAddress ServerStreamOne::local_address() const {
  return connection_.stream().local_address();
}

Stream& ServerStreamOne::become_tunnel(std::string_view& early) {
  watch(nullptr);
  early = {};
  tunnel_.emplace(Side::downstream, connection_.loop(), static_cast<Tunnel::Carrier&>(*this), incoming_->received);
  if (incoming_->ended) tunnel_->end_came();
  if (gone()) tunnel_->broke(stream_reset().error());
  return *tunnel_;
}

}  // namespace sluice::h2
