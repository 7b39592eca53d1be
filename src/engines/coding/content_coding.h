// The codings of a body, as Content-Encoding names them (RFC 9110 8.4).
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace sluice::coding {

enum class Coding : uint8_t { gzip, deflate, brotli };

constexpr size_t kCodingsMax = 3;  // one upon the other; each costs memory and multiplies

// The codings in the order in which they were applied; `identity` is left out, `x-gzip` is gzip, case does not
// matter. Fails with ErrorKind::unsupported for another coding, or too many.
// Several fields are one list: join their values with ", ".
Result<std::vector<Coding>> parse_content_encoding(std::string_view value);

}  // namespace sluice::coding
