#include "filters/compression/compressed_body.h"

namespace sluice::compression {

Task<Chunk> CompressedBody::read() {
  if (auto chunk = at_hand()) return std::move(*chunk);
  return read_slowly();
}

Task<Chunk> CompressedBody::read_slowly() {
  for (;;) {
    Task<Chunk> reading = next_piece();
    const Chunk piece = CO_TRY(co_await reading);
    take(piece);
    if (auto chunk = at_hand()) co_return std::move(*chunk);
  }
}

// Nothing: the next piece has not come, and of those before it nothing is held back.
std::optional<Result<Chunk>> CompressedBody::at_hand() {
  for (;;) {
    const auto compressed = compress();
    if (!compressed) return std::unexpected(compressed.error());
    if (*compressed) return **compressed;
    Task<Chunk> reading = next_piece();
    if (reading.ready()) {
      const Result<Chunk> piece = reading.take();
      if (!piece) return std::unexpected(piece.error());
      take(*piece);
      continue;
    }
    waiting_.emplace(std::move(reading));
    if (!unflushed_) return std::nullopt;
    until_ = Until::flushed;
    busy_ = true;
  }
}

Task<Chunk> CompressedBody::next_piece() {
  if (!waiting_) return inner_.read();
  Task<Chunk> piece = *std::move(waiting_);
  waiting_.reset();
  return piece;
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
