// A connection to an upstream that speaks HTTP/1.1: one stream at a time (RFC 9112; rules F3-F25).
#pragma once

#include "http/client_session.h"

namespace sluice::h1 {

// `stream` is established.
std::unique_ptr<ClientSession> make_client_session(std::unique_ptr<Stream> stream);

}  // namespace sluice::h1
