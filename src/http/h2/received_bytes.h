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
  // The first bytes, in one piece, which stay where they are until give_back(), to be called before the next take().
  // Empty: there are none.
  std::span<char> take();
  // What was taken has been read. Returns how much that was: the peer may send as much again.
  size_t give_back();
  // Of those to be taken.
  bool empty() const { return size_ == 0; }
  size_t size() const { return size_; }
  // Of all, with what was taken and not given back.
  size_t held() const { return size_ + taken_; }

 private:
  std::vector<Block> blocks_;  // from first_ on
  size_t first_ = 0;
  size_t filled_ = 0;  // of the last block
  size_t size_ = 0;
  Block lent_;  // of which the first bytes were taken
  size_t taken_ = 0;
};

}  // namespace sluice::h2
