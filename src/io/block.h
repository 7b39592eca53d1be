// Blocks of memory to read into, kept by each thread for the next connection that is busy. An idle one holds none.
#pragma once

#include <cstddef>
#include <span>
#include <utility>

namespace sluice {

class Block {
 public:
  static constexpr size_t kSmall = 16U << 10;
  static constexpr size_t kLarge = 64U << 10;  // also what larger ones are made of: a request head may need them

  Block() = default;
  explicit Block(size_t bytes_min);
  Block(Block&& other) noexcept : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  Block& operator=(Block&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~Block() { release(); }

  void release() {
    if (data_) give_back();
  }
  bool empty() const { return data_ == nullptr; }
  char* data() const { return data_; }
  size_t size() const { return size_; }
  std::span<char> span() const { return {data_, size_}; }

 private:
  void give_back();

  char* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace sluice
