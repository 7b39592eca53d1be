// Request and Response: handles into the exchange. Everything they point to lives until the access log is written.
#pragma once

#include <memory>
#include <optional>
#include <string_view>

#include "base/arena.h"
#include "base/result.h"
#include "base/time.h"
#include "http/body.h"
#include "http/headers.h"
#include "http/written_names.h"
#include "pipeline/stream_info.h"

namespace sluice {

class Loop;
class Chain;
class Rerouting;
class TaskGroup;
class Upstreams;
class Rerouter;
class RetryPolicy;

class Stream;
class Waiter;
namespace kinds {
struct MaxStreamDuration;
}

struct Request;
struct Response;

// What the forwarding end of a chain must know of the route it stands on. route/'s RouteEntry is one.
class RouteRules {
 public:
  virtual ~RouteRules() = default;

  // Just before the request goes upstream: path and host rewrites, changes to headers. Once a request.
  virtual void rewrite_request(Request& request) const = 0;
  // Changes to response headers; sets response.finished, so that it is done once.
  virtual void finish_response(Request& request, Response& response) const = 0;

  Nanos timeout = 15s;                   // from the end of the request to the end of the response; 0: none
  std::optional<Nanos> idle_timeout;     // without any byte; nothing: the listener's streamIdleTimeout; 0: none
  bool envoy_headers = true;             // x-envoy-* ones are added on the way; false: router.suppressEnvoyHeaders
  const RetryPolicy* retries = nullptr;  // upstream/retry_policy.h; null: none. Lives as long as the route
  std::shared_ptr<const kinds::MaxStreamDuration> stream_duration;  // null: the listener's
};

// The route's part of the snapshot as the pipeline sees it.
struct RouteHandle {
  const Chain* chain = nullptr;
  const RouteRules* rules = nullptr;
};

// A token that a check took out of the request, for checks of a route that is chosen later.
struct TakenToken {
  std::string_view name;   // of the header or the query parameter
  std::string_view value;  // all of the header's value; of a parameter as it stood in the query
  bool in_query = false;
  const TakenToken* before = nullptr;
};

// Which endpoint a request belongs to, of whichever cluster it comes to. One that is no member of it is not gone to.
struct EndpointWish {
  SocketAddress address;
  bool strict = false;  // where it cannot be gone to no other will do
};

// Enough for the largest expression and the longest line of a head, some 80 ms at most: only several such are refused.
inline constexpr size_t kMatchEffortMax = 9U << 20;

struct Request {
  Request(Arena& a, Loop& l, StreamInfo& i) : arena(a), loop(l), info(i), headers(a) {}

  Arena& arena;                      // for everything that must live as long as the exchange
  Loop& loop;                        // the worker's; loop.now() and loop.wall() are the time
  Upstreams* upstreams = nullptr;    // the worker's connections to upstreams (forward/)
  Nanos stream_idle_timeout = 5min;  // the listener's; 0: none
  StreamInfo& info;

  std::string_view method;
  std::string_view path;             // ":path": with its query; begins with "/", or is "*"
  std::string_view authority;        // ":authority": what Host said, as it will be sent upstream
  std::string_view scheme = "http";  // of the client's connection
  // Its target says https for whom it is sent to: TLS to a destination that is its authority (decision 0105).
  bool asks_for_https = false;
  Headers headers;  // without Host: that is `authority`
  Body body;
  bool expects_continue = false;                    // the client waits for 100 before it sends the body
  bool upgrade = false;                             // a WebSocket handshake: no body, no buffering
  bool grpc = false;                                // what it carries: the gateway's own answers are statuses of gRPC
  std::string_view grpc_type = grpc::kContentType;  // of those answers, a constant; a filter may speak another form
  const WrittenNames* written_names = nullptr;      // of the fields that came; null: they go on in lower case
  // The client may send trailers on and waits for them ("TE: trailers").
  bool accepts_trailers = false;
  // Names of fields that the gateway set in the head or took out of it: nobody else says them in trailers either. Noted
  // only when trailers may be sent on. They live as long as the snapshot.
  std::vector<std::string_view> kept_from_trailers;
  std::vector<std::string_view> kept_from_response_trailers;
  void keep_from_trailers(std::string_view name) {
    if (accepts_trailers) kept_from_trailers.push_back(name);
  }
  void keep_from_response_trailers(std::string_view name) {
    if (accepts_trailers) kept_from_response_trailers.push_back(name);
  }

  // Tasks that may outlive handle() but not the exchange, such as sending the body while the answer is read. Cancelled
  // and joined before the exchange's memory goes.
  TaskGroup* background = nullptr;

  RouteHandle route;
  Rerouter* rerouter = nullptr;
  Rerouting* rerouting = nullptr;  // set once a filter of another route has its turn
  unsigned route_changes = 0;
  const TakenToken* taken = nullptr;            // the last one
  const EndpointWish* endpoint_wish = nullptr;  // null: any will do. In the arena
  // What conditions on it and on its answer may still cost beside a step a byte (regex/whole.h).
  size_t match_effort = kMatchEffortMax;
  size_t body_buffer_bytes_max = 1 << 20;  // perConnectionBufferLimitBytes
  BodyBudget* body_budget = nullptr;       // of the process, for read_all(); null: none

  // Chooses the route again from the present headers and path: what follows runs in the new route's chain
  // (pipeline/rerouting.h). Where no route fits now, it is answered 404. Not to be called once next() was.
  void choose_route_again();

  // Whoever sends it on, and is answered: copies what it has of the snapshot, with own_bytes().
  class Forwarder {
   public:
    virtual void own_bytes() = 0;

   protected:
    ~Forwarder() = default;
  };
  Forwarder* forwarder = nullptr;

  // Whoever has the client's side.
  class Client {
   public:
    // The route is the one that stays: its idle_timeout holds for reading the rest of the request, too.
    virtual void route_is_final() = 0;
    // What comes of an upstream's response is broken off. Ends it on this side as well, where nobody may notice: a
    // client that does not read is waited for. StreamInfo::outcome says why, or the Error.
    virtual void cut_off(const Error& why) = 0;
    // The gateway stops, or no longer serves here: no further request is wanted.
    virtual bool draining() const = 0;
    // What it connected to. Costs a system call.
    virtual std::optional<SocketAddress> local_address() const { return std::nullopt; }

   protected:
    ~Client() = default;
  };
  Client* client = nullptr;  // null: there is none

  // The longest time without any byte: the route's, or else the listener's; 0: no limit.
  Nanos idle_max() const {
    return route.rules && route.rules->idle_timeout ? *route.rules->idle_timeout : stream_idle_timeout;
  }

  // When the exchange is over at the latest, as its route says; max(): never. Nothing: as the listener says.
  std::optional<SteadyTime> stream_deadline() const;

  // Lets go of the snapshot: copies what points into it, and forgets the route. The request has been sent, and the
  // answer's head too.
  void own_bytes();

  // A header by its name, or one of ":method", ":path", ":authority", ":scheme", or "host". First value.
  std::optional<std::string_view> header(std::string_view lower_name) const;
  // Sets a header or pseudo header (value copied into the arena). Setting "host" sets the authority.
  void set_header(std::string_view lower_name, std::string_view value);
  std::string_view path_without_query() const { return path.substr(0, path.find('?')); }
};

// Chooses a route for a request that has one; what router and re-routing filters share.
class Rerouter {
 public:
  virtual ~Rerouter() = default;
  // Leaves a route in any case: where none fits one that answers 404, after too many changes one that answers 500.
  virtual void choose_again(Request& request) = 0;
};

// The upstream's end of a connection that becomes a tunnel. Whoever forwards may end the tunnel: it sets `cut` and
// wakes `cutter`; StreamInfo::outcome says why.
struct UpstreamTunnel {
  Stream& stream;
  std::string_view early_bytes;  // that the upstream sent behind its 101
  std::optional<Error> cut;
  Waiter* cutter = nullptr;  // while the tunnel runs
};

struct Response {
  uint16_t status = 0;
  uint16_t status_before_grpc = 0;  // of a local answer that says it by grpc-status; 0: this is none
  Headers* headers = nullptr;       // in the arena, never null in a response that is passed on
  Body body;
  // Made by sluice itself, not by an upstream.
  bool local = false;
  // The connection to the client must end behind it.
  bool close = false;
  // The route's changes to response headers have been made.
  bool finished = false;
  // Set for a 101 that turns the connection into a tunnel; serve/ relays between the two streams.
  UpstreamTunnel* tunnel = nullptr;

  // ":status" or a header. First value.
  std::optional<std::string_view> header(Request& request, std::string_view lower_name) const;
};

// The answer to a request that ended so, with its status, body, flag and details (outcome.h): text/plain with the body,
// no content-type without one. To a request of gRPC it is 200 with the status and the body's text in grpc-status and
// grpc-message. `body`, where the kind has none, and the rule must live as long as the exchange
// (constants or in the arena).
Response reply(Request& request, Outcome outcome);
Response reply(Request& request, Outcome outcome, std::string_view body);

// The same in words of one's own, for kinds that have none: own_answer, response_coding, direct_response.
Response local_reply(Request& request, uint16_t status, std::string_view body, std::string_view details,
                     OutcomeKind kind = OutcomeKind::own_answer);

}  // namespace sluice
