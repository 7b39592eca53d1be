// Whatever a body is and however it comes, what is written is read back as it was.
#include <cstdlib>

#include "base/check.h"
#include "engines/coding/decoder.h"
#include "engines/coding/encoder.h"

using namespace sluice;
using namespace sluice::coding;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 3) return 0;
  const bool gzip = data[0] % 2 == 0;
  const auto encoder = gzip ? *make_gzip_encoder({.level = data[0] / 2 % 9 + 1, .window_bits = data[1] % 7 + 9})
                            : *make_brotli_encoder({.quality = data[0] / 2 % 7U, .window_bits = data[1] % 5U + 10});
  const size_t piece = data[2] + size_t{1}, room = data[1] + Encoder::kRoomMin;
  const std::string_view text(reinterpret_cast<const char*>(data + 3), size - 3);
  std::string out, buffer(room, '\0');
  const auto encode = [&](std::string_view input, Encoder::Until until) {
    for (bool complete = false; !complete;) {
      const auto written = encoder->encode(input, buffer, until);
      CHECK(written.has_value());
      out.append(buffer, 0, written->bytes);
      complete = written->complete;
    }
  };
  for (size_t at = 0; at < text.size(); at += piece)
    encode(text.substr(at, piece), text[at] % 3 == 0 ? Encoder::Until::flushed : Encoder::Until::later);
  encode({}, Encoder::Until::ended);

  const Coding coding = gzip ? Coding::gzip : Coding::brotli;
  auto decoder = Decoder::create(std::span(&coding, 1), {.ratio_max = 1'000'000});
  std::string back, window(4096, '\0');
  for (std::string_view rest = out;;) {
    const auto more = decoder->decode(rest, window);
    CHECK(more.has_value());
    if (*more == 0) break;
    back.append(window, 0, *more);
  }
  CHECK(decoder->finish().has_value());
  CHECK(back == text);
  return 0;
}
