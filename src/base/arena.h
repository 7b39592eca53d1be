// Memory that is given out piece by piece and taken back all at once: one per exchange, reused for the next.
//
// Not safe to share between threads. Objects made with make() have their destructors run by reset(), in reverse order.
#pragma once

#include <cstddef>
#include <cstring>
#include <memory>
#include <new>
#include <span>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#include <sanitizer/asan_interface.h>
#define SLUICE_ARENA_POISON 1
#endif
#endif

namespace sluice {

namespace arena_detail {

// What has not been given out, or was taken back, may not be touched: AddressSanitizer watches over it where it is
// there.
inline void close([[maybe_unused]] void* at, [[maybe_unused]] size_t bytes) {
#ifdef SLUICE_ARENA_POISON
  if (at) ASAN_POISON_MEMORY_REGION(at, bytes);
#endif
}
inline void open([[maybe_unused]] void* at, [[maybe_unused]] size_t bytes) {
#ifdef SLUICE_ARENA_POISON
  if (at) ASAN_UNPOISON_MEMORY_REGION(at, bytes);
#endif
}

}  // namespace arena_detail

class Arena {
 public:
  Arena() = default;
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;
  ~Arena() {
    reset();
    arena_detail::open(first_, kFirstBytes);
    ::operator delete(first_);
  }

  void* allocate(size_t bytes, size_t alignment = alignof(std::max_align_t)) {
    const size_t start = (used_ + alignment - 1) & ~(alignment - 1);
    if (start + bytes <= size_) [[likely]] {
      used_ = start + bytes;
      arena_detail::open(block_ + start, bytes);
      return block_ + start;
    }
    return allocate_block(bytes, alignment);
  }

  std::string_view copy(std::string_view text) {
    char* out = static_cast<char*>(allocate(text.size(), 1));
    if (!text.empty()) std::memcpy(out, text.data(), text.size());
    return {out, text.size()};
  }

  // The parts behind one another.
  template <class... Parts>
  std::string_view concat(const Parts&... parts) {
    const size_t size = (std::string_view(parts).size() + ... + 0);
    char* out = static_cast<char*>(allocate(size, 1));
    char* at = out;
    ((at = append(at, parts)), ...);
    return {out, size};
  }

  template <class T, class... Args>
  T* make(Args&&... args) {
    static_assert(alignof(T) <= alignof(std::max_align_t), "blocks are aligned for what operator new is");
    T* object = new (allocate(sizeof(T), alignof(T))) T(std::forward<Args>(args)...);
    if constexpr (!std::is_trivially_destructible_v<T>) {
      auto* entry = new (allocate(sizeof(Destructor), alignof(Destructor)))
          Destructor{[](void* p) { static_cast<T*>(p)->~T(); }, object, destructors_};
      destructors_ = entry;
    }
    return object;
  }

  // Ends every object and forgets every piece; keeps the first block for the next user.
  void reset();

  size_t bytes_used() const { return used_before_ + used_; }

 private:
  struct Destructor {
    void (*run)(void*);
    void* object;
    Destructor* next;
  };
  static constexpr size_t kFirstBytes = 8192 - 64;  // enough for a plain exchange

  static char* append(char* at, std::string_view part) {
    if (!part.empty()) std::memcpy(at, part.data(), part.size());
    return at + part.size();
  }
  void* allocate_block(size_t bytes, size_t alignment);

  char* block_ = nullptr;
  size_t used_ = 0;
  size_t size_ = 0;
  size_t used_before_ = 0;  // in blocks that are full
  char* first_ = nullptr;
  Destructor* destructors_ = nullptr;
  std::vector<char*> further_;
};

}  // namespace sluice
