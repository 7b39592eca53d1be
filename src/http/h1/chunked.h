// The chunked coding (RFC 9112 7.1), strict: CRLF only, at most 16 hex digits, 4 KiB of extensions a body.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "http/headers.h"

namespace sluice {

// Takes a body's bytes as they arrive and gives the data in them. Feed it what is left each time:
//
//   while (auto step = decoder.step(rest)) { use(step.data); rest = rest.subspan(step.consumed); }
class ChunkedDecoder {
 public:
  struct Step {
    std::span<char> data;  // inside the bytes given
    size_t consumed = 0;   // with the framing around the data
    enum class Is : uint8_t { more, data, done, broken } is = Is::more;
  };
  // `more`: all was taken and there is no data in it. `data`: use it and come again. `done`: the body, its trailers and
  // the last line have been taken; bytes behind `consumed` belong to the next message.
  Step step(std::span<char> bytes);

  // The trailer section's lines with their line ends, complete when done; empty when there are none. At most 16 KiB.
  std::string& trailer_text() { return trailers_; }

 private:
  enum class State : uint8_t { size, extension, size_lf, data, data_cr, data_lf, trailer, done, broken };
  State on_byte(char c);

  State state_ = State::size;
  uint64_t left_ = 0;  // of the chunk
  unsigned digits_ = 0;
  unsigned extension_bytes_ = 0;
  std::string trailers_;
};

// "1f\r\n" in front of a chunk of that many bytes; at most 18 bytes.
size_t write_chunk_size(char* out, uint64_t size);

// Fields behind a body that may be sent on (F7): those for framing, routing and authentication, modifiers of requests,
// controls of responses and content-* are dropped. False when they are no fields.
bool parse_trailers(std::string& text, Headers& headers);

}  // namespace sluice
