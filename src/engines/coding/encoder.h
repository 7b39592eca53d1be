// Compresses a body while it passes: gzip by zlib, br by brotli.
//
// Memory: what memory_bytes() says, taken when it is made; nothing more while it runs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "base/result.h"
#include "engines/coding/content_coding.h"

namespace sluice::coding {

enum class GzipStrategy : uint8_t { standard, filtered, huffman, rle };

struct GzipSettings {
  int level = -1;        // 1 .. 9; -1: zlib's default, which is 6
  int window_bits = 12;  // 9 .. 15
  int memory_level = 5;  // 1 .. 9
  GzipStrategy strategy = GzipStrategy::standard;

  // At most, for one body.
  size_t memory_bytes() const;
};

struct BrotliSettings {
  static constexpr uint32_t kQualityMax = 9;  // above it a body takes a hundred times as long
  uint32_t quality = 3;                       // 0 .. kQualityMax
  uint32_t window_bits = 18;                  // 10 .. 24

  size_t memory_bytes() const;
};

class Encoder {
 public:
  enum class Until : uint8_t {
    later,    // more comes: it writes what it likes
    flushed,  // all that was given so far is to be readable
    ended,    // nothing comes any more
  };
  // Of room at least: with less zlib would write the mark of a flush again and again, and never be done.
  static constexpr size_t kRoomMin = 7;
  struct Written {
    size_t bytes = 0;
    bool complete = false;  // all of the input is taken, and what `Until` asks for is done; else call it again
  };

  virtual ~Encoder() = default;
  // Takes what it uses off `input` and writes to `out`, which has kRoomMin bytes or more. The same `Until`, and no
  // other input, until it is complete.
  virtual Result<Written> encode(std::string_view& input, std::span<char> out, Until until) = 0;
};

Result<std::unique_ptr<Encoder>> make_gzip_encoder(const GzipSettings& settings);
Result<std::unique_ptr<Encoder>> make_brotli_encoder(const BrotliSettings& settings);

}  // namespace sluice::coding
