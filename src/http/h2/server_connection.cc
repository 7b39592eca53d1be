#include "http/h2/server_connection.h"

#include <algorithm>
#include <array>

#include "http/h2/server_stream.h"
#include "http/linger.h"

namespace sluice::h2 {
namespace {

constexpr unsigned kReadsATurn = 4;
constexpr size_t kAcksMax = 1000;    // answers to control frames that wait for the client (Envoy's bound)
constexpr size_t kSettingsMax = 32;  // in one frame
constexpr size_t kSentHeadMax = 1U << 20;
constexpr size_t kHeadsBytesMin = 1U << 20;  // all heads of a connection together may have this, or
constexpr size_t kHeadsMin = 4;              // so many of the largest
constexpr std::array<uint8_t, 8> kDrainPing{'d', 'r', 'a', 'i', 'n', 'i', 'n', 'g'};

// More than that of a head is not read to answer it, but an attack.
size_t decoded_bytes_max(const HeadLimits& limits) {
  return 4 * limits.head_bytes_max + (64U << 10);
}
size_t heads_bytes_max(const HeadLimits& limits) {
  return std::max(kHeadsBytesMin, kHeadsMin * limits.head_bytes_max);
}

}  // namespace

// nghttp2's callbacks.
struct Calls {
  static ServerConnection& of(void* user) { return *static_cast<ServerConnection*>(user); }

  static int head_begins(nghttp2_session*, const nghttp2_frame* frame, void* user) {
    return of(user).head_begins(*frame);
  }
  static int field_came(nghttp2_session*, const nghttp2_frame*, nghttp2_rcbuf* name, nghttp2_rcbuf* value, uint8_t,
                        void* user) {
    return of(user).field_came(text_of(name), text_of(value));
  }
  static int invalid_field(nghttp2_session*, const nghttp2_frame* frame, nghttp2_rcbuf*, nghttp2_rcbuf*, uint8_t,
                           void* user) {
    return of(user).invalid_field(*frame);
  }
  static int frame_came(nghttp2_session*, const nghttp2_frame* frame, void* user) {
    return of(user).frame_came(*frame);
  }
  static int invalid_frame(nghttp2_session*, const nghttp2_frame* frame, int error, void* user) {
    if (error == NGHTTP2_ERR_REFUSED_STREAM) return of(user).stream_is_refused();
    if (error != NGHTTP2_ERR_HTTP_HEADER && error != NGHTTP2_ERR_HTTP_MESSAGING) return 0;
    return of(user).message_is_invalid(frame->hd.stream_id);
  }
  static int data_came(nghttp2_session*, uint8_t, int32_t id, const uint8_t* bytes, size_t size, void* user) {
    return of(user).data_came(id, {reinterpret_cast<const char*>(bytes), size});
  }
  static int stream_closed(nghttp2_session*, int32_t id, uint32_t code, void* user) {
    of(user).stream_closed(id, code);
    return 0;
  }
  static int frame_sent(nghttp2_session*, const nghttp2_frame* frame, void* user) {
    of(user).frame_sent(*frame);
    return 0;
  }
  static int frame_not_sent(nghttp2_session*, const nghttp2_frame* frame, int error, void* user) {
    of(user).frame_not_sent(*frame, error);
    return 0;
  }
  static ssize_t frame_bytes_max(nghttp2_session*, uint8_t, int32_t, int32_t, int32_t, uint32_t remote_max,
                                 void* user) {
    return of(user).output_.payload_max(remote_max);
  }
  static int data_sent(nghttp2_session*, nghttp2_frame*, const uint8_t* head, size_t bytes, nghttp2_data_source* source,
                       void* user) {
    auto& from = *static_cast<ServerStreamOne*>(source->ptr);
    const int put = of(user).output_.put_data(head, from.waiting().substr(0, bytes));
    from.gave(bytes);
    return put;
  }

  static nghttp2_session_callbacks* make() {
    nghttp2_session_callbacks* out = nullptr;
    CHECK(nghttp2_session_callbacks_new(&out) == 0);
    nghttp2_session_callbacks_set_on_begin_headers_callback(out, head_begins);
    nghttp2_session_callbacks_set_on_header_callback2(out, field_came);
    nghttp2_session_callbacks_set_on_invalid_header_callback2(out, invalid_field);
    nghttp2_session_callbacks_set_on_frame_recv_callback(out, frame_came);
    nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(out, invalid_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(out, data_came);
    nghttp2_session_callbacks_set_on_stream_close_callback(out, stream_closed);
    nghttp2_session_callbacks_set_on_frame_send_callback(out, frame_sent);
    nghttp2_session_callbacks_set_on_frame_not_send_callback(out, frame_not_sent);
    nghttp2_session_callbacks_set_data_source_read_length_callback(out, frame_bytes_max);
    nghttp2_session_callbacks_set_send_data_callback(out, data_sent);
    return out;
  }
};

namespace {

SessionPtr make_native(const HeadLimits& limits, FrameMemory& memory, void* user) {
  static const CallbacksPtr callbacks(Calls::make());
  nghttp2_option* made = nullptr;
  CHECK(nghttp2_option_new(&made) == 0);
  const OptionPtr option(made);
  nghttp2_option_set_no_auto_window_update(made, 1);
  nghttp2_option_set_no_closed_streams(made, 1);
  nghttp2_option_set_max_outbound_ack(made, kAcksMax);
  nghttp2_option_set_max_settings(made, kSettingsMax);
  // Enough for the largest head in whole frames, and for some who cut finer; over it comes TOO_MANY_CONTINUATIONS.
  nghttp2_option_set_max_continuations(made, limits.head_bytes_max / kFrameMax + 8);
  // Of a response's head, as an upper bound; hosts are held to less, and what routes add is the operator's.
  nghttp2_option_set_max_send_header_block_length(made, kSentHeadMax);
  // floods.h has a bound of our own, with a counter.
  nghttp2_option_set_stream_reset_rate_limit(made, UINT32_MAX, UINT32_MAX);
  nghttp2_session* session = nullptr;
  CHECK(nghttp2_session_server_new3(&session, callbacks.get(), user, made, memory.hooks()) == 0);
  return SessionPtr(session);
}

}  // namespace

ServerConnection::ServerConnection(std::unique_ptr<Stream> stream, std::string_view early, const ServerLimits& limits,
                                   const ServerOptions& options, std::shared_ptr<const Http2Metrics> metrics)
    : stream_(std::move(stream)),
      metrics_(std::move(metrics)),
      limits_(limits),
      streams_max_(options.streams_max),
      invalid_message_ends_connection_(options.invalid_message_ends_connection),
      drain_max_(options.drain_max),
      native_(make_native(limits.head, memory_, this)),
      output_(*stream_, this, &ServerConnection::on_written),
      awaited_since_(loop().now()) {
  settings(options);
  flush_later();
  feed(early);
  read();
}

ServerConnection::~ServerConnection() {
  stream_->when_readable(nullptr);
  if (!broken_) {
    // RFC 9113 6.8: a client that hears GOAWAY knows that nothing of what it sends now is looked at.
    nghttp2_session_terminate_session(native_.get(), NGHTTP2_NO_ERROR);
    make_frames();
    output_.write_what_goes();
  }
  broken_ = true;
  output_.give_up();
  while (!streams_.empty()) {
    Incoming& incoming = streams_.front();
    CHECK(!incoming.taker && !incoming.closed);
    forget(incoming);
  }
}

void ServerConnection::settings(const ServerOptions& options) {
  const std::array<nghttp2_settings_entry, 4> entries{{
      {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, options.streams_max},
      {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, options.stream_window},
      {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, static_cast<uint32_t>(limits_.head.head_bytes_max)},
      {NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL, 1},
  }};
  CHECK(nghttp2_submit_settings(native_.get(), NGHTTP2_FLAG_NONE, entries.data(), entries.size()) == 0);
  CHECK(nghttp2_session_set_local_window_size(native_.get(), NGHTTP2_FLAG_NONE, 0,
                                              static_cast<int32_t>(options.connection_window)) == 0);
}

// --- reading ----------------------------------------------------------------------------------------------------

void ServerConnection::read() {
  if (over_) return;
  if (stream_->has_buffered()) {
    const Block block(Block::kSmall);
    for (unsigned left = kReadsATurn; stream_->has_buffered(); --left) {
      if (left == 0) return read_later_.in_the_next_turn();
      auto got = stream_->try_read(block.span());
      if (!got) break;
      if (!*got || **got == 0) return lose();  // nobody half-closes HTTP/2: a client that has ended has left
      feed({block.data(), **got});
      if (over_) return;
    }
  }
  stream_->when_readable(&readable_);
}

// Frames that only a stream may have that was opened before; those behind its opening in the same bytes, too.
bool ServerConnection::is_to_be_judged(const FrameScan::Head& head) {
  if (head.type != NGHTTP2_HEADERS && head.type != NGHTTP2_DATA) return false;
  if (head.stream > seen_id_) {
    seen_id_ = head.stream;
    return false;
  }
  return head.stream > last_id_ || is_closed(head);
}

// RFC 9113 5.1: on a stream that is closed nothing comes any more; for as much as this end has not closed it itself, as
// what was on its way then is no fault of the client's.
bool ServerConnection::is_closed(const FrameScan::Head& head) const {
  return head.stream > last_reset_id_ && head.stream <= last_id_ &&
         !nghttp2_session_find_stream(native_.get(), head.stream);
}

// Where nothing more is looked at, that the client leaves is still to be seen.
void ServerConnection::feed(std::string_view bytes) {
  inside_ = true;
  ssize_t used = 0;
  while (!bytes.empty() && !deaf_) {
    bool judge = false;
    const size_t part = scan_.part(bytes, [&](const FrameScan::Head& head) { return judge = is_to_be_judged(head); });
    used = nghttp2_session_mem_recv(native_.get(), reinterpret_cast<const uint8_t*>(bytes.data()), part);
    if (used >= 0 && judge && is_closed(scan_.now())) used = NGHTTP2_ERR_STREAM_CLOSED;
    if (used < 0) failed(static_cast<int>(used));
    bytes.remove_prefix(part);
  }
  inside_ = false;
  if (used < 0) close_all();
  tell_closed();
  if (heading_ && !heading_->in_trailers && limits_.no_memory && limits_.no_memory->load(std::memory_order_relaxed))
    give_up_head(HeadFailure::no_memory);
  watch_the_clock();
  if (has_input()) tell();
  flush_later();
}

// nghttp2 takes nothing more.
void ServerConnection::failed(int error) {
  switch (error) {
    case NGHTTP2_ERR_CALLBACK_FAILURE: return;  // condemned
    case NGHTTP2_ERR_STREAM_CLOSED: condemn(NGHTTP2_STREAM_CLOSED, nullptr); return;
    case NGHTTP2_ERR_FLOODED: condemn(NGHTTP2_ENHANCE_YOUR_CALM, metrics_->outbound_control_flood); return;
    case NGHTTP2_ERR_TOO_MANY_CONTINUATIONS: condemn(NGHTTP2_ENHANCE_YOUR_CALM, metrics_->continuation_flood); return;
    case NGHTTP2_ERR_NOMEM: condemn(NGHTTP2_INTERNAL_ERROR, nullptr); return;
    default: condemn(NGHTTP2_PROTOCOL_ERROR, nullptr);
  }
}

// Looks at nothing more, and tells the client why. From within nghttp2, too, by what this returns.
int ServerConnection::condemn(uint32_t code, Counter* why) {
  if (why) why->add();
  deaf_ = true;
  nghttp2_session_terminate_session(native_.get(), code);
  return NGHTTP2_ERR_CALLBACK_FAILURE;
}

int ServerConnection::admit(Cheap kind, Counter* flood) {
  return floods_.admits(kind, loop().now()) ? 0 : condemn(NGHTTP2_ENHANCE_YOUR_CALM, flood);
}

// --- the clock of heads -----------------------------------------------------------------------------------------

// A head must be whole in time, and so must the client's first SETTINGS. One timer for all of them, which is not set
// anew with each: as it rings it is asked whose time it is.
void ServerConnection::watch_the_clock() {
  if (awaits_rest() && !head_timer_.armed()) head_timer_.arm(loop(), rest_due(), late_);
}

bool ServerConnection::awaits_rest() const {
  return !deaf_ && (!settings_came_ || heading_) && limits_.head_timeout.count() > 0;
}

void ServerConnection::head_is_late() {
  if (!awaits_rest()) return;
  if (loop().now() < rest_due()) return head_timer_.arm(loop(), rest_due(), late_);
  if (settings_came_ && !heading_->in_trailers) return give_up_head(HeadFailure::timeout);
  condemn(settings_came_ ? NGHTTP2_ENHANCE_YOUR_CALM : NGHTTP2_SETTINGS_TIMEOUT, nullptr);
  close_all();
  flush_later();
}

// What comes behind half a head cannot be told apart from it: the request is answered, and nothing more is read.
void ServerConnection::give_up_head(HeadFailure why) {
  Incoming& incoming = *std::exchange(heading_, nullptr);
  deaf_ = true;
  incoming.refused = why;
  head_came(incoming, true);
  incoming.ended = false;  // the client is to be told that no more is wanted
  nghttp2_submit_goaway(native_.get(), NGHTTP2_FLAG_NONE, nghttp2_session_get_last_proc_stream_id(native_.get()),
                        NGHTTP2_NO_ERROR, nullptr, 0);
  tell();
  flush_later();
}

// --- what nghttp2 tells -----------------------------------------------------------------------------------------

int ServerConnection::head_begins(const nghttp2_frame& frame) {
  const int32_t id = frame.hd.stream_id;
  last_id_ = std::max(last_id_, id);
  awaited_since_ = loop().now();
  if (frame.headers.cat == NGHTTP2_HCAT_HEADERS) {
    heading_ = find(id);
    if (heading_) {
      heading_->in_trailers = true;
      heading_->decoded_bytes = 0;
    }
    return 0;
  }
  heading_ = nullptr;
  // Requests that the client has reset may still be on their way out; whoever relies on that gets no more.
  if (streams_.size() >= 2 * streams_max_) {
    nghttp2_submit_rst_stream(native_.get(), NGHTTP2_FLAG_NONE, id, NGHTTP2_REFUSED_STREAM);
    const int admitted = stream_is_refused();
    return admitted != 0 ? admitted : NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
  }
  auto* incoming = new Incoming(id);
  incoming->began = awaited_since_;
  streams_.push_front(*incoming);
  nghttp2_session_set_stream_user_data(native_.get(), id, incoming);
  metrics_->streams_active->add();
  heading_ = incoming;
  return 0;
}

int ServerConnection::field_came(std::string_view name, std::string_view value) {
  if (!heading_) return 0;
  Incoming& incoming = *heading_;
  const size_t bytes = name.size() + value.size() + 4;
  incoming.decoded_bytes += bytes;
  const HeadLimits& limits = limits_.head;
  if (incoming.decoded_bytes > decoded_bytes_max(limits))
    return condemn(NGHTTP2_ENHANCE_YOUR_CALM, metrics_->header_overflow);
  if (incoming.refused != HeadFailure::none) return 0;
  const bool is_path = name == ":path";
  if (is_path && value.size() > limits.line_bytes_max) {
    incoming.refused = HeadFailure::line_too_long;
    return 0;
  }
  const size_t fields_max = incoming.in_trailers ? incoming.head_fields + limits.fields_max : limits.fields_max + 8;
  if (incoming.decoded_bytes > limits.head_bytes_max || (!is_path && bytes > limits.field_bytes_max) ||
      incoming.fields.size() >= fields_max || head_bytes_ + bytes > heads_bytes_max(limits)) {
    if (incoming.in_trailers) return trailers_are_too_large();
    incoming.refused = HeadFailure::too_large;
    return 0;
  }
  head_bytes_ += bytes;
  incoming.fields.push_back({static_cast<uint32_t>(name.size()), static_cast<uint32_t>(value.size())});
  incoming.text.append(name).append(value);
  return 0;
}

// No status can say so any more, and with a part of them the request would pass for whole.
int ServerConnection::trailers_are_too_large() {
  metrics_->header_overflow->add();
  Incoming& incoming = *std::exchange(heading_, nullptr);
  incoming.settled = true;
  nghttp2_submit_rst_stream(native_.get(), NGHTTP2_FLAG_NONE, incoming.id, NGHTTP2_ENHANCE_YOUR_CALM);
  const int admitted = admit(Cheap::reset, metrics_->reset_flood);
  return admitted != 0 ? admitted : NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}

// RFC 9113 8.2.1: what must not stand in a name or a value makes the message malformed; nghttp2 tells so behind this.
int ServerConnection::invalid_field(const nghttp2_frame& frame) {
  nghttp2_submit_rst_stream(native_.get(), NGHTTP2_FLAG_NONE, frame.hd.stream_id, NGHTTP2_PROTOCOL_ERROR);
  return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}

int ServerConnection::stream_is_refused() {
  metrics_->streams_refused->add();
  return admit(Cheap::reset, metrics_->reset_flood);
}

int ServerConnection::message_is_invalid(int32_t id) {
  metrics_->messaging_errors->add();
  heading_ = nullptr;
  if (Incoming* incoming = find(id)) incoming->settled = true;
  if (invalid_message_ends_connection_) return condemn(NGHTTP2_PROTOCOL_ERROR, nullptr);
  return admit(Cheap::reset, metrics_->reset_flood);
}

int ServerConnection::frame_came(const nghttp2_frame& frame) {
  const bool last = (frame.hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
  const bool ack = (frame.hd.flags & NGHTTP2_FLAG_ACK) != 0;
  switch (frame.hd.type) {
    case NGHTTP2_HEADERS: {
      Incoming* incoming = std::exchange(heading_, nullptr);
      if (!incoming) return 0;
      if (!incoming->in_trailers) {
        floods_.worked();
        head_came(*incoming, last);
        return 0;
      }
      metrics_->trailers->add();
      incoming->ended = true;
      if (incoming->taker) incoming->taker->input_came();
      return 0;
    }
    case NGHTTP2_DATA: {
      if (frame.hd.length == frame.data.padlen && !last) return admit(Cheap::empty_data, metrics_->empty_frames_flood);
      floods_.worked();
      if (!last) return 0;
      if (Incoming* incoming = find(frame.hd.stream_id)) {
        incoming->ended = true;
        if (incoming->taker) incoming->taker->input_came();
      } else if (frame.hd.length > 0) {
        // The window is given back now, not some time: a client whose stream was answered whole before its body went
        // may look at it only when it hears something (curl 7.88 waits for ever).
        nghttp2_submit_window_update(native_.get(), NGHTTP2_FLAG_NONE, 0, static_cast<int32_t>(frame.hd.length));
      }
      return 0;
    }
    case NGHTTP2_RST_STREAM: {
      metrics_->resets_received->add();
      const Incoming* incoming = find(frame.hd.stream_id);
      return incoming && !incoming->answered ? admit(Cheap::reset, metrics_->reset_flood) : 0;
    }
    case NGHTTP2_SETTINGS:
      if (ack) return 0;
      settings_came_ = true;
      return admit(Cheap::settings, metrics_->settings_flood);
    case NGHTTP2_PING:
      if (!ack) return admit(Cheap::ping, metrics_->ping_flood);
      if (draining_ && std::equal(kDrainPing.begin(), kDrainPing.end(), frame.ping.opaque_data)) drain_to_the_end();
      return 0;
    case NGHTTP2_PRIORITY: return admit(Cheap::priority, metrics_->priority_flood);
    case NGHTTP2_WINDOW_UPDATE: return admit(Cheap::window_update, metrics_->window_update_flood);
    default: return 0;
  }
}

void ServerConnection::head_came(Incoming& incoming, bool last) {
  incoming.head_fields = incoming.fields.size();
  incoming.has_body = !last;
  incoming.ended = last;
  incoming.queued = true;
  waiting_.push_back(incoming);
}

int ServerConnection::data_came(int32_t id, std::string_view bytes) {
  Incoming* incoming = find(id);
  if (!incoming) {
    nghttp2_session_consume_connection(native_.get(), bytes.size());
    if (nghttp2_session_get_stream_local_window_size(native_.get(), id) <= 0) end_answered(id);
    return 0;
  }
  incoming->received.put(bytes);
  if (incoming->taker) incoming->taker->input_came();
  return 0;
}

void ServerConnection::stream_closed(int32_t id, uint32_t) {
  std::erase_if(ending_, [id](const Ending& one) { return one.id == id; });
  if (Incoming* incoming = find(id)) close(*incoming);
}

void ServerConnection::frame_sent(const nghttp2_frame& frame) {
  switch (frame.hd.type) {
    case NGHTTP2_HEADERS:
      if (const Incoming* incoming = find(frame.hd.stream_id); incoming && incoming->taker)
        incoming->taker->head_sent();
      break;
    case NGHTTP2_DATA: floods_.worked(); break;
    case NGHTTP2_RST_STREAM: reset_sent(frame.hd.stream_id); break;
    case NGHTTP2_GOAWAY: metrics_->goaways_sent->add(); break;
    default: break;
  }
}

// A head or trailers beyond kSentHeadMax: whoever waits for them to go would wait in vain. On a stream that ends that
// is known otherwise.
void ServerConnection::frame_not_sent(const nghttp2_frame& frame, int error) {
  if (frame.hd.type != NGHTTP2_HEADERS) return;
  if (error != NGHTTP2_ERR_FRAME_SIZE_ERROR && error != NGHTTP2_ERR_HEADER_COMP) return;
  if (const Incoming* incoming = find(frame.hd.stream_id); incoming && incoming->taker) incoming->taker->reset();
}

// CVE-2025-8671: what breaks a rule of its stream alone (a window beyond its bound, a body that is not as long as was
// said) has nghttp2 reset it. To the client that is as cheap as a reset of its own, and counts as one.
void ServerConnection::reset_sent(int32_t id) {
  last_reset_id_ = std::max(last_reset_id_, id);
  metrics_->resets_sent->add();
  const Incoming* incoming = find(id);
  if (incoming && !incoming->answered && !incoming->settled && !deaf_) admit(Cheap::reset, metrics_->reset_flood);
}

// --- saying -----------------------------------------------------------------------------------------------------

void ServerConnection::make_frames() {
  if (inside_ || broken_) return;
  inside_ = true;
  const bool was_deaf = deaf_;
  if (!output_.take_frames(native_.get())) deaf_ = true;  // nothing can be said any more
  inside_ = false;
  if (deaf_ && !was_deaf) close_all();
  tell_closed();
}

void ServerConnection::say() {
  make_frames();
  flush_later();
}

void ServerConnection::flush_later() {
  if (!broken_ && !output_.writing()) flush_later_.in_this_turn();
}

void ServerConnection::flush() {
  for (;;) {
    make_frames();
    if (broken_ || output_.empty()) break;
    const auto written = output_.write(limits_.idle_max);
    if (!written) return;
    if (!*written) return lose();
  }
  look_for_end();
}

void ServerConnection::on_written(void* self, Status result) {
  auto& connection = *static_cast<ServerConnection*>(self);
  if (connection.broken_) return;
  if (!result) return connection.lose();
  connection.output_.written();
  connection.flush();
}

void ServerConnection::consumed(const Incoming& incoming, size_t bytes) {
  nghttp2_session_consume(native_.get(), incoming.id, bytes);  // where the stream is closed, of the connection alone
  if (nghttp2_session_want_write(native_.get()) != 0) flush_later();
}

void ServerConnection::reset(Incoming& incoming, uint32_t code) {
  if (incoming.closed) return;
  incoming.settled = true;
  nghttp2_submit_rst_stream(native_.get(), NGHTTP2_FLAG_NONE, incoming.id, code);
  flush_later();
}

// What is on its way comes first, as far as the stream's window goes: to clients whose body has not gone yet, however
// small it is, a reset right behind the answer is a failure of the request (curl 7.88), and it would come between the
// last byte and an end that has a frame to itself (httpx). As HTTP/1 reads on before it closes.
void ServerConnection::end_soon(Incoming& incoming) {
  if (incoming.closed) return;
  if (deaf_ || limits_.linger_max.count() == 0 || 2 * ending_.size() >= streams_max_)
    return reset(incoming, NGHTTP2_NO_ERROR);
  ending_.push_back({incoming.id, later(loop().now(), limits_.linger_max)});
  if (!ending_timer_.armed()) ending_timer_.arm(loop(), ending_.front().due, due_);
}

void ServerConnection::end_answered(int32_t id) {
  nghttp2_submit_rst_stream(native_.get(), NGHTTP2_FLAG_NONE, id, NGHTTP2_NO_ERROR);
}

void ServerConnection::end_those_due() {
  if (over_) return;
  const SteadyTime now = loop().now();
  const auto first_later = std::ranges::find_if(ending_, [now](const Ending& one) { return one.due > now; });
  for (auto one = ending_.begin(); one != first_later; ++one) end_answered(one->id);
  ending_.erase(ending_.begin(), first_later);
  if (ending_.empty())
    ending_ = {};
  else
    ending_timer_.arm(loop(), ending_.front().due, due_);
  flush_later();
}

// --- streams ----------------------------------------------------------------------------------------------------

// Nothing more comes or goes on it.
void ServerConnection::close(Incoming& incoming) {
  nghttp2_session_set_stream_user_data(native_.get(), incoming.id, nullptr);
  incoming.closed = true;
  metrics_->streams_active->sub();
  if (heading_ == &incoming) heading_ = nullptr;
  if (!incoming.taker) return forget(incoming);
  incoming.queued = true;
  closed_.push_back(incoming);
}

void ServerConnection::forget(Incoming& incoming) {
  if (heading_ == &incoming) heading_ = nullptr;  // half its trailers have come, and it was answered without
  streams_.remove(incoming);
  if (incoming.queued) waiting_.remove(incoming);
  head_bytes_ -= incoming.text.size() + 4 * incoming.fields.size();
  if (!incoming.closed) {
    nghttp2_session_set_stream_user_data(native_.get(), incoming.id, nullptr);
    metrics_->streams_active->sub();
  }
  // What nobody has read is no longer in the way of other streams.
  if (const size_t unread = incoming.received.held(); unread > 0 && !broken_)
    nghttp2_session_consume_connection(native_.get(), unread);
  delete &incoming;
}

void ServerConnection::let_go(Incoming& incoming) {
  incoming.taker = nullptr;
  if (std::exchange(incoming.queued, false)) closed_.remove(incoming);
  forget(incoming);
}

void ServerConnection::tell_closed() {
  while (!closed_.empty()) {
    Incoming& incoming = closed_.front();
    closed_.remove(incoming);
    incoming.queued = false;
    incoming.taker->stream_closed();
  }
}

// Nothing more will come on any stream.
void ServerConnection::close_all() {
  for (Incoming* one = streams_.empty() ? nullptr : &streams_.front(); one;) {
    Incoming& incoming = *std::exchange(one, one->all.after);
    if (!incoming.closed) close(incoming);
  }
  tell_closed();
}

Task<ServerStreamPtr> ServerConnection::next(const ServerLimits& limits, Arena& arena) {
  limits_ = limits;
  if (!has_input()) return ServerStreamPtr();
  Incoming& incoming = waiting_.front();
  waiting_.remove(incoming);
  incoming.queued = false;
  void* place = arena.allocate(sizeof(ServerStreamOne), alignof(ServerStreamOne));
  return ServerStreamPtr(new (place) ServerStreamOne(*this, incoming, limits, arena));
}

// --- the end ----------------------------------------------------------------------------------------------------

void ServerConnection::drain() {
  if (over_ || std::exchange(draining_, true)) return;
  // RFC 9113 6.8: what the client has sent before it hears of this is served, which takes a round trip to be known.
  nghttp2_submit_shutdown_notice(native_.get());
  nghttp2_submit_ping(native_.get(), NGHTTP2_FLAG_NONE, kDrainPing.data());
  drain_timer_.arm(loop(), later(loop().now(), drain_max_), drained_);
  flush_later();
}

void ServerConnection::end_now() {
  if (over_) return;
  draining_ = true;
  drain_to_the_end();
}

void ServerConnection::drain_to_the_end() {
  drain_timer_.disarm();
  nghttp2_submit_goaway(native_.get(), NGHTTP2_FLAG_NONE, nghttp2_session_get_last_proc_stream_id(native_.get()),
                        NGHTTP2_NO_ERROR, nullptr, 0);
  flush_later();
}

// The connection broke, or the client has left.
void ServerConnection::lose() {
  if (std::exchange(broken_, true)) return;
  deaf_ = true;
  stream_->when_readable(nullptr);
  output_.give_up();
  close_all();
  look_for_end();
}

void ServerConnection::look_for_end() {
  if (over_) return;
  const bool said_all = output_.empty() && nghttp2_session_want_write(native_.get()) == 0;
  if (!broken_ && (!said_all || nghttp2_session_want_read(native_.get()) != 0)) return;
  over_ = true;
  head_timer_.disarm();
  drain_timer_.disarm();
  ending_timer_.disarm();
  stream_->when_readable(nullptr);
  close_all();
  tell();
}

void ServerConnection::when_readable(Waiter* waiter) {
  waiter_ = waiter;
  if (waiter && (has_input() || over_)) tell();
}

void ServerConnection::tell() {
  if (waiter_) tell_later_.in_this_turn();
}

void ServerConnection::tell_waiter() {
  if (Waiter* waiter = std::exchange(waiter_, nullptr)) waiter->wake();  // perhaps the end of this
}

Task<void> ServerConnection::linger() {
  if (broken_) return Status{};
  return sluice::linger(*stream_, limits_.linger_max);
}

std::unique_ptr<ServerSession> make_server_session(std::unique_ptr<Stream> stream, std::string_view early,
                                                   const ServerLimits& limits, const ServerOptions& options,
                                                   std::shared_ptr<const Http2Metrics> metrics) {
  return std::make_unique<ServerConnection>(std::move(stream), early, limits, options, std::move(metrics));
}

}  // namespace sluice::h2
