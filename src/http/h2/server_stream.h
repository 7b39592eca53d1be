// A request on an HTTP/2 connection, and its response. For this folder.
#pragma once

#include "http/h2/server_connection.h"
#include "http/h2/tunnel.h"

namespace sluice::h2 {

class ServerStreamOne;

// The body of a request: what is read opens the client's window.
class RequestBody final : public BodyReader {
 public:
  explicit RequestBody(ServerStreamOne& stream) : stream_(stream) {}
  Task<Chunk> read() override;
  const Headers* trailers() const override;

  void input_came();
  uint64_t bytes_read() const { return bytes_read_; }
  // All bytes that its content-length told of have come: what is missing is an empty frame, or trailers.

 private:
  std::optional<Result<Chunk>> at_hand();
  Task<Chunk> read_waiting();

  ServerStreamOne& stream_;
  Event came_;
  uint64_t bytes_read_ = 0;
};

class ServerStreamOne final : public ServerStream, private Tunnel::Carrier {
 public:
  ServerStreamOne(ServerConnection& connection, Incoming& incoming, const ServerLimits& limits, Arena& arena);
  ServerStreamOne(const ServerStreamOne&) = delete;
  ServerStreamOne& operator=(const ServerStreamOne&) = delete;
  ~ServerStreamOne() override;

  ServerRequest& request() override { return request_; }
  bool bodiless(uint16_t status) const override;
  void watch(Owner* owner) override;
  Task<void> begin(const ServerResponse& response, Chunk first) override;
  Task<void> send(Chunk chunk) override;
  std::optional<Task<void>> pass_on(BodyReader&, uint64_t&) override { return std::nullopt; }
  Stream& become_tunnel(std::string_view& early) override;
  Task<void> finish() override { return Status{}; }
  void reset() override;
  void set_idle_max(Nanos idle_max) override { limits_.idle_max = idle_max; }
  bool is_broken() const override { return incoming_->closed && !ended_; }
  SocketAddress local_address() const override;
  uint64_t body_bytes_read() const override { return body_.bytes_read(); }

  // --- told by the connection ---

  // There is more of the body, or its end, or nothing more will come.
  void input_came();
  // Reset by the client, or with its connection.
  void stream_closed();
  // A HEADERS frame of it has been made.
  void head_sent();
  // What waits to become DATA frames, and that so much of it did.
  std::string_view waiting() const { return tunnel_ ? tunnel_->waiting() : std::string_view(chunk_.bytes); }
  void gave(size_t bytes);

 private:
  friend class RequestBody;

  void tunnel_writes() override { resume(); }
  void tunnel_reads(size_t bytes) override { connection_.consumed(*incoming_, bytes); }
  void tunnel_aborts() override { reset(); }
  SocketAddress tunnel_address() const override { return connection_.stream().local_address(); }

  ssize_t next_data(size_t most, uint32_t& flags);
  // There is more, or the end.
  void resume();
  void read_head();
  void read_pseudo(std::string_view name, std::string_view value);
  void check();
  void join_cookies();
  const Headers* trailers();
  void say_continue();
  uint16_t status_of(const ServerResponse& response) const;
  void answer(const ServerResponse& response, bool with_body);
  const Headers* answer_trailers() const;
  bool gone() const { return incoming_->closed || reset_; }
  // What was given has become frames.
  bool taken() const { return head_sent_ && chunk_.bytes.empty() && (!chunk_.last || ended_) && !trailers_waiting_; }
  Task<void> pushed();
  Task<void> wait_until_taken();
  void refuse(HeadFailure why) {
    if (request_.refused == HeadFailure::none) request_.refused = why;
  }

  ServerConnection& connection_;
  Incoming* const incoming_;
  ServerLimits limits_;
  Arena& arena_;
  ServerRequest request_;
  RequestBody body_;
  std::string_view authority_, upgrade_protocol_;
  bool has_authority_ = false;
  Headers* trailers_ = nullptr;
  bool continue_waits_ = false;
  bool continue_goes_ = false;  // 100 is the next HEADERS frame to be made
  bool bodiless_method_ = false;

  // Of the response:
  Body answer_;
  std::span<const std::string_view> kept_from_trailers_;
  Chunk chunk_;  // what of it is still to become frames
  bool begun_ = false;
  bool head_is_all_ = false;
  bool head_sent_ = false;
  bool deferred_ = false;  // nghttp2 waits for more
  bool ended_ = false;     // the last of it has become a frame
  bool trailers_waiting_ = false;
  bool reset_ = false;
  Event moved_;

  std::optional<Tunnel> tunnel_;
  Owner* owner_ = nullptr;
};

}  // namespace sluice::h2
