#include "io/block.h"

#include <new>
#include <vector>

namespace sluice {
namespace {

// What a thread keeps at most: 4 MiB of the small ones, which are two for each exchange that waits for its upstream,
// and 1 MiB of the large ones.
struct Kept {
  std::vector<char*> small, large;
  ~Kept() {
    for (char* block : small) ::operator delete(block);
    for (char* block : large) ::operator delete(block);
  }
};
thread_local Kept kept;
constexpr size_t kKeptSmall = 256, kKeptLarge = 16;

char* take(std::vector<char*>& list, size_t bytes) {
  if (list.empty()) return static_cast<char*>(::operator new(bytes));
  char* block = list.back();
  list.pop_back();
  return block;
}

}  // namespace

Block::Block(size_t bytes_min) {
  if (bytes_min <= kSmall) {
    size_ = kSmall;
    data_ = take(kept.small, kSmall);
  } else if (bytes_min <= kLarge) {
    size_ = kLarge;
    data_ = take(kept.large, kLarge);
  } else {
    size_ = bytes_min;
    data_ = static_cast<char*>(::operator new(bytes_min));
  }
}

void Block::give_back() {
  char* block = std::exchange(data_, nullptr);
  if (size_ == kSmall && kept.small.size() < kKeptSmall)
    kept.small.push_back(block);
  else if (size_ == kLarge && kept.large.size() < kKeptLarge)
    kept.large.push_back(block);
  else
    ::operator delete(block);
  size_ = 0;
}

}  // namespace sluice
