#include "serve/chain_gate.h"

#include "base/log.h"

namespace sluice {

void ChainGate::configure(ChainLimit limit, std::shared_ptr<const ListenerMetrics> counts) {
  limit_ = std::move(limit);
  counts_ = std::move(counts);
}

void ChainGate::Inside::take(Arrival arrival) {
  arrival.seat.take_place_of(gate.limit_.open);
  gate.next_.take(std::move(arrival));
}

// Asked once of each.
StreamHandler* ChainGate::passes(const Arrival&) {
  if (!limit_.open) return &next_;
  return limit_.open->take(limit_.most) ? &inside_ : nullptr;
}

Task<StreamHandler*> ChainGate::look(Arrival& arrival, SteadyTime) {
  if (counts_) {
    counts_->connections_over_limit->add();
    counts_->limited_connections->add();
  }
  static log::Site site{LogLevel::warn, "listener",
                        "more client connections than the connectionLimit of a chain allows"};
  if (site.admits()) site.write({{"address", arrival.seat.listener().address().to_string()}, {"max", limit_.most}});
  auto waiting = sleep_for(loop, limit_.delay_before_close);
  CO_TRY(co_await waiting);
  co_return nullptr;
}

}  // namespace sluice
