#include "http/h2/client_session.h"

#include <algorithm>

#include "http/h2/client_stream.h"

namespace sluice::h2 {
namespace {

// Until the upstream has said how many streams it takes (RFC 9113 6.5.2 advises no peer to allow fewer).
constexpr uint32_t kStreamsAtFirst = 100;
constexpr int32_t kLastStreamId = INT32_MAX - 2;
constexpr uint32_t kFieldSectionBytesMax = 60U << 10;
constexpr unsigned kReadsATurn = 16;   // of 16 KiB
constexpr unsigned kWritesATurn = 16;  // of 64 KiB
constexpr Nanos kWriteIdleMax = 30s;   // that an upstream reads nothing at all
// Of frames that cost work and bring nothing.
constexpr unsigned kEmptyFramesMax = 16;          // in a row
constexpr unsigned kControlFramesASecond = 1000;  // all but HEADERS, DATA and the ends of streams
constexpr unsigned kControlFramesADataFrame = 4;  // that was sent: windows are opened for it
constexpr size_t kContinuationsMax = 8;

struct EndOption {
  void operator()(nghttp2_option* option) const { nghttp2_option_del(option); }
};
struct EndCallbacks {
  void operator()(nghttp2_session_callbacks* callbacks) const { nghttp2_session_callbacks_del(callbacks); }
};

std::string_view text_of(const uint8_t* bytes, size_t length) {
  return {reinterpret_cast<const char*>(bytes), length};
}

}  // namespace

// The callbacks of nghttp2, which all end in a member of the connection or of a stream. Nobody else's code runs from
// here: those who wait are woken later, by the loop.
struct Client::Told {
  static Client& client(void* user) { return *static_cast<Client*>(user); }
  // Null: nobody wants it any more.
  static ClientRequestStream* stream(nghttp2_session* session, int32_t id) {
    return static_cast<ClientRequestStream*>(nghttp2_session_get_stream_user_data(session, id));
  }

  static ssize_t send(nghttp2_session*, const uint8_t* data, size_t length, int, void* user) {
    Client& self = client(user);
    const size_t put = std::min(length, self.room());
    if (put == 0) return NGHTTP2_ERR_WOULDBLOCK;
    std::memcpy(self.output_.data() + self.output_filled_, data, put);
    self.output_filled_ += put;
    return static_cast<ssize_t>(put);
  }

  static ssize_t read_body(nghttp2_session* session, int32_t id, uint8_t*, size_t most, uint32_t* flags,
                           nghttp2_data_source*, void*) {
    ClientRequestStream* one = stream(session, id);
    return one ? one->offer(most, *flags) : NGHTTP2_ERR_DEFERRED;
  }

  static int send_data(nghttp2_session* session, nghttp2_frame* frame, const uint8_t* head, size_t length,
                       nghttp2_data_source*, void* user) {
    constexpr size_t kFrameHead = 9;
    Client& self = client(user);
    ClientRequestStream* one = stream(session, frame->hd.stream_id);
    if (!one) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    if (self.room() < kFrameHead + length) return NGHTTP2_ERR_WOULDBLOCK;
    char* const at = self.output_.data() + self.output_filled_;
    std::memcpy(at, head, kFrameHead);
    one->give({at + kFrameHead, length});
    self.output_filled_ += kFrameHead + length;
    return 0;
  }

  static int frame_sent(nghttp2_session* session, const nghttp2_frame* frame, void* user) {
    Client& self = client(user);
    const nghttp2_frame_hd& head = frame->hd;
    if (head.type == NGHTTP2_DATA) self.control_frames_ -= std::min(self.control_frames_, kControlFramesADataFrame);
    if (head.type == NGHTTP2_RST_STREAM) count(self.options_.counters.tx_reset);
    if (head.type == NGHTTP2_HEADERS || head.type == NGHTTP2_DATA)
      if (auto* one = stream(session, head.stream_id)) one->was_sent(head.length + 9);
    // nghttp2 found that the upstream broke a rule.
    if (head.type == NGHTTP2_GOAWAY && frame->goaway.error_code != NGHTTP2_NO_ERROR && !self.broken_) {
      count(self.options_.counters.protocol_error);
      self.broken_ = Error{.kind = ErrorKind::invalid,
                           .message = fmt::format("the upstream does not keep to HTTP/2: {}",
                                                  nghttp2_http2_strerror(frame->goaway.error_code)),
                           .side = Side::upstream};
    }
    return 0;
  }

  static int begin_frame(nghttp2_session*, const nghttp2_frame_hd* head, void* user) {
    client(user).frame_begins(*head);
    return 0;
  }

  static int begin_headers(nghttp2_session* session, const nghttp2_frame* frame, void* user) {
    // RFC 9113 8.4: pushing was not allowed.
    if (frame->hd.type == NGHTTP2_PUSH_PROMISE) {
      client(user).flooded(client(user).options_.counters.protocol_error, "it pushes");
      return NGHTTP2_ERR_CALLBACK_FAILURE;
    }
    if (auto* one = stream(session, frame->hd.stream_id)) one->head_begins();
    return 0;
  }

  static int header(nghttp2_session* session, const nghttp2_frame* frame, const uint8_t* name, size_t name_length,
                    const uint8_t* value, size_t value_length, uint8_t, void* user) {
    auto* one = stream(session, frame->hd.stream_id);
    if (!one) return 0;
    using Fate = ClientRequestStream::FieldFate;
    const Fate fate = one->field_came(text_of(name, name_length), text_of(value, value_length));
    if (fate == Fate::taken) return 0;
    const ClientCounters& counters = client(user).options_.counters;
    count(fate == Fate::too_large ? counters.header_overflow : counters.rx_messaging_error);
    return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
  }

  // RFC 9113 8.2.1: malformed, also where nghttp2 would only leave the field out.
  static int invalid_header(nghttp2_session*, const nghttp2_frame*, const uint8_t*, size_t, const uint8_t*, size_t,
                            uint8_t, void*) {
    return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
  }

  static int data(nghttp2_session* session, uint8_t, int32_t id, const uint8_t* bytes, size_t length, void*) {
    auto* one = stream(session, id);
    if (one)
      one->data_came({reinterpret_cast<const char*>(bytes), length});
    else
      nghttp2_session_consume_connection(session, length);
    return 0;
  }

  static int frame_received(nghttp2_session*, const nghttp2_frame* frame, void* user) {
    client(user).frame_came(*frame);
    return 0;
  }
  static int frame_invalid(nghttp2_session*, const nghttp2_frame* frame, int error, void* user) {
    client(user).frame_was_invalid(*frame, error);
    return 0;
  }

  static int stream_closed(nghttp2_session* session, int32_t id, uint32_t code, void* user) {
    --client(user).open_;
    if (auto* one = stream(session, id)) one->closed(code);
    return 0;
  }

  static std::unique_ptr<nghttp2_session_callbacks, EndCallbacks> all() {
    nghttp2_session_callbacks* made = nullptr;
    CHECK(nghttp2_session_callbacks_new(&made) == 0);
    nghttp2_session_callbacks_set_send_callback(made, send);
    nghttp2_session_callbacks_set_send_data_callback(made, send_data);
    nghttp2_session_callbacks_set_on_frame_send_callback(made, frame_sent);
    nghttp2_session_callbacks_set_on_begin_frame_callback(made, begin_frame);
    nghttp2_session_callbacks_set_on_begin_headers_callback(made, begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(made, header);
    nghttp2_session_callbacks_set_on_invalid_header_callback(made, invalid_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(made, data);
    nghttp2_session_callbacks_set_on_frame_recv_callback(made, frame_received);
    nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(made, frame_invalid);
    nghttp2_session_callbacks_set_on_stream_close_callback(made, stream_closed);
    return std::unique_ptr<nghttp2_session_callbacks, EndCallbacks>(made);
  }
};

nghttp2_data_source_read_callback Client::body_callback() {
  return Told::read_body;
}

Client::Client(std::unique_ptr<Stream> stream, const ClientOptions& options)
    : stream_(std::move(stream)), options_(options), writing_(this, [](void* self, Result<void> result) {
        static_cast<Client*>(self)->rest_written(std::move(result));
      }) {
  begin();
}

void Client::begin() {
  nghttp2_option* made_option = nullptr;
  CHECK(nghttp2_option_new(&made_option) == 0);
  const std::unique_ptr<nghttp2_option, EndOption> option(made_option);
  nghttp2_option_set_no_auto_window_update(option.get(), 1);
  nghttp2_option_set_peer_max_concurrent_streams(option.get(), kStreamsAtFirst);
  nghttp2_option_set_no_closed_streams(option.get(), 1);
  nghttp2_option_set_max_continuations(option.get(), kContinuationsMax);
  const auto callbacks = Told::all();
  nghttp2_session* made = nullptr;
  CHECK(nghttp2_session_client_new2(&made, callbacks.get(), this, option.get()) == 0);
  frames_.reset(made);

  const nghttp2_settings_entry settings[] = {
      {NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
      {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, options_.stream_window},
      {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, kFieldSectionBytesMax},
  };
  CHECK(nghttp2_submit_settings(made, NGHTTP2_FLAG_NONE, settings, std::size(settings)) == 0);
  const auto window = static_cast<int32_t>(options_.connection_window);
  CHECK(nghttp2_session_set_local_window_size(made, NGHTTP2_FLAG_NONE, 0, window) == 0);

  last_heard_ = loop().now();
  quiet_timer_.arm(loop(), deadline_after(last_heard_, options_.ping_after), on_quiet_);
  stream_->when_readable(&on_input_);
  send_soon();
}

Client::~Client() {
  CHECK(!first_);
  stream_->when_readable(nullptr);
  if (input_deferred_) loop().undefer(on_input_);
  if (!over_ && !writing_.running()) {  // RFC 9113 6.8: say that nothing more comes
    nghttp2_submit_goaway(frames_.get(), NGHTTP2_FLAG_NONE, 0, NGHTTP2_NO_ERROR, nullptr, 0);
    output();
  }
  writing_.cancel();
  if (output_deferred_) loop().undefer(on_output_);
}

size_t Client::capacity() const {
  if (over_ || leaving_ || nghttp2_session_get_next_stream_id(frames_.get()) > uint32_t{kLastStreamId}) return 0;
  const uint32_t theirs =
      settings_came_ ? nghttp2_session_get_remote_settings(frames_.get(), NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS)
                     : kStreamsAtFirst;
  const size_t most = std::min(theirs, options_.streams_max);
  return most - std::min(most, open_);
}

bool Client::takes_tunnels() const {
  return nghttp2_session_get_remote_settings(frames_.get(), NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL) == 1;
}

ClientStreamPtr Client::open(const ClientRequest& request, ClientStream::Owner& owner, Arena& arena,
                             TaskGroup& background) {
  CHECK(capacity() > 0);
  ++open_;
  void* place = arena.allocate(sizeof(ClientRequestStream), alignof(ClientRequestStream));
  return ClientStreamPtr(new (place) ClientRequestStream(*this, request, owner, arena, background));
}

void Client::entered(ClientRequestStream& stream) {
  stream.next = first_;
  if (first_) first_->previous = &stream;
  first_ = &stream;
}

void Client::left(ClientRequestStream& stream) {
  (stream.previous ? stream.previous->next : first_) = stream.next;
  if (stream.next) stream.next->previous = stream.previous;
  stream.next = stream.previous = nullptr;
  std::erase(wanting_, &stream);
}

// What came while nobody looked may be the upstream's farewell.
bool Client::is_silent() {
  if (!over_ && stream_->may_have_input()) read_input();
  return !over_ && !leaving_ && !stream_->peer_ended() && !stream_->is_broken();
}

// --- what comes -------------------------------------------------------------------------------------------------

void Client::input() {
  input_deferred_ = false;
  read_input();
  tell_disturbed();  // the last: it may end this
}

void Client::read_input() {
  const Block block(Block::kSmall);
  for (unsigned reads = 0; !over_; ++reads) {
    if (reads == kReadsATurn) {
      if (!std::exchange(input_deferred_, true)) loop().defer_to_next_turn(on_input_);
      break;
    }
    const auto got = stream_->try_read(block.span());
    if (!got) {
      stream_->when_readable(&on_input_);
      break;
    }
    if (!*got) return end(got->error());
    if (**got == 0)
      return end({.kind = ErrorKind::reset, .message = "the upstream closed the connection", .side = Side::upstream});
    last_heard_ = loop().now();
    pinged_ = false;
    const ssize_t used = nghttp2_session_mem_recv(frames_.get(), reinterpret_cast<const uint8_t*>(block.data()), **got);
    if (used < 0) not_http2(static_cast<int>(used));
    if (broken_) {
      output();  // why, as far as nghttp2 has put it into words
      if (!over_) end(*broken_);
      return;
    }
  }
  if (!over_ && nghttp2_session_want_write(frames_.get())) send_soon();
}

void Client::not_http2(int error) {
  if (broken_) return;
  const bool is_flood = error == NGHTTP2_ERR_FLOODED || error == NGHTTP2_ERR_TOO_MANY_CONTINUATIONS;
  count(is_flood ? options_.counters.inbound_control_flood : options_.counters.protocol_error);
  broken_ = Error{.kind = ErrorKind::invalid,
                  .message = fmt::format("no HTTP/2 from the upstream: {}", nghttp2_strerror(error)),
                  .side = Side::upstream};
  nghttp2_session_terminate_session(frames_.get(), is_flood ? NGHTTP2_ENHANCE_YOUR_CALM : NGHTTP2_PROTOCOL_ERROR);
}

void Client::frame_came(const nghttp2_frame& frame) {
  auto* one = frame.hd.stream_id ? Told::stream(frames_.get(), frame.hd.stream_id) : nullptr;
  const bool last = (frame.hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
  switch (frame.hd.type) {
    case NGHTTP2_HEADERS:
      empty_frames_ = 0;
      if (one) one->head_came(last, frame.hd.length + 9);
      return;
    case NGHTTP2_DATA:
      if (frame.hd.length > 0 || last)
        empty_frames_ = 0;
      else if (++empty_frames_ > kEmptyFramesMax)
        flooded(options_.counters.inbound_empty_frames_flood, "empty frames of data");
      if (one && last) one->peer_ended();
      return;
    case NGHTTP2_RST_STREAM:
      count(options_.counters.rx_reset);
      if (one) one->peer_reset();
      return;
    case NGHTTP2_GOAWAY:
      if (!std::exchange(leaving_, true)) count(options_.counters.goaway_received);
      return;
    case NGHTTP2_SETTINGS:
      if ((frame.hd.flags & NGHTTP2_FLAG_ACK) != 0 || std::exchange(settings_came_, true)) return;
      for (ClientRequestStream* waits = first_; waits; waits = waits->next) waits->settings_came();
      return;
    default: return;
  }
}

// Also those of kinds that nobody knows.
void Client::frame_begins(const nghttp2_frame_hd& head) {
  switch (head.type) {
    case NGHTTP2_DATA:
    case NGHTTP2_HEADERS:
    case NGHTTP2_RST_STREAM: return;
    default: break;
  }
  const SteadyTime now = loop().now();
  if (now - control_second_ >= 1s) {
    control_second_ = now;
    control_frames_ = 0;
  }
  if (++control_frames_ > kControlFramesASecond) flooded(options_.counters.inbound_control_flood, "control frames");
}

// From within nghttp2: the connection ends when that has returned.
void Client::flooded(Counter* counter, std::string_view what) {
  if (broken_) return;
  count(counter);
  broken_ = Error{.kind = ErrorKind::invalid,
                  .message = fmt::format("the upstream does not keep to HTTP/2: {}", what),
                  .side = Side::upstream};
  nghttp2_session_terminate_session(frames_.get(), NGHTTP2_ENHANCE_YOUR_CALM);
}

// RFC 9113 8.1.1: a malformed message is an error of its stream; by default the connection is not trusted any further,
// as with Envoy.
void Client::frame_was_invalid(const nghttp2_frame& frame, int error) {
  if (error != NGHTTP2_ERR_HTTP_HEADER && error != NGHTTP2_ERR_HTTP_MESSAGING) return;
  count(options_.counters.rx_messaging_error);
  if (options_.only_stream_ends_on_invalid_message || broken_) return;
  broken_ =
      Error{.kind = ErrorKind::invalid,
            .message = fmt::format("no HTTP response: {} in stream {}", nghttp2_strerror(error), frame.hd.stream_id),
            .side = Side::upstream};
  nghttp2_session_terminate_session(frames_.get(), NGHTTP2_PROTOCOL_ERROR);
}

void Client::end(Error why) {
  if (over_) return;
  over_ = std::move(why);
  quiet_timer_.disarm();
  stream_->when_readable(nullptr);
  stream_->abort();
  // Each leaves what it waits for; none leaves the list.
  for (ClientRequestStream* one = first_; one; one = one->next) one->connection_ended(*over_);
  wanting_.clear();
}

void Client::tell_disturbed() {
  if ((over_ || leaving_) && disturbed_) std::exchange(disturbed_, nullptr)->wake();
}

void Client::was_quiet() {
  const SteadyTime now = loop().now();
  if (pinged_) {
    count(options_.counters.keepalive_timeout);
    end({.kind = ErrorKind::reset, .message = "the upstream does not answer a PING", .side = Side::upstream});
    return tell_disturbed();
  }
  if (now - last_heard_ < options_.ping_after) {
    quiet_timer_.arm(loop(), later(last_heard_, options_.ping_after), on_quiet_);
    return;
  }
  pinged_ = true;
  nghttp2_submit_ping(frames_.get(), NGHTTP2_FLAG_NONE, nullptr);
  quiet_timer_.arm(loop(), later(now, options_.ping_answer_max), on_quiet_);
  send_soon();
}

// --- what goes --------------------------------------------------------------------------------------------------

void Client::send_soon() {
  if (over_ || writing_.running() || std::exchange(output_deferred_, true)) return;
  loop().defer(on_output_);
}

void Client::output() {
  if (over_ || writing_.running()) return;
  for (unsigned writes = 0; writes < kWritesATurn; ++writes) {
    if (!fill_output()) return;
    if (output_filled_ == 0) {
      output_.release();
      if (!wanting_.empty()) output_next_turn();
      return;
    }
    const iovec part{output_.data(), output_filled_};
    const auto put = stream_->try_write(std::span(&part, 1));
    if (put && !*put) {
      const Error why = put->error();
      // What the upstream said before it left counts more.
      read_input();
      return end(why);
    }
    output_written_ = put ? **put : 0;
    if (output_written_ < output_filled_) return writing_.start(write_rest());
    output_filled_ = output_written_ = 0;
    if (broken_) return end(*broken_);
  }
  output_next_turn();
}

void Client::output_next_turn() {
  if (!std::exchange(output_deferred_, true)) loop().defer_to_next_turn(on_output_);
}

// All that there is, or as much as there is room for. False: the connection is over.
bool Client::fill_output() {
  if (output_.empty()) output_ = Block(Block::kLarge);
  do {
    if (nghttp2_session_send(frames_.get()) != 0) {
      end({.kind = ErrorKind::internal, .message = "no memory for frames of HTTP/2"});
      return false;
    }
  } while (room() > Block::kSmall + 9 && pull_bodies());
  return true;
}

// True when nghttp2 may have more to send by that.
bool Client::pull_bodies() {
  bool more = false;
  for (size_t left = wanting_.size(); left > 0 && !wanting_.empty(); --left) {
    ClientRequestStream* one = wanting_.front();
    wanting_.erase(wanting_.begin());
    more |= one->pull();
  }
  return more;
}

Task<void> Client::write_rest() {
  auto writing = stream_->write_all(
      std::string_view(output_.data() + output_written_, output_filled_ - output_written_), kWriteIdleMax);
  co_return co_await writing;
}

void Client::rest_written(Result<void> result) {
  output_filled_ = output_written_ = 0;
  if (over_ || (!result && result.error().kind == ErrorKind::cancelled)) return;
  if (!result) {
    read_input();
    end(std::move(result).error());
  } else if (broken_) {
    end(*broken_);
  }
  // Where it is over, whoever keeps it is told by that.
  if (!std::exchange(output_deferred_, true)) loop().defer(on_output_);
}

std::unique_ptr<ClientSession> make_client_session(std::unique_ptr<Stream> stream, const ClientOptions& options) {
  return std::make_unique<Client>(std::move(stream), options);
}

}  // namespace sluice::h2
