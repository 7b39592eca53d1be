// A connection to a client that speaks HTTP/1.1: one request after the other (RFC 9112; rules F1-F25).
#pragma once

#include "http/server_session.h"

namespace sluice::h1 {

std::unique_ptr<ServerSession> make_server_session(std::unique_ptr<Stream> stream);

}  // namespace sluice::h1
