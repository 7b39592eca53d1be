// What a client says of the codings that it takes: Accept-Encoding (RFC 9110 12.5.3).
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "engines/coding/content_coding.h"

namespace sluice::coding {

// Weights in thousandths; 0: not acceptable.
struct AcceptedCodings {
  uint16_t gzip = 0;
  uint16_t brotli = 0;
  uint16_t identity = 1;  // taken where nothing better is; unless it is refused
};

// Several fields are one list. What is no weight makes its coding unacceptable: when in doubt a body stays as it is.
AcceptedCodings parse_accept_encoding(std::string_view value);

// The coding to send a body in: of gzip and brotli the one with the larger weight (brotli where both are alike), as far
// as it is offered, and not below that of no coding at all. Nothing: as it is.
std::optional<Coding> choose_coding(const AcceptedCodings& accepted, bool offers_gzip, bool offers_brotli);

}  // namespace sluice::coding
