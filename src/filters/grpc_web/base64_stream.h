// Base64 (RFC 4648 4) in pieces, as gRPC-Web's text form has it: padding may stand in the middle, as each message may
// have been encoded by itself.
#pragma once

#include <array>
#include <cstddef>
#include <span>
#include <string_view>

#include "base/result.h"

namespace sluice::grpc_web {

struct Base64Step {
  size_t read = 0;
  size_t written = 0;
};

// `out` has room for three bytes at least. Stops when either side is used up.
class Base64Decoder {
 public:
  static constexpr size_t kOutMin = 3;
  Result<Base64Step> decode(std::string_view in, std::span<char> out);
  // Nothing of a group of four is missing.
  bool is_whole() const { return filled_ == 0; }

 private:
  std::array<char, 4> group_{};
  size_t filled_ = 0;
};

// `out` has room for four bytes at least. What is not enough for three bytes stays until the next call, or finish().
class Base64Encoder {
 public:
  static constexpr size_t kOutMin = 4;
  Base64Step encode(std::string_view in, std::span<char> out);
  // The rest, padded: 0 or 4 bytes.
  size_t finish(std::span<char> out);

 private:
  std::array<char, 3> group_{};
  size_t filled_ = 0;
};

}  // namespace sluice::grpc_web
