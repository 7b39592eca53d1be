// Which worker serves a new connection of an address whose Gateway wants them spread evenly
// (connectionBalanceConfig.exactBalance): the one that has the fewest. Whoever accepted it hands it over (decision
// 0107).
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/metrics.h"
#include "net/listen.h"

namespace sluice {

class Listener;

// Of one address, shared by the listeners of all workers; each is called by its own thread alone.
class ConnectionBalance : public std::enable_shared_from_this<ConnectionBalance> {
 public:
  // `address`: as in ListenerMetrics.
  ConnectionBalance(Metrics& metrics, std::string address);
  ConnectionBalance(const ConnectionBalance&) = delete;
  ConnectionBalance& operator=(const ConnectionBalance&) = delete;

  // From now on connections may be handed to it; `connections`: that it has already. Again: it stays as it is.
  void join(Listener& listener, Loop& loop, size_t connections);
  // What is on its way to it is closed.
  void leave(const Listener& listener);
  void began(const Listener& listener);
  void ended(const Listener& listener);
  // Has the listener with the fewest connections accept it: at once where that is `here`.
  void place(const Listener& here, Incoming& incoming);

 private:
  struct Member {
    uint64_t id;  // of its being one: who leaves and joins again is another
    Listener* listener;
    Loop* loop;
    size_t connections;
    Gauge* active;
    Counter* total;
    bool arriving = false;  // the next that begins has been counted when it was placed
  };
  Member* find(const Listener& listener);
  Member choose(const Listener& here);
  Member* find(uint64_t id);
  void arrive(const Member& there, Incoming& incoming);

  const std::string address_;
  std::mutex mutex_;  // held for a few lines
  std::vector<Member> members_;
  uint64_t last_id_ = 0;
  MetricSet metrics_;
};
std::vector<MetricFamily> connection_balance_metric_families();

}  // namespace sluice
