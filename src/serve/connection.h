// One client connection: reads requests off it, has them answered, writes the responses.
//
// While it waits for a request it is only this object, a few hundred bytes: no buffer, no coroutine. A readable socket
// starts serve(), which goes on until there is nothing at hand any more.
#pragma once

#include <memory>

#include "base/arena.h"
#include "http/h1/framing.h"
#include "http/h1/message_body.h"
#include "http/h1/write.h"
#include "io/block.h"
#include "serve/config_slot.h"
#include "serve/listener.h"

namespace sluice {

class HttpServer;

// What a connection needs only while it is busy; kept by the server for the next one.
struct ConnectionMemory {
  Arena arena;
  Block block;
  size_t filled = 0;  // bytes of the block that have been read and not been used
};

class Connection final : private Waiter {
 public:
  Connection(HttpServer& server, Arrival arrival, uint64_t id);
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection();

  // Serves what comes. May end the connection before it returns.
  void start();
  // The server drains: no further request; one that is under way is finished.
  void drain();
  // At once, also what is under way.
  void abort();
  bool idle() const { return !runner_.running(); }
  bool aborted() const { return runner_.cancelled; }

 private:
  friend class HttpServer;

  struct Exchange;
  struct IdleExpiry final : Waiter {
    explicit IdleExpiry(Connection& c) : connection(c) {}
    void wake() override;
    void cancel() override {}
    Connection& connection;
  };
  struct Hangup;
  enum class HeadRead : uint8_t { request, nothing, refused };

  void wake() override;  // readable while parked
  void cancel() override {}
  static void on_served(void* self, Result<void> result);
  void park();

  Task<void> serve();
  Task<HeadRead> read_head(Exchange& exchange);
  Task<Response> handle(Exchange& exchange);
  void attach_body(Exchange& exchange);
  Response failed(Exchange& exchange, const Error& error);

  Task<void> answer(Exchange& exchange, Response& response);
  std::string_view write_head(Exchange& exchange, Response& response);
  Task<void> write_body(Exchange& exchange, Response& response);
  Piece piece(const Exchange& exchange, const Response& response, std::string_view head, Chunk chunk) const;
  Task<void> relay(Exchange& exchange, Response& response);

  bool will_find_next_request(const Exchange& exchange, const Response& response);
  Task<void> drain_body(Exchange& exchange);
  Task<void> linger();
  void finish(Exchange& exchange, const Response& response);
  void keep_rest(const Exchange& exchange);

  HttpServer& server_;
  const Seat seat_;  // given back last
  const SocketAddress peer_;
  const uint64_t id_;
  std::unique_ptr<Stream> stream_;  // null once it is closed
  Runner runner_{this, &Connection::on_served};
  IdleExpiry expiry_{*this};
  Timer idle_timer_;
  std::unique_ptr<ConnectionMemory> memory_;
  bool client_gone_ = false;
  Connection* next_ = nullptr;
  Connection* previous_ = nullptr;
};

}  // namespace sluice
