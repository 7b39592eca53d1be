#include "http/h2/received_bytes.h"

#include <algorithm>
#include <cstring>

namespace sluice::h2 {

void ReceivedBytes::put(std::string_view bytes) {
  size_ += bytes.size();
  while (!bytes.empty()) {
    if (blocks_.empty() || filled_ == blocks_.back().size()) {
      blocks_.emplace_back(Block::kSmall);
      filled_ = 0;
    }
    const size_t fits = std::min(bytes.size(), blocks_.back().size() - filled_);
    std::memcpy(blocks_.back().data() + filled_, bytes.data(), fits);
    filled_ += fits;
    bytes.remove_prefix(fits);
  }
}

size_t ReceivedBytes::give_back() {
  lent_.release();
  return std::exchange(taken_, 0);
}

std::span<char> ReceivedBytes::take() {
  if (size_ == 0) return {};
  const bool is_last = first_ + 1 == blocks_.size();
  lent_ = std::move(blocks_[first_]);
  taken_ = is_last ? filled_ : lent_.size();
  size_ -= taken_;
  ++first_;
  // One that never runs dry must not leave its empty places behind.
  if (first_ == blocks_.size() || first_ == 16) {
    blocks_.erase(blocks_.begin(), blocks_.begin() + static_cast<std::ptrdiff_t>(first_));
    first_ = 0;
  }
  return lent_.span().first(taken_);
}

}  // namespace sluice::h2
