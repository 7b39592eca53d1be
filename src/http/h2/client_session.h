// A connection to an upstream that speaks HTTP/2: many streams at a time (RFC 9113).
//
// Flow control is nothing but pulling: of each stream the upstream may send what its window holds, which opens again as
// the body is read; of all streams together what the connection's holds. So a client that does not read costs at most
// one window, and only several of them together can make others wait. A request's body is read when the upstream takes
// more of it.
#pragma once

#include "base/metrics.h"
#include "http/client_session.h"

namespace sluice::h2 {

// What is counted of an upstream's connections; null members count nothing.
struct ClientCounters {
  Counter* rx_reset = nullptr;                    // streams that the upstream reset
  Counter* tx_reset = nullptr;                    // streams that were reset here
  Counter* goaway_received = nullptr;             // connections that the upstream asked to leave
  Counter* rx_messaging_error = nullptr;          // responses that were none
  Counter* header_overflow = nullptr;             // heads beyond the limits
  Counter* inbound_empty_frames_flood = nullptr;  // connections that were ended because of each
  Counter* inbound_control_flood = nullptr;
  Counter* protocol_error = nullptr;
  Counter* keepalive_timeout = nullptr;
};

struct ClientOptions {
  uint32_t stream_window = 256U << 10;
  uint32_t connection_window = 16U << 20;
  uint32_t streams_max = INT32_MAX;  // at a time, besides what the upstream allows
  // What breaks the rules of messages ends its stream alone, not the connection.
  bool only_stream_ends_on_invalid_message = false;
  // When nothing has come for so long, a PING asks whether anybody is there; without an answer the connection ends.
  Nanos ping_after = 30s;
  Nanos ping_answer_max = 10s;
  ClientCounters counters;
};

// `stream` is established.
std::unique_ptr<ClientSession> make_client_session(std::unique_ptr<Stream> stream, const ClientOptions& options);

}  // namespace sluice::h2
