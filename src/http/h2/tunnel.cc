#include "http/h2/tunnel.h"

#include <nghttp2/nghttp2.h>
#include <algorithm>
#include <cstring>

namespace sluice::h2 {

Tunnel::Tunnel(Side side, Loop& loop, Carrier& carrier, ReceivedBytes& received)
    : ReadyStream(side), loop_(loop), carrier_(carrier), received_(received), telling_(loop, *this) {
  now_.readable = !received.empty();
}

Tunnel::~Tunnel() {
  if (gone_) *gone_ = true;
}

Stream::Attempt Tunnel::try_read(std::span<char> into) {
  if (aborted_) return given_up();
  if (taken_.empty()) taken_ = received_.take();
  if (!taken_.empty()) {
    const size_t got = std::min(into.size(), taken_.size());
    std::memcpy(into.data(), taken_.data(), got);
    taken_ = taken_.subspan(got);
    if (taken_.empty()) carrier_.tunnel_reads(received_.give_back());
    now_.readable = buffered_bytes() > 0 || now_.peer_closed || now_.broken;
    return got;
  }
  if (now_.peer_closed) return size_t{0};
  if (now_.broken) return why_broken();
  now_.readable = false;
  return std::nullopt;
}

Stream::Attempt Tunnel::try_write(std::span<const iovec> parts) {
  if (aborted_ || ended_ || now_.broken) return why_broken();
  if (output_.empty()) output_ = Block(Block::kSmall);
  size_t put = 0;
  for (const iovec& part : parts) {
    const size_t bytes = std::min(part.iov_len, output_.size() - filled_);
    std::memcpy(output_.data() + filled_, part.iov_base, bytes);
    filled_ += bytes;
    put += bytes;
    if (bytes < part.iov_len) now_.writable = false;
  }
  if (put == 0 && !now_.writable) return std::nullopt;
  carrier_.tunnel_writes();
  return put;
}

ssize_t Tunnel::offer(size_t most, uint32_t& flags) {
  const size_t waits = filled_ - given_;
  if (waits == 0 && !ended_) return NGHTTP2_ERR_DEFERRED;
  const size_t bytes = std::min(most, waits);
  if (bytes > 0) flags |= NGHTTP2_DATA_FLAG_NO_COPY;
  if (bytes == waits && ended_) {
    flags |= NGHTTP2_DATA_FLAG_EOF;
    end_offered_ = true;
    if (bytes == 0) end_went();
  }
  return static_cast<ssize_t>(bytes);
}

void Tunnel::gave(size_t bytes) {
  given_ += bytes;
  if (given_ < filled_) return;
  given_ = filled_ = 0;
  output_.release();
  if (end_offered_) end_went();
  if (!std::exchange(now_.writable, true)) telling_.in_this_turn();
}

void Tunnel::end_writing() {
  if (std::exchange(ended_, true)) return;
  now_.writable = true;  // to meet an error
  telling_.in_this_turn();
  carrier_.tunnel_writes();
}

void Tunnel::end_went() {
  end_went_ = true;
  went_.notify(loop_);
}

Task<void> Tunnel::all_gone(SteadyTime deadline) {
  if (end_went_ || now_.broken) return Status{};
  return wait_for_end(deadline);
}

Task<void> Tunnel::wait_for_end(SteadyTime deadline) {
  while (!end_went_ && !now_.broken) {
    auto waiting = went_.wait(loop_, deadline);
    const Status waited = co_await waiting;
    if (!waited && waited.error().kind == ErrorKind::timeout) co_return fail(ErrorKind::timeout, "timed out", side_);
    CO_TRY(waited);
  }
  co_return Status{};
}

void Tunnel::abort() {
  if (std::exchange(aborted_, true)) return;
  now_.broken = now_.readable = now_.writable = true;
  went_.notify(loop_);
  telling_.in_this_turn();
  carrier_.tunnel_aborts();
}

void Tunnel::came() {
  now_.readable = true;
  telling_.in_this_turn();
}

void Tunnel::end_came() {
  now_.peer_closed = now_.readable = true;
  telling_.in_this_turn();
}

void Tunnel::broke(Error why) {
  if (!broken_) broken_ = std::move(why);
  went_.notify(loop_);
  now_.broken = now_.readable = now_.writable = true;
  telling_.in_this_turn();
}

// In the loop's order; whoever is told may destroy this.
void Tunnel::tell() {
  bool gone = false;
  gone_ = &gone;
  if (now_.writable && now_.writer) std::exchange(now_.writer, nullptr)->wake();
  if (!gone && now_.readable && now_.reader) std::exchange(now_.reader, nullptr)->wake();
  if (!gone && (now_.peer_closed || now_.broken) && now_.on_hangup) std::exchange(now_.on_hangup, nullptr)->wake();
  if (!gone) gone_ = nullptr;
}

}  // namespace sluice::h2
