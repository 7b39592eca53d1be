#include "http/h2/output.h"

#include <cstring>

namespace sluice::h2 {

void Output::put(const void* bytes, size_t size) {
  if (size == 0) return;
  if (block_.empty()) block_ = Block(next_size_);
  std::memcpy(block_.data() + end_, bytes, size);
  end_ += size;
}

std::optional<Status> Output::write(Nanos idle) {
  if (writing()) return std::nullopt;
  if (empty()) return Status{};
  going_ = end_;
  auto writing = stream_.write_all(std::string_view(block_.data() + begin_, end_ - begin_), idle);
  if (!writing.ready()) {
    writer_.start(std::move(writing));
    return std::nullopt;
  }
  Status done = writing.take();
  if (done) written();
  return done;
}

// Who fills a whole block at once has more to say than a small one holds.
void Output::written() {
  const bool was_full = block_.size() - going_ < block_.size() / 4;
  begin_ = going_;
  if (begin_ < end_) return;
  next_size_ = was_full ? Block::kLarge : Block::kSmall;
  begin_ = end_ = 0;
  block_.release();
}

void Output::write_what_goes() {
  if (writing() || empty()) return;
  const iovec part{block_.data() + begin_, end_ - begin_};
  if (auto put = stream_.try_write(std::span(&part, 1)); put && *put) begin_ += **put;
}

}  // namespace sluice::h2
