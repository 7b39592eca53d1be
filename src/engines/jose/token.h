// A token taken apart, not yet believed: RFC 7515 compact form, header.payload.signature in base64url.
#pragma once

#include <expected>
#include <string>
#include <string_view>

#include "engines/jose/algorithm.h"
#include "engines/jose/claims.h"

namespace sluice::jose {

inline constexpr size_t kTokenBytesMax = 8U << 10;
inline constexpr size_t kHeaderDepthMax = 8;

struct Token {
  Algorithm algorithm = Algorithm::rs256;
  std::string kid;  // empty: none
  Claims claims;
  std::string_view signing_input;  // "header.payload", a view of the text it was parsed from
  std::string signature;           // decoded
};

// Checks form and types only. Strict where two readers could disagree: no padding, no stray bits, no white space, no
// name twice, no empty part. The first fault found from left to right is reported.
std::expected<Token, Failure> parse_token(std::string_view text);

}  // namespace sluice::jose
