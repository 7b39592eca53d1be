#include "serve/listener.h"

#include <unistd.h>

#include "base/log.h"

namespace sluice {

Seat::Seat(Listener& listener) : listener_(&listener) {
  ++listener.connections_;
  if (!listener.metrics_) return;
  listener.metrics_->connections->add();
  listener.metrics_->connections_active->add();
  if (listener.has_limit()) listener.metrics_->limited_connections_active->add();
}

Seat::~Seat() {
  if (!listener_) return;
  --listener_->connections_;
  if (listener_->limit_) listener_->limit_->give();
  if (!listener_->metrics_) return;
  listener_->metrics_->open->give();
  if (listener_->has_limit()) listener_->metrics_->limited_connections_active->sub();
  listener_->metrics_->connections_active->sub();
  listener_->metrics_->connections_ended->add();
}

Status Listener::start(int fd) {
  if (socket_.listening()) {  // from the one before, nobody would accept any more
    ::close(fd);
    return {};
  }
  TRY(socket_.start(loop_, fd, [this](Incoming& incoming) { accept(incoming); }));
  address_ = socket_.local();
  return {};
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

// At the bound of the process those that are turned away anyway go first, then idle clients of this worker; which
// worker a client comes to nobody chooses.
bool Listener::find_place() {
  if (!limit_) return true;
  // Another worker may be quicker to take the place that was made.
  while (!limit_->take()) {
    if (!turned_away_.empty())
      turned_away_.pop_front();
    else if (!handler_.make_room())
      return false;
  }
  return true;
}

Listener::TurnedAway::TurnedAway(Listener& l, std::unique_ptr<Stream> s) : listener(l), stream(std::move(s)) {
  stream->when_hung_up(this);
  timer.arm(l.loop_, later(l.loop_.now(), l.delay_before_close_), *this);
}

Listener::TurnedAway::~TurnedAway() {
  stream.reset();
  if (listener.limit_) listener.limit_->give();
}

// It holds a place of the process, so that those who come again and again cannot take all descriptors.
void Listener::turn_away(Incoming& incoming) {
  metrics_->connections_over_limit->add();
  metrics_->limited_connections->add();
  static log::Site site{LogLevel::warn, "listener", "more client connections than connectionLimit allows"};
  if (site.admits()) site.write({{"address", address_.to_string()}, {"max", connections_max_}});
  auto stream = delay_before_close_.count() > 0 ? incoming.take() : fail(ErrorKind::limit, "closed at once");
  if (!stream) {
    if (limit_) limit_->give();
    return;
  }
  turned_away_.emplace_back(*this, *std::move(stream));
  turned_away_.back().self = std::prev(turned_away_.end());
}

void Listener::accept(Incoming& incoming) {
  if (!find_place()) {
    limit_->count_refusal();
    if (metrics_) metrics_->connections_overflow->add();
    static log::Site site{LogLevel::warn, "listener", "too many client connections, this one is closed"};
    if (site.admits()) site.write({{"max", limit_->most()}, {"remedy", "raise LimitNOFILE or --max-connections"}});
    return;
  }
  if (metrics_ && !metrics_->open->take(connections_max_)) return turn_away(incoming);
  Seat seat(*this);
  auto stream = incoming.take();
  if (stream) return handler_.take({std::move(seat), *std::move(stream), incoming.peer});
  static log::Site site{LogLevel::warn, "listener", "cannot serve a connection"};
  if (site.admits()) site.write({{"error", stream.error().message}});
}

}  // namespace sluice
