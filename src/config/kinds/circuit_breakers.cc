#include "config/kinds/circuit_breakers.h"

namespace sluice::kinds {

void bind(Fields& f, CircuitBreakers& b) {
  f.optional("maxConnections", b.max_connections, "Connections at a time (1024 when absent).");
  f.optional("maxPendingRequests", b.max_pending_requests, "Requests waiting for a connection (1024 when absent).");
  f.optional("maxRequests", b.max_requests, "Requests at a time (1024 when absent).");
  f.optional("maxRetries", b.max_retries, "Retries at a time (3 when absent).");
  f.optional("trackRemaining", b.track_remaining, "Count what is left of each limit in metrics.");
}

}  // namespace sluice::kinds
