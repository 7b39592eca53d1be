// Where frames begin in what a client sends, seen before nghttp2 reads it: nghttp2 passes over DATA of a stream that it
// has forgotten without a word, and would have to remember every closed stream to do otherwise.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "http/h2/frames.h"

namespace sluice::h2 {

class FrameScan {
 public:
  struct Head {
    uint8_t type;
    int32_t stream;
  };

  // How many of the bytes may be read before the streams have to be looked at: up to the end of a RST_STREAM, or to the
  // head of a frame of which `stops(Head)` holds, which is now(); else all.
  template <class Stops>
  size_t part(std::string_view bytes, Stops&& stops) {
    size_t at = 0;
    while (at < bytes.size()) {
      if (left_ == 0) {
        head_[have_++] = static_cast<uint8_t>(bytes[at++]);
        if (have_ < kFrameHead) continue;
        begin();
        if (stops(now_)) return at;
      } else {
        const size_t some = std::min<size_t>(left_, bytes.size() - at);
        left_ -= static_cast<uint32_t>(some);
        at += some;
      }
      if (left_ == 0 && now_.type == NGHTTP2_RST_STREAM) return at;
    }
    return at;
  }
  const Head& now() const { return now_; }

 private:
  void begin() {
    have_ = 0;
    left_ = uint32_t{head_[0]} << 16 | uint32_t{head_[1]} << 8 | head_[2];
    now_ = {head_[3], static_cast<int32_t>((uint32_t{head_[5]} & 0x7F) << 24 | uint32_t{head_[6]} << 16 |
                                           uint32_t{head_[7]} << 8 | head_[8])};
  }

  std::array<uint8_t, kFrameHead> head_{};
  uint8_t have_ = 0;
  uint32_t left_ = kPreface.size();  // of the payload
  Head now_{NGHTTP2_SETTINGS, 0};
};

}  // namespace sluice::h2
