// A connection to a client that speaks HTTP/1.1: one request after the other (RFC 9112; rules F1-F25).
#pragma once

#include "http/server_session.h"

namespace sluice::h1 {

// Whether a client that speaks HTTP/2 from its first byte on (RFC 9113 3.3) is handed over, or refused as any that does
// not speak HTTP/1.
enum class Http2 : uint8_t { refused, handed_over };

std::unique_ptr<ServerSession> make_server_session(std::unique_ptr<Stream> stream, Http2 http2 = Http2::refused);

}  // namespace sluice::h1
