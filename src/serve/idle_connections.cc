#include "serve/idle_connections.h"

#include <algorithm>

#include "serve/http_server.h"

namespace sluice {
namespace {

constexpr size_t kOneIn = 64;

// Those for which `since` is earliest. Returns how many.
size_t end_longest(std::vector<Connection*> among, size_t most, SteadyTime (Connection::*since)() const,
                   Counter& ended) {
  if (most < among.size()) {
    std::ranges::nth_element(among, among.begin() + static_cast<std::ptrdiff_t>(most), {}, since);
    among.resize(most);
  }
  for (Connection* connection : among) connection->abort();
  ended.add(static_cast<int64_t>(among.size()));
  return among.size();
}

}  // namespace

// Those that have waited long enough. Of those that begin to wait after a look none has before those it found waiting.
std::vector<Connection*> IdleConnections::waiting(SteadyTime now) {
  std::vector<Connection*> out;
  const bool any = std::ranges::any_of(servers_, [](const HttpServer* server) { return server->waiting() > 0; });
  if (!any || now < next_look_) return out;
  ++looks_;
  SteadyTime earliest = SteadyTime::max();
  for (const HttpServer* server : servers_) earliest = std::min(earliest, server->add_waiting(now - kGrace, out));
  if (out.empty()) next_look_ = std::max(later(earliest, kGrace), later(now, kBetweenVainLooks));
  return out;
}

bool IdleConnections::make_room(SteadyTime now) {
  std::vector<Connection*> among = waiting(now);
  if (among.empty()) return heads_at_the_bound_ == HeadsAtTheBound::give_way && end_heads(kGrace, 1, now) > 0;
  const size_t count = std::max<size_t>(1, among.size() / kOneIn);
  end_longest(std::move(among), count, &Connection::waits_since, *given_up_);
  return true;
}

// What it has not got, other workers find at their next looks.
void IdleConnections::relieve(const Overload& overload, size_t workers, SteadyTime now) {
  if (overload.idle_to_end() == 0) return;
  const size_t most = overload.idle_to_end() / workers + 1;
  if (overload.is_short_of_memory()) {
    const Nanos patience = overload.refuses_requests() ? Nanos(0) : kGrace;
    if (end_heads(patience, most, now) > 0) return;
  }
  end_longest(waiting(now), most, &Connection::waits_since, *given_up_);
}

size_t IdleConnections::end_heads(Nanos patience, size_t most, SteadyTime now) {
  std::vector<Connection*> among;
  for (const HttpServer* server : servers_) server->add_heads(now - patience, among);
  return end_longest(std::move(among), most, &Connection::head_since, *heads_given_up_);
}

}  // namespace sluice
