// Compresses texts for tests and fuzz seeds; the product itself only decodes so far.
#pragma once

#include <brotli/encode.h>
#include <zlib.h>

#include <string>
#include <string_view>

#include "base/check.h"
#include "engines/coding/content_coding.h"

namespace sluice::coding::testing {

// window_bits as deflateInit2 takes them: 31 gzip, 15 zlib, -15 raw.
inline std::string deflated(std::string_view text, int window_bits) {
  z_stream stream{};
  CHECK(deflateInit2(&stream, 9, Z_DEFLATED, window_bits, 8, Z_DEFAULT_STRATEGY) == Z_OK);
  std::string out(deflateBound(&stream, text.size()) + 32, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  CHECK(deflate(&stream, Z_FINISH) == Z_STREAM_END);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

inline std::string brotlied(std::string_view text) {
  size_t size = BrotliEncoderMaxCompressedSize(text.size()) + 32;
  std::string out(size, '\0');
  CHECK(BrotliEncoderCompress(5, 22, BROTLI_MODE_GENERIC, text.size(), reinterpret_cast<const uint8_t*>(text.data()),
                              &size, reinterpret_cast<uint8_t*>(out.data())) == BROTLI_TRUE);
  out.resize(size);
  return out;
}

inline std::string encoded(Coding coding, std::string_view text) {
  switch (coding) {
    case Coding::gzip: return deflated(text, 31);
    case Coding::deflate: return deflated(text, 15);
    case Coding::brotli: return brotlied(text);
  }
  __builtin_unreachable();
}

}  // namespace sluice::coding::testing
