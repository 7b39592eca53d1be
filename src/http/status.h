// What the numbers of responses mean (RFC 9110 15).
#pragma once

#include <cstdint>
#include <string_view>

namespace sluice {

// The text beside it in a status line.
std::string_view reason_phrase(uint16_t status);

// Such a response has no body, whatever it says (RFC 9110 6.4.1).
bool never_has_body(uint16_t status);

}  // namespace sluice
