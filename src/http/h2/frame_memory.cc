#include "http/h2/frame_memory.h"

#include <array>
#include <cstdlib>
#include <cstring>

#include "http/h2/frames.h"

namespace sluice::h2 {
namespace {

// How much nghttp2 asks for (NGHTTP2_FRAMEBUF_CHUNKLEN): the largest payload that need not be agreed on, its head, and
// a byte of padding. If another release asks otherwise, its buffers come from the heap.
constexpr size_t kBytes = kFrameMax + kFrameHead + 1;

char* shared_buffer() {
  alignas(16) static thread_local std::array<char, kBytes> bytes;
  return bytes.data();
}

}  // namespace

void* FrameMemory::take_shared() {
  if (has_shared_) return nullptr;
  has_shared_ = true;
  return shared_buffer();
}

void* FrameMemory::allocate(size_t bytes, void* self) {
  if (bytes == kBytes)
    if (void* shared = static_cast<FrameMemory*>(self)->take_shared()) return shared;
  return std::malloc(bytes);
}

void FrameMemory::release(void* at, void* self) {
  if (at == shared_buffer())
    static_cast<FrameMemory*>(self)->has_shared_ = false;
  else
    std::free(at);
}

void* FrameMemory::allocate_zeroed(size_t count, size_t bytes, void*) {
  return std::calloc(count, bytes);
}

void* FrameMemory::reallocate(void* at, size_t bytes, void* self) {
  if (!at) return allocate(bytes, self);
  if (at != shared_buffer()) return std::realloc(at, bytes);
  void* const own = std::malloc(bytes);
  if (!own) return nullptr;
  std::memcpy(own, at, bytes < kBytes ? bytes : kBytes);
  static_cast<FrameMemory*>(self)->has_shared_ = false;
  return own;
}

}  // namespace sluice::h2
