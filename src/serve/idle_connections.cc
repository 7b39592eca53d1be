#include "serve/idle_connections.h"

#include "serve/connection.h"

namespace sluice {

void IdleConnections::add(IdleLink& link, SteadyTime now) {
  link.since = now;
  link.next = &ends_;
  link.previous = ends_.previous;
  link.previous->next = ends_.previous = &link;
}

void IdleConnections::remove(IdleLink& link) {
  if (!link.linked()) return;
  link.previous->next = link.next;
  link.next->previous = link.previous;
  link.next = link.previous = nullptr;
}

bool IdleConnections::give_up_one(SteadyTime now) {
  if (ends_.next == &ends_ || later(ends_.next->since, kGrace) > now) return false;
  given_up_->add();
  Connection::of(*ends_.next).give_up();
  return true;
}

void IdleConnections::give_up(size_t most, SteadyTime now) {
  while (most > 0 && give_up_one(now)) --most;
}

}  // namespace sluice
