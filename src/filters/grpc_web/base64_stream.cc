#include "filters/grpc_web/base64_stream.h"

#include <algorithm>
#include <cstdint>

namespace sluice::grpc_web {
namespace {

constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr uint8_t kNone = 0xff;

constexpr std::array<uint8_t, 256> kValues = [] {
  std::array<uint8_t, 256> values{};
  values.fill(kNone);
  for (size_t i = 0; i < kAlphabet.size(); ++i) values[static_cast<uint8_t>(kAlphabet[i])] = static_cast<uint8_t>(i);
  return values;
}();

// How many bytes the group is; 0: it is none. Bits behind the last byte must be zero: one text for one content.
size_t decode_group(std::span<const char, 4> group, char* out) {
  const size_t digits = group[3] != '=' ? 4 : group[2] != '=' ? 3 : 2;
  uint32_t bits = 0;
  for (size_t i = 0; i < 4; ++i) {
    const uint8_t value = i < digits ? kValues[static_cast<uint8_t>(group[i])] : 0;
    if (value == kNone) return 0;
    bits = bits << 6 | value;
  }
  const size_t bytes = digits - 1;
  if (bytes < 3 && (bits & ((1U << (24 - 8 * bytes)) - 1)) != 0) return 0;
  for (size_t i = 0; i < bytes; ++i) out[i] = static_cast<char>(bits >> (16 - 8 * i));
  return bytes;
}

}  // namespace

Result<Base64Step> Base64Decoder::decode(std::string_view in, std::span<char> out) {
  Base64Step step;
  while (step.read < in.size() && out.size() - step.written >= kOutMin) {
    group_[filled_++] = in[step.read++];
    if (filled_ < group_.size()) continue;
    const size_t bytes = decode_group(group_, out.data() + step.written);
    if (bytes == 0) return fail(ErrorKind::invalid, "the body is no Base64", Side::downstream);
    step.written += bytes;
    filled_ = 0;
  }
  return step;
}

void Base64Encoder::put(char* out) const {
  uint32_t bits = 0;
  for (size_t i = 0; i < 3; ++i) bits = bits << 8 | (i < filled_ ? static_cast<uint8_t>(group_[i]) : 0U);
  for (size_t i = 0; i < 4; ++i) out[i] = i <= filled_ ? kAlphabet[bits >> (18 - 6 * i) & 63U] : '=';
}

Base64Step Base64Encoder::encode(std::string_view in, std::span<char> out) {
  Base64Step step;
  while (step.read < in.size() && out.size() - step.written >= kOutMin) {
    group_[filled_++] = in[step.read++];
    if (filled_ < group_.size()) continue;
    put(out.data() + step.written);
    step.written += 4;
    filled_ = 0;
  }
  return step;
}

size_t Base64Encoder::finish(std::span<char> out) {
  if (filled_ == 0) return 0;
  put(out.data());
  filled_ = 0;
  return 4;
}

}  // namespace sluice::grpc_web
