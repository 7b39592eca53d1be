// What both ends of HTTP/2 need of nghttp2.
#pragma once

#include <nghttp2/nghttp2.h>
#include <memory>
#include <string_view>

#include "http/headers.h"

namespace sluice::h2 {

struct EndSession {
  void operator()(nghttp2_session* session) const { nghttp2_session_del(session); }
};
using SessionPtr = std::unique_ptr<nghttp2_session, EndSession>;

struct EndCallbacks {
  void operator()(nghttp2_session_callbacks* callbacks) const { nghttp2_session_callbacks_del(callbacks); }
};
using CallbacksPtr = std::unique_ptr<nghttp2_session_callbacks, EndCallbacks>;

struct EndOption {
  void operator()(nghttp2_option* option) const { nghttp2_option_del(option); }
};
using OptionPtr = std::unique_ptr<nghttp2_option, EndOption>;

// RFC 9113 3.4: what a client says first. As a request line it is no HTTP/1 (its version is 2.0).
inline constexpr std::string_view kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

constexpr size_t kFrameHead = 9;
constexpr size_t kFrameMax = 16U << 10;  // the payload of a frame that every peer takes

inline std::string_view text_of(nghttp2_rcbuf* buffer) {
  const nghttp2_vec bytes = nghttp2_rcbuf_get_buf(buffer);
  return {reinterpret_cast<const char*>(bytes.base), bytes.len};
}

// A field that is copied: its bytes may go at once.
inline nghttp2_nv field(std::string_view name, std::string_view value) {
  return {.name = reinterpret_cast<uint8_t*>(const_cast<char*>(name.data())),
          .value = reinterpret_cast<uint8_t*>(const_cast<char*>(value.data())),
          .namelen = name.size(),
          .valuelen = value.size(),
          .flags = NGHTTP2_NV_FLAG_NONE};
}
// One whose bytes stay until the frame has been made.
inline nghttp2_nv lasting_field(std::string_view name, std::string_view value) {
  nghttp2_nv out = field(name, value);
  out.flags = NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE;
  return out;
}

// Within nghttp2_data_source_read_callback, behind the last bytes of a body, with NGHTTP2_DATA_FLAG_EOF. True: trailers
// follow, and end the stream in their place. Null: there are none.
bool say_trailers(nghttp2_session* session, int32_t stream, const Headers* trailers, uint32_t& flags);

}  // namespace sluice::h2
