// What of a message's fields is for one hop only, whatever protocol carries it (RFC 9110 6.5.1, 7.6.1).
#pragma once

#include "http/headers.h"

namespace sluice {

// Takes out what is for this hop only: Connection and what it names, Keep-Alive, Proxy-*, TE, Trailer,
// Transfer-Encoding, Upgrade, HTTP2-Settings. False when Connection lists over 32 tokens.
// Connection options that name fields a proxy depends on are ignored (reference 6.3: header-stripping attack).
bool remove_hop_by_hop(Headers& headers);

// Takes out of trailers what must not come behind a body: framing, routing, and what is believed only because a gateway
// checked it.
void remove_from_trailers(Headers& trailers);

}  // namespace sluice
