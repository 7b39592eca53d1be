#include "serve/idle_connections.h"

#include <algorithm>

#include "serve/http_server.h"

namespace sluice {
namespace {

constexpr size_t kOneIn = 64;

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

void IdleConnections::end_longest(std::vector<Connection*> among, size_t count) {
  if (count < among.size())
    std::ranges::nth_element(among, among.begin() + static_cast<std::ptrdiff_t>(count), {}, &Connection::waits_since);
  for (size_t i = 0; i < std::min(count, among.size()); ++i) {
    given_up_->add();
    among[i]->give_up();
  }
}

bool IdleConnections::make_room(SteadyTime now) {
  std::vector<Connection*> among = waiting(now);
  if (among.empty()) return false;
  const size_t count = std::max<size_t>(1, among.size() / kOneIn);
  end_longest(std::move(among), count);
  return true;
}

void IdleConnections::give_up(size_t most, SteadyTime now) {
  if (most > 0) end_longest(waiting(now), most);
}

}  // namespace sluice
