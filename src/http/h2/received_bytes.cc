#include "http/h2/received_bytes.h"

#include <algorithm>
#include <cstring>

namespace sluice::h2 {

void ReceivedBytes::put(std::span<const char> bytes) {
  size_ += bytes.size();
  while (!bytes.empty()) {
    if (blocks_.empty() || filled_ == blocks_.back().size()) {
      blocks_.emplace_back(Block::kSmall);
      filled_ = 0;
    }
    const size_t fits = std::min(bytes.size(), blocks_.back().size() - filled_);
    std::memcpy(blocks_.back().data() + filled_, bytes.data(), fits);
    filled_ += fits;
    bytes = bytes.subspan(fits);
  }
}

std::span<char> ReceivedBytes::take() {
  lent_.release();
  if (size_ == 0) return {};
  const bool is_only = blocks_.size() == 1;
  const std::span<char> out = blocks_.front().span().first(is_only ? filled_ : blocks_.front().size());
  size_ -= out.size();
  lent_ = std::move(blocks_.front());
  blocks_.erase(blocks_.begin());
  return out;
}

}  // namespace sluice::h2
