// A stream of HTTP/2 that has become a tunnel (RFC 8441), as the Stream that it is to whoever relays bytes.
#pragma once

#include "http/h2/received_bytes.h"
#include "http/h2/waiters.h"
#include "net/ready.h"

namespace sluice::h2 {

class Tunnel final : public ReadyStream<Readiness> {
 public:
  // What carries it.
  class Carrier {
   public:
    // There is something to be sent, or the end.
    virtual void tunnel_writes() = 0;
    // The peer may send as much again.
    virtual void tunnel_reads(size_t bytes) = 0;
    virtual void tunnel_aborts() = 0;
    virtual SocketAddress tunnel_address() const = 0;

   protected:
    ~Carrier() = default;
  };
  // `received`: what comes lies in it. `side`: whose fault errors are.
  Tunnel(Side side, Loop& loop, Carrier& carrier, ReceivedBytes& received);
  Tunnel(const Tunnel&) = delete;
  Tunnel& operator=(const Tunnel&) = delete;
  ~Tunnel() override;

  Loop& loop() const override { return loop_; }
  SocketAddress local_address() const override { return carrier_.tunnel_address(); }
  Task<void> established(SteadyTime) override { return Status{}; }
  size_t buffered_bytes() override { return taken_.size() + received_.size(); }
  Attempt try_read(std::span<char> into) override;
  bool is_silent() override { return !now_.readable && !now_.peer_closed && !now_.broken; }
  Attempt try_write(std::span<const iovec> parts) override;
  void end_writing() override;
  Task<void> all_gone(SteadyTime deadline) override;
  void abort() override;

  // --- for what carries it ---

  void came();
  void end_came();
  void broke(Error why);
  // As nghttp2_data_source_read_callback: of what waits to be sent, or its end; NGHTTP2_ERR_DEFERRED: there is neither.
  ssize_t offer(size_t most, uint32_t& flags);
  std::string_view waiting() const { return {output_.data() + given_, filled_ - given_}; }
  // So much of that has gone.
  void gave(size_t bytes);

 private:
  void tell();
  void end_went();
  Task<void> wait_for_end(SteadyTime deadline);
  std::unexpected<Error> why_broken() const { return broken_ ? std::unexpected(*broken_) : given_up(); }

  Loop& loop_;
  Carrier& carrier_;
  ReceivedBytes& received_;
  std::span<char> taken_;  // of what was received, and not read
  Block output_;
  size_t filled_ = 0;
  size_t given_ = 0;
  bool ended_ = false;        // this end writes no more
  bool end_offered_ = false;  // with the last bytes
  bool end_went_ = false;
  Event went_;
  std::optional<Error> broken_;
  Deferred<Tunnel, &Tunnel::tell> telling_;
  bool* gone_ = nullptr;  // set: somebody wants to know that this has been destroyed
};

}  // namespace sluice::h2
