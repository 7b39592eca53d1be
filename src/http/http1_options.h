// What HTTP/1 may be beyond, or short of, what is taken from a client by default: a part of a listener's configuration.
#pragma once

#include <cstdint>
#include <string>

namespace sluice {

// Whether trailers of requests and responses are passed on.
enum class TrailerPolicy : uint8_t {
  as_told,  // where the client says that it takes them: "TE: trailers" (RFC 9110 6.5.1)
  always,
  never,
};

struct Http1Options {
  bool old_version = false;  // HTTP/1.0 is served; else it is answered 426
  std::string default_host;  // of a request in HTTP/1.0 that names none; empty: it is refused
  // A request with Transfer-Encoding and Content-Length is read by the former, the latter is taken off, and the
  // connection ends behind the answer (RFC 9112 6.3); else it is refused.
  bool length_beside_chunked = false;
  TrailerPolicy trailers = TrailerPolicy::as_told;
  bool proper_case = false;  // names of fields in responses: "Content-Type"
  bool keep_case = false;    // names of fields in requests go on as they were written
};

}  // namespace sluice
