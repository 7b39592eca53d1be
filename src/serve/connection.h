// One client connection: takes requests off it and has each answered.
//
// While it waits for a request it is only this object and its session, in HTTP/1 a few hundred bytes: no buffer, no
// coroutine. There input starts serve(), which takes one request after the other and goes on until there is nothing at
// hand any more. In HTTP/2 it starts the exchanges of the requests that have come, each by itself.
#pragma once

#include <memory>

#include "http/server_session.h"
#include "io/loop.h"
#include "serve/concurrent_exchanges.h"
#include "serve/exchange.h"
#include "serve/listener.h"

namespace sluice {

class HttpServer;

// What wakes a connection that waits for a request: bases and not members, which would need to know where it is.
struct ConnectionInput : Waiter {
  void wake() override;
  void cancel() override {}

 protected:
  ~ConnectionInput() = default;
};
struct ConnectionIdleExpiry : Waiter {
  void wake() override;
  void cancel() override {}

 protected:
  ~ConnectionIdleExpiry() = default;
};

class Connection final : public ExchangeHost, private ConnectionInput, private ConnectionIdleExpiry {
 public:
  Connection(HttpServer& server, Arrival arrival, uint64_t id);
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection();

  // Serves what comes. May end the connection before it returns.
  void start();
  // The server drains: no further request; one that is under way is finished.
  void drain();
  // No further request, not even one whose head is on its way; those that are under way are finished.
  void end_now();
  // At once, also what is under way.
  void abort();
  // The largest time while it does not.
  SteadyTime waits_since() const { return waits_since_; }
  // Since when it has waited for the rest of a head; the largest time while it does not.
  SteadyTime head_since() const { return head_since_; }
  bool idle() const { return !runner_.running() && (!several_ || several_->empty()); }
  bool aborted() const { return runner_.cancelled || aborted_; }

  Loop& loop() const override;
  Upstreams* upstreams() const override;
  const SocketAddress& peer() const override { return peer_; }
  const TlsInfo* tls() const override { return tls_; }
  const SocketAddress& local_address() const override {
    return introduction_ ? introduction_->local_address : seat_.listener().address();
  }
  const Introduction* introduction() const override { return introduction_.get(); }
  uint64_t connection_id() const override { return id_; }
  std::string_view date() override;
  bool draining() const override;
  void request_begins() override { ++requests_; }
  bool ends_behind(const ListenerConfig& config) override;
  bool is_first_to_end() override { return !std::exchange(end_counted_, true); }
  void client_gone() override { runner_.cancel(); }

 private:
  friend class HttpServer;
  friend struct ConnectionInput;
  friend struct ConnectionIdleExpiry;
  void has_input();
  void has_expired();
  // Its maxConnectionDuration is over.
  bool is_over_age(const ListenerConfig& config) const;
  void count_end_by_age(const ListenerConfig& config);
  void say_goodbye();
  static void on_served(void* self, Result<void> result);
  void park();
  void begin_waiting();
  void watch_the_clock();
  void end_waiting();
  void speak_http1();
  void speak_http2(std::unique_ptr<Stream> stream, std::string_view early);
  void serve_several();
  void head_begins();
  void head_ends();
  Task<void> serve();

  HttpServer& server_;
  const Seat seat_;  // given back last
  const SocketAddress peer_;
  const std::unique_ptr<const Introduction> introduction_;
  const uint64_t id_;
  const TlsInfo* const tls_;  // the stream's, which the session has
  const SteadyTime since_;
  uint32_t requests_ = 0;
  bool end_counted_ = false;  // that it ends, and why
  std::unique_ptr<ServerSession> session_;
  std::unique_ptr<ConcurrentExchanges> several_;  // where the session has several streams at once
  Runner runner_{this, &Connection::on_served};
  SteadyTime waits_since_ = SteadyTime::max();
  SteadyTime head_since_ = SteadyTime::max();
  Timer idle_timer_;
  enum class Speaks : uint8_t { unknown, http1, http2 };
  Speaks speaks_ = Speaks::unknown;
  bool aborted_ = false;
  bool ends_ = false;          // behind the requests that it has
  bool later_ = false;         // the rest of what has come is for the next turn
  bool said_goodbye_ = false;  // with several streams at once: it has been asked to go
  Connection* next_ = nullptr;
  Connection* previous_ = nullptr;
};

}  // namespace sluice
