// How long a message is, and whether its connection goes on behind it (RFC 9112 6, 9.3). The
// rules F1-F18 are those of reference/dynamic-forward-proxy.md 6.1.
#pragma once

#include <cstdint>
#include <optional>

#include "http/h1/head.h"
#include "http/http1_options.h"
#include "http/message_rules.h"
#include "http/one_hop.h"
#include "http/target.h"

namespace sluice {

enum class BodyKind : uint8_t { none, length, chunked, until_close };

struct RequestFraming {
  BodyKind body = BodyKind::none;
  uint64_t length = 0;
  bool keep_alive = true;
  bool expects_continue = false;
  bool upgrade = false;           // Connection: upgrade with an Upgrade field
  bool accepts_trailers = false;  // TE: trailers
};

// Looks at a request's fields; a failure says why to refuse it. Fields are left as they are, but for what `options`
// take off or add.
HeadFailure frame_request(const RequestHeadParser& head, Headers& headers, RequestFraming& out,
                          const Http1Options& options = {});

struct ResponseFraming {
  BodyKind body = BodyKind::none;
  uint64_t length = 0;
  bool keep_alive = true;
};

// `to_head`: the request was HEAD. False: broken framing, a 502 (F15).
bool frame_response(const ResponseHeadParser& head, const Headers& headers, bool to_head, ResponseFraming& out);

}  // namespace sluice
