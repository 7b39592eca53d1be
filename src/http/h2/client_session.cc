#include "http/h2/client_session.h"

#include <algorithm>

#include "http/h2/client_stream.h"

namespace sluice::h2 {
namespace {

// Until the upstream has said how many streams it takes: what it has not allowed it may refuse.
constexpr uint32_t kStreamsAtFirst = 1;
constexpr int32_t kLastStreamId = INT32_MAX - 2;
constexpr uint32_t kFieldSectionBytesMax = 60U << 10;
constexpr unsigned kReadsATurn = 16;   // of 16 KiB
constexpr unsigned kWritesATurn = 16;  // of 64 KiB at most
constexpr Nanos kWriteIdleMax = 30s;   // that an upstream reads nothing at all
constexpr size_t kContinuationsMax = 8;
constexpr size_t kSentHeadMax = 16U << 20;  // a listener may take 8 MiB (maxRequestHeadersKb), and routes add to that

}  // namespace

// The callbacks of nghttp2, which all end in a member of the connection or of a stream. Nobody else's code runs from
// here: those who wait are woken later, by the loop.
struct Client::Told {
  static Client& client(void* user) { return *static_cast<Client*>(user); }
  // Null: nobody wants it any more.
  static ClientRequestStream* stream(nghttp2_session* session, int32_t id) {
    return static_cast<ClientRequestStream*>(nghttp2_session_get_stream_user_data(session, id));
  }

  static ssize_t read_body(nghttp2_session* session, int32_t id, uint8_t*, size_t most, uint32_t* flags,
                           nghttp2_data_source*, void*) {
    ClientRequestStream* one = stream(session, id);
    return one ? one->offer(most, *flags) : NGHTTP2_ERR_DEFERRED;
  }

  static ssize_t payload_max(nghttp2_session*, uint8_t, int32_t, int32_t, int32_t, uint32_t remote_max, void* user) {
    return client(user).output_.payload_max(remote_max);
  }

  static int send_data(nghttp2_session* session, nghttp2_frame* frame, const uint8_t* head, size_t length,
                       nghttp2_data_source*, void* user) {
    ClientRequestStream* one = stream(session, frame->hd.stream_id);
    if (!one) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    const int put = client(user).output_.put_data(head, one->waiting().substr(0, length));
    one->gave(length);
    return put;
  }

  // Behind this a head may be on its way; that it is whole nghttp2 tells only as it makes the next frame.
  static int frame_goes(nghttp2_session* session, const nghttp2_frame* frame, void*) {
    if (frame->hd.type == NGHTTP2_HEADERS)
      if (auto* one = stream(session, frame->hd.stream_id)) one->was_sent(kFrameHead);
    return 0;
  }

  static int frame_sent(nghttp2_session* session, const nghttp2_frame* frame, void* user) {
    Client& self = client(user);
    const nghttp2_frame_hd& head = frame->hd;
    if (head.type == NGHTTP2_DATA) self.floods_.worked();
    if (head.type == NGHTTP2_RST_STREAM) count(self.options_.counters.tx_reset);
    if (head.type == NGHTTP2_HEADERS || head.type == NGHTTP2_DATA)
      if (auto* one = stream(session, head.stream_id))
        one->was_sent(head.type == NGHTTP2_DATA ? head.length + kFrameHead : head.length);
    // nghttp2 found that the upstream broke a rule.
    if (head.type == NGHTTP2_GOAWAY && frame->goaway.error_code != NGHTTP2_NO_ERROR)
      self.condemn(self.options_.counters.protocol_error, frame->goaway.error_code,
                   nghttp2_http2_strerror(frame->goaway.error_code));
    return 0;
  }

  static int begin_frame(nghttp2_session*, const nghttp2_frame_hd* head, void* user) {
    client(user).frame_begins(*head);
    return 0;
  }

  static int begin_headers(nghttp2_session* session, const nghttp2_frame* frame, void* user) {
    // RFC 9113 8.4: pushing was not allowed.
    if (frame->hd.type == NGHTTP2_PUSH_PROMISE) {
      client(user).condemn(client(user).options_.counters.protocol_error, NGHTTP2_PROTOCOL_ERROR, "it pushes");
      return NGHTTP2_ERR_CALLBACK_FAILURE;
    }
    if (auto* one = stream(session, frame->hd.stream_id)) one->head_begins();
    return 0;
  }

  static int header(nghttp2_session* session, const nghttp2_frame* frame, nghttp2_rcbuf* name, nghttp2_rcbuf* value,
                    uint8_t, void* user) {
    auto* one = stream(session, frame->hd.stream_id);
    if (!one) return 0;
    using Fate = ClientRequestStream::FieldFate;
    const Fate fate = one->field_came(text_of(name), text_of(value));
    if (fate == Fate::taken) return 0;
    const ClientCounters& counters = client(user).options_.counters;
    count(fate == Fate::too_large ? counters.header_overflow : counters.rx_messaging_error);
    return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
  }

  // RFC 9113 8.2.1: malformed, also where nghttp2 would only leave the field out.
  static int invalid_header(nghttp2_session*, const nghttp2_frame*, nghttp2_rcbuf*, nghttp2_rcbuf*, uint8_t, void*) {
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
    client(user).stream_ended();
    if (auto* one = stream(session, id)) one->closed(code);
    return 0;
  }

  static nghttp2_session_callbacks* make() {
    nghttp2_session_callbacks* made = nullptr;
    CHECK(nghttp2_session_callbacks_new(&made) == 0);
    nghttp2_session_callbacks_set_data_source_read_length_callback(made, payload_max);
    nghttp2_session_callbacks_set_send_data_callback(made, send_data);
    nghttp2_session_callbacks_set_before_frame_send_callback(made, frame_goes);
    nghttp2_session_callbacks_set_on_frame_send_callback(made, frame_sent);
    nghttp2_session_callbacks_set_on_begin_frame_callback(made, begin_frame);
    nghttp2_session_callbacks_set_on_begin_headers_callback(made, begin_headers);
    nghttp2_session_callbacks_set_on_header_callback2(made, header);
    nghttp2_session_callbacks_set_on_invalid_header_callback2(made, invalid_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(made, data);
    nghttp2_session_callbacks_set_on_frame_recv_callback(made, frame_received);
    nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(made, frame_invalid);
    nghttp2_session_callbacks_set_on_stream_close_callback(made, stream_closed);
    return made;
  }
};

nghttp2_data_source_read_callback Client::body_callback() {
  return Told::read_body;
}

Client::Client(std::unique_ptr<Stream> stream, const ClientOptions& options)
    : stream_(std::move(stream)), options_(options), output_(*stream_, this, &Client::on_written) {
  begin();
}

void Client::begin() {
  nghttp2_option* made_option = nullptr;
  CHECK(nghttp2_option_new(&made_option) == 0);
  const OptionPtr option(made_option);
  nghttp2_option_set_no_auto_window_update(option.get(), 1);
  nghttp2_option_set_no_closed_streams(option.get(), 1);
  nghttp2_option_set_max_continuations(option.get(), kContinuationsMax);
  nghttp2_option_set_max_send_header_block_length(option.get(), kSentHeadMax);
  static const CallbacksPtr callbacks(Told::make());
  nghttp2_session* made = nullptr;
  CHECK(nghttp2_session_client_new3(&made, callbacks.get(), this, option.get(), memory_.hooks()) == 0);
  frames_.reset(made);

  const nghttp2_settings_entry settings[] = {
      {NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
      {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, options_.stream_window},
      {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, kFieldSectionBytesMax},
  };
  CHECK(nghttp2_submit_settings(made, NGHTTP2_FLAG_NONE, settings, std::size(settings)) == 0);
  const auto window = static_cast<int32_t>(options_.connection_window);
  CHECK(nghttp2_session_set_local_window_size(made, NGHTTP2_FLAG_NONE, 0, window) == 0);
  output_.take_frames(made);  // now: nghttp2 has made the first bytes of a client already (see FrameMemory)

  last_heard_ = loop().now();
  quiet_timer_.arm(loop(), deadline_after(last_heard_, options_.ping_after), quiet_);
  stream_->when_readable(&readable_);
  send_soon();
}

Client::~Client() {
  CHECK(streams_.empty());
  stream_->when_readable(nullptr);
  if (!over_) {  // RFC 9113 6.8: say that nothing more comes
    nghttp2_submit_goaway(frames_.get(), NGHTTP2_FLAG_NONE, 0, NGHTTP2_NO_ERROR, nullptr, 0);
    output_.take_frames(frames_.get());
    output_.write_what_goes();
    over_.emplace();
  }
  output_.give_up();
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

void Client::left(ClientRequestStream& stream) {
  streams_.remove(stream);
  if (stream.is_wanting) wanting_.remove(stream);
}

void Client::want_body(ClientRequestStream& stream) {
  if (!std::exchange(stream.is_wanting, true)) wanting_.push_back(stream);
}

// What came while nobody looked may be the upstream's farewell.
bool Client::is_silent() {
  if (!over_ && stream_->may_have_input()) read_input();
  return !over_ && !leaving_ && !stream_->peer_ended() && !stream_->is_broken();
}

// --- what comes -------------------------------------------------------------------------------------------------

void Client::input() {
  read_input();
  tell_disturbed();  // the last: it may end this
}

void Client::read_input() {
  const Block block(Block::kSmall);
  for (unsigned reads = 0; !over_; ++reads) {
    if (reads == kReadsATurn) {
      read_later_.in_the_next_turn();
      break;
    }
    const auto got = stream_->try_read(block.span());
    if (!got) {
      stream_->when_readable(&readable_);
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
  const bool is_flood = error == NGHTTP2_ERR_FLOODED || error == NGHTTP2_ERR_TOO_MANY_CONTINUATIONS;
  condemn(is_flood ? options_.counters.inbound_control_flood : options_.counters.protocol_error,
          is_flood ? NGHTTP2_ENHANCE_YOUR_CALM : NGHTTP2_PROTOCOL_ERROR, nghttp2_strerror(error));
}

// It is told why, and the connection ends. From within nghttp2, too: as soon as that has returned.
void Client::condemn(Counter* counter, uint32_t code, std::string_view why) {
  if (broken_) return;
  count(counter);
  broken_ = Error{.kind = ErrorKind::invalid,
                  .message = fmt::format("the upstream does not keep to HTTP/2: {}", why),
                  .side = Side::upstream};
  nghttp2_session_terminate_session(frames_.get(), code);
}

void Client::frame_came(const nghttp2_frame& frame) {
  auto* one = frame.hd.stream_id ? Told::stream(frames_.get(), frame.hd.stream_id) : nullptr;
  const bool last = (frame.hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
  switch (frame.hd.type) {
    case NGHTTP2_HEADERS:
      if (one) one->head_came(last, frame.hd.length + kFrameHead);
      return;
    case NGHTTP2_DATA:
      if (frame.hd.length == frame.data.padlen && !last && !floods_.admits(Cheap::empty_data, loop().now()))
        condemn(options_.counters.inbound_empty_frames_flood, NGHTTP2_ENHANCE_YOUR_CALM, "empty frames of data");
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
      if ((frame.hd.flags & NGHTTP2_FLAG_ACK) != 0) return;
      tell_roomier_later_.in_this_turn();
      if (std::exchange(settings_came_, true)) return;
      each_stream([](ClientRequestStream& waits) { waits.settings_came(); });
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
  if (!floods_.admits(Cheap::control, loop().now()))
    condemn(options_.counters.inbound_control_flood, NGHTTP2_ENHANCE_YOUR_CALM, "control frames");
}

// RFC 9113 8.1.1: a malformed message is an error of its stream; by default the connection is not trusted any further,
// as with Envoy.
void Client::frame_was_invalid(const nghttp2_frame& frame, int error) {
  if (error != NGHTTP2_ERR_HTTP_HEADER && error != NGHTTP2_ERR_HTTP_MESSAGING) return;
  count(options_.counters.rx_messaging_error);
  if (!options_.only_stream_ends_on_invalid_message)
    condemn(nullptr, NGHTTP2_PROTOCOL_ERROR,
            fmt::format("{} in the response of stream {}", nghttp2_strerror(error), frame.hd.stream_id));
}

void Client::end(Error why) {
  if (over_) return;
  over_ = std::move(why);
  quiet_timer_.disarm();
  stream_->when_readable(nullptr);
  stream_->abort();
  // Each leaves what it waits for; none leaves the list.
  each_stream([this](ClientRequestStream& one) { one.connection_ended(*over_); });
}

void Client::tell_disturbed() {
  if ((over_ || leaving_) && disturbed_) std::exchange(disturbed_, nullptr)->wake();
}

void Client::stream_ended() {
  if (capacity() == 0) tell_roomier_later_.in_this_turn();
  --open_;
}

void Client::tell_roomier() {
  if (roomier_) roomier_->wake();
}

void Client::was_quiet() {
  const SteadyTime now = loop().now();
  if (pinged_) {
    count(options_.counters.keepalive_timeout);
    end({.kind = ErrorKind::reset, .message = "the upstream does not answer a PING", .side = Side::upstream});
    return tell_disturbed();
  }
  if (now - last_heard_ < options_.ping_after) {
    quiet_timer_.arm(loop(), later(last_heard_, options_.ping_after), quiet_);
    return;
  }
  pinged_ = true;
  nghttp2_submit_ping(frames_.get(), NGHTTP2_FLAG_NONE, nullptr);
  quiet_timer_.arm(loop(), later(now, options_.ping_answer_max), quiet_);
  send_soon();
}

// --- what goes --------------------------------------------------------------------------------------------------

void Client::send_soon() {
  if (!over_ && !output_.writing()) write_later_.in_this_turn();
}

void Client::write() {
  output();
  tell_disturbed();
}

void Client::output() {
  for (unsigned writes = 0; writes < kWritesATurn; ++writes) {
    if (over_ || output_.writing() || !fill_output()) return;
    if (output_.empty()) {
      if (!wanting_.empty()) write_later_.in_the_next_turn();
      return;
    }
    const auto written = output_.write(kWriteIdleMax);
    if (!written) return;
    if (!*written) {
      read_input();  // what the upstream said before it left counts more
      return end(written->error());
    }
    if (broken_) return end(*broken_);
  }
  write_later_.in_the_next_turn();
}

// All that there is, or as much as there is room for. False: the connection is over.
bool Client::fill_output() {
  do {
    if (!output_.take_frames(frames_.get())) {
      end({.kind = ErrorKind::internal, .message = "no memory for frames of HTTP/2"});
      return false;
    }
  } while (output_.has_room() && pull_bodies());
  return true;
}

// True when nghttp2 may have more to send by that.
bool Client::pull_bodies() {
  bool more = false;
  for (size_t left = wanting_.size(); left > 0 && !wanting_.empty(); --left) {
    ClientRequestStream& one = wanting_.front();
    wanting_.remove(one);
    one.is_wanting = false;
    more |= one.pull();
  }
  return more;
}

void Client::on_written(void* self, Status result) {
  auto& client = *static_cast<Client*>(self);
  if (client.over_) return;
  if (!result) {
    client.read_input();
    client.end(std::move(result).error());
  } else {
    client.output_.written();
    if (client.broken_) client.end(*client.broken_);
  }
  // Where it is over, whoever keeps it is told by that.
  client.write_later_.in_this_turn();
}

std::unique_ptr<ClientSession> make_client_session(std::unique_ptr<Stream> stream, const ClientOptions& options) {
  return std::make_unique<Client>(std::move(stream), options);
}

}  // namespace sluice::h2
