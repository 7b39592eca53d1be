// A list that is short nearly always: up to kInside members lie in the list itself, and only a longer one takes memory
// elsewhere, just as much as it needs when it is made, twice as much where it grows. Of what there are a hundred
// thousand, as the addresses of names, that is the memory of a std::vector and its allocation.
//
// For plain values, which are copied as bytes. No more than 2^32 - 1 of them.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <new>
#include <span>
#include <type_traits>
#include <utility>

#include "base/check.h"

namespace sluice {

template <class T, uint32_t kInside>
class ShortList {
  static_assert(std::is_trivially_copyable_v<T> && std::is_trivially_destructible_v<T> && kInside > 0);
  static_assert(alignof(T) <= __STDCPP_DEFAULT_NEW_ALIGNMENT__);

 public:
  ShortList() = default;
  explicit ShortList(std::span<const T> members) { append(members); }
  ShortList(const ShortList& other) { append(other); }
  ShortList(ShortList&& other) noexcept { take(other); }
  ShortList& operator=(const ShortList& other) {
    if (this != &other) *this = ShortList(other);
    return *this;
  }
  ShortList& operator=(ShortList&& other) noexcept {
    if (this == &other) return *this;
    clear();
    take(other);
    return *this;
  }
  ~ShortList() { clear(); }

  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  const T* data() const { return is_inside() ? reinterpret_cast<const T*>(place_.inside) : place_.outside; }
  T* data() { return is_inside() ? reinterpret_cast<T*>(place_.inside) : place_.outside; }
  const T* begin() const { return data(); }
  const T* end() const { return data() + size_; }
  T* begin() { return data(); }
  T* end() { return data() + size_; }
  const T& operator[](size_t i) const { return data()[i]; }
  const T& front() const { return *data(); }  // of one that is not empty

  void push_back(const T& one) {
    const T copy = one;  // which may be a member
    if (size_ == capacity_) reserve(size_t{capacity_} * 2);
    std::memcpy(static_cast<void*>(data() + size_), &copy, sizeof(T));
    ++size_;
  }
  // Gives back what memory it has elsewhere.
  void clear() {
    if (!is_inside()) ::operator delete(place_.outside, size_t{capacity_} * sizeof(T));
    size_ = 0;
    capacity_ = kInside;
  }

  friend bool operator==(const ShortList& a, const ShortList& b) { return std::ranges::equal(a, b); }

 private:
  bool is_inside() const { return capacity_ == kInside; }
  void append(std::span<const T> members) {
    if (members.empty()) return;
    reserve(size_ + members.size());
    std::memcpy(static_cast<void*>(data() + size_), members.data(), members.size_bytes());
    size_ += static_cast<uint32_t>(members.size());
  }
  void reserve(size_t capacity) {
    if (capacity <= capacity_) return;
    CHECK(capacity <= std::numeric_limits<uint32_t>::max());
    T* const larger = static_cast<T*>(::operator new(capacity * sizeof(T)));
    if (size_ > 0) std::memcpy(static_cast<void*>(larger), data(), size_ * sizeof(T));
    const uint32_t size = size_;
    clear();
    place_.outside = larger;
    size_ = size;
    capacity_ = static_cast<uint32_t>(capacity);
  }
  // Into an empty one.
  void take(ShortList& other) {
    place_ = other.place_;
    size_ = std::exchange(other.size_, 0);
    capacity_ = std::exchange(other.capacity_, kInside);
  }

  union Place {
    alignas(T) std::byte inside[kInside * sizeof(T)];
    T* outside;
  };
  Place place_{};
  uint32_t size_ = 0;
  uint32_t capacity_ = kInside;
};

}  // namespace sluice
