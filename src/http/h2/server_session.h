// A connection to a client that speaks HTTP/2 (RFC 9113): many requests at once.
//
// What a client may make it hold is bounded: heads by ServerLimits and their sum, bodies that nobody has read by the
// windows, answers to control frames by their number; what costs the client nothing has an allowance (floods.h).
#pragma once

#include "http/h2/metrics.h"
#include "http/server_session.h"

namespace sluice::h2 {

struct ServerOptions {
  uint32_t streams_max = 100;
  uint32_t stream_window = 256U << 10;       // bytes of a request's body that wait to be read, of one stream
  uint32_t connection_window = 1024U << 10;  // and of all
  // A request that breaks HTTP's rules ends the connection, not only its stream (RFC 9113 8.1.1).
  bool invalid_message_ends_connection = false;
  // That a client has, once it is asked to go, to answer the PING by which it is known to have heard of it. Until then
  // what it begins is served. 0: none.
  Nanos drain_max = 5s;
};

// `early` is what has come of it already. `metrics` is never null.
std::unique_ptr<ServerSession> make_server_session(std::unique_ptr<Stream> stream, std::string_view early,
                                                   const ServerLimits& limits, const ServerOptions& options,
                                                   std::shared_ptr<const Http2Metrics> metrics);

}  // namespace sluice::h2
