#include "http/h2/incoming.h"

#include <cstring>

namespace sluice::h2 {

void Inbox::put(std::string_view bytes) {
  bytes_ += bytes.size();
  while (!bytes.empty()) {
    if (empty() || pieces_.back().end == pieces_.back().block.size())
      pieces_.push_back({.block = Block(Block::kSmall)});
    Piece& last = pieces_.back();
    const size_t part = std::min(bytes.size(), last.block.size() - last.end);
    std::memcpy(last.block.data() + last.end, bytes.data(), part);
    last.end += part;
    bytes.remove_prefix(part);
  }
}

std::span<char> Inbox::front() const {
  if (empty()) return {};
  const Piece& piece = pieces_[first_];
  return piece.block.span().subspan(piece.begin, piece.end - piece.begin);
}

void Inbox::drop_front(size_t bytes) {
  if (bytes == 0) return;
  Piece& piece = pieces_[first_];
  piece.begin += bytes;
  bytes_ -= bytes;
  if (piece.begin < piece.end) return;
  piece.block.release();
  // An upload that never runs dry must not leave its empty pieces behind.
  if (++first_ < pieces_.size() && first_ < 16) return;
  pieces_.erase(pieces_.begin(), pieces_.begin() + static_cast<std::ptrdiff_t>(first_));
  first_ = 0;
}

}  // namespace sluice::h2
