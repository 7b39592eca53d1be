#include "http/h2/output.h"

#include <algorithm>
#include <cstring>

namespace sluice::h2 {

void Output::put(const void* bytes, size_t size) {
  if (size == 0) return;
  if (block_.empty()) block_ = Block(next_size_);
  std::memcpy(block_.data() + end_, bytes, size);
  end_ += size;
}

// As much of it as there is room for.
size_t Output::put_part(std::string_view bytes) {
  const size_t part = std::min(bytes.size(), room());
  put(bytes.data(), part);
  return part;
}

bool Output::take_frames(nghttp2_session* session) {
  for (;;) {
    if (!unsent_.empty()) unsent_.erase(0, put_part(unsent_));
    if (!has_room()) return true;
    const uint8_t* bytes = nullptr;
    const ssize_t size = nghttp2_session_mem_send(session, &bytes);
    if (size <= 0) return size == 0;
    const std::string_view frame(reinterpret_cast<const char*>(bytes), static_cast<size_t>(size));
    unsent_ = frame.substr(put_part(frame));  // at once: see FrameMemory
  }
}

ssize_t Output::payload_max(size_t remote_max) const {
  return static_cast<ssize_t>(std::min({kFrameMax, remote_max, room() - kFrameHead}));
}

int Output::put_data(const uint8_t* head, std::string_view bytes) {
  put(head, kFrameHead);
  put(bytes.data(), bytes.size());
  return has_room() ? 0 : NGHTTP2_ERR_PAUSE;
}

std::optional<Status> Output::write(Nanos idle) {
  if (writing()) return std::nullopt;
  if (begin_ == end_) return Status{};
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
  if (writing() || begin_ == end_) return;
  const iovec part{block_.data() + begin_, end_ - begin_};
  if (auto put = stream_.try_write(std::span(&part, 1)); put && *put) begin_ += **put;
}

}  // namespace sluice::h2
