#include "serve/connection_balance.h"

#include <algorithm>

#include "base/worker_index.h"
#include "serve/listener.h"

namespace sluice {
namespace {

constexpr MetricFamily kActive{"envoy_listener_worker_downstream_cx_active",
                               "Client connections of a worker, on addresses with connectionBalanceConfig.",
                               MetricType::gauge};
constexpr MetricFamily kTotal{"envoy_listener_worker_downstream_cx_total",
                              "Client connections that a worker was given, on addresses with connectionBalanceConfig."};

}  // namespace

std::vector<MetricFamily> connection_balance_metric_families() {
  return {kActive, kTotal};
}

ConnectionBalance::ConnectionBalance(Metrics& metrics, std::string address)
    : address_(std::move(address)), metrics_(metrics) {}

void ConnectionBalance::join(Listener& listener, Loop& loop, size_t connections) {
  const std::lock_guard lock(mutex_);
  if (find(listener)) return;
  const Labels labels{{"envoy_listener_address", address_}, {"envoy_worker_id", std::to_string(worker_index)}};
  members_.push_back(
      {++last_id_, &listener, &loop, connections, metrics_.metric(kActive, labels), metrics_.metric(kTotal, labels)});
  members_.back().active->add(static_cast<int64_t>(connections));
}

void ConnectionBalance::leave(const Listener& listener) {
  const std::lock_guard lock(mutex_);
  std::erase_if(members_, [&](const Member& member) {
    if (member.listener != &listener) return false;
    member.active->sub(static_cast<int64_t>(member.connections));
    return true;
  });
}

ConnectionBalance::Member* ConnectionBalance::find(const Listener& listener) {
  const auto found = std::ranges::find(members_, &listener, &Member::listener);
  return found == members_.end() ? nullptr : &*found;
}

ConnectionBalance::Member* ConnectionBalance::find(uint64_t id) {
  const auto found = std::ranges::find(members_, id, &Member::id);
  return found == members_.end() ? nullptr : &*found;
}

void ConnectionBalance::began(const Listener& listener) {
  const std::lock_guard lock(mutex_);
  if (Member* member = find(listener)) {
    if (!std::exchange(member->arriving, false)) ++member->connections;
    member->active->add();
    member->total->add();
  }
}

void ConnectionBalance::ended(const Listener& listener) {
  const std::lock_guard lock(mutex_);
  if (Member* member = find(listener)) {
    --member->connections;
    member->active->sub();
  }
}

// It counts as one connection more from now on, so that several at once go to several. Of equals whoever has it already
// keeps it.
ConnectionBalance::Member ConnectionBalance::choose(const Listener& here) {
  const std::lock_guard lock(mutex_);
  Member* least = find(here);
  for (Member& member : members_)
    if (!least || member.connections < least->connections) least = &member;
  ++least->connections;
  return *least;
}

void ConnectionBalance::place(const Listener& here, Incoming& incoming) {
  const Member to = choose(here);
  if (to.listener == &here) return arrive(to, incoming);
  incoming.hand_over(*to.loop, [all = shared_from_this(), to](Incoming& arrived) { all->arrive(to, arrived); });
}

// On the thread of the listener, which may have left since, and joined again, or another may be where it was.
void ConnectionBalance::arrive(const Member& there, Incoming& incoming) {
  {
    const std::lock_guard lock(mutex_);
    Member* member = find(there.id);
    if (!member) return;
    member->arriving = true;
  }
  there.listener->accept(incoming);
  const std::lock_guard lock(mutex_);
  Member* member = find(there.id);
  if (member && std::exchange(member->arriving, false)) --member->connections;  // it got no seat
}

}  // namespace sluice
