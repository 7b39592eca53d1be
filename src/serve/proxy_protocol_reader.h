// The PROXY protocol in front of a listener: the client that a proxy names is the connection's peer from then on, for
// everybody behind this.
#pragma once

#include "serve/entrance.h"

namespace sluice {

class ProxyProtocolReader final : public Entrance {
 public:
  // `next` outlives this.
  ProxyProtocolReader(Loop& l, StreamHandler& next) : Entrance(l), next_(next) {}
  ~ProxyProtocolReader() override { end_waiting(); }

  // Null: connections pass unread. Those that wait just now go on by what was.
  void configure(std::shared_ptr<const ProxyProtocolOptions> options) { options_ = std::move(options); }

 private:
  StreamHandler* passes(const Arrival&) override { return options_ ? nullptr : &next_; }
  Task<StreamHandler*> look(Arrival& arrival, SteadyTime deadline) override;
  bool make_room_behind() override { return next_.make_room(); }

  StreamHandler& next_;
  std::shared_ptr<const ProxyProtocolOptions> options_;
};

}  // namespace sluice
