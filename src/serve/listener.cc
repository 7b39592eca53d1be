#include "serve/listener.h"

#include <unistd.h>

#include "base/log.h"

namespace sluice {

Seat::Seat(Listener& listener) : listener_(&listener) {
  ++listener.connections_;
  if (!listener.metrics_) return;
  listener.metrics_->connections->add();
  listener.metrics_->connections_active->add();
}

Seat::~Seat() {
  if (!listener_) return;
  --listener_->connections_;
  if (listener_->limit_) listener_->limit_->give();
  if (!listener_->metrics_) return;
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

// At the bound of the process idle clients of this worker give way; which worker a client comes to nobody chooses.
bool Listener::find_place() {
  if (!limit_) return true;
  // Another worker may be quicker to take the place that was made.
  while (!limit_->take())
    if (!handler_.make_room()) return false;
  return true;
}

void Listener::accept(Incoming& incoming) {
  if (!find_place()) {
    limit_->count_refusal();
    if (metrics_) metrics_->connections_overflow->add();
    static log::Site site{LogLevel::warn, "listener", "too many client connections, this one is closed"};
    if (site.admits()) site.write({{"max", limit_->most()}, {"remedy", "raise LimitNOFILE or --max-connections"}});
    return;
  }
  Seat seat(*this);
  auto stream = incoming.take();
  if (stream) return handler_.take({std::move(seat), *std::move(stream), incoming.peer});
  static log::Site site{LogLevel::warn, "listener", "cannot serve a connection"};
  if (site.admits()) site.write({{"error", stream.error().message}});
}

}  // namespace sluice
