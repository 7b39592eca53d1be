#include "http/h2/client_tunnel.h"

#include <algorithm>
#include <cstring>

namespace sluice::h2 {

ClientTunnel::ClientTunnel(Loop& loop, Carrier& carrier, ReceivedBytes& received)
    : ReadyStream(Side::upstream), loop_(loop), carrier_(carrier), received_(received) {
  now_.readable = !received.empty();
}

ClientTunnel::~ClientTunnel() {
  if (telling_) loop_.undefer(*this);
  if (gone_) *gone_ = true;
}

Stream::Attempt ClientTunnel::try_read(std::span<char> into) {
  if (aborted_) return given_up();
  if (taken_.empty()) taken_ = received_.take();
  if (!taken_.empty()) {
    const size_t got = std::min(into.size(), taken_.size());
    std::memcpy(into.data(), taken_.data(), got);
    taken_ = taken_.subspan(got);
    now_.readable = buffered_bytes() > 0 || now_.peer_closed || now_.broken;
    carrier_.tunnel_reads(got);
    return got;
  }
  if (now_.peer_closed) return size_t{0};
  if (now_.broken) return why_broken();
  now_.readable = false;
  return std::nullopt;
}

Stream::Attempt ClientTunnel::try_write(std::span<const iovec> parts) {
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

void ClientTunnel::gave(size_t bytes) {
  given_ += bytes;
  if (given_ < filled_) return;
  given_ = filled_ = 0;
  output_.release();
  if (!std::exchange(now_.writable, true)) tell();
}

void ClientTunnel::end_writing() {
  if (std::exchange(ended_, true)) return;
  now_.writable = true;  // to meet an error
  tell();
  carrier_.tunnel_writes();
}

void ClientTunnel::abort() {
  if (std::exchange(aborted_, true)) return;
  now_.broken = now_.readable = now_.writable = true;
  tell();
  carrier_.tunnel_aborts();
}

void ClientTunnel::came() {
  now_.readable = true;
  tell();
}

void ClientTunnel::end_came() {
  now_.peer_closed = now_.readable = true;
  tell();
}

void ClientTunnel::broke(Error why) {
  if (!broken_) broken_ = std::move(why);
  now_.broken = now_.readable = now_.writable = true;
  tell();
}

void ClientTunnel::tell() {
  if (!std::exchange(telling_, true)) loop_.defer(*this);
}

// In the loop's order; whoever is told may destroy this.
void ClientTunnel::wake() {
  telling_ = false;
  bool gone = false;
  gone_ = &gone;
  if (now_.writable && now_.writer) std::exchange(now_.writer, nullptr)->wake();
  if (!gone && now_.readable && now_.reader) std::exchange(now_.reader, nullptr)->wake();
  if (!gone && (now_.peer_closed || now_.broken) && now_.on_hangup) std::exchange(now_.on_hangup, nullptr)->wake();
  if (!gone) gone_ = nullptr;
}

}  // namespace sluice::h2
