#include "net/tls/tls_stream.h"

#include <cstring>

namespace sluice::tls {

// OpenSSL's way to the stream below: it never waits, and keeps what went wrong.
struct BelowBio {
  static int read(BIO* bio, char* into, size_t size, size_t* got) {
    TlsStream& stream = of(bio);
    BIO_clear_retry_flags(bio);
    if (!stream.below_->has_buffered() && !stream.looks_closely_) {
      BIO_set_retry_read(bio);
      return 0;
    }
    const Stream::Attempt attempt = stream.below_->try_read({into, size});
    if (!attempt) {
      BIO_set_retry_read(bio);
      return 0;
    }
    if (!*attempt) {
      stream.io_error_ = attempt->error();
      return 0;
    }
    if (**attempt == 0) stream.below_ended_ = true;
    *got = **attempt;
    return **attempt > 0 ? 1 : 0;
  }
  static int write(BIO* bio, const char* from, size_t size, size_t* put) {
    TlsStream& stream = of(bio);
    BIO_clear_retry_flags(bio);
    const iovec part{const_cast<char*>(from), size};
    const Stream::Attempt attempt = stream.below_->try_write(std::span(&part, 1));
    if (!attempt) {
      BIO_set_retry_write(bio);
      return 0;
    }
    if (!*attempt) {
      stream.io_error_ = attempt->error();
      return 0;
    }
    *put = **attempt;
    return 1;
  }
  static long control(BIO* bio, int what, long, void*) {
    if (what == BIO_CTRL_EOF) return of(bio).below_ended_ ? 1 : 0;
    return what == BIO_CTRL_FLUSH ? 1 : 0;
  }
  static BIO* make(TlsStream& stream) {
    static BIO_METHOD* const method = [] {
      BIO_METHOD* made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "stream");
      BIO_meth_set_read_ex(made, read);
      BIO_meth_set_write_ex(made, write);
      BIO_meth_set_ctrl(made, control);
      return made;
    }();
    BIO* bio = BIO_new(method);
    BIO_set_data(bio, &stream);
    BIO_set_init(bio, 1);
    return bio;
  }

 private:
  static TlsStream& of(BIO* bio) { return *static_cast<TlsStream*>(BIO_get_data(bio)); }
};

namespace {

constexpr size_t kRecordMax = 16384;  // RFC 8446 5.1

// The first bytes of the parts, in one piece: in place where they are, else copied.
std::string_view first_piece(std::span<const iovec> parts, size_t skip, size_t most) {
  thread_local std::array<char, kRecordMax> together;
  while (!parts.empty() && skip >= parts.front().iov_len) {
    skip -= parts.front().iov_len;
    parts = parts.subspan(1);
  }
  if (parts.empty()) return {};
  const std::string_view first(static_cast<const char*>(parts.front().iov_base) + skip, parts.front().iov_len - skip);
  if (first.size() >= most || parts.size() == 1) return first.substr(0, most);
  size_t size = 0;
  for (const iovec& part : parts) {
    const size_t bytes = std::min(part.iov_len - skip, most - size);
    std::memcpy(together.data() + size, static_cast<const char*>(part.iov_base) + skip, bytes);
    size += bytes;
    skip = 0;
    if (size == most) break;
  }
  return {together.data(), size};
}

// Where the other end has begun no handshake, in words that say so and what to do; OpenSSL's name what it compared.
std::string_view without_tls(int reason, bool is_server) {
  switch (reason) {
    case SSL_R_HTTP_REQUEST:
    case SSL_R_HTTPS_PROXY_REQUEST:
      if (is_server) return "the client speaks HTTP in the clear: this port speaks TLS only (https://)";
      [[fallthrough]];
    case SSL_R_WRONG_VERSION_NUMBER:
      return is_server ? "the client does not speak TLS, and this port speaks nothing else"
                       : "the other end does not speak TLS: without sslConfig, or as http://, it is met in the clear";
    default: return {};
  }
}

}  // namespace

TlsStream::TlsStream(std::unique_ptr<Stream> below) : below_(std::move(below)) {}

// A session whose connection was not shut down is not resumed by OpenSSL: it takes that for an attack on its end.
TlsStream::~TlsStream() {
  if (!ssl_) return;
  // With bytes that nobody has read it is no end in order: the peer shall see it break.
  const bool in_order = established_ && !failure_ && !aborted_ && !below_->is_broken() && !may_have_input();
  if (in_order && !writing_ended_) SSL_shutdown(ssl_.get());
  SSL_set_shutdown(ssl_.get(), SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
  ERR_clear_error();
}

// --- the handshake ----------------------------------------------------------------------------------------------

Task<void> TlsStream::established(SteadyTime deadline) {
  if (aborted_) return given_up();
  if (failure_) return std::unexpected(*failure_);
  if (established_) return Status{};
  return shake_hands(deadline);
}

Task<void> TlsStream::shake_hands(SteadyTime deadline) {
  auto connecting = below_->established(deadline);
  CO_TRY(co_await connecting);
  if (aborted_) co_return given_up();
  if (!ssl_) {
    auto begun = begin();
    if (!begun) co_return broken(std::move(begun).error());
    ssl_ = *std::move(begun);
    SSL_set_app_data(ssl_.get(), this);
    BIO* bio = BelowBio::make(*this);
    SSL_set_bio(ssl_.get(), bio, bio);
  }
  const SteadyTime begun = loop().now();
  for (;;) {
    auto turn = loop().heavy_work.turn();
    CO_TRY(co_await turn);
    if (aborted_) co_return given_up();
    const Need need = CO_TRY(shake());
    if (need == Need::nothing) co_return Status{};
    const Nanos own = handshake_max();
    auto waiting = wait_for(need, own.count() > 0 ? later(begun, own) : deadline);
    CO_TRY(co_await waiting);
  }
}

Result<TlsStream::Need> TlsStream::shake() {
  ERR_clear_error();
  const int result = SSL_do_handshake(ssl_.get());
  if (result == 1) {
    finish_handshake();
    return Need::nothing;
  }
  const int code = SSL_get_error(ssl_.get(), result);
  if (code == SSL_ERROR_WANT_READ) return Need::input;
  if (code == SSL_ERROR_WANT_WRITE) return Need::room;
  if (!io_error_)
    if (auto why = handshake_failure()) return broken(*std::move(why));
  return broken(failure_of(code));
}

void TlsStream::finish_handshake() {
  established_ = true;
  const SSL* ssl = ssl_.get();
  info_.version = SSL_get_version(ssl);
  info_.cipher = SSL_get_cipher_name(ssl);
  const unsigned char* alpn = nullptr;
  unsigned alpn_size = 0;
  SSL_get0_alpn_selected(ssl, &alpn, &alpn_size);
  info_.alpn.assign(reinterpret_cast<const char*>(alpn), alpn_size);
  info_.resumed = SSL_session_reused(ssl) == 1;
  learn(info_);
}

std::unexpected<Error> TlsStream::broken(Error why) {
  failure_ = std::move(why);
  return std::unexpected(*failure_);
}

Error TlsStream::failure_of(int code) {
  if (io_error_) return *io_error_;
  if (below_ended_) {
    ERR_clear_error();
    return {.kind = ErrorKind::reset,
            .message = established_ ? "the connection ended without TLS close_notify"
                                    : "the connection ended in the handshake",
            .side = side()};
  }
  if (code != SSL_ERROR_SSL) return {.kind = ErrorKind::reset, .message = "the connection broke", .side = side()};
  const int reason = ERR_GET_REASON(ERR_peek_error());
  const std::string text = "TLS: " + take_openssl_error();
  const std::string_view plain = established_ ? "" : without_tls(reason, SSL_is_server(ssl_.get()) == 1);
  return tls_error(
      reason == SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE ? TlsFailure::no_certificate : TlsFailure::protocol,
      plain.empty() ? text : std::string(plain), side());
}

// --- reading ----------------------------------------------------------------------------------------------------

Stream::Attempt TlsStream::try_read(std::span<char> into) {
  if (aborted_) return given_up();
  if (ended_) return size_t{0};
  if (failure_) return std::unexpected(*failure_);
  ERR_clear_error();
  size_t got = 0;
  const int result = SSL_read_ex(ssl_.get(), into.data(), into.size(), &got);
  if (result != 1) return nothing_read(result);
  drained_ = false;
  if (write_wants_input_) reading_.given_back.notify(loop());
  return got;
}

Stream::Attempt TlsStream::nothing_read(int result) {
  const int code = SSL_get_error(ssl_.get(), result);
  read_wants_room_ = code == SSL_ERROR_WANT_WRITE;
  if (code == SSL_ERROR_WANT_READ || code == SSL_ERROR_WANT_WRITE) {
    drained_ = true;
    return std::nullopt;
  }
  if (code == SSL_ERROR_ZERO_RETURN) {
    ended_ = true;
    return size_t{0};
  }
  return broken(failure_of(code));
}

size_t TlsStream::buffered_bytes() {
  if (aborted_ || ended_ || failure_ || !has_news()) return 0;
  return static_cast<size_t>(SSL_pending(ssl_.get()));
}

Task<size_t> TlsStream::read(std::span<char> into, SteadyTime deadline) {
  if (has_buffered())
    if (auto got = try_read(into)) return std::move(*got);
  return read_waiting(into, deadline);
}

Task<size_t> TlsStream::read_waiting(std::span<char> into, SteadyTime deadline) {
  for (;;) {
    auto ready = readable(deadline);
    CO_TRY(co_await ready);
    if (auto got = try_read(into)) co_return std::move(*got);
  }
}

Task<void> TlsStream::readable(SteadyTime deadline) {
  if (has_buffered()) return Status{};
  return wait_for(read_wants_room_ ? Need::room : Need::input, deadline);
}

// Two tasks may need the same of the stream below: a read that has to write, a write that has to read.
Task<void> TlsStream::wait_for(Need need, SteadyTime deadline) {
  Turn& turn = need == Need::input ? reading_ : writing_;
  if (turn.taken) {
    auto waiting = turn.given_back.wait(loop(), deadline);
    co_return co_await waiting;
  }
  turn.taken = true;
  auto waiting = need == Need::input ? below_->readable(deadline) : below_->writable(deadline);
  Status ready = co_await waiting;
  turn.taken = false;
  turn.given_back.notify(loop());
  co_return ready;
}

// Tickets and key updates come as bytes, and are nothing to whoever reads.
bool TlsStream::has_news() {
  if (has_decrypted()) return true;
  char byte;
  size_t got = 0;
  ERR_clear_error();
  if (SSL_peek_ex(ssl_.get(), &byte, 1, &got) == 1) {
    drained_ = false;
    return true;
  }
  const auto nothing = nothing_read(0);
  return nothing.has_value();
}

void TlsStream::Input::wake() {
  if (stream.aborted_ || stream.below_->is_broken() || stream.has_news())
    std::exchange(told, nullptr)->wake();
  else
    stream.below_->when_readable(this);
}

void TlsStream::when_readable(Waiter* waiter) {
  input_.told = waiter;
  below_->when_readable(waiter ? &input_ : nullptr);
}

bool TlsStream::is_silent() {
  if (aborted_ || below_->is_broken()) return false;
  if (!may_have_input()) return !below_->peer_ended();
  looks_closely_ = true;
  const bool news = has_news();
  looks_closely_ = false;
  return !news;
}

// --- writing ----------------------------------------------------------------------------------------------------

Stream::Attempt TlsStream::try_write(std::span<const iovec> parts) {
  if (aborted_ || writing_ended_) return given_up();
  if (failure_) return std::unexpected(*failure_);
  for (size_t done = 0;;) {
    const std::string_view piece = first_piece(parts, done, blocked_ > 0 ? blocked_ : kRecordMax);
    if (piece.empty()) return done;
    if (piece.size() < blocked_)
      return broken({.kind = ErrorKind::internal, .message = "a write was not gone on with", .side = side()});
    ERR_clear_error();
    size_t put = 0;
    if (SSL_write_ex(ssl_.get(), piece.data(), piece.size(), &put) == 1) {
      blocked_ = 0;
      done += put;
      continue;
    }
    const int code = SSL_get_error(ssl_.get(), 0);
    write_wants_input_ = code == SSL_ERROR_WANT_READ;
    if (code != SSL_ERROR_WANT_WRITE && code != SSL_ERROR_WANT_READ) return broken(failure_of(code));
    blocked_ = piece.size();
    if (done > 0) return done;
    return std::nullopt;
  }
}

Task<void> TlsStream::writable(SteadyTime deadline) {
  if (!write_wants_input_ && !read_wants_room_) return below_->writable(deadline);
  return wait_for(write_wants_input_ ? Need::input : Need::room, deadline);
}

void TlsStream::end_writing() {
  if (!std::exchange(writing_ended_, true) && established_ && !failure_ && !aborted_) {
    SSL_shutdown(ssl_.get());
    ERR_clear_error();
  }
  below_->end_writing();
}

void TlsStream::abort() {
  aborted_ = true;
  below_->abort();
}

}  // namespace sluice::tls
