// The session behind make_server_session(): nghttp2 between a Stream and the requests on it. For this folder.
//
//   Stream -> nghttp2 -> Incoming -> next() -> ServerStream -> nghttp2 -> Output -> Stream
//
// Reads whenever bytes come, as requests, windows and answers to pings are in one row; what a reader of a body has not
// taken is bounded by the windows. Frames are made as soon as there is something to say, so that who said it need not
// wait, and written at the end of the turn, all at once.
#pragma once

#include "http/h2/floods.h"
#include "http/h2/frame_memory.h"
#include "http/h2/frame_scan.h"
#include "http/h2/incoming.h"
#include "http/h2/output.h"
#include "http/h2/server_session.h"

namespace sluice::h2 {

class ServerConnection final : public ServerSession, private Waiter {
 public:
  ServerConnection(std::unique_ptr<Stream> stream, std::string_view early, const ServerLimits& limits,
                   const ServerOptions& options, std::shared_ptr<const Http2Metrics> metrics);
  ServerConnection(const ServerConnection&) = delete;
  ServerConnection& operator=(const ServerConnection&) = delete;
  ~ServerConnection() override;

  bool concurrent() const override { return true; }
  Task<ServerStreamPtr> next(const ServerLimits& limits, Arena& arena) override;
  bool has_input() const override { return waiting_from_ < waiting_.size(); }
  void when_readable(Waiter* waiter) override;
  void drain() override;
  bool over() const override { return over_; }
  Task<void> linger() override;

  // --- for the streams on it ---

  nghttp2_session* native() const { return native_.get(); }
  Loop& loop() const { return stream_->loop(); }
  Stream& stream() const { return *stream_; }
  const Http2Metrics& metrics() const { return *metrics_; }
  bool broken() const { return broken_; }
  // Makes frames of what is there to be said, as far as windows and room go, and has them written.
  void say();
  // Somebody has read so much of a body: the windows open.
  void consumed(const Incoming& incoming, size_t bytes);
  // `code` is one of RFC 9113 7.
  void reset(const Incoming& incoming, uint32_t code);
  // Nobody has it any more.
  void let_go(Incoming& incoming);

 private:
  friend struct Calls;  // nghttp2's, into this

  // Told by the loop; each is a Waiter of its own.
  struct Flush final : Waiter {
    explicit Flush(ServerConnection& c) : connection(c) {}
    void wake() override { connection.flush(); }
    void cancel() override {}
    ServerConnection& connection;
    bool due = false;
  };
  struct Tell final : Waiter {
    explicit Tell(ServerConnection& c) : connection(c) {}
    void wake() override {
      due = false;
      if (Waiter* waiter = std::exchange(connection.waiter_, nullptr)) waiter->wake();  // perhaps the end of this
    }
    void cancel() override {}
    ServerConnection& connection;
    bool due = false;
  };
  struct Late final : Waiter {
    explicit Late(ServerConnection& c) : connection(c) {}
    void wake() override { connection.head_is_late(); }
    void cancel() override {}
    ServerConnection& connection;
  };
  struct Drained final : Waiter {
    explicit Drained(ServerConnection& c) : connection(c) {}
    void wake() override { connection.drain_to_the_end(); }
    void cancel() override {}
    ServerConnection& connection;
  };

  void wake() override { read(); }
  void cancel() override {}
  void settings(const ServerOptions& options);
  void read();
  void feed(std::string_view bytes);
  bool is_to_be_judged(const FrameScan::Head& head);
  bool is_closed(const FrameScan::Head& head) const;
  size_t put(std::string_view bytes);
  void make_frames();
  void flush();
  void flush_later();
  static void on_written(void* self, Status result);
  void lose();
  void fail_with(int error);
  void end_with(uint32_t code);
  void close_all();
  void tell_closed();
  void look_for_end();
  void tell();
  void watch_the_clock();
  bool awaits_rest() const;
  SteadyTime rest_due() const { return later(awaited_since_, limits_.head_timeout); }
  void head_is_late();
  void give_up_head(HeadFailure why);
  void drain_to_the_end();
  int doom(uint32_t code, Counter* why);
  int admit(Cheap kind, Counter* flood);

  // What nghttp2 tells.
  int head_begins(const nghttp2_frame& frame);
  int field_came(std::string_view name, std::string_view value);
  int trailers_are_too_large();
  int invalid_field(const nghttp2_frame& frame);
  int frame_came(const nghttp2_frame& frame);
  void head_came(Incoming& incoming, bool last);
  int data_came(int32_t id, std::string_view bytes);
  int stream_is_refused();
  int message_is_invalid();
  void stream_closed(int32_t id, uint32_t code);
  void frame_sent(const nghttp2_frame& frame);
  ssize_t frame_bytes_max(size_t remote_max) const;
  int data_sent(const uint8_t* head, size_t bytes, Taker& from);
  Incoming* find(int32_t id) const {
    return static_cast<Incoming*>(nghttp2_session_get_stream_user_data(native_.get(), id));
  }
  void link(Incoming& incoming);
  void unlink(Incoming& incoming);
  void forget(Incoming& incoming);

  const std::unique_ptr<Stream> stream_;
  const std::shared_ptr<const Http2Metrics> metrics_;
  ServerLimits limits_;
  const size_t streams_max_;
  const bool invalid_message_ends_connection_;
  FrameMemory memory_;
  SessionPtr native_;
  Output output_;
  std::string unsent_;  // of a frame for which there was no room

  Incoming* first_ = nullptr;  // all there are
  size_t streams_ = 0;
  Incoming* heading_ = nullptr;     // whose head or trailers are coming
  std::vector<Incoming*> waiting_;  // requests that nobody has taken yet, in order, from waiting_from_ on
  size_t waiting_from_ = 0;
  std::vector<Incoming*> closed_;           // whose takers are to be told
  size_t head_bytes_ = 0;                   // of all that are here
  uint32_t doom_ = NGHTTP2_PROTOCOL_ERROR;  // what a callback that fails ends it with
  int32_t seen_id_ = 0;                     // the same, of what has not been read yet, too
  int32_t last_id_ = 0;                     // of all streams that the client has opened
  int32_t last_reset_id_ = 0;               // of those that were reset before the client had ended them
  FrameScan scan_;
  Floods floods_;

  SteadyTime awaited_since_;  // the rest of the newest head; before any, the first SETTINGS
  Waiter* waiter_ = nullptr;
  Flush flush_{*this};
  Tell tell_{*this};
  Late late_{*this};
  Drained drained_{*this};
  Timer head_timer_;
  Timer drain_timer_;
  bool inside_ = false;  // nghttp2 works on input or output
  bool reading_later_ = false;
  bool settings_came_ = false;
  bool client_ended_ = false;
  bool deaf_ = false;  // looks at nothing any more that comes
  bool broken_ = false;
  bool draining_ = false;
  bool over_ = false;
};

}  // namespace sluice::h2
