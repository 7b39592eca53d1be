// What client_session.cc and client_stream.cc know of one another.
#pragma once

#include "base/intrusive_list.h"
#include "http/h2/client_session.h"
#include "http/h2/floods.h"
#include "http/h2/frame_memory.h"
#include "http/h2/output.h"
#include "http/h2/tunnel.h"

namespace sluice::h2 {

class Client;

// One request and its response.
class ClientRequestStream final : public ClientStream, private Tunnel::Carrier {
 public:
  ClientRequestStream(Client& client, const ClientRequest& request, Owner& owner, Arena& arena, TaskGroup& background);
  ClientRequestStream(const ClientRequestStream&) = delete;
  ClientRequestStream& operator=(const ClientRequestStream&) = delete;
  ~ClientRequestStream() override;

  Task<void> send() override;
  Task<ClientResponse> receive() override;
  void reset(Error why) override;

  bool sending() const override { return pulling_ || (client_ && on_wire_ && !request_sent_); }
  bool heard() const override { return bytes_received_ > 0; }
  bool complete() const override { return answered_ && all_read_ && !tunnel_; }
  uint64_t bytes_sent() const override { return bytes_sent_; }
  uint64_t bytes_received() const override { return bytes_received_; }

  // --- told by the connection ---

  void head_begins();
  enum class FieldFate : uint8_t { taken, too_large, malformed };
  FieldFate field_came(std::string_view name, std::string_view value);
  void head_came(bool last, size_t wire_bytes);
  void data_came(std::string_view bytes);
  void peer_ended();
  void peer_reset() { peer_reset_ = true; }
  void settings_came() { news_.notify(loop_); }
  // nghttp2 knows it no more.
  void closed(uint32_t code);
  // The connection is over.
  void connection_ended(const Error& why);
  void was_sent(size_t wire_bytes) { bytes_sent_ += wire_bytes; }

  // As nghttp2_data_source_read_callback: of the body, NGHTTP2_ERR_DEFERRED when nothing is at hand.
  ssize_t offer(size_t most, uint32_t& flags);
  // What waits to become DATA frames, and that so much of it did.
  std::string_view waiting() const { return tunnel_ ? tunnel_->waiting() : std::string_view(piece_); }
  void gave(size_t bytes);
  // More of the body is wanted. True when more has come at once.
  bool pull();

  Links<ClientRequestStream> among_all, among_wanting;
  bool is_wanting = false;

 private:
  class Answer final : public BodyReader {
   public:
    explicit Answer(ClientRequestStream& s) : stream_(s) {}
    Task<Chunk> read() override { return stream_.read(); }
    const Headers* trailers() const override { return stream_.trailers_; }

   private:
    ClientRequestStream& stream_;
  };
  Task<void> send_when_settings_came();
  Task<void> send_now();
  bool submit();
  ClientResponse became_tunnel();
  void tunnel_writes() override;
  void tunnel_reads(size_t bytes) override { credit(bytes); }
  void tunnel_aborts() override;
  SocketAddress tunnel_address() const override;
  std::span<nghttp2_nv> fields();
  void request_ended();
  void credit(size_t bytes);
  const Headers* request_trailers();
  Task<void> pull_waiting(Task<Chunk> reading);
  void pulled(Result<Chunk> chunk);
  void body_is_wanted();
  void leave();
  void broke(ErrorKind kind, std::string message);
  ClientResponse answered();
  Task<Chunk> read();
  Task<Chunk> read_waiting();
  std::optional<Result<Chunk>> at_hand();
  Task<void> news();

  Client* client_;  // null once it has nothing to do with it any more
  Loop& loop_;
  const ClientRequest request_;
  Owner& owner_;
  Arena& arena_;
  TaskGroup& background_;
  int32_t id_ = -1;
  bool on_wire_ = false;  // nghttp2 knows it

  // the request's body
  std::span<char> piece_;    // what is left of the one that was read
  bool piece_last_ = false;  // nothing comes behind it
  bool pulling_ = false;     // pull_waiting() runs
  bool wanted_ = false;      // nghttp2 has been told that there is nothing yet
  bool held_back_ = false;   // until the upstream says 100, or for too long
  bool request_sent_ = false;
  TurnBudget pulls_{32};
  Wakes<ClientRequestStream, &ClientRequestStream::body_is_wanted> waited_for_100_{*this};
  Timer continue_timer_;
  SteadyTime last_sent_{};
  uint64_t bytes_sent_ = 0;

  // the answer
  Headers* headers_ = nullptr;  // those that come just now
  Headers* answer_ = nullptr;   // of the response's head
  Headers* trailers_ = nullptr;
  size_t head_bytes_ = 0;
  uint16_t status_ = 0;
  unsigned informational_ = 0;
  bool head_done_ = false;
  bool answered_ = false;  // the head has been handed out
  bool peer_ended_ = false;
  bool peer_reset_ = false;
  bool all_read_ = false;
  ReceivedBytes received_;
  Answer body_{*this};
  std::optional<uint64_t> length_;
  std::optional<Error> broken_;  // by the upstream, behind what came before
  std::optional<Error> reset_;   // here
  bool asks_for_tunnel_ = false;
  std::optional<Tunnel> tunnel_;
  Event news_;
  uint64_t bytes_received_ = 0;
};

class Client final : public ClientSession {
 public:
  Client(std::unique_ptr<Stream> stream, const ClientOptions& options);
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;
  ~Client() override;

  size_t capacity() const override;
  bool multiplexes() const override { return true; }
  ClientStreamPtr open(const ClientRequest& request, ClientStream::Owner& owner, Arena& arena,
                       TaskGroup& background) override;
  SocketAddress local_address() const override { return stream_->local_address(); }
  bool is_silent() override;
  void when_disturbed(Waiter* waiter) override { disturbed_ = waiter; }
  void when_roomier(Waiter* waiter) override { roomier_ = waiter; }

  // --- for its streams ---

  nghttp2_session* frames() const { return frames_.get(); }
  static nghttp2_data_source_read_callback body_callback();
  Loop& loop() const { return stream_->loop(); }
  bool is_over() const { return over_.has_value(); }
  bool settings_came() const { return settings_came_; }
  // RFC 8441 3.
  bool takes_tunnels() const;
  bool is_protected() const { return stream_->tls() != nullptr; }
  // What waits to be sent goes out at the end of this turn, together with what others add to it.
  void send_soon();
  void want_body(ClientRequestStream& stream);
  void entered(ClientRequestStream& stream) { streams_.push_front(stream); }
  void left(ClientRequestStream& stream);
  // One is open no more. Also one that was never asked for, so that nobody else will tell of its end.
  void stream_ended();
  static void count(Counter* counter) {
    if (counter) counter->add();
  }

 private:
  void begin();
  void input();
  void read_input();
  void write();
  void output();
  bool fill_output();
  bool pull_bodies();
  static void on_written(void* self, Status result);
  void was_quiet();
  void condemn(Counter* counter, uint32_t code, std::string_view why);
  void end(Error why);
  void tell_disturbed();
  void tell_roomier();
  void not_http2(int error);
  template <class Look>
  void each_stream(Look&& look) {
    for (auto* one = streams_.empty() ? nullptr : &streams_.front(); one; one = one->among_all.after) look(*one);
  }

  // --- told by nghttp2 ---
  struct Told;
  friend struct Told;
  void frame_begins(const nghttp2_frame_hd& head);
  void frame_came(const nghttp2_frame& frame);
  void frame_was_invalid(const nghttp2_frame& frame, int error);

  const std::unique_ptr<Stream> stream_;
  const ClientOptions options_;
  FrameMemory memory_;
  SessionPtr frames_;
  Output output_;
  LinkedList<ClientRequestStream, &ClientRequestStream::among_all> streams_;
  LinkedList<ClientRequestStream, &ClientRequestStream::among_wanting> wanting_;  // more of their body
  size_t open_ = 0;                                                               // streams of the connection
  bool settings_came_ = false;
  bool leaving_ = false;  // the upstream wants no more streams
  std::optional<Error> over_;
  std::optional<Error> broken_;  // by what has come; to end as soon as nghttp2 has returned
  Waiter* disturbed_ = nullptr;
  Waiter* roomier_ = nullptr;

  Wakes<Client, &Client::input> readable_{*this};
  Wakes<Client, &Client::was_quiet> quiet_{*this};
  Deferred<Client, &Client::input> read_later_{loop(), *this};
  Deferred<Client, &Client::write> write_later_{loop(), *this};
  Deferred<Client, &Client::tell_roomier> tell_roomier_later_{loop(), *this};
  Timer quiet_timer_;
  SteadyTime last_heard_{};
  bool pinged_ = false;
  Floods floods_;
};

}  // namespace sluice::h2
