// A listener on one worker: accepts, owns the connections, and knows the configuration they use.
#pragma once

#include <vector>

#include "net/listen.h"
#include "serve/connection.h"
#include "serve/connection_limit.h"

namespace sluice {

class Listener {
 public:
  // `upstreams` may be null where the service forwards nothing. `limit`, if any, is shared with others and outlives
  // this.
  Listener(Loop& l, Upstreams* u, ConnectionLimit* limit = nullptr) : loop(l), upstreams(u), limit_(limit) {}
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;
  // Every connection must have ended: drain(), then abort(), then turn the loop until connections() is 0.
  ~Listener();

  // Takes over a listening descriptor (ListenSocket::open). configure() must have been called. After a failure it may
  // be called again; one that listens already closes the new descriptor.
  Status start(int fd);
  // From now on requests are served by this; those under way keep what they began with. `config` lives as long as
  // `keep`.
  void configure(std::shared_ptr<const void> keep, const ListenerConfig* config) {
    if (!metrics_) metrics_ = config->listener;  // of the address, which stays
    config_.set(std::move(keep), config);
  }
  // Accepts no more; idle connections end, busy ones after their response.
  void drain();
  void abort();
  size_t connections() const { return count_; }
  const SocketAddress& address() const { return address_; }

  Loop& loop;
  Upstreams* const upstreams;

 private:
  friend class Connection;
  static constexpr size_t kMemoriesKept = 64;

  void accept(Incoming& incoming);
  std::unique_ptr<ConnectionMemory> take_memory();
  void give_memory(std::unique_ptr<ConnectionMemory> memory);
  void link(Connection& connection);
  void unlink(Connection& connection);

  ConnectionLimit* const limit_;
  std::shared_ptr<const ListenerMetrics> metrics_;
  ListenSocket socket_;
  SocketAddress address_;
  ConfigSlot config_;
  std::vector<std::unique_ptr<ConnectionMemory>> memories_;
  Connection* first_ = nullptr;
  size_t count_ = 0;
  uint64_t last_id_ = 0;
  bool draining_ = false;
};

}  // namespace sluice
