// One request to one destination and back: connection, head, body both ways, response head.
#pragma once

#include <span>

#include "forward/connection.h"
#include "pipeline/message.h"

namespace sluice {

struct OtherHosts;

// Where a request is to go. Everything must live as long as the exchange.
struct ForwardTarget {
  ConnectionPool& pool;
  // In the order in which they are to be tried; those that could not be connected to lately come last.
  std::span<const SocketAddress> addresses;
  OtherHosts* others = nullptr;
  // Whose rules allowed them (ConnectionPool::UnderWay).
  std::string_view place = {};
};

// Where else a request may go.
struct OtherHosts {
  // Called when the target could not be connected to, so nothing of the request has been sent: the next one to try;
  // nothing when all have been.
  virtual Task<std::optional<ForwardTarget>> next(Request& request) = 0;

 protected:
  ~OtherHosts() = default;
};

// Applies the route's rewrites, sends the request, and gives the response with its body still on the connection. What
// fails becomes an answer (failures.h); an Error comes back only when the client's side is at fault or the task was
// cancelled. A connect that fails goes on to the next address, then to the next host; a reused connection that turns
// out to be closed is replaced once, if the request can safely be sent again. When the destination is denied meanwhile,
// it is answered 403, or a response that has begun is cut off with ErrorKind::denied.
Task<Response> forward(Request& request, ForwardTarget target);

}  // namespace sluice
