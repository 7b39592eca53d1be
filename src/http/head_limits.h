// How large the head of a message may be, and why a request is refused before anybody looks at what it asks for.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace sluice {

struct HeadLimits {
  size_t line_bytes_max = 8U << 10;    // the request line (414)
  size_t head_bytes_max = 60U << 10;   // all of it (431)
  size_t field_bytes_max = 16U << 10;  // one field's line (431)
  size_t fields_max = 100;             // (431)
};

// The status a request gets, and the detail for the log: a constant.
struct HeadFailure {
  uint16_t status = 0;
  std::string_view details;
};

}  // namespace sluice
