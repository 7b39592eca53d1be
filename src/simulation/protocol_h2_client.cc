// HTTP/2 as the simulated clients speak it. nghttp2 keeps the books of both ends, but the gateway's are kept by other
// code.
#include "http/h2/testing.h"
#include "io/loop.h"
#include "simulation/protocols.h"

namespace sluice::simulation {
namespace {

using Fields = h2::FrameWriter::Fields;

// One end of a connection: what nghttp2 has to say is written, what comes is read, all by itself.
class H2Client final : public ClientDriver, private Waiter {
 public:
  explicit H2Client(std::unique_ptr<Stream> stream);
  H2Client(const H2Client&) = delete;
  H2Client& operator=(const H2Client&) = delete;
  ~H2Client() override;
  Task<void> ask(const Ask& ask, Saw& saw) override;

 private:
  // The request and the answer that are under way.
  struct Trip {
    int32_t id = 0;
    std::string body;
    size_t sent = 0;
    size_t until = 0;   // so much of the body may go
    bool ends = false;  // and then the request does
    bool deferred = false;
    std::string trailer;
    Fields head;  // of the answer, as it comes
    Saw* saw = nullptr;
    bool answered = false;
    bool closed = false;
  };

  void wake() override;
  void cancel() override {}
  void send();
  void end(bool heard);
  void go_on();
  Fields head_of(const Ask& ask) const;
  Task<void> ask_half(const Ask& ask, const Fields& fields);
  Task<void> tunnel(Saw& saw);
  Task<void> converse(Nanos pause, const Saw& saw);
  Task<void> happens();

  static H2Client& of(void* user) { return *static_cast<H2Client*>(user); }
  static nghttp2_session_callbacks* callbacks();
  static ssize_t read_body(nghttp2_session*, int32_t, uint8_t* to, size_t most, uint32_t* flags, nghttp2_data_source*,
                           void* user);
  void frame_came(const nghttp2_frame& frame);

  std::unique_ptr<Stream> stream_;
  nghttp2_session* session_ = nullptr;
  std::string out_;
  Runner writing_{this, [](void* self, Result<void> done) { of(self).end(done.has_value()); }};
  Event event_;
  Trip trip_;
  bool settings_came_ = false;
  bool goaway_ = false;
  bool ended_ = false;
};

nghttp2_session_callbacks* H2Client::callbacks() {
  nghttp2_session_callbacks* out = nullptr;
  CHECK(nghttp2_session_callbacks_new(&out) == 0);
  nghttp2_session_callbacks_set_on_header_callback(
      out, [](nghttp2_session*, const nghttp2_frame*, const uint8_t* name, size_t name_bytes, const uint8_t* value,
              size_t value_bytes, uint8_t, void* user) {
        of(user).trip_.head.emplace_back(std::string(reinterpret_cast<const char*>(name), name_bytes),
                                         std::string(reinterpret_cast<const char*>(value), value_bytes));
        return 0;
      });
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(
      out, [](nghttp2_session*, uint8_t, int32_t id, const uint8_t* bytes, size_t size, void* user) {
        const Trip& trip = of(user).trip_;
        if (id == trip.id && trip.saw) trip.saw->body.append(reinterpret_cast<const char*>(bytes), size);
        return 0;
      });
  nghttp2_session_callbacks_set_on_frame_recv_callback(out,
                                                       [](nghttp2_session*, const nghttp2_frame* frame, void* user) {
                                                         of(user).frame_came(*frame);
                                                         return 0;
                                                       });
  nghttp2_session_callbacks_set_on_stream_close_callback(out, [](nghttp2_session*, int32_t id, uint32_t, void* user) {
    if (Trip& trip = of(user).trip_; trip.id == id) trip.closed = true;
    return 0;
  });
  return out;
}

H2Client::H2Client(std::unique_ptr<Stream> stream) : stream_(std::move(stream)) {
  nghttp2_session_callbacks* calls = callbacks();
  CHECK(nghttp2_session_client_new(&session_, calls, this) == 0);
  nghttp2_session_callbacks_del(calls);
  nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, nullptr, 0);
  stream_->when_readable(this);
  send();
}

H2Client::~H2Client() {
  stream_->when_readable(nullptr);
  writing_.cancel();
  nghttp2_session_del(session_);
}

void H2Client::wake() {
  char buffer[65536];
  while (stream_->has_buffered()) {
    const auto got = stream_->try_read(buffer);
    if (!got) break;
    if (!*got || **got == 0) {
      ended_ = trip_.closed = true;
      return event_.notify(stream_->loop());
    }
    if (nghttp2_session_mem_recv(session_, reinterpret_cast<uint8_t*>(buffer), **got) < 0) stream_->abort();
  }
  stream_->when_readable(this);
  send();
  event_.notify(stream_->loop());
}

void H2Client::send() {
  if (writing_.running() || ended_) return;
  for (;;) {
    const uint8_t* bytes = nullptr;
    const ssize_t size = nghttp2_session_mem_send(session_, &bytes);
    if (size <= 0) break;
    out_.append(reinterpret_cast<const char*>(bytes), static_cast<size_t>(size));
  }
  if (out_.empty()) return;
  writing_.start(stream_->write_all(out_, 0s));
}

void H2Client::end(bool heard) {
  out_.clear();
  if (heard) return send();
  ended_ = trip_.closed = true;
  event_.notify(stream_->loop());
}

ssize_t H2Client::read_body(nghttp2_session* session, int32_t id, uint8_t* to, size_t most, uint32_t* flags,
                            nghttp2_data_source*, void* user) {
  Trip& trip = of(user).trip_;
  const size_t bytes = std::min(most, trip.until - trip.sent);
  std::copy_n(trip.body.data() + trip.sent, bytes, to);
  trip.sent += bytes;
  if (trip.sent == trip.body.size() && trip.ends) {
    *flags |= NGHTTP2_DATA_FLAG_EOF;
    if (!trip.trailer.empty()) {
      const nghttp2_nv sum = h2::field("x-sum", trip.trailer);
      nghttp2_submit_trailer(session, id, &sum, 1);
      *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
    }
  } else if (bytes == 0) {
    trip.deferred = true;
    return NGHTTP2_ERR_DEFERRED;
  }
  return static_cast<ssize_t>(bytes);
}

void H2Client::frame_came(const nghttp2_frame& frame) {
  const bool last = (frame.hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
  if (frame.hd.type == NGHTTP2_SETTINGS) settings_came_ = true;
  if (frame.hd.type == NGHTTP2_GOAWAY) goaway_ = true;
  if (frame.hd.stream_id != trip_.id || !trip_.saw) return;
  Saw& saw = *trip_.saw;
  if (frame.hd.type == NGHTTP2_HEADERS) {
    const Fields fields = std::exchange(trip_.head, {});
    for (const auto& [name, value] : fields) {
      if (name == "x-sum") saw.trailer = value;
      if (name == "content-length") saw.length_told = true;
      if (name != ":status") continue;
      const int status = std::stoi(value);
      if (status / 100 == 1) {
        saw.interim.push_back(status);
      } else {
        saw.status = status;
        trip_.answered = true;
      }
    }
  }
  if (last && (frame.hd.type == NGHTTP2_HEADERS || frame.hd.type == NGHTTP2_DATA)) saw.whole = true;
}

void H2Client::go_on() {
  if (std::exchange(trip_.deferred, false)) nghttp2_session_resume_data(session_, trip_.id);
  send();
}

Task<void> H2Client::happens() {
  auto waiting = event_.wait(stream_->loop());
  co_return co_await waiting;
}

Fields H2Client::head_of(const Ask& ask) const {
  Fields out{{":method", ask.method}, {":scheme", "http"}, {":path", ask.path}, {":authority", "matrix.test"}};
  if (ask.upgrades) {
    out[0].second = "CONNECT";
    out.insert(out.begin() + 1, {":protocol", "websocket"});
  } else if (ask.length_known && (ask.method == "POST" || !ask.body.empty())) {
    out.emplace_back("content-length", std::to_string(ask.body.size()));
  }
  if (ask.expects_continue) out.emplace_back("expect", "100-continue");
  if (ask.takes_trailers) out.emplace_back("te", "trailers");
  return out;
}

// As bytes: nghttp2 says whole frames only.
Task<void> H2Client::ask_half(const Ask& ask, const Fields& fields) {
  while (writing_.running() || !settings_came_) {
    auto waiting = sleep_for(stream_->loop(), 1ms);
    CO_TRY(co_await waiting);
  }
  h2::FrameWriter writer;
  const std::string head = writer.head(1, fields, false);
  auto saying = stream_->write_all(std::string_view(head).substr(0, head.size() / 2), 0s);
  CO_TRY(co_await saying);
  if (ask.leaves) {
    stream_->abort();
    co_return Status{};
  }
  // What comes is an answer to a stream that nghttp2 does not know.
  stream_->when_readable(nullptr);
  h2::FrameReader reader;
  char buffer[4096];
  for (;;) {
    auto reading = stream_->read(buffer);
    const auto got = co_await reading;
    if (!got || *got == 0) break;
    reader.add({buffer, *got});
  }
  const auto& answer = reader.streams[1];
  trip_.saw->status = answer.status.empty() ? 0 : std::stoi(answer.status);
  trip_.saw->whole = answer.ended;
  trip_.saw->last = true;
  co_return Status{};
}

Task<void> H2Client::tunnel(Saw& saw) {
  trip_.body = kTunnelled;
  trip_.until = trip_.body.size();
  saw.status = 101;
  go_on();
  while (saw.body.size() < 5 + kTunnelled.size() && !trip_.closed) {
    auto waiting = happens();
    CO_TRY(co_await waiting);
  }
  trip_.ends = true;
  go_on();
  while (!trip_.closed) {
    auto waiting = happens();
    CO_TRY(co_await waiting);
  }
  co_return Status{};
}

Task<void> H2Client::converse(Nanos pause, const Saw& saw) {
  while (trip_.until < trip_.body.size()) {
    ++trip_.until;
    go_on();
    while (saw.body.size() < trip_.until && !trip_.closed) {
      auto waiting = happens();
      CO_TRY(co_await waiting);
    }
    auto nap = sleep_for(stream_->loop(), pause);
    CO_TRY(co_await nap);
    if (trip_.closed) co_return Status{};
  }
  trip_.ends = true;
  go_on();
  co_return Status{};
}

Task<void> H2Client::ask(const Ask& ask, Saw& saw) {
  trip_ = {.saw = &saw};
  const Fields fields = head_of(ask);
  if (ask.leaves == Point::in_head || ask.stalls == Point::in_head) {
    auto asking = ask_half(ask, fields);
    co_return co_await asking;
  }
  while (ask.upgrades && !settings_came_) {  // RFC 8441 3
    auto waiting = happens();
    CO_TRY(co_await waiting);
  }
  trip_.body = ask.body;
  trip_.trailer = ask.trailer;
  const auto cut = ask.leaves ? ask.leaves : ask.stalls;
  const bool has_body = ask.upgrades || !ask.length_known || !ask.body.empty() || cut;
  const bool later = ask.expects_continue || ask.converses;
  trip_.until = cut == Point::before_body || later ? 0 : cut == Point::in_body ? ask.body.size() / 2 : ask.body.size();
  trip_.ends = !ask.upgrades && (!cut || cut == Point::behind) && !later;
  std::vector<nghttp2_nv> list;
  for (const auto& [name, value] : fields) list.push_back(h2::field(name, value));
  const nghttp2_data_provider provider{.source = {}, .read_callback = read_body};
  trip_.id =
      nghttp2_submit_request(session_, nullptr, list.data(), list.size(), has_body ? &provider : nullptr, nullptr);
  CHECK(trip_.id > 0);
  send();
  if (ask.converses) {
    auto conversing = converse(*ask.converses, saw);
    CO_TRY(co_await conversing);
  }
  while (!trip_.closed) {
    if (ask.leaves && trip_.sent == trip_.until && !writing_.running()) break;
    if (ask.leaves_in_answer && trip_.answered) break;
    if (ask.upgrades && saw.status == 200) {
      auto tunnelling = tunnel(saw);
      CO_TRY(co_await tunnelling);
      break;
    }
    if (ask.expects_continue && !trip_.ends && (!saw.interim.empty() || trip_.answered)) {
      trip_.until = trip_.body.size();
      trip_.ends = true;
      go_on();
    }
    // An answer that came before all was asked is enough.
    if (saw.whole && !ask.stalls && trip_.ends) break;
    if (saw.whole && ask.stalls) break;
    auto waiting = ask.leaves ? Task<void>(Status{}) : happens();
    if (ask.leaves) {
      auto nap = sleep_for(stream_->loop(), 1ms);
      CO_TRY(co_await nap);
      continue;
    }
    CO_TRY(co_await waiting);
  }
  if (!trip_.closed) {
    nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, trip_.id, NGHTTP2_CANCEL);
    send();
  }
  if (ask.last) {
    nghttp2_session_terminate_session(session_, NGHTTP2_NO_ERROR);
    send();
    while (!ended_) {
      auto waiting = happens();
      CO_TRY(co_await waiting);
    }
  }
  saw.last = ended_ || goaway_;
  trip_.saw = nullptr;
  co_return Status{};
}

}  // namespace

std::unique_ptr<ClientDriver> open_h2_client(std::unique_ptr<Stream> stream) {
  return std::make_unique<H2Client>(std::move(stream));
}

}  // namespace sluice::simulation
