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
#include "http/h2/waiters.h"

namespace sluice::h2 {

class ServerConnection final : public ServerSession {
 public:
  ServerConnection(std::unique_ptr<Stream> stream, std::string_view early, const ServerLimits& limits,
                   const ServerOptions& options, std::shared_ptr<const Http2Metrics> metrics);
  ServerConnection(const ServerConnection&) = delete;
  ServerConnection& operator=(const ServerConnection&) = delete;
  ~ServerConnection() override;

  bool concurrent() const override { return true; }
  Task<ServerStreamPtr> next(const ServerLimits& limits, Arena& arena) override;
  bool has_input() const override { return !waiting_.empty(); }
  void when_readable(Waiter* waiter) override;
  void drain() override;
  void end_now() override;
  bool over() const override { return over_; }
  Task<void> linger() override;

  // --- for the streams on it ---

  nghttp2_session* native() const { return native_.get(); }
  Loop& loop() const { return stream_->loop(); }
  Stream& stream() const { return *stream_; }
  const Http2Metrics& metrics() const { return *metrics_; }
  // Makes frames of what is there to be said, as far as windows and room go, and has them written.
  void say();
  // Somebody has read so much of a body: the windows open.
  void consumed(const Incoming& incoming, size_t bytes);
  // `code` is one of RFC 9113 7.
  void reset(Incoming& incoming, uint32_t code);
  // It has been answered, and the rest of the request is not wanted (RFC 9113 8.1).
  void end_soon(Incoming& incoming);
  // Nobody has it any more.
  void let_go(Incoming& incoming);

 private:
  friend struct Calls;  // nghttp2's, into this

  void settings(const ServerOptions& options);
  void read();
  void feed(std::string_view bytes);
  bool is_to_be_judged(const FrameScan::Head& head);
  bool is_closed(const FrameScan::Head& head) const;
  void make_frames();
  void flush();
  void flush_later();
  static void on_written(void* self, Status result);
  void lose();
  void failed(int error);
  int condemn(uint32_t code, Counter* why);
  void close(Incoming& incoming);
  void close_all();
  void tell_closed();
  void look_for_end();
  void tell();
  void tell_waiter();
  void watch_the_clock();
  bool awaits_rest() const;
  SteadyTime rest_due() const { return later(awaited_since_, limits_.head_timeout); }
  void head_is_late();
  void give_up_head(HeadFailure why);
  void drain_to_the_end();
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
  int message_is_invalid(int32_t id);
  void stream_closed(int32_t id, uint32_t code);
  void frame_sent(const nghttp2_frame& frame);
  void frame_not_sent(const nghttp2_frame& frame, int error);
  void reset_sent(int32_t id);
  void end_answered(int32_t id);
  void end_those_due();
  Incoming* find(int32_t id) const {
    return static_cast<Incoming*>(nghttp2_session_get_stream_user_data(native_.get(), id));
  }
  void forget(Incoming& incoming);

  const std::unique_ptr<Stream> stream_;
  const std::shared_ptr<const Http2Metrics> metrics_;
  ServerLimits limits_;
  const size_t streams_max_;
  const bool invalid_message_ends_connection_;
  const Nanos drain_max_;
  FrameMemory memory_;
  SessionPtr native_;
  Output output_;

  LinkedList<Incoming, &Incoming::all> streams_;
  LinkedList<Incoming, &Incoming::queue> waiting_;  // requests that nobody has taken yet
  LinkedList<Incoming, &Incoming::queue> closed_;   // whose takers are to be told
  Incoming* heading_ = nullptr;                     // whose head or trailers are coming
  size_t head_bytes_ = 0;                           // of all that are here
  int32_t seen_id_ = 0;                             // the last, of what has not been read yet, too
  int32_t last_id_ = 0;                             // of all streams that the client has opened
  int32_t last_reset_id_ = 0;                       // of those that were reset before the client had ended them
  FrameScan scan_;
  Floods floods_;

  SteadyTime awaited_since_;  // the rest of the newest head; before any, the first SETTINGS
  Waiter* waiter_ = nullptr;
  Wakes<ServerConnection, &ServerConnection::read> readable_{*this};
  Wakes<ServerConnection, &ServerConnection::head_is_late> late_{*this};
  Wakes<ServerConnection, &ServerConnection::drain_to_the_end> drained_{*this};
  Wakes<ServerConnection, &ServerConnection::end_those_due> due_{*this};
  Deferred<ServerConnection, &ServerConnection::read> read_later_{loop(), *this};
  Deferred<ServerConnection, &ServerConnection::flush> flush_later_{loop(), *this};
  Deferred<ServerConnection, &ServerConnection::tell_waiter> tell_later_{loop(), *this};
  Timer head_timer_;
  Timer drain_timer_;
  // Answered streams whose requests may still end by themselves, the oldest first.
  struct Ending {
    int32_t id;
    SteadyTime due;
  };
  std::vector<Ending> ending_;
  Timer ending_timer_;
  bool inside_ = false;  // nghttp2 works on input or output
  bool settings_came_ = false;
  bool deaf_ = false;  // looks at nothing any more that comes
  bool broken_ = false;
  bool draining_ = false;
  bool over_ = false;
};

}  // namespace sluice::h2
