// What streams that TLS protects have in common, whichever end they are.
#pragma once

#include <array>
#include <optional>

#include "io/loop.h"
#include "net/stream.h"
#include "net/tls/openssl.h"
#include "net/tls_info.h"

namespace sluice::tls {

class TlsStream : public Stream {
 public:
  TlsStream(const TlsStream&) = delete;
  TlsStream& operator=(const TlsStream&) = delete;
  ~TlsStream() override;

  Loop& loop() const final { return below_->loop(); }
  SocketAddress local_address() const final { return below_->local_address(); }
  const TlsInfo* tls() const final { return established_ ? &info_ : nullptr; }
  Task<void> established(SteadyTime deadline) final;

  bool has_buffered() const final { return has_decrypted() || below_->has_buffered(); }
  bool may_have_input() const final { return has_decrypted() || below_->may_have_input(); }
  size_t buffered_bytes() final;
  Attempt try_read(std::span<char> into) final;
  Task<size_t> read(std::span<char> into, SteadyTime deadline) final;
  void when_readable(Waiter* waiter) final;
  bool is_silent() final;

  Attempt try_write(std::span<const iovec> parts) final;
  void end_writing() final;
  Side side() const final { return below_->side(); }

  bool peer_ended() const final { return ended_ || below_->peer_ended(); }
  bool is_broken() const final { return failure_.has_value() || below_->is_broken(); }
  void when_hung_up(Waiter* waiter) final { below_->when_hung_up(waiter); }
  void abort() final;

  Task<void> readable(SteadyTime deadline) final;
  Task<void> writable(SteadyTime deadline) final;

  // Of the handshake that runs just now.
  static TlsStream& of(const SSL* ssl) { return *static_cast<TlsStream*>(SSL_get_app_data(ssl)); }

 protected:
  explicit TlsStream(std::unique_ptr<Stream> below);
  // The state of one end, once the stream below is established. An Error: it cannot be.
  virtual Result<SslPtr> begin() = 0;
  // What went wrong in a handshake, where this end knows better than OpenSSL's text.
  virtual std::optional<Error> handshake_failure() { return std::nullopt; }
  // The handshake is done: what of it this end adds.
  virtual void learn(TlsInfo&) {}
  // The longest time of a handshake, as far as it is known yet; 0: no limit.
  virtual Nanos handshake_max() const { return Nanos(0); }
  SSL* ssl() const { return ssl_.get(); }
  TlsInfo info_;

 private:
  enum class Need : uint8_t { nothing, input, room };
  // While nobody reads: news that only TLS is told of are no news.
  struct Input final : Waiter {
    explicit Input(TlsStream& s) : stream(s) {}
    void wake() override;
    void cancel() override {}
    TlsStream& stream;
    Waiter* told = nullptr;
  };
  // For one of two tasks that need the same of the stream below: the other waits until the first need not any more.
  struct Turn {
    bool taken = false;
    Event given_back;
  };

  friend struct BelowBio;
  bool has_decrypted() const {
    return ended_ || failure_ || aborted_ || (ssl_ && !drained_ && SSL_has_pending(ssl_.get()));
  }
  Task<void> shake_hands(SteadyTime deadline);
  Result<Need> shake();
  void finish_handshake();
  Attempt nothing_read(int result);
  Task<size_t> read_waiting(std::span<char> into, SteadyTime deadline);
  Task<void> wait_for(Need need, SteadyTime deadline);
  bool has_news();
  std::unexpected<Error> broken(Error why);
  std::unexpected<Error> given_up() const { return fail(ErrorKind::reset, "the connection was given up", side()); }
  Error failure_of(int code);

  const std::unique_ptr<Stream> below_;
  SslPtr ssl_;
  Input input_{*this};
  Turn reading_, writing_;
  std::optional<Error> failure_;   // nothing goes any more
  std::optional<Error> io_error_;  // of the stream below
  size_t blocked_ = 0;             // bytes that lie encrypted, and wait for room below
  bool established_ = false;
  bool drained_ = false;  // a read found nothing whole
  bool looks_closely_ = false;
  bool ended_ = false;  // by close_notify
  bool below_ended_ = false;
  bool writing_ended_ = false;
  bool aborted_ = false;
  bool read_wants_room_ = false;  // only with key updates and renegotiation
  bool write_wants_input_ = false;
};

}  // namespace sluice::tls
