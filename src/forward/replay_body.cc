#include "forward/replay_body.h"

#include <algorithm>

namespace sluice {
namespace {

constexpr size_t kPieceMin = 4096;

}  // namespace

class ReplayBody::Reader final : public BodyReader {
 public:
  explicit Reader(ReplayBody& body) : body_(body) {}
  Task<Chunk> read() override { return body_.next(*this); }
  const Headers* trailers() const override { return body_.source_.reader->trailers(); }

  size_t at = 0;      // the piece that is next,
  size_t offset = 0;  // from here on

 private:
  ReplayBody& body_;
};

ReplayBody::ReplayBody(Loop& loop, Body source, size_t bytes_max, BodyBudget* budget)
    : loop_(loop), source_(source), bytes_max_(bytes_max) {
  if (budget) share_.emplace(*budget);
}

Body ReplayBody::begin(Arena& arena) {
  auto* reader = arena.make<Reader>(*this);
  present_ = reader;
  came_.notify(loop_);  // earlier tries wait in vain
  return {reader, source_.length};
}

// What has been handed out and will not be wanted again: its reader asks for more, and has done with it.
void ReplayBody::forget_before(Reader& reader) {
  if (reader.at < pieces_.size() && reader.offset == pieces_[reader.at].size()) {
    ++reader.at;
    reader.offset = 0;
  }
  pieces_.erase(pieces_.begin(), pieces_.begin() + static_cast<long>(reader.at));
  reader.at = 0;
  share_.reset();
}

// Nothing: it has to be read first.
std::optional<Result<Chunk>> ReplayBody::at_hand(Reader& reader) {
  if (&reader != present_) return cancelled_error();  // its try is over, which is no fault of the body's
  if (dropped_) forget_before(reader);
  for (; reader.at < pieces_.size(); ++reader.at, reader.offset = 0) {
    std::string& piece = pieces_[reader.at];
    const bool is_last = reader.at + 1 == pieces_.size();
    if (reader.offset < piece.size()) {
      const std::span<char> bytes = std::span(piece).subspan(reader.offset);
      reader.offset = piece.size();
      return Chunk{bytes, ended_ && is_last};
    }
    if (is_last) break;  // it may still grow
  }
  if (error_) return std::unexpected(*error_);
  if (ended_) return Chunk{{}, true};
  return std::nullopt;
}

// Pieces never move: whoever writes one may still do so while it grows. Many small reads share one.
void ReplayBody::keep(Result<Chunk> read) {
  if (!read) {
    error_ = std::move(read).error();
    return;
  }
  const std::string_view bytes(read->bytes.data(), read->bytes.size());
  ended_ = read->last;
  bytes_ += bytes.size();
  if (!dropped_ && (bytes_ > bytes_max_ || (share_ && !share_->covers(bytes_)))) dropped_ = true;
  if (bytes.empty()) return;
  if (pieces_.empty() || pieces_.back().capacity() - pieces_.back().size() < bytes.size())
    pieces_.emplace_back().reserve(std::max(bytes.size(), kPieceMin));
  pieces_.back().append(bytes);
}

Task<Chunk> ReplayBody::next(Reader& reader) {
  begun_ = true;
  if (auto chunk = at_hand(reader)) return *std::move(chunk);
  if (reading_) return read_on(reader, std::nullopt);
  if (dropped_) return source_.reader->read();  // no other try will want it, and nothing is left of what was kept
  auto reading = source_.reader->read();
  if (!reading.ready()) return read_on(reader, std::move(reading));
  keep(reading.take());
  return *at_hand(reader);
}

// Whoever reads from the source does it for whichever try is the present one when the bytes come: they are kept, and
// that one takes them from there.
Task<Chunk> ReplayBody::read_on(Reader& reader, std::optional<Task<Chunk>> reading) {
  for (;;) {
    if (reading) {
      reading_ = true;
      auto read = co_await *reading;
      reading_ = false;
      reading.reset();
      keep(std::move(read));
      came_.notify(loop_);
    } else if (reading_) {
      auto waiting = came_.wait(loop_);
      CO_TRY(co_await waiting);
    }
    if (auto chunk = at_hand(reader)) co_return *std::move(chunk);
    if (!reading_) reading.emplace(source_.reader->read());
  }
}

}  // namespace sluice
