#include "net/memory_stream.h"

#include <algorithm>
#include <cstring>
#include <string>

#include "net/ready.h"

namespace sluice {

class MemoryStream final : public ReadyStream<Readiness>, private Waiter {
 public:
  MemoryStream(Loop& loop, Side side, size_t capacity) : ReadyStream(side), loop_(loop), capacity_(capacity) {
    now_.readable = false;
  }
  MemoryStream(const MemoryStream&) = delete;
  MemoryStream& operator=(const MemoryStream&) = delete;
  ~MemoryStream() override;
  static void join(MemoryStream& one, MemoryStream& other) { one.peer_ = &other, other.peer_ = &one; }

  Loop& loop() const override { return loop_; }
  SocketAddress local_address() const override { return SocketAddress::v4(INADDR_LOOPBACK, 0); }
  Task<void> established(SteadyTime deadline) override;

  size_t buffered_bytes() override { return arrived_.size(); }
  Attempt try_read(std::span<char> into) override;
  bool is_silent() override { return !now_.readable && !now_.peer_closed && !now_.broken; }

  Attempt try_write(std::span<const iovec> parts) override;
  void end_writing() override;

  void abort() override;

  // It is a call that has not been answered yet.
  void begin_call() {
    calls_ = true;
    now_.writable = false;
  }
  bool peer_waits() const { return peer_ && peer_->calls_ && !peer_->aborted_; }
  // Answers the peer's call; an Error refuses it.
  void answer(Status fate);

 private:
  Task<void> wait_until_established(SteadyTime deadline);
  void wake() override;
  void cancel() override {}
  void tell();
  void hear_end();
  void hear_reset();
  std::unexpected<Error> reset() const {
    if (refused_) return std::unexpected(*refused_);
    return aborted_ ? given_up() : fail(ErrorKind::reset, "connection reset by peer", side_);
  }

  Loop& loop_;
  const size_t capacity_;
  MemoryStream* peer_ = nullptr;  // null once that is gone
  std::string arrived_;
  bool ended_ = false;  // this end writes no more
  bool telling_ = false;
  bool calls_ = false;  // and waits to be established
  std::optional<Error> refused_;
  Event answered_;
  bool* gone_ = nullptr;  // set: somebody wants to know that this has been destroyed
};

// What was not read is lost to the peer, which learns of it as from a socket: by a reset.
MemoryStream::~MemoryStream() {
  if (telling_) loop_.undefer(*this);
  if (gone_) *gone_ = true;
  if (!peer_) return;
  peer_->peer_ = nullptr;
  if (arrived_.empty())
    peer_->hear_end();
  else
    peer_->hear_reset();
}

Task<void> MemoryStream::established(SteadyTime deadline) {
  if (aborted_ || refused_) return reset();
  if (!calls_) return Status{};
  return wait_until_established(deadline);
}

Task<void> MemoryStream::wait_until_established(SteadyTime deadline) {
  while (calls_ && !aborted_) {
    auto waiting = answered_.wait(loop_, deadline);
    const Status waited = co_await waiting;
    if (!waited && waited.error().kind == ErrorKind::timeout) co_return fail(ErrorKind::timeout, "timed out", side_);
    CO_TRY(waited);
  }
  if (aborted_ || refused_) co_return reset();
  co_return Status{};
}

void MemoryStream::answer(Status fate) {
  if (!peer_) return;
  MemoryStream& caller = *peer_;
  caller.calls_ = false;
  caller.now_.writable = true;
  if (!fate) {
    caller.refused_ = std::move(fate).error();
    caller.hear_reset();
  }
  caller.answered_.notify(loop_);
}

Stream::Attempt MemoryStream::try_read(std::span<char> into) {
  if (aborted_) return reset();
  if (!arrived_.empty()) {
    const size_t got = std::min(into.size(), arrived_.size());
    std::memcpy(into.data(), arrived_.data(), got);
    arrived_.erase(0, got);
    now_.readable = !arrived_.empty() || now_.peer_closed || now_.broken;
    if (peer_ && !std::exchange(peer_->now_.writable, true)) peer_->tell();
    return got;
  }
  if (now_.broken) return reset();
  if (now_.peer_closed) return size_t{0};
  now_.readable = false;
  return std::nullopt;
}

Stream::Attempt MemoryStream::try_write(std::span<const iovec> parts) {
  if (aborted_ || ended_ || now_.broken || !peer_ || peer_->aborted_) return reset();
  if (calls_) return std::nullopt;
  size_t put = 0;
  std::string& there = peer_->arrived_;
  for (const iovec& part : parts) {
    const size_t bytes = std::min(part.iov_len, capacity_ - std::min(capacity_, there.size()));
    there.append(static_cast<const char*>(part.iov_base), bytes);
    put += bytes;
    if (bytes < part.iov_len) now_.writable = false;
  }
  if (put == 0 && !now_.writable) return std::nullopt;
  peer_->now_.readable = true;
  peer_->tell();
  return put;
}

void MemoryStream::end_writing() {
  if (std::exchange(ended_, true)) return;
  now_.writable = true;  // to meet an error
  tell();
  if (peer_) peer_->hear_end();
}

void MemoryStream::hear_end() {
  now_.peer_closed = now_.readable = true;
  tell();
}

void MemoryStream::hear_reset() {
  now_.broken = now_.readable = now_.writable = true;
  arrived_.clear();
  tell();
}

void MemoryStream::abort() {
  if (std::exchange(aborted_, true)) return;
  now_.broken = now_.readable = now_.writable = true;
  arrived_.clear();
  tell();
  if (calls_) answered_.notify(loop_);
  if (!peer_) return;
  peer_->now_.writable = true;  // to meet an error
  peer_->hear_end();
}

void MemoryStream::tell() {
  if (!std::exchange(telling_, true)) loop_.defer(*this);
}

// In the loop's order; whoever is told may destroy this.
void MemoryStream::wake() {
  telling_ = false;
  bool gone = false;
  gone_ = &gone;
  if (now_.writable && now_.writer) std::exchange(now_.writer, nullptr)->wake();
  if (!gone && now_.readable && now_.reader) std::exchange(now_.reader, nullptr)->wake();
  if (!gone && (now_.peer_closed || now_.broken) && now_.on_hangup) std::exchange(now_.on_hangup, nullptr)->wake();
  if (!gone) gone_ = nullptr;
}

StreamPair memory_streams(Loop& loop, size_t capacity) {
  auto downstream = std::make_unique<MemoryStream>(loop, Side::downstream, capacity);
  auto upstream = std::make_unique<MemoryStream>(loop, Side::upstream, capacity);
  MemoryStream::join(*downstream, *upstream);
  return {std::move(downstream), std::move(upstream)};
}

MemoryCall::Dialled MemoryCall::dial(Loop& loop, size_t capacity) {
  auto far = std::make_unique<MemoryStream>(loop, Side::downstream, capacity);
  auto near = std::make_unique<MemoryStream>(loop, Side::upstream, capacity);
  MemoryStream::join(*far, *near);
  near->begin_call();
  return {std::move(near), MemoryCall(std::move(far))};
}

MemoryCall::MemoryCall(std::unique_ptr<MemoryStream> far) : far_(std::move(far)) {}
MemoryCall::MemoryCall(MemoryCall&&) noexcept = default;
MemoryCall::~MemoryCall() {
  if (far_) refuse();
}

std::unique_ptr<Stream> MemoryCall::accept() {
  far_->answer(Status{});
  return std::move(far_);
}

void MemoryCall::refuse() {
  far_->answer(fail(ErrorKind::refused, "Connection refused", Side::upstream));
  far_.reset();
}

bool MemoryCall::given_up() const {
  return !far_->peer_waits();
}

}  // namespace sluice
