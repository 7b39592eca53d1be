// In front of whoever speaks a protocol: the handshake of TLS, where the listener has certificates. It has a deadline,
// and of many that stall the oldest gives way to newcomers.
#pragma once

#include <memory>

#include "serve/entrance.h"

namespace sluice {

class TlsHandler final : public Entrance {
 public:
  // `next` outlives this.
  TlsHandler(Loop& l, StreamHandler& next) : Entrance(l), next_(next) {}
  ~TlsHandler() override { end_waiting(); }

  // From now on new connections are met with these; those under way keep what they began with. Null: they are handed on
  // as they come. `counts` may be null; `patience` is for a handshake, 0: no limit.
  void configure(std::shared_ptr<const TlsServerChains> chains, std::shared_ptr<const ListenerMetrics> counts,
                 Nanos patience);
  void configure(const ListenerConfig& config) { configure(config.tls, config.listener, config.handshake_timeout); }

 private:
  StreamHandler* passes(const Arrival&) override { return chains_ ? nullptr : &next_; }
  Task<StreamHandler*> look(Arrival& arrival, SteadyTime deadline) override;
  bool make_room_behind() override { return next_.make_room(); }
  Nanos patience() const override { return patience_; }
  void ended(const Arrival& arrival, const Error& why) const override;
  void count(const Error& why) const;

  StreamHandler& next_;
  std::shared_ptr<const TlsServerChains> chains_;
  std::shared_ptr<const ListenerMetrics> counts_;  // null: of one of the program's own ports
  Nanos patience_{};
};

}  // namespace sluice
