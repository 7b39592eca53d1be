#include "base/arena.h"

#include <algorithm>

namespace sluice {

void Arena::reset() {
  for (Destructor* entry = destructors_; entry; entry = entry->next) entry->run(entry->object);
  destructors_ = nullptr;
  for (char* block : further_) ::operator delete(block);  // whatever was not given out of it
  further_.clear();
  block_ = first_;
  size_ = first_ ? kFirstBytes : 0;
  used_ = used_before_ = 0;
  arena_detail::close(first_, kFirstBytes);
}

void* Arena::allocate_block(size_t bytes, size_t alignment) {
  used_before_ += used_;
  if (!first_ && bytes + alignment <= kFirstBytes) {
    first_ = block_ = static_cast<char*>(::operator new(kFirstBytes));
    size_ = kFirstBytes;
  } else {
    size_ = std::max<size_t>(4 * kFirstBytes, bytes + alignment);
    block_ = static_cast<char*>(::operator new(size_));
    further_.push_back(block_);
  }
  used_ = 0;
  const size_t start = (reinterpret_cast<size_t>(block_) % alignment) ? alignment : 0;
  used_ = start + bytes;
  arena_detail::close(block_, size_);
  arena_detail::open(block_ + start, bytes);
  return block_ + start;
}

}  // namespace sluice
