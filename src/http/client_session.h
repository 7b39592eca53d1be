// One end of a connection to an upstream, whatever protocol it speaks: streams are opened on it, each for one request
// and its response. Whoever forwards knows these two and nothing below.
//
// All of it belongs to one loop and its thread.
#pragma once

#include <memory>
#include <span>
#include <string_view>

#include "base/arena.h"
#include "base/time.h"
#include "http/body.h"
#include "http/headers.h"
#include "http/written_names.h"
#include "net/stream.h"

namespace sluice {

// A request as it is to go out. What it refers to lives as long as its stream.
struct ClientRequest {
  std::string_view method;
  std::string_view target;
  std::string_view authority;
  const Headers& headers;  // without Host and fields of one hop
  Body body;
  bool expects_continue = false;  // its sender waits for 100 before the body
  bool upgrade = false;           // to a WebSocket
  // CONNECT to the authority (RFC 9113 8.5), without a target: of a session that multiplexes. Its 2xx is a tunnel.
  bool connects = false;
  bool accepts_trailers = false;
  std::span<const std::string_view> kept_from_trailers;  // fields that are left out of them
  const WrittenNames* written_names = nullptr;           // null: all names go out in lower case
  Nanos idle_max{};                                      // the longest time without progress; 0: none
};

struct ClientResponse {
  uint16_t status = 0;
  Headers* headers = nullptr;  // in the arena; without fields of one hop
  Body body;                   // ends with the stream
  // Set for a 101, and for what was connected: from now on the bytes of both sides, and those of the upstream that have
  // come already.
  Stream* tunnel = nullptr;
  std::string_view early_bytes;
};

// A request and its response. Ends at any point: what is not complete then is broken off.
class ClientStream {
 public:
  class Owner {
   public:
    // The last byte of the request has been given away; perhaps before send() is done.
    virtual void request_sent() = 0;
    // The request's body could not be read to its end. The stream has been reset by that, not before.
    virtual void request_broke(Error why) = 0;

   protected:
    ~Owner() = default;
  };

  // Not while it is sending().
  virtual ~ClientStream() = default;
  // The head, and what of a body is at hand. The rest goes out in the background, while the response is read.
  virtual Task<void> send() = 0;
  // The response's head; informational ones before it are passed over. Errors: `reset` when the connection ended first,
  // `closed` where the upstream has certainly not acted on the request, so that any may be sent again, `invalid` for
  // what is no response, `timeout` for silence, what reset() was given.
  virtual Task<ClientResponse> receive() = 0;
  // Breaks it off: all who wait for it, and who read its body, meet this error; the upstream meets an end.
  virtual void reset(Error why) = 0;

  // The body is still on its way.
  virtual bool sending() const = 0;
  // Something of a response has come, so that the upstream has seen the request.
  virtual bool heard() const = 0;
  // The response has been read whole.
  virtual bool complete() const = 0;
  virtual uint64_t bytes_sent() const = 0;
  virtual uint64_t bytes_received() const = 0;
};

// Streams lie in the arena of their exchange, and may end before it.
struct EndStream {
  void operator()(ClientStream* stream) const { stream->~ClientStream(); }
};
using ClientStreamPtr = std::unique_ptr<ClientStream, EndStream>;

class ClientSession {
 public:
  // No stream may be open.
  virtual ~ClientSession() = default;
  // How many streams may be opened just now. Without an open one: 0 means that it is of no further use.
  virtual size_t capacity() const = 0;
  // It carries several streams at a time, so that whoever has one need not have it for himself.
  virtual bool multiplexes() const { return false; }
  // Only with capacity. `background` is joined before `arena` is reset.
  virtual ClientStreamPtr open(const ClientRequest& request, ClientStream::Owner& owner, Arena& arena,
                               TaskGroup& background) = 0;
  virtual SocketAddress local_address() const = 0;
  // Of one that multiplexes: told when the peer has said how many streams it takes, until which it takes one, and
  // whenever there is capacity again after there was none. In the loop's order; may open streams. Null takes it back.
  virtual void when_roomier(Waiter*) {}

  // While no stream is open:
  // the peer has said nothing that it should not have since the last one, and is still there.
  virtual bool is_silent() = 0;
  // Told once when that is not so any more; null takes it back.
  virtual void when_disturbed(Waiter* waiter) = 0;
};

}  // namespace sluice
