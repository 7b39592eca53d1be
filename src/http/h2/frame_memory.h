// Where nghttp2's sessions have their memory: from the heap, but for the buffer that each keeps for the frame it makes
// just now. That has 16 KiB, of which an idle connection would keep what it once touched; a thread has one for all.
//
// It may be shared because nobody needs what is in it for longer than a call of nghttp2_session_mem_send(): whoever
// uses such a session copies all that one call gave before any session on this thread makes another frame. What a
// client says first is in it from the beginning, so that it is to be asked for before another session is used.
#pragma once

#include <nghttp2/nghttp2.h>

namespace sluice::h2 {

class FrameMemory {
 public:
  FrameMemory() = default;
  FrameMemory(const FrameMemory&) = delete;
  FrameMemory& operator=(const FrameMemory&) = delete;

  // For nghttp2_session_server_new3() and its like. This outlives the session, on its thread.
  nghttp2_mem* hooks() { return &hooks_; }

 private:
  static void* allocate(size_t bytes, void* self);
  static void release(void* at, void* self);
  static void* allocate_zeroed(size_t count, size_t bytes, void* self);
  static void* reallocate(void* at, size_t bytes, void* self);
  void* take_shared();

  nghttp2_mem hooks_{.mem_user_data = this,
                     .malloc = &FrameMemory::allocate,
                     .free = &FrameMemory::release,
                     .calloc = &FrameMemory::allocate_zeroed,
                     .realloc = &FrameMemory::reallocate};
  bool has_shared_ = false;  // a second one of this session, for a head of several frames, is its own
};

}  // namespace sluice::h2
