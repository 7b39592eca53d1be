// One request to upstreams and back: which endpoint, its connection, the request on it, and whether to try again.
#pragma once

#include <span>

#include "forward/connection.h"
#include "pipeline/message.h"
#include "upstream/endpoint_set.h"

namespace sluice {

// Who knows the rules that a request's addresses are held against.
struct AddressJudge {
  // By the rules that hold now, on connections of this pool.
  virtual bool allows(const Request& request, const ConnectionPool& pool, const SocketAddress& address) const = 0;

 protected:
  ~AddressJudge() = default;
};

// Where a request goes next.
struct ForwardTarget {
  ConnectionPool& pool;
  // Allowed just now. Its set may be another one when the request has waited: others may have changed it, by rules or
  // addresses of their own.
  EndpointSet::Use endpoint;
  // Whose rules allowed it (ConnectionPool::UnderWay).
  std::string_view place = {};
  // Asked of each other address of the set, until there is a response. Null: all may be used.
  const AddressJudge* judge = nullptr;
};

// Endpoints that a request has tried in vain.
using Tried = std::span<const EndpointSet::Id>;

// The next one: the one that is wished for, or any other unless the wish is strict. `wish`: null for none. Null: none.
EndpointSet::Endpoint* pick_endpoint(EndpointSet& set, const EndpointWish* wish, Tried tried, SteadyTime now);

// Where else a request may go. Lives as long as the exchange.
struct OtherTargets {
  // The next one, not among `tried`; nothing when all have been. May change the request's authority.
  virtual Task<std::optional<ForwardTarget>> next(Request& request, Tried tried) = 0;

 protected:
  ~OtherTargets() = default;
};

// Applies the route's rewrites, sends the request, and gives the response with its body still on the connection. What
// fails becomes an answer (failures.h); an Error comes back only when the client's side is at fault or the task was
// cancelled.
//
//   connects   race over the addresses of one host (upstream/connect_race.h), then go on to `others` (null: there are
//              none): nothing of the request has been sent
//   reuse      a connection that turns out to have been closed while it lay in the pool is replaced once, if the
//   request
//              can safely be sent again
//   retries    as the route's policy says, to an endpoint that has not been tried, after a wait, within the cluster's
//              maxRetries, with a body of up to perConnectionBufferLimitBytes
//
// When the destination is denied meanwhile, it is answered 403, or a response that has begun is cut off with
// ErrorKind::denied.
Task<Response> forward(Request& request, ForwardTarget target, OtherTargets* others = nullptr);

}  // namespace sluice
