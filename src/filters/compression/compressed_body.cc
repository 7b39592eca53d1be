#include "filters/compression/compressed_body.h"

namespace sluice::compression {

Task<Chunk> CompressedBody::read() {
  for (;;) {
    const auto compressed = compress();
    if (!compressed) return std::unexpected(compressed.error());
    if (*compressed) return **compressed;
    Task<Chunk> reading = next_piece();
    if (!reading.ready()) {
      if (!unflushed_) return read_slowly(std::move(reading));
      waiting_.emplace(std::move(reading));
      until_ = Until::flushed;
      busy_ = true;
      continue;
    }
    const Result<Chunk> chunk = reading.take();
    if (!chunk) return std::unexpected(chunk.error());
    take(*chunk);
  }
}

Task<Chunk> CompressedBody::next_piece() {
  if (!waiting_) return inner_.read();
  Task<Chunk> piece = *std::move(waiting_);
  waiting_.reset();
  return piece;
}

Task<Chunk> CompressedBody::read_slowly(Task<Chunk> reading) {
  const Chunk chunk = CO_TRY(co_await reading);
  take(chunk);
  auto rest = read();
  co_return co_await rest;
}

void CompressedBody::take(const Chunk& chunk) {
  input_ = {chunk.bytes.data(), chunk.bytes.size()};
  counters_.bytes_in->add(static_cast<int64_t>(input_.size()));
  until_ = chunk.last ? Until::ended : Until::later;
  busy_ = true;
  unflushed_ = true;
}

Chunk CompressedBody::hand_out(bool last) {
  counters_.bytes_out->add(static_cast<int64_t>(filled_));
  return Chunk{buffer_.first(std::exchange(filled_, 0)), last};
}

// Nothing: more input is needed.
Result<std::optional<Chunk>> CompressedBody::compress() {
  while (busy_) {
    if (is_full()) return hand_out(false);
    const coding::Encoder::Written written = TRY(encoder_->encode(input_, buffer_.subspan(filled_), until_));
    filled_ += written.bytes;
    if (written.complete) {
      busy_ = false;
      if (until_ != Until::later) unflushed_ = false;
    } else if (!is_full()) {
      if (written.bytes == 0) return fail(ErrorKind::internal, "an encoder does not move on");
      continue;
    }
    const bool last = until_ == Until::ended && !busy_;
    if (last || (filled_ > 0 && (busy_ || until_ == Until::flushed))) return hand_out(last);
  }
  return std::nullopt;
}

}  // namespace sluice::compression
