// gzip (RFC 1952), by zlib.
#include <zlib.h>

#include <algorithm>
#include <limits>

#include "base/check.h"
#include "engines/coding/encoder.h"

namespace sluice::coding {
namespace {

constexpr int kGzip = 16;  // added to the window's bits: a gzip head and trailer, not zlib's

int strategy_of(GzipStrategy strategy) {
  switch (strategy) {
    case GzipStrategy::standard: return Z_DEFAULT_STRATEGY;
    case GzipStrategy::filtered: return Z_FILTERED;
    case GzipStrategy::huffman: return Z_HUFFMAN_ONLY;
    case GzipStrategy::rle: return Z_RLE;
  }
  return Z_DEFAULT_STRATEGY;
}

class GzipEncoder final : public Encoder {
 public:
  GzipEncoder() = default;
  GzipEncoder(const GzipEncoder&) = delete;
  GzipEncoder& operator=(const GzipEncoder&) = delete;
  ~GzipEncoder() override {
    if (open_) deflateEnd(&stream_);
  }

  Status open(const GzipSettings& s) {
    if (deflateInit2(&stream_, s.level, Z_DEFLATED, s.window_bits + kGzip, s.memory_level, strategy_of(s.strategy)) !=
        Z_OK)
      return fail(ErrorKind::internal, "no memory to compress a body");
    open_ = true;
    return {};
  }

  Result<Written> encode(std::string_view& input, std::span<char> out, Until until) override {
    constexpr size_t kMost = std::numeric_limits<uInt>::max();
    CHECK(out.size() >= kRoomMin);
    const auto given = static_cast<uInt>(std::min(input.size(), kMost));
    const auto room = static_cast<uInt>(std::min(out.size(), kMost));
    stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(input.data()));  // read only, by zlib's word
    stream_.avail_in = given;
    stream_.next_out = reinterpret_cast<Bytef*>(out.data());
    stream_.avail_out = room;
    const int code = deflate(&stream_, flush_of(until));
    input.remove_prefix(given - stream_.avail_in);
    // Z_BUF_ERROR: there was nothing to do.
    if (code != Z_OK && code != Z_STREAM_END && code != Z_BUF_ERROR)
      return fail(ErrorKind::internal, "a body cannot be compressed");
    const bool ended = until == Until::ended ? code == Z_STREAM_END : stream_.avail_out > 0;
    return Written{room - stream_.avail_out, input.empty() && ended};
  }

 private:
  static int flush_of(Until until) {
    switch (until) {
      case Until::later: return Z_NO_FLUSH;
      case Until::flushed: return Z_SYNC_FLUSH;
      case Until::ended: return Z_FINISH;
    }
    return Z_FINISH;
  }

  z_stream stream_{};  // points to itself, and so must not move
  bool open_ = false;
};

}  // namespace

// zlib.h and zconf.h: (1 << (windowBits+2)) + (1 << (memLevel+9)), and its state.
size_t GzipSettings::memory_bytes() const {
  return (size_t{1} << (window_bits + 2)) + (size_t{1} << (memory_level + 9)) + (8U << 10);
}

Result<std::unique_ptr<Encoder>> make_gzip_encoder(const GzipSettings& settings) {
  auto encoder = std::make_unique<GzipEncoder>();
  TRY(encoder->open(settings));
  return encoder;
}

}  // namespace sluice::coding
