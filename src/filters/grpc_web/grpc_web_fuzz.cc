// Text in pieces decodes to what it decodes to as a whole, or is refused by both; bytes in pieces come back.
#include <cstdlib>
#include <optional>
#include <string>

#include "base/encoding.h"
#include "filters/grpc_web/base64_stream.h"
#include "filters/grpc_web/web_body.h"

using namespace sluice;
using namespace sluice::grpc_web;

namespace {

std::optional<std::string> decode(std::string_view text, size_t piece) {
  Base64Decoder decoder;
  std::string out;
  std::array<char, 7> buffer{};
  while (!text.empty()) {
    const auto step = decoder.decode(text.substr(0, piece), buffer);
    if (!step) return std::nullopt;
    if (step->read == 0) std::abort();
    text.remove_prefix(step->read);
    out.append(buffer.data(), step->written);
  }
  if (!decoder.is_whole()) return std::nullopt;
  return out;
}

std::string encode(std::string_view bytes, size_t piece) {
  Base64Encoder encoder;
  std::string out;
  std::array<char, 9> buffer{};
  while (!bytes.empty()) {
    const Base64Step step = encoder.encode(bytes.substr(0, piece), buffer);
    if (step.read == 0) std::abort();
    bytes.remove_prefix(step.read);
    out.append(buffer.data(), step.written);
  }
  out.append(buffer.data(), encoder.finish(buffer));
  return out;
}

// Each byte belongs to one frame, and the ends do not depend on how they came.
std::vector<size_t> ends(std::string_view bytes, size_t piece) {
  FrameEnds frames;
  std::vector<size_t> out;
  for (size_t at = 0; at < bytes.size();) {
    const size_t taken = frames.take(bytes.substr(at, piece));
    if (taken == 0 || taken > piece) std::abort();
    at += taken;
    if (frames.between()) out.push_back(at);
  }
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const size_t piece = data[0] % 11 + 1;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  const auto in_pieces = decode(bytes, piece);
  if (in_pieces != decode(bytes, SIZE_MAX)) std::abort();
  // Strict in the same way, but that padding may stand in the middle.
  if (const auto whole = base64_decode(bytes); whole && whole != in_pieces) std::abort();
  if (in_pieces && bytes.find('=') == std::string_view::npos && !base64_decode(bytes)) std::abort();
  if (encode(bytes, piece) != base64_encode(bytes)) std::abort();
  if (ends(bytes, piece) != ends(bytes, SIZE_MAX)) std::abort();
  return 0;
}
