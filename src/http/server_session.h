// One end of a connection to a client, whatever protocol it speaks: streams come off it, each with one request, which
// waits for its response. serve/ knows these two and nothing below.
//
// All of it belongs to one loop and its thread.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include "base/arena.h"
#include "base/time.h"
#include "http/body.h"
#include "http/head_limits.h"
#include "http/headers.h"
#include "http/http1_options.h"
#include "http/written_names.h"
#include "net/stream.h"

namespace sluice {

struct ServerLimits {
  HeadLimits head;
  Nanos head_timeout{};     // from a head's first byte to its last; 0: none
  Nanos idle_max{};         // the longest time without progress; 0: none
  Nanos request_timeout{};  // from the first byte to the end of the body; 0: none
  // While it is true, a head that has not come whole is refused (HeadFailure::no_memory), not waited for. Null: never.
  const std::atomic<bool>* no_memory = nullptr;
  Nanos linger_max = 1s;  // how long the client has to close a connection that ends; 0: it is closed at once
  const Http1Options* http1 = nullptr;  // looked at until the response begins; null: the defaults
};

// A request as it came. Views live as long as its stream.
struct ServerRequest {
  // Anything: this is no request to look at; it is refused, and the connection ends. What could be read stands below.
  HeadFailure refused = HeadFailure::none;
  std::string_view method;
  std::string_view target;  // as written
  std::string_view scheme;  // besides what the target says: HTTP/2's `:scheme`; empty: HTTP/1 has none
  std::string_view protocol = "HTTP/1.1";
  Headers headers;  // with Host; without fields of one hop
  Body body;
  bool expects_continue = false;
  bool accepts_trailers = false;
  bool asks_for_websocket = false;
  const WrittenNames* written_names = nullptr;  // null: nobody asked for them
};

struct ServerResponse {
  uint16_t status = 0;
  const Headers& headers;
  Body body;           // its pieces are given to the stream one by one
  bool local = false;  // no upstream's
  bool close = false;  // where a connection carries one request at a time, it ends behind this one
  bool drain = false;  // no further request is wanted on this connection
  std::span<const std::string_view> kept_from_trailers;  // fields that are left out of them
};

// A request and its response. Ends at any point: what is not complete then is broken off.
class ServerStream {
 public:
  class Owner {
   public:
    // Nobody waits for the response any more.
    virtual void client_gone() = 0;

   protected:
    ~Owner() = default;
  };

  virtual ~ServerStream() = default;
  virtual ServerRequest& request() = 0;
  // Whether the response has no body, whatever it says: to a HEAD, or by its status (RFC 9110 6.4.1).
  virtual bool bodiless(uint16_t status) const = 0;

  // Who is told when the client leaves; null: nobody. Perhaps before it returns.
  virtual void watch(Owner* owner) = 0;
  // The head, and the first piece of the body: the only one when it is the last, none at all when it is empty.
  virtual Task<void> begin(const ServerResponse& response, Chunk first) = 0;
  // The next piece.
  virtual Task<void> send(Chunk chunk) = 0;
  // All that is still missing of the body, straight from where it comes; see BodyReader::pass_to().
  virtual std::optional<Task<void>> pass_on(BodyReader& body, uint64_t& moved) = 0;
  // Behind begin() with 101: from now on bytes both ways. `early` are those of the client that have come already.
  virtual Stream& become_tunnel(std::string_view& early) = 0;
  // Behind the last piece: what of the request nobody has read goes, so that the next can be found. Nobody else reads.
  virtual Task<void> finish() = 0;

  // The response will not be whole: its client must not take it for that. Nothing more is sent, and whoever waits to
  // send meets an Error.
  virtual void reset() = 0;
  // From the next wait on, in place of ServerLimits::idle_max.
  virtual void set_idle_max(Nanos idle_max) = 0;

  // The connection broke, or was given up.
  virtual bool is_broken() const = 0;
  // This end of the connection. Costs a system call.
  virtual SocketAddress local_address() const = 0;
  virtual uint64_t body_bytes_read() const = 0;
};

// Streams lie in the arena of their exchange, and may end before it.
struct EndServerStream {
  void operator()(ServerStream* stream) const { stream->~ServerStream(); }
};
using ServerStreamPtr = std::unique_ptr<ServerStream, EndServerStream>;

class ServerSession {
 public:
  // No stream may be open.
  virtual ~ServerSession() = default;
  // Whether several streams may be open at once. Then next() never waits, may be called while others are open, and
  // each has an arena to itself; otherwise the next stream follows the end of the one before.
  virtual bool concurrent() const { return false; }
  // The next request, once its head has come. Null: nothing has come of one. `arena` outlives the stream.
  virtual Task<ServerStreamPtr> next(const ServerLimits& limits, Arena& arena) = 0;
  // Whether next() may find something. Costs nothing.
  virtual bool has_input() const = 0;
  // Told once of input, or of over(): while no stream is open, if it is not concurrent. Null takes it back.
  virtual void when_readable(Waiter* waiter) = 0;
  // No further request is wanted. Where the protocol can say so it does, and is over() once the open streams are.
  virtual void drain() {}
  // The same, and none is taken from now on: what the client sends before it hears of that is its to send again.
  virtual void end_now() {}
  // No further request will come, or can be taken. Of a concurrent one: nothing will be said any more, either.
  virtual bool over() const = 0;
  // Ends it in order, so that what was said arrives: to be called once over(), before it is destroyed.
  virtual Task<void> linger() = 0;

  // What its client speaks from the first byte on is HTTP/2, which was looked for: the connection, and what has come of
  // it. To be asked when next() gave null; once.
  struct HandedOver {
    std::unique_ptr<Stream> stream;
    std::string_view early;  // as long as the session
  };
  virtual std::optional<HandedOver> hand_over() { return std::nullopt; }
};

}  // namespace sluice
