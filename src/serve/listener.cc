#include "serve/listener.h"

#include <unistd.h>

#include "base/log.h"

namespace sluice {

Seat::Seat(Listener& listener) : listener_(&listener) {
  ++listener.connections_;
  if (listener.balance_) listener.balance_->began(listener);
  if (!listener.metrics_) return;
  listener.metrics_->connections->add();
  listener.metrics_->connections_active->add();
  if (listener.has_limit()) listener.metrics_->limited_connections_active->add();
}

Seat::~Seat() {
  if (!listener_) return;
  --listener_->connections_;
  if (listener_->balance_) listener_->balance_->ended(*listener_);
  if (listener_->limit_) listener_->limit_->give();
  if (chain_) chain_->give();
  if (!listener_->metrics_) return;
  if (chain_) listener_->metrics_->limited_connections_active->sub();
  listener_->metrics_->open->give();
  if (listener_->has_limit()) listener_->metrics_->limited_connections_active->sub();
  listener_->metrics_->connections_active->sub();
  listener_->metrics_->connections_ended->add();
}

void Seat::take_place_of(std::shared_ptr<OpenConnections> chain) {
  chain_ = std::move(chain);
  if (listener_->metrics_) listener_->metrics_->limited_connections_active->add();
}

Status Listener::start(int fd) {
  if (socket_.listening()) {  // from the one before, nobody would accept any more
    ::close(fd);
    return {};
  }
  TRY(socket_.start(loop_, fd, [this](Incoming& incoming) { arrived(incoming); }));
  address_ = socket_.local();
  if (balance_) balance_->join(*this, loop_, connections_);
  return {};
}

Status Listener::replace(int fd) {
  if (!socket_.listening()) return start(fd);
  return socket_.replace(fd);
}

void Listener::close() {
  if (balance_) balance_->leave(*this);
  balance_.reset();
  spreads_ = false;
  socket_.close();
  if (turned_away_) turned_away_->close_all_of(this);
}

void Listener::spread_by(std::shared_ptr<ConnectionBalance> balance) {
  spreads_ = balance != nullptr;
  if (!balance || balance_) return;
  balance_ = std::move(balance);
  if (socket_.listening()) balance_->join(*this, loop_, connections_);
}

void Listener::observe_tcp(std::shared_ptr<const TcpStats> stats) {
  observes_tcp_ = stats != nullptr;
  if (stats) tcp_stats_ = std::move(stats);
}

void Listener::arrived(Incoming& incoming) {
  if (spreads_)
    balance_->place(*this, incoming);
  else
    accept(incoming);
}

void Listener::limit(size_t connections_max, Nanos delay) {
  const bool had_limit = has_limit();
  connections_max_ = connections_max;
  delay_before_close_ = delay;
  if (!metrics_) return;
  const auto open = static_cast<int64_t>(connections_);
  if (has_limit() && !had_limit) metrics_->limited_connections_active->add(open);
  if (!has_limit() && had_limit) metrics_->limited_connections_active->sub(open);
}

// At the bound of the process those that are turned away anyway go first, of all workers, then idle clients of this
// one; which worker a client comes to nobody chooses.
bool Listener::find_place() {
  if (!limit_) return true;
  // Another worker may be quicker to take the place that was made.
  while (!limit_->take()) {
    if (turned_away_ && turned_away_->take_over_place()) return true;
    if (!handler_.make_room()) return false;
  }
  return true;
}

// Nobody who is served, or waits, gives way to it.
void Listener::turn_away(Incoming& incoming) {
  metrics_->connections_over_limit->add();
  metrics_->limited_connections->add();
  static log::Site site{LogLevel::warn, "listener", "more client connections than connectionLimit allows"};
  if (site.admits()) site.write({{"address", address_.to_string()}, {"max", connections_max_}});
  if (!turned_away_ || delay_before_close_.count() == 0 || !turned_away_->take_place()) return;
  if (auto stream = incoming.take())
    turned_away_->keep(*std::move(stream), delay_before_close_, this);
  else
    turned_away_->give_place();
}

// The limit of the listener first: for one that it turns away no place of the process is made.
void Listener::accept(Incoming& incoming) {
  // It is told nothing, as that would need memory; the overload state is in the log, and this in the metric.
  if (overload_ && overload_->refuses_connections()) [[unlikely]] {
    if (metrics_) metrics_->connections_unwanted->add();
    return;
  }
  if (metrics_ && !metrics_->open->take(connections_max_)) return turn_away(incoming);
  if (!find_place()) {
    if (metrics_) metrics_->open->give();
    limit_->count_refusal();
    if (metrics_) metrics_->connections_overflow->add();
    static log::Site site{LogLevel::warn, "listener", "too many client connections, this one is closed"};
    if (site.admits()) site.write({{"max", limit_->most()}, {"remedy", "raise LimitNOFILE or --max-connections"}});
    return;
  }
  Seat seat(*this);
  auto stream = incoming.take(observes_tcp_ ? tcp_stats_.get() : nullptr);
  if (stream) return handler_.take({std::move(seat), *std::move(stream), incoming.peer});
  static log::Site site{LogLevel::warn, "listener", "cannot serve a connection"};
  if (site.admits()) site.write({{"error", stream.error().message}});
}

}  // namespace sluice
