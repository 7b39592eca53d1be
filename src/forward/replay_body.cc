#include "forward/replay_body.h"

namespace sluice {

class ReplayBody::Reader final : public BodyReader {
 public:
  explicit Reader(ReplayBody& body) : body_(body) {}
  Task<Chunk> read() override { return body_.next(*this); }
  const Headers* trailers() const override { return body_.source_.reader->trailers(); }

  size_t at = 0;  // the piece that is next

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

// Whoever reads from the source does it for whichever try is the present one when the bytes come: they are kept, and
// that one takes them from there.
Task<Chunk> ReplayBody::next(Reader& reader) {
  begun_ = true;
  for (;;) {
    if (&reader != present_) co_return fail(ErrorKind::reset, "another try has begun", Side::upstream);
    if (dropped_ && reader.at > 0) {  // what has been handed out will not be wanted again
      pieces_.erase(pieces_.begin(), pieces_.begin() + static_cast<long>(reader.at));
      reader.at = 0;
    }
    if (reader.at < pieces_.size()) {
      std::string& piece = pieces_[reader.at++];
      co_return Chunk{{piece.data(), piece.size()}, ended_ && reader.at == pieces_.size()};
    }
    if (error_) co_return std::unexpected(*error_);
    if (reading_) {
      auto waiting = came_.wait(loop_);
      CO_TRY(co_await waiting);
      continue;
    }
    reading_ = true;
    auto reading = source_.reader->read();
    auto chunk = co_await reading;
    reading_ = false;
    came_.notify(loop_);
    if (!chunk) {
      error_ = std::move(chunk).error();
      continue;
    }
    ended_ = chunk->last;
    bytes_ += chunk->bytes.size();
    if (bytes_ > bytes_max_ || (share_ && !dropped_ && !share_->covers(bytes_))) dropped_ = true;
    pieces_.emplace_back(chunk->bytes.data(), chunk->bytes.size());
  }
}

}  // namespace sluice
