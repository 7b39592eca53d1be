// Stands in front of a protocol and has to do with connections first: looks at their first bytes (the PROXY protocol, a
// ClientHello), or shakes hands (TLS). Whoever speaks the protocol gets a connection once that is done; one that takes
// too long ends.
//
//   Listener -> Entrance -> ... -> StreamHandler
#pragma once

#include <list>

#include "io/loop.h"
#include "serve/listener.h"
#include "serve/listener_config.h"

namespace sluice {

class Entrance : public StreamHandler {
 public:
  static constexpr Nanos kWaitMax = 15s;  // for all of the first bytes; Envoy's listener_filters_timeout
  static constexpr Nanos kGrace = 1s;     // before one gives way: its bytes may be on their way

  explicit Entrance(Loop& l) : loop(l) {}
  Entrance(const Entrance&) = delete;
  Entrance& operator=(const Entrance&) = delete;
  // Nobody may be waiting: end_waiting().
  ~Entrance() override { CHECK(waiting_.empty()); }

  void take(Arrival arrival) final;
  // Of those that wait here the one that came first, unless it came just now.
  bool make_room() final;
  void end_waiting();
  size_t waiting() const { return waiting_.size(); }
  // Null: nobody counts. Outlives this.
  void count_into(const ListenerMetrics* metrics) { metrics_ = metrics; }

  Loop& loop;

 protected:
  // Who gets it, where there is nothing to look at. Null: look().
  virtual StreamHandler* passes(const Arrival& arrival) = 0;
  // Reads what it must know, until `deadline`, and puts back what is not its own. Null: the connection ends, and it has
  // been said why.
  virtual Task<StreamHandler*> look(Arrival& arrival, SteadyTime deadline) = 0;
  // Whom to ask for room when nobody waits here.
  virtual bool make_room_behind() = 0;
  // For all of look(); 0: no limit.
  virtual Nanos patience() const { return kWaitMax; }
  // look() ended so, and the connection with it.
  virtual void ended(const Arrival& arrival, const Error& why) const;
  const ListenerMetrics* metrics() const { return metrics_; }

 private:
  struct Waiting {
    Waiting(Entrance& e, Arrival a) : entrance(e), arrival(std::move(a)), since(e.loop.now()) {}
    Entrance& entrance;
    Arrival arrival;
    const SteadyTime since;
    StreamHandler* next = nullptr;
    std::list<Waiting>::iterator self;
    Runner runner{this, &Entrance::on_looked};
  };
  static void on_looked(void* waiting, Result<void> result);
  Task<void> run(Waiting& waiting);
  void looked(Waiting& waiting, const Result<void>& result);

  std::list<Waiting> waiting_;  // the one that came first in front
  const ListenerMetrics* metrics_ = nullptr;
};

// Reads on at the front of a connection: at most `most` bytes more, behind what `bytes` has. At the peer's end
// ErrorKind::closed.
Task<void> read_more(Stream& stream, size_t most, SteadyTime deadline, std::string& bytes);

}  // namespace sluice
