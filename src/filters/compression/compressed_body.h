// A body, compressed while it passes.
#pragma once

#include <memory>
#include <optional>

#include "base/metrics.h"
#include "engines/coding/encoder.h"
#include "http/body.h"
#include "http/body_budget.h"

namespace sluice::compression {

// What is counted of one coding.
struct BodyCounters {
  Counter* bytes_in = nullptr;
  Counter* bytes_out = nullptr;
};

// Whenever the inner body has nothing more at hand, all that came so far leaves: an event that is sent by itself
// arrives by itself. The trailers are those of the inner body.
class CompressedBody final : public BodyReader {
 public:
  static constexpr size_t kBufferBytes = 16U << 10;

  // `memory` is given back with this; null: nobody counts.
  CompressedBody(BodyReader& inner, std::unique_ptr<coding::Encoder> encoder, std::unique_ptr<BodyBudget::Share> memory,
                 BodyCounters counters, std::span<char> buffer)
      : memory_(std::move(memory)), inner_(inner), encoder_(std::move(encoder)), counters_(counters), buffer_(buffer) {}

  Task<Chunk> read() override;
  const Headers* trailers() const override { return inner_.trailers(); }

 private:
  using Until = coding::Encoder::Until;
  Task<Chunk> next_piece();
  Task<Chunk> read_slowly();
  std::optional<Result<Chunk>> at_hand();
  void take(const Chunk& chunk);
  Result<std::optional<Chunk>> compress();
  Chunk hand_out(bool last);
  bool is_full() const { return buffer_.size() - filled_ < coding::Encoder::kRoomMin; }

  std::unique_ptr<BodyBudget::Share> memory_;
  BodyReader& inner_;
  std::unique_ptr<coding::Encoder> encoder_;
  BodyCounters counters_;
  std::span<char> buffer_;
  size_t filled_ = 0;       // of the buffer, not handed out yet
  std::string_view input_;  // read and not compressed yet
  Until until_ = Until::later;
  bool busy_ = false;                   // the encoder has not done what it was told
  bool unflushed_ = false;              // it may hold something back
  std::optional<Task<Chunk>> waiting_;  // the next piece, which has to be waited for; not begun
};

}  // namespace sluice::compression
