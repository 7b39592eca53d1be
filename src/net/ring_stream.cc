#include "net/ring_stream.h"

#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <algorithm>
#include <cerrno>
#include <cstring>
#include <new>
#include <string>

#include "io/system_error.h"
#include "net/socket_base.h"

namespace sluice {
namespace {

// What came and waits for its reader: more at once, or more for longer than a turn, goes over.
constexpr size_t kKeptAtOnce = 4 * Ring::kBufferBytes;
constexpr size_t kKeptForLong = Ring::kBufferBytes;
// For the last bytes of a stream that has gone, for which the socket has no room yet.
constexpr Nanos kLingeringTime = 30s;

class RingStream final : public SocketBase, private Ring::User, private Waiter {
 public:
  RingStream(Loop& loop, int fd, Side side, const TcpObserver* observer)
      : SocketBase(side, observer), loop_(loop), ring_(*loop.ring()), fd_(fd) {
    now_.readable = false;
    const int one = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  }
  RingStream(const RingStream&) = delete;
  RingStream& operator=(const RingStream&) = delete;
  ~RingStream() override = default;
  // The kernel may be about to write to it: it stays until all its operations have completed.
  static void operator delete(RingStream* stream, std::destroying_delete_t) { stream->go(); }

  void start() {
    receive_next_ = true;
    ring_.tell_before_wait(*this);
  }
  Status connect(const SocketAddress& address);

  Loop& loop() const override { return loop_; }

  size_t buffered_bytes() override { return at_hand() + (by_calls_ ? bytes_at(fd_) : 0); }
  Attempt try_read(std::span<char> into) override;

  Attempt try_write(std::span<const iovec> parts) override;
  Attempt try_read_into_pipe(int pipe, size_t most) override;
  Attempt try_write_from_pipe(int pipe, size_t bytes) override;
  void end_writing() override;
  void abort() override;

 private:
  enum Operation : unsigned { kReceive, kSend, kRoom, kReady };
  // Bytes that came, in a buffer of the ring, until the end of the turn.
  struct Piece {
    const char* data = nullptr;
    uint32_t size = 0;
    uint16_t buffer = 0;
  };
  // The same in memory of its own, from `at` on.
  struct Kept {
    std::string bytes;
    size_t at = 0;
  };

  int descriptor() const override { return fd_; }
  void connected() override;

  void completed(unsigned operation, int32_t result, uint32_t flags, bool more) override;
  void before_wait() override;
  void ring_ends() override { destroy(); }
  void received(int32_t result, uint32_t flags);
  void was_sent(int32_t result);
  void has_room(int32_t events);
  void became_ready(int32_t events);
  void tell();
  void wake() override;
  void cancel() override {}
  bool is_known_to_ring() const { return receiving_ || sending_ || waiting_for_room_ || watching_; }

  std::string_view first() const;
  size_t at_hand() const { return piece_.size + (kept_ ? kept_->bytes.size() - kept_->at : 0); }
  size_t take(std::span<char> into);
  void take_first(size_t bytes);
  void keep_piece();
  void go_over();
  void watch();

  std::string_view unsent() const { return block_ ? std::string_view(block_->data() + sent_, size_ - sent_) : ""; }
  void forget_unsent();
  void all_has_gone();
  bool flush();
  void wait_for_room();
  Attempt seen(Attempt put);
  void fail_with(int code);
  std::unexpected<Error> error() const { return std::unexpected(errno_error(error_, "", side_)); }

  void go();
  void go_on_alone();
  void close();
  void destroy();

  Loop& loop_;
  Ring& ring_;
  int fd_;
  int error_ = 0;  // of the connection
  // Operations: those to be begun before the loop waits, and those that the kernel has.
  bool receive_next_ = false;
  bool receiving_ = false;
  bool room_next_ = false;
  bool sending_ = false;
  bool waiting_for_room_ = false;
  bool watch_next_ = false;
  bool watching_ = false;
  bool over_ = false;  // to calls, or on its way there
  bool by_calls_ = false;
  bool telling_ = false;
  bool ended_ = false;       // writes no more
  bool ends_later_ = false;  // once all has gone
  bool gone_alone_ = false;  // nobody has it any more
  uint16_t sent_ = 0;        // of the block
  uint16_t size_ = 0;
  Piece piece_;
  std::unique_ptr<Kept> kept_;          // before the piece
  std::unique_ptr<Ring::Block> block_;  // bytes that go
  std::unique_ptr<Timer> patience_;     // for those, when nobody has it any more
  bool* gone_ = nullptr;                // set: somebody wants to know that this has gone
};

// --- reading ----------------------------------------------------------------------------------------------------

std::string_view RingStream::first() const {
  if (kept_) return std::string_view(kept_->bytes).substr(kept_->at);
  return {piece_.data, piece_.size};
}

void RingStream::received(int32_t result, uint32_t flags) {
  if (result > 0) {
    const uint16_t buffer = Ring::buffer_of(flags);
    const auto bytes = ring_.bytes(buffer, static_cast<size_t>(result));
    if (gone_alone_) return ring_.give_back(buffer);
    keep_piece();
    piece_ = {bytes.data(), static_cast<uint32_t>(bytes.size()), buffer};
    if (kept_) keep_piece();
    if (at_hand() >= kKeptAtOnce) go_over();
    ring_.tell_before_wait(*this);
  } else if (result == 0) {
    now_.peer_closed = true;
    now_.broken = now_.broken || aborted_;
  } else if (result != -ENOBUFS && result != -ECANCELED) {
    return fail_with(-result);
  }
  if (gone_alone_) return;
  if (!receiving_ && !now_.peer_closed) {
    if (over_) return watch();
    start();  // there was no buffer
  }
  if (result >= 0) {
    now_.readable = true;
    tell();
  }
}

// The buffers are for all: what nobody has read in its turn goes into memory of its own.
void RingStream::before_wait() {
  if (std::exchange(room_next_, false) && fd_ >= 0 && !std::exchange(waiting_for_room_, true))
    ring_.poll(fd_, EPOLLOUT, false, *this, kRoom);
  if (gone_alone_) return;
  if (!unsent().empty() && !sending_ && now_.writable) {
    sending_ = true;
    ring_.send(fd_, unsent(), *this, kSend);
  }
  if (std::exchange(receive_next_, false)) {
    receiving_ = true;
    ring_.receive(fd_, *this, kReceive);
  }
  keep_piece();
  if (at_hand() > kKeptForLong) go_over();
  // Nothing is received any more that would tell of a reset.
  if (now_.peer_closed && !now_.broken && !by_calls_) watch();
  if (std::exchange(watch_next_, false)) {
    watching_ = true;
    ring_.poll(fd_, EPOLLIN | EPOLLOUT | EPOLLRDHUP, true, *this, kReady);
  }
}

void RingStream::keep_piece() {
  if (piece_.size == 0) return;
  if (!kept_) kept_ = std::make_unique<Kept>();
  kept_->bytes.append(piece_.data, piece_.size);
  ring_.give_back(piece_.buffer);
  piece_ = {};
}

// At most all of first().
void RingStream::take_first(size_t bytes) {
  if (kept_) {
    kept_->at += bytes;
    if (kept_->at == kept_->bytes.size()) kept_.reset();
    return;
  }
  piece_.data += bytes, piece_.size -= static_cast<uint32_t>(bytes);
  if (piece_.size == 0) ring_.give_back(piece_.buffer);
}

size_t RingStream::take(std::span<char> into) {
  size_t got = 0;
  std::string_view from;
  while (got < into.size() && !(from = first()).empty()) {
    const size_t bytes = std::min(from.size(), into.size() - got);
    std::memcpy(into.data() + got, from.data(), bytes);
    got += bytes;
    take_first(bytes);
  }
  now_.readable = !first().empty() || by_calls_ || now_.peer_closed || error_ != 0;
  return got;
}

Stream::Attempt RingStream::try_read(std::span<char> into) {
  if (aborted_) [[unlikely]]
    return given_up();
  if (!by_calls_ || !first().empty())
    if (const size_t got = take(into)) return got;
  if (error_ != 0) return error();
  if (by_calls_) return try_receive(fd_, into, now_, side_);
  if (now_.peer_closed) return size_t{0};
  return std::nullopt;
}

Stream::Attempt RingStream::try_read_into_pipe(int pipe, size_t most) {
  if (aborted_) [[unlikely]]
    return given_up();
  if (const std::string_view from = first(); !from.empty()) {
    const ssize_t got = ::write(pipe, from.data(), std::min(from.size(), most));
    if (got < 0) return std::unexpected(errno_error(errno, "pipe"));
    take_first(static_cast<size_t>(got));
    return static_cast<size_t>(got);
  }
  if (error_ != 0) return error();
  if (by_calls_) return try_receive_into_pipe(fd_, pipe, most, now_, side_);
  if (now_.peer_closed) return size_t{0};
  go_over();
  now_.readable = false;
  return std::nullopt;
}

// --- going over to calls ----------------------------------------------------------------------------------------

// Once nothing is being received any more.
void RingStream::go_over() {
  if (std::exchange(over_, true) || now_.peer_closed) return;
  receive_next_ = false;
  if (receiving_)
    ring_.cancel(*this, kReceive);
  else
    watch();
}

// From now on the ring tells of readiness.
void RingStream::watch() {
  if (std::exchange(by_calls_, true)) return;
  if (!now_.peer_closed) ring_.count_by_calls();
  now_.readable = true;
  watch_next_ = true;
  ring_.tell_before_wait(*this);
  tell();
}

void RingStream::became_ready(int32_t events) {
  if (events == -ECANCELED || gone_alone_) return;
  if (events < 0) return fail_with(-events);
  now_.take_note(static_cast<uint32_t>(events));
  if (!watching_) {  // the kernel had no room to tell of it again
    watch_next_ = true;
    ring_.tell_before_wait(*this);
  }
  tell();
}

// --- writing ----------------------------------------------------------------------------------------------------

void RingStream::forget_unsent() {
  sent_ = size_ = 0;
  if (block_) ring_.give_back(std::move(block_));
}

void RingStream::all_has_gone() {
  forget_unsent();
  if (std::exchange(ends_later_, false)) ::shutdown(fd_, SHUT_WR);
}

void RingStream::fail_with(int code) {
  if (error_ == 0) error_ = code;
  now_.broken = now_.readable = now_.writable = true;
  if (!sending_) forget_unsent();
  if (!gone_alone_) tell();
}

void RingStream::wait_for_room() {
  now_.writable = false;
  room_next_ = true;
  ring_.tell_before_wait(*this);
}

// Bytes that were copied, by a call. False: there are more than there is room for.
bool RingStream::flush() {
  if (sending_) {
    now_.writable = false;
    return false;
  }
  while (!unsent().empty()) {
    const ssize_t put = send_now(fd_, unsent());
    if (put >= 0) {
      sent_ = static_cast<uint16_t>(sent_ + put);
    } else if (errno == EAGAIN) {
      wait_for_room();
      return false;
    } else if (errno != EINTR) {
      fail_with(errno);
    }
  }
  all_has_gone();
  return true;
}

Stream::Attempt RingStream::try_write(std::span<const iovec> parts) {
  if (aborted_) [[unlikely]]
    return given_up();
  if (ended_) [[unlikely]]
    return std::unexpected(errno_error(EPIPE, "", side_));
  size_t bytes = 0;
  for (const iovec& part : parts) bytes += part.iov_len;
  const bool by_call = bytes > Ring::kBufferBytes || by_calls_ || now_.broken;
  if ((by_call || !now_.writable || sending_ || bytes > Ring::kBufferBytes - size_) && !flush()) return std::nullopt;
  if (error_ != 0) return error();
  if (connecting_) return std::nullopt;
  if (by_call) return seen(try_send(fd_, parts, now_, side_));
  if (!block_) block_ = ring_.take_block();
  for (const iovec& part : parts) {
    if (part.iov_len > 0) std::memcpy(block_->data() + size_, part.iov_base, part.iov_len);
    size_ = static_cast<uint16_t>(size_ + part.iov_len);
  }
  ring_.tell_before_wait(*this);
  return bytes;
}

Stream::Attempt RingStream::try_write_from_pipe(int pipe, size_t bytes) {
  if (aborted_) [[unlikely]]
    return given_up();
  if (ended_) [[unlikely]]
    return std::unexpected(errno_error(EPIPE, "", side_));
  if (!flush()) return std::nullopt;
  if (error_ != 0) return error();
  return seen(try_send_from_pipe(fd_, pipe, bytes, now_, side_));
}

// Of what was sent by a call. Who sends more than there is room for sends much.
Stream::Attempt RingStream::seen(Attempt put) {
  if (put && !*put) fail_with((*put).error().code);
  if (put || by_calls_) return put;
  wait_for_room();
  go_over();
  return put;
}

void RingStream::was_sent(int32_t result) {
  if (result > 0) sent_ = static_cast<uint16_t>(sent_ + result);
  if (result < 0 && result != -EAGAIN && result != -EINTR) return fail_with(-result);
  if (!unsent().empty()) return wait_for_room();
  all_has_gone();
  if (std::exchange(now_.writable, true) || gone_alone_) return;
  tell();  // somebody wanted to write meanwhile
}

void RingStream::has_room(int32_t events) {
  if (events < 0 || (events & (EPOLLERR | EPOLLHUP))) now_.broken = true;
  now_.writable = true;
  flush();
  if (!gone_alone_) tell();
}

void RingStream::end_writing() {
  if (std::exchange(ended_, true)) return;
  ends_later_ = true;
  flush();
  tell();  // whoever waits to write meets an error, also where bytes before its own find no room yet
}

void RingStream::abort() {
  if (std::exchange(aborted_, true)) return;
  if (!sending_) forget_unsent();
  ::shutdown(fd_, SHUT_RDWR);  // completes what is under way, for those who wait
  if (is_known_to_ring() || by_calls_) return;
  now_.broken = now_.readable = now_.writable = true;
  tell();
}

// --- being told -------------------------------------------------------------------------------------------------

void RingStream::completed(unsigned operation, int32_t result, uint32_t flags, bool more) {
  switch (static_cast<Operation>(operation)) {
    case kReceive:
      receiving_ = more;
      received(result, flags);
      break;
    case kSend:
      sending_ = false;
      was_sent(result);
      break;
    case kRoom:
      waiting_for_room_ = false;
      has_room(result);
      break;
    case kReady:
      watching_ = more;
      became_ready(result);
      break;
  }
  if (gone_alone_) go_on_alone();
}

void RingStream::tell() {
  if (!std::exchange(telling_, true)) loop_.defer(*this);
}

// In the loop's order; whoever is told may destroy this.
void RingStream::wake() {
  if (gone_alone_) {  // and its patience is at its end
    close();
    return go_on_alone();
  }
  telling_ = false;
  bool gone = false;
  gone_ = &gone;
  if (now_.broken) now_.readable = now_.writable = true;
  if ((now_.writable || ended_) && now_.writer) std::exchange(now_.writer, nullptr)->wake();
  if (!gone && now_.readable && now_.reader) std::exchange(now_.reader, nullptr)->wake();
  if (!gone && (now_.peer_closed || now_.broken) && now_.on_hangup) std::exchange(now_.on_hangup, nullptr)->wake();
  if (gone) return;
  gone_ = nullptr;
  if (now_.peer_closed && !now_.broken && !by_calls_) ring_.tell_before_wait(*this);
}

// --- the end ----------------------------------------------------------------------------------------------------

void RingStream::go() {
  gone_alone_ = true;
  if (gone_) *gone_ = true;
  if (telling_) loop_.undefer(*this);
  const bool loses_bytes = !first().empty();
  if (piece_.size > 0) ring_.give_back(piece_.buffer);
  kept_.reset();
  if (!loses_bytes && !aborted_ && error_ == 0 && !sending_) flush();
  tell_observer();  // now, as it may not live on; last words that wait are missing
  ring_.keep(*this);
  const bool lingers = !unsent().empty() && !loses_bytes && !aborted_ && error_ == 0;
  if (lingers && ring_.begin_to_linger()) {
    patience_ = std::make_unique<Timer>();
    patience_->arm(loop_, loop_.now() + kLingeringTime, *this);
  } else if (loses_bytes) {  // the peer learns of it as from a socket that is closed without having been read
    const linger hard{.l_onoff = 1, .l_linger = 0};
    setsockopt(fd_, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    if (receiving_) ring_.cancel(*this, kReceive);
    if (waiting_for_room_) ring_.cancel(*this, kRoom);
    if (watching_) ring_.cancel(*this, kReady);
    ::close(std::exchange(fd_, -1));
  } else {
    close();
  }
  go_on_alone();
}

// What is under way holds the socket open; this ends it.
void RingStream::close() {
  if (fd_ < 0) return;
  if (is_known_to_ring()) ::shutdown(fd_, SHUT_RDWR);
  if (watching_) ring_.cancel(*this, kReady);
  ::close(std::exchange(fd_, -1));
}

// Sends what is left, and goes when the ring knows nothing of it any more.
void RingStream::go_on_alone() {
  if (unsent().empty() || error_ != 0) close();
  if (fd_ < 0 && std::exchange(patience_, nullptr)) ring_.lingered(!unsent().empty());
  if (fd_ >= 0 || is_known_to_ring()) return;
  ring_.take_back(*this);
  destroy();
}

void RingStream::destroy() {
  forget_unsent();
  if (fd_ >= 0) ::close(fd_);
  this->~RingStream();
  ::operator delete(this, sizeof(RingStream));
}

// --- connecting -------------------------------------------------------------------------------------------------

Status RingStream::connect(const SocketAddress& address) {
  TRY(connect_to(address));
  if (connecting_)
    wait_for_room();
  else
    start();
  return {};
}

void RingStream::connected() {
  now_.broken = now_.readable = false;
  start();
}

}  // namespace

Result<std::unique_ptr<Stream>> open_ring_stream(Loop& loop, int fd, Side side, const TcpObserver* observer) {
  auto stream = std::unique_ptr<RingStream>(new RingStream(loop, fd, side, observer));
  stream->start();
  return stream;
}

Result<std::unique_ptr<Stream>> connect_ring_stream(Loop& loop, int fd, const SocketAddress& address) {
  auto stream = std::unique_ptr<RingStream>(new RingStream(loop, fd, Side::upstream, nullptr));
  TRY(stream->connect(address));
  return stream;
}

}  // namespace sluice
