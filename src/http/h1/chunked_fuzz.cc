// Chunked bodies in one piece and byte by byte give the same data.
#include <cstdlib>
#include <string>

#include "http/h1/chunked.h"

using namespace sluice;

static std::string decode(std::string text, size_t piece) {
  ChunkedDecoder decoder;
  std::string out;
  for (size_t at = 0; at < text.size();) {
    const auto step = decoder.step(std::span(text).subspan(at, std::min(piece, text.size() - at)));
    out.append(step.data.data(), step.data.size());
    at += step.consumed;
    if (step.is == ChunkedDecoder::Step::Is::broken) return out + "!";
    if (step.is == ChunkedDecoder::Step::Is::done) {
      Arena arena;
      Headers trailers(arena);
      return out + "$" + std::to_string(at) + (parse_trailers(decoder.trailer_text(), trailers) ? "t" : "b");
    }
    if (step.consumed == 0) std::abort();
  }
  return out;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  if (decode(text, SIZE_MAX) != decode(text, 1)) std::abort();
  return 0;
}
