// The heads of messages as bytes. What is told of the body is told by it as it is now, whatever the fields say (RFC
// 9112 6).
#pragma once

#include <string_view>

#include "base/arena.h"
#include "http/body.h"
#include "http/headers.h"
#include "http/written_names.h"

namespace sluice::h1 {

// What the connection does behind the message, or from it on.
enum class Then : uint8_t { goes_on, closes, becomes_websocket };

struct RequestHead {
  std::string_view method;
  std::string_view target;
  std::string_view host;
  const Headers& headers;  // without Host
  const Body& body;
  bool accepts_trailers = false;
  const WrittenNames* written_names = nullptr;  // null: as they are in `headers`
  Then then = Then::goes_on;
};
// Host first, then the fields in their order. In the arena.
std::string_view write_head(const RequestHead& head, Arena& arena);

struct ResponseHead {
  uint16_t status;
  const Headers& headers;
  const Body& body;
  bool to_head_request = false;  // then what was said of the length stands
  bool old_client = false;       // speaks HTTP/1.0: no chunked coding, and it must be told that the connection goes on
  bool proper_case = false;      // names of fields: "Content-Type"
  Then then = Then::goes_on;
};
// In the arena.
std::string_view write_head(const ResponseHead& head, Arena& arena);

}  // namespace sluice::h1
