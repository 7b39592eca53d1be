// For tests: an upstream that speaks HTTP/2, played by hand on the same loop. nghttp2 keeps its books; what no server
// would say is said as bytes.
#pragma once

#include <nghttp2/nghttp2.h>
#include <algorithm>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/check.h"
#include "io/loop.h"
#include "net/stream.h"

namespace sluice::h2 {

using TestFields = std::vector<std::pair<std::string, std::string>>;

// The bytes of a frame (RFC 9113 4.1).
inline std::string test_frame(uint8_t type, uint8_t flags, uint32_t stream, std::string_view payload) {
  std::string out;
  const auto put = [&](uint32_t value, int bytes) {
    for (int i = bytes - 1; i >= 0; --i) out += static_cast<char>((value >> (8 * i)) & 0xff);
  };
  put(static_cast<uint32_t>(payload.size()), 3);
  put(type, 1);
  put(flags, 1);
  put(stream, 4);
  return out.append(payload);
}

class TestHost final : private Waiter {
 public:
  struct Asked {
    int32_t id = 0;
    TestFields fields;
    std::string body;
    TestFields trailers;
    bool ended = false;   // the request is whole
    bool closed = false;  // the stream is no more
    uint32_t code = 0;    // why
    bool head_came = false;
    std::string field(std::string_view name) const {
      for (const auto& [its, value] : fields)
        if (its == name) return value;
      return {};
    }
  };
  struct Options {
    std::vector<nghttp2_settings_entry> settings;
    bool reads = true;       // opens the windows for what it has read
    bool is_http2 = true;    // else it says nothing of its own
    bool hesitates = false;  // neither does it hear or say anything until speak()
  };

  TestHost(std::unique_ptr<Stream> stream, Options options)
      : options_(std::move(options)), stream_(std::move(stream)), writing_(this, [](void* self, Result<void> done) {
          if (done) static_cast<TestHost*>(self)->send();
        }) {
    nghttp2_session_callbacks* callbacks = nullptr;
    nghttp2_option* option = nullptr;
    CHECK(nghttp2_session_callbacks_new(&callbacks) == 0 && nghttp2_option_new(&option) == 0);
    nghttp2_option_set_no_auto_window_update(option, options_.reads ? 0 : 1);
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, data);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, frame);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, closed);
    CHECK(nghttp2_session_server_new2(&session_, callbacks, this, option) == 0);
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_option_del(option);
    if (options_.is_http2 && !options_.hesitates) speak();
  }
  explicit TestHost(std::unique_ptr<Stream> stream) : TestHost(std::move(stream), Options{}) {}
  TestHost(const TestHost&) = delete;
  TestHost& operator=(const TestHost&) = delete;
  ~TestHost() {
    stream_->when_readable(nullptr);
    writing_.cancel();
    nghttp2_session_del(session_);
  }

  void speak() {
    nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, options_.settings.data(), options_.settings.size());
    stream_->when_readable(this);
    send();
  }

  // A head; `last`: nothing comes behind it.
  void head(int32_t id, const TestFields& fields, bool last) {
    const auto all = pairs(fields);
    nghttp2_submit_headers(session_, last ? NGHTTP2_FLAG_END_STREAM : 0, id, nullptr, all.data(), all.size(), nullptr);
    send();
  }
  // The same with whatever no server would say.
  void raw_head(int32_t id, const TestFields& fields, bool last) {
    nghttp2_hd_deflater* deflater = nullptr;
    CHECK(nghttp2_hd_deflate_new(&deflater, 0) == 0);
    const auto all = pairs(fields);
    std::string block(nghttp2_hd_deflate_bound(deflater, all.data(), all.size()), 0);
    const ssize_t bytes =
        nghttp2_hd_deflate_hd(deflater, reinterpret_cast<uint8_t*>(block.data()), block.size(), all.data(), all.size());
    nghttp2_hd_deflate_del(deflater);
    CHECK(bytes >= 0);
    block.resize(static_cast<size_t>(bytes));
    const unsigned flags = NGHTTP2_FLAG_END_HEADERS | (last ? unsigned{NGHTTP2_FLAG_END_STREAM} : 0U);
    say(test_frame(NGHTTP2_HEADERS, static_cast<uint8_t>(flags), static_cast<uint32_t>(id), block));
  }
  void body(int32_t id, std::string_view bytes, bool last, TestFields trailers = {}) {
    Body& next = bodies_[id];
    next.bytes += bytes;
    next.last = last;
    next.trailers = std::move(trailers);
    if (std::exchange(next.submitted, true)) {
      nghttp2_session_resume_data(session_, id);
    } else {
      const nghttp2_data_provider provider{.source = {}, .read_callback = read_body};
      nghttp2_submit_data(session_, NGHTTP2_FLAG_END_STREAM, id, &provider);
    }
    send();
  }
  void answer(int32_t id, std::string_view status, std::string_view bytes = {}) {
    head(id, {{":status", std::string(status)}}, bytes.empty());
    if (!bytes.empty()) body(id, bytes, true);
  }
  void reset(int32_t id, uint32_t code) {
    nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, id, code);
    send();
  }
  // RFC 9113 6.8: what stands above `last_stream` will not be looked at.
  void leave(int32_t last_stream, uint32_t code = NGHTTP2_NO_ERROR) {
    nghttp2_submit_goaway(session_, NGHTTP2_FLAG_NONE, last_stream, code, nullptr, 0);
    send();
  }
  void settings(std::vector<nghttp2_settings_entry> entries) {
    nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, entries.data(), entries.size());
    send();
  }
  // Whoever reads no more does not open windows either.
  void read(int32_t id, size_t bytes) {
    nghttp2_session_consume(session_, id, bytes);
    send();
  }
  void say(std::string_view bytes) {
    said_ += bytes;
    send();
  }
  // Says and hears nothing more, but keeps the connection.
  void stop() { stream_->when_readable(nullptr), stopped_ = true; }
  void abort() { stream_->abort(); }
  void end() { stream_->end_writing(); }

  std::deque<Asked> asked;  // in the order of their coming
  Asked* find(int32_t id) {
    for (Asked& one : asked)
      if (one.id == id) return &one;
    return nullptr;
  }
  size_t pings = 0, acknowledged_pings = 0, resets = 0;
  uint64_t window_updates = 0;        // bytes, of streams
  std::optional<uint32_t> went_away;  // GOAWAY, with its code
  bool ended = false;                 // the other side closed
  Stream& stream() { return *stream_; }

 private:
  struct Body {
    std::string bytes;
    bool last = false;
    TestFields trailers;
    bool submitted = false;
  };
  static TestHost& self(void* user) { return *static_cast<TestHost*>(user); }
  static std::vector<nghttp2_nv> pairs(const TestFields& fields) {
    std::vector<nghttp2_nv> out;
    for (const auto& [name, value] : fields)
      out.push_back({reinterpret_cast<uint8_t*>(const_cast<char*>(name.data())),
                     reinterpret_cast<uint8_t*>(const_cast<char*>(value.data())), name.size(), value.size(),
                     NGHTTP2_NV_FLAG_NONE});
    return out;
  }

  static int begin_headers(nghttp2_session*, const nghttp2_frame* frame, void* user) {
    if (!self(user).find(frame->hd.stream_id)) self(user).asked.push_back({.id = frame->hd.stream_id});
    return 0;
  }
  static int header(nghttp2_session*, const nghttp2_frame* frame, const uint8_t* name, size_t name_length,
                    const uint8_t* value, size_t value_length, uint8_t, void* user) {
    Asked& one = *self(user).find(frame->hd.stream_id);
    (one.head_came ? one.trailers : one.fields)
        .emplace_back(std::string(reinterpret_cast<const char*>(name), name_length),
                      std::string(reinterpret_cast<const char*>(value), value_length));
    return 0;
  }
  static int data(nghttp2_session*, uint8_t, int32_t id, const uint8_t* bytes, size_t length, void* user) {
    if (Asked* one = self(user).find(id)) one->body.append(reinterpret_cast<const char*>(bytes), length);
    return 0;
  }
  static int frame(nghttp2_session*, const nghttp2_frame* frame, void* user) {
    TestHost& host = self(user);
    Asked* one = host.find(frame->hd.stream_id);
    switch (frame->hd.type) {
      case NGHTTP2_HEADERS: one->head_came = true; [[fallthrough]];
      case NGHTTP2_DATA: one->ended |= (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0; break;
      case NGHTTP2_PING: ++((frame->hd.flags & NGHTTP2_FLAG_ACK) != 0 ? host.acknowledged_pings : host.pings); break;
      case NGHTTP2_RST_STREAM: ++host.resets; break;
      case NGHTTP2_GOAWAY: host.went_away = frame->goaway.error_code; break;
      case NGHTTP2_WINDOW_UPDATE:
        if (one) host.window_updates += static_cast<uint64_t>(frame->window_update.window_size_increment);
        break;
      default: break;
    }
    return 0;
  }
  static int closed(nghttp2_session*, int32_t id, uint32_t code, void* user) {
    if (Asked* one = self(user).find(id)) {
      one->closed = true;
      one->code = code;
    }
    return 0;
  }
  static ssize_t read_body(nghttp2_session* session, int32_t id, uint8_t* into, size_t most, uint32_t* flags,
                           nghttp2_data_source*, void* user) {
    Body& body = self(user).bodies_[id];
    if (body.bytes.empty() && !body.last) return NGHTTP2_ERR_DEFERRED;
    const size_t bytes = std::min(most, body.bytes.size());
    std::copy_n(body.bytes.data(), bytes, into);
    body.bytes.erase(0, bytes);
    if (body.bytes.empty() && body.last) {
      *flags |= NGHTTP2_DATA_FLAG_EOF;
      if (!body.trailers.empty()) {
        *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
        const auto all = pairs(body.trailers);
        nghttp2_submit_trailer(session, id, all.data(), all.size());
      }
    }
    return static_cast<ssize_t>(bytes);
  }

  void wake() override {
    char bytes[16384];
    while (!stopped_ && !ended) {
      const auto got = stream_->try_read(bytes);
      if (!got) {
        stream_->when_readable(this);
        break;
      }
      if (!*got || **got == 0) {
        ended = true;
        break;
      }
      if (nghttp2_session_mem_recv(session_, reinterpret_cast<uint8_t*>(bytes), **got) < 0) {
        ended = true;
        break;
      }
    }
    send();
  }
  void cancel() override {}
  void send() {
    if (writing_.running()) return;
    const uint8_t* bytes = nullptr;
    if (options_.is_http2 && !stopped_)
      for (ssize_t length; (length = nghttp2_session_mem_send(session_, &bytes)) > 0;)
        said_.append(reinterpret_cast<const char*>(bytes), static_cast<size_t>(length));
    if (said_.empty()) return;
    going_ = std::exchange(said_, {});
    writing_.start(write());
  }
  Task<void> write() {
    auto writing = stream_->write_all(going_, 0s);
    co_return co_await writing;
  }

  const Options options_;
  std::unique_ptr<Stream> stream_;
  nghttp2_session* session_ = nullptr;
  std::map<int32_t, Body> bodies_;
  std::string said_, going_;
  bool stopped_ = false;
  Runner writing_;
};

}  // namespace sluice::h2
