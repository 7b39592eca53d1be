// How large the head of a message may be, and why a request is refused before anybody looks at what it asks for.
#pragma once

#include <cstddef>
#include <cstdint>

namespace sluice {

struct HeadLimits {
  size_t line_bytes_max = 8U << 10;    // the request line (414)
  size_t head_bytes_max = 60U << 10;   // all of it (431)
  size_t field_bytes_max = 16U << 10;  // one field's line (431)
  size_t fields_max = 100;             // (431)
};

enum class HeadFailure : uint8_t {
  none,
  malformed,                // 400
  unknown_transfer_coding,  // 501
  no_host,                  // 400
  line_too_long,            // 414
  too_large,                // 431
  timeout,                  // 408: it did not come to its end
  old_version,              // 426
  unknown_expectation,      // 417
  no_memory,                // 503: there is too little of it to wait for the rest
};

}  // namespace sluice
