#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "io/block.h"

namespace sluice::h2 {

// What has come of a body and has not been read: at most a stream's window.
class ReceivedBytes {
 public:
  void put(std::string_view bytes);
  // The first bytes, in one piece; they stay where they are until the next take(). Empty: there are none.
  std::span<char> take();
  bool empty() const { return size_ == 0; }
  size_t size() const { return size_; }

 private:
  std::vector<Block> blocks_;  // from first_ on
  size_t first_ = 0;
  size_t filled_ = 0;  // of the last block
  size_t size_ = 0;
  Block lent_;  // what take() gave
};

}  // namespace sluice::h2
