#include "engines/coding/encoder.h"

#include <gtest/gtest.h>
#include <malloc.h>

#include "base/check.h"
#include "base/sanitizers.h"
#include "engines/coding/decoder.h"

namespace sluice::coding {
namespace {

std::string some_text(size_t size) {
  std::string out;
  for (unsigned i = 0; out.size() < size; ++i)
    out += "{\"id\": " + std::to_string(i * 2654435761U) + ", \"name\": \"user" + std::to_string(i % 977) + "\"},\n";
  out.resize(size);
  return out;
}

// All that the encoder writes until it has done what it is told, through a buffer of `room` bytes.
std::string encoded(Encoder& encoder, std::string_view input, Encoder::Until until, size_t room = 7) {
  std::string out, buffer(room, '\0');
  for (;;) {
    const auto written = encoder.encode(input, buffer, until);
    CHECK(written.has_value());
    out.append(buffer, 0, written->bytes);
    if (written->complete) return out;
  }
}

// As far as it can be read by now.
std::string decoded(Coding coding, std::string_view bytes, bool whole) {
  auto decoder = Decoder::create(std::span(&coding, 1), {.ratio_max = 100'000});
  CHECK(decoder.has_value());
  std::string out, buffer(4096, '\0');
  for (;;) {
    const auto more = decoder->decode(bytes, buffer);
    CHECK(more.has_value());
    if (*more == 0) break;
    out.append(buffer, 0, *more);
  }
  EXPECT_EQ(decoder->finish().has_value(), whole);
  return out;
}

struct Kind {
  std::string_view name;
  Coding coding;
  std::unique_ptr<Encoder> (*make)();
};
const Kind kKinds[] = {
    {"gzip", Coding::gzip, [] { return *make_gzip_encoder({}); }},
    {"gzip, smallest", Coding::gzip,
     [] { return *make_gzip_encoder({.level = 9, .window_bits = 9, .memory_level = 1}); }},
    {"gzip, huffman", Coding::gzip,
     [] {
       return *make_gzip_encoder({.level = 1, .window_bits = 15, .memory_level = 9, .strategy = GzipStrategy::huffman});
     }},
    {"gzip, rle", Coding::gzip, [] { return *make_gzip_encoder({.strategy = GzipStrategy::rle}); }},
    {"gzip, filtered", Coding::gzip, [] { return *make_gzip_encoder({.strategy = GzipStrategy::filtered}); }},
    {"br", Coding::brotli, [] { return *make_brotli_encoder({}); }},
    {"br, least", Coding::brotli, [] { return *make_brotli_encoder({.quality = 0, .window_bits = 10}); }},
    {"br, most", Coding::brotli, [] { return *make_brotli_encoder({.quality = 9, .window_bits = 20}); }},
};

TEST(Encoder, writes_what_a_decoder_reads_however_the_body_comes) {
  for (const Kind& kind : kKinds) {
    for (const size_t size : {0U, 1U, 100U, 20'000U}) {
      for (const size_t piece : {1U, 33U, 4096U}) {
        const std::string text = some_text(size);
        const auto encoder = kind.make();
        std::string out;
        for (size_t at = 0; at < size; at += piece)
          out += encoded(*encoder, std::string_view(text).substr(at, piece), Encoder::Until::later);
        out += encoded(*encoder, {}, Encoder::Until::ended);
        EXPECT_EQ(decoded(kind.coding, out, true), text) << kind.name << size;
        if (size == 20'000U && piece == 4096) {
          EXPECT_LT(out.size(), size * 3 / 4) << kind.name;
        }
      }
    }
  }
}

TEST(Encoder, lets_all_be_read_that_was_given_when_it_is_told_to) {
  for (const Kind& kind : kKinds) {
    const auto encoder = kind.make();
    std::string out, text;
    for (int i = 0; i < 50; ++i) {
      const std::string event = "data: " + std::to_string(i) + "\n\n";
      out += encoded(*encoder, event, Encoder::Until::flushed);
      text += event;
      ASSERT_EQ(decoded(kind.coding, out, false), text) << kind.name;
    }
    out += encoded(*encoder, {}, Encoder::Until::ended);
    EXPECT_EQ(decoded(kind.coding, out, true), text);
  }
}

// What it says it takes is what the process counts.
TEST(Encoder, takes_no_more_memory_than_it_says) {
  if (kWatchedHeap) GTEST_SKIP() << "the sanitizer's memory is counted in another way";
  const std::string text = some_text(3U << 20);
  const auto in_use = [] { return mallinfo2().uordblks + mallinfo2().hblkhd; };
  const auto most_while = [&](std::unique_ptr<Encoder> (*make)(int), int variant) {
    const size_t before = in_use();
    const auto encoder = make(variant);
    std::string buffer(16U << 10, '\0');
    const size_t own = buffer.capacity();
    size_t most = 0;
    for (size_t at = 0; at < text.size(); at += 16U << 10) {
      std::string_view piece = std::string_view(text).substr(at, 16U << 10);
      for (bool complete = false; !complete;)
        complete =
            encoder->encode(piece, buffer, at % 7 == 3 ? Encoder::Until::flushed : Encoder::Until::later)->complete;
      most = std::max(most, in_use() - before - own);
    }
    return most;
  };
  for (int quality = 0; quality <= 9; ++quality) {
    const auto make = [](int q) {
      return *make_brotli_encoder({.quality = static_cast<uint32_t>(q), .window_bits = 18});
    };
    const BrotliSettings settings{.quality = static_cast<uint32_t>(quality), .window_bits = 18};
    EXPECT_LE(most_while(make, quality), settings.memory_bytes() + (64U << 10)) << quality;
  }
  for (int level = 1; level <= 9; level += 4) {
    const auto make = [](int l) { return *make_gzip_encoder({.window_bits = 15, .memory_level = l}); };
    const GzipSettings settings{.window_bits = 15, .memory_level = level};
    EXPECT_LE(most_while(make, level), settings.memory_bytes() + (8U << 10)) << level;
  }
}

}  // namespace
}  // namespace sluice::coding
