// One request of a client from its head to the log: made a Request, handled, answered.
//
// Lives as long as its stream; ended by whoever runs it, also in the middle.
#pragma once

#include <memory>
#include <optional>

#include "http/server_session.h"
#include "pipeline/message.h"
#include "serve/config_slot.h"
#include "serve/listener.h"
#include "serve/tunnel.h"

namespace sluice {

// Where an exchange takes place, and who is told how it goes.
class ExchangeHost {
 public:
  virtual Loop& loop() const = 0;
  virtual Upstreams* upstreams() const = 0;  // null where nothing is forwarded
  virtual const SocketAddress& peer() const = 0;
  virtual const SocketAddress& local_address() const = 0;
  virtual const TlsInfo* tls() const = 0;  // null: in the clear
  virtual uint64_t connection_id() const = 0;
  // What was said in front of the connection. Null: nothing.
  virtual const Introduction* introduction() const = 0;
  // `Date` of a response that is sent now; until the next turn.
  virtual std::string_view date() = 0;
  // No further request is wanted.
  virtual bool draining() const = 0;
  // One more of the connection's.
  virtual void request_begins() = 0;
  // A response that begins now ends the connection, as the configuration wants it.
  virtual bool ends_behind(const ListenerConfig& config) = 0;
  // Once for a connection: whoever ends it counts that, and not each of several exchanges.
  virtual bool is_first_to_end() = 0;
  // Nobody waits for the answer: cancels what runs the exchange.
  virtual void client_gone() = 0;

 protected:
  ~ExchangeHost() = default;
};

class Exchange final : private ServerStream::Owner,
                       private ConfigSlot::Guest,
                       private Request::Client,
                       private TunnelCounts {
 public:
  // Of the moment at which its first byte was there.
  struct Start {
    SteadyTime steady;
    WallTime wall;
  };
  Exchange(ExchangeHost& host, ServerStreamPtr stream, ConfigSlot::Lease config, Arena& arena, Start start);
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;
  // With all that lies in the arena. run() must be done.
  ~Exchange();

  // Has it answered, and logs it; then nothing of it runs any more. An Error: the connection is of no further use.
  Task<void> run();

 private:
  void client_gone() override;
  void config_is_old() override;
  void route_is_final() override;
  void cut_off(const Error& why) override;
  void to_upstream(uint64_t bytes) override { info_.bytes_received += bytes; }
  void to_client(uint64_t bytes) override { info_.bytes_sent += bytes; }
  bool draining() const override { return host_.draining(); }
  std::optional<SocketAddress> local_address() const override;
  bool begin(Response& response);
  bool route_has_its_own_limit();
  Task<Response> handle_in_time();
  Task<void> answer_in_time(Response& response);
  template <class T>
  Task<void> finish_in_time(Task<T> task, std::optional<Result<T>>& out);
  Status give_up_answer(const Error& why);
  Task<void> end_background();
  Response refuse_for_want_of_memory();
  bool wants_no_more(const Response& response) const;
  Response failed(const Error& error);
  Task<void> answer(Response& response);
  Task<void> send_rest(Response& response, Task<void> beginning, Chunk first, Task<Chunk> reading);
  void sent_whole();
  Result<Chunk> replace(Response& response, const Error& why);
  void finish_head(Response& response);
  bool offer_config();
  Task<void> relay(Response& response, ServerResponse& answer);
  void let_go_of_config();
  void finish(const Response& response);

  const ServerMetrics& metrics() const { return kept_ ? *kept_->metrics : *config_->metrics; }
  const ExchangeObserver* observer() const { return kept_ ? kept_->observer.get() : config_->observer.get(); }

  struct Kept {
    std::shared_ptr<const ServerMetrics> metrics;
    std::shared_ptr<const ExchangeObserver> observer;
  };
  ExchangeHost& host_;
  Arena& arena_;
  ServerStreamPtr stream_;
  ConfigSlot::Lease config_;
  std::optional<Kept> kept_;  // set: `config_` has been given back
  StreamInfo info_;
  TaskGroup background_;
  Request request_;
  Headers* answer_headers_ = nullptr;  // of the response that is on its way
  bool head_sent_ = false;
  bool own_answer_ = false;  // what is on its way is no upstream's
  bool complete_ = false;    // the response has gone out whole
  bool cut_ = false;         // it has not, and the log says why
  bool gone_ = false;        // the client is
  bool over_time_ = false;   // its time was over before it was
  SteadyTime deadline_ = SteadyTime::max();
  std::optional<Error> cut_off_;
};

}  // namespace sluice
