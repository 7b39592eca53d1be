#include "control/workers.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <unistd.h>
#include <atomic>

#include "base/log.h"
#include "base/thread_name.h"
#include "net/listen.h"

namespace sluice {

class Workers::Worker final : private Waiter {
 public:
  Worker(unsigned index, LogFiles& log_files, Workers& all, size_t upstream_connections_max,
         const BudgetMetrics& metrics)
      : upstreams(loop, upstream_connections_max, metrics),
        turned_away(loop, all.bounds_.connections),
        index_(index),
        log_files_(log_files),
        all_(all) {
    if (bounds().connections) idle_.emplace(*bounds().connections);
  }

  void start() {
    thread_ = std::thread([this] {
      worker_index = index_;
      name_thread(fmt::format("worker {}", index_));
      if (all_.rings_) use_ring();
      tick();
      loop.run();
      end();
      log_files_.flush();
    });
  }
  void join() {
    if (thread_.joinable()) thread_.join();
  }

  // On this worker's thread, like all below.
  void apply(const std::shared_ptr<const Snapshot>& snapshot, const std::vector<Opened>& ports) {
    std::map<std::string, Serving> now;
    for (const Opened& port : ports) {
      Serving& serving = now[port.key];
      if (auto old = listeners_.extract(port.key))
        serving = std::move(old.mapped());
      else
        serving.listener = std::make_unique<GatewayPort>(loop, upstreams, bounds().connections,
                                                         idle_ ? &*idle_ : nullptr, &turned_away);
      serving.drain_timeout = port.drain_timeout;
      serving.listener->configure(snapshot, *port.config, port.drain_timeout);
      if (port.fd >= 0)
        tell(port.key, port.replaces ? serving.listener->replace(port.fd) : serving.listener->start(port.fd));
    }
    for (auto& [key, serving] : listeners_) leave(std::move(serving));
    listeners_ = std::move(now);
    upstreams.set_egress({snapshot, snapshot->egress.get()});  // with the snapshot, so that both go at home
  }

  void drain(Nanos timeout, std::function<void()> done) {
    for (auto& [key, serving] : listeners_) leave(std::move(serving));
    listeners_.clear();
    drained_ = std::move(done);
    for (Leaving& leaving : leaving_) leaving.abort_at = std::min(leaving.abort_at, later(loop.now(), timeout));
    look_after_leaving();
  }

  Loop loop;
  Upstreams upstreams;
  TurnedAway turned_away;

 private:
  void use_ring() {
    if (const Status ring = loop.use_ring(*all_.rings_); !ring)
      log::warn("main", "this worker uses epoll alone", {{"error", ring.error().message}});
  }
  // What it keeps ends here, and not on the thread that takes it apart. With requests under way only the end of the
  // process is left.
  void end() {
    for (auto& [key, serving] : listeners_) leave(std::move(serving));
    listeners_.clear();
    look_after_leaving();
    if (leaving_.empty()) all_.loops_->end(index_);
  }
  struct Serving {
    std::unique_ptr<GatewayPort> listener;
    Nanos drain_timeout{};
  };
  // Accepts no more; its connections may finish until then.
  struct Leaving {
    std::unique_ptr<GatewayPort> listener;
    SteadyTime abort_at;
  };

  void leave(Serving serving) {
    serving.listener->drain();
    leaving_.push_back({std::move(serving.listener), later(loop.now(), serving.drain_timeout)});
  }
  // The control thread keeps the list of what is open.
  void tell(const std::string& key, Status started) {
    if (!all_.home_) return;
    all_.home_->post([&all = all_, index = index_, key, how = std::move(started)] { all.started(index, key, how); });
  }
  void wake() override { tick(); }
  void cancel() override {}
  void tick() {
    log_files_.flush();
    look_after_leaving();
    look_after_load();
    const Nanos between_looks = bounds().overload ? bounds().overload->between_looks() : Overload::kBetweenLooks;
    timer_.arm(loop, loop.now() + (drained_ ? Nanos(10ms) : between_looks), *this);
  }
  void look_after_leaving() {
    for (auto& [key, serving] : listeners_) serving.listener->look_after_leaving();
    for (Leaving& leaving : leaving_)
      if (loop.now() >= leaving.abort_at) leaving.listener->abort();
    std::erase_if(leaving_, [](const Leaving& leaving) { return leaving.listener->connections() == 0; });
    if (drained_ && leaving_.empty())
      std::exchange(drained_, nullptr)();
    else if (drained_)
      timer_.arm(loop, loop.now() + 10ms, *this);
  }

  void look_after_load() {
    if (index_ == 0 && bounds().measure) bounds().measure(loop.now());
    if (bounds().overload && idle_) idle_->relieve(*bounds().overload, all_.workers_.size(), loop.now());
  }
  const ClientBounds& bounds() const { return all_.bounds_; }

  unsigned index_;
  LogFiles& log_files_;
  Workers& all_;
  std::optional<IdleConnections> idle_;  // of all listeners: they have one bound
  std::thread thread_;
  Timer timer_;
  std::map<std::string, Serving> listeners_;
  std::vector<Leaving> leaving_;
  std::function<void()> drained_;
};

Workers::Workers(unsigned count, LogFiles& log_files, Metrics& metrics, const DescriptorShares& descriptors,
                 ClientBounds bounds, Loop* control)
    : bounds_(std::move(bounds)) {
  const BudgetMetrics budget(metrics);
  const size_t upstream_max = descriptors.upstream_of_worker(count);
  for (unsigned i = 0; i < count; ++i)
    workers_.push_back(std::make_unique<Worker>(i, log_files, *this, upstream_max, budget));
  std::vector<Loop*> loops;
  loops.reserve(workers_.size());
  std::vector<TurnedAway*> turned_away;
  turned_away.reserve(workers_.size());
  for (auto& worker : workers_) {
    loops.push_back(&worker->loop);
    turned_away.push_back(&worker->turned_away);
  }
  for (TurnedAway* one : turned_away) one->share_with(turned_away);
  loops_.emplace(loops, control);
  for (auto& worker : workers_) worker->loop.pipes.set_max(descriptors.pipes_of_worker(count));
}

Workers::~Workers() = default;

std::vector<WorkerPlace> Workers::places() {
  std::vector<WorkerPlace> out;
  out.reserve(workers_.size());
  for (auto& worker : workers_) out.push_back({&worker->loop, &worker->upstreams});
  return out;
}

void Workers::start() {
  for (auto& worker : workers_) worker->start();
}

void Workers::tell_of_failures(Loop& home, std::function<void()> changed) {
  home_ = &home;
  changed_ = std::move(changed);
}

void Workers::started(unsigned worker, const std::string& key, const Status& how) {
  const auto port = open_.find(key);
  if (port == open_.end()) return;  // closed again meanwhile
  const size_t before = port->second.missing.size();
  port->second.trying.erase(worker);
  if (how)
    port->second.missing.erase(worker);
  else
    port->second.missing.insert_or_assign(worker, how.error());
  if (!how || port->second.missing.size() != before) changed_();
}

std::map<std::string, Error> Workers::failures() const {
  std::map<std::string, Error> out = failed_;
  for (const auto& [key, port] : open_) {
    if (port.missing.empty()) continue;
    Error error = port.missing.begin()->second;
    error.message = fmt::format("{} of {} workers cannot listen on {}: {}", port.missing.size(), workers_.size(),
                                port.address.to_string(), error.message);
    out.try_emplace(port.gateway, std::move(error));
  }
  return out;
}

// The first is tried alone: with a shared port, a second sluice would get half of the first one's connections instead
// of an error.
Result<std::vector<int>> Workers::open(const SnapshotListener& listener, SocketAddress& real) const {
  const int probe = TRY(ListenSocket::open(listener.address, false, listener.socket_options));
  ::close(probe);
  real = listener.address;
  return open_all(real, listener.socket_options);
}

// One descriptor a worker; the kernel spreads connections over them. Shared also where there is one worker: others may
// take its place while it listens.
Result<std::vector<int>> Workers::open_all(SocketAddress& real, std::span<const SocketOption> options) const {
  std::vector<int> fds;
  for (size_t i = 0; i < workers_.size(); ++i) {
    auto fd = ListenSocket::open(real, true, options);
    if (!fd) {
      for (const int opened : fds) ::close(opened);
      return std::unexpected(std::move(fd).error());
    }
    fds.push_back(*fd);
    real.length = sizeof real.v6_address;
    getsockname(*fd, real.get(), &real.length);
  }
  return fds;
}

// Another try for the workers that do not listen. Not for those that have a descriptor for it already: connections
// that the kernel gives to one more would be lost.
std::vector<int> Workers::open_missing(OpenPort& port) const {
  std::vector<int> fds(workers_.size(), -1);
  for (auto& [worker, why] : port.missing) {
    if (port.trying.contains(worker)) continue;
    if (auto again = ListenSocket::open(port.address, true, port.options)) {
      fds[worker] = *again;
      port.trying.insert(worker);
    } else {
      why = std::move(again).error();
    }
  }
  return fds;
}

// On the port that it asks for.
Status Workers::place(const SnapshotListener& listener, Ports& ports, std::vector<Place>& places) {
  const bool any_port = listener.address.port() == 0;
  std::string key = listener.address.to_string();
  if (any_port) key = listener.gateway + " " + key;
  if (const auto other = ports.find(key); other != ports.end())
    return fail(ErrorKind::conflict, fmt::format("cannot listen on {}: Gateway {} has this address",
                                                 listener.address.to_string(), other->second.gateway));
  OpenPort port{listener.gateway, listener.address, any_port};
  std::vector<int> fds;
  bool replace = false;
  if (const auto before = open_.find(key); before != open_.end()) {
    port = before->second;
    port.gateway = listener.gateway;
    Result<std::vector<int>> others = std::vector<int>();
    if (port.options != listener.socket_options) others = open_all(port.address, listener.socket_options);
    if (!others) failed_.emplace(listener.gateway, std::exchange(others, std::vector<int>()).error());
    replace = !others->empty();
    if (replace) port.options = listener.socket_options;
    fds = replace ? *std::move(others) : open_missing(port);
  } else {
    fds = TRY(open(listener, port.address));
    port.options = listener.socket_options;
  }
  port.protocol = listener.protocol();
  ports.emplace(key, std::move(port));
  places.push_back({&listener, std::move(key), std::move(fds), replace});
  return {};
}

std::map<std::string, Error> Workers::publish(std::shared_ptr<const Snapshot> snapshot) {
  failed_.clear();
  Ports open_now;
  std::vector<Place> places;
  std::vector<const SnapshotListener*> without;
  for (const auto& listener : snapshot->listeners) {
    Status placed = place(*listener, open_now, places);
    if (placed) continue;
    failed_.emplace(listener->gateway, std::move(placed).error());
    without.push_back(listener.get());
  }
  // Only now is it known which of the ports of before nobody asks for.
  for (const SnapshotListener* listener : without) {
    const auto* kept = port_before(*listener);
    if (!kept) continue;
    const auto [port, is_free] = open_now.insert(*kept);
    if (is_free) places.push_back({listener, port->first, open_missing(port->second), false});
  }
  open_ = std::move(open_now);
  std::vector<std::vector<Opened>> per_worker(workers_.size());
  for (const Place& at : places)
    for (size_t i = 0; i < workers_.size(); ++i)
      per_worker[i].push_back({at.key, at.fds[i], at.replace, at.listener->drain_timeout, &at.listener->port});
  snapshot = freed_at_home(std::move(snapshot));
  for (size_t i = 0; i < workers_.size(); ++i)
    workers_[i]->loop.post(
        [worker = workers_[i].get(), snapshot, ports = std::move(per_worker[i])] { worker->apply(snapshot, ports); });
  return failures();
}

// A snapshot may hold 100,000 routes: whoever lets go of it last, it is taken apart on the control thread.
std::shared_ptr<const Snapshot> Workers::freed_at_home(std::shared_ptr<const Snapshot> snapshot) const {
  if (!home_) return snapshot;
  const Snapshot* plain = snapshot.get();
  return {plain, [home = home_, held = std::move(snapshot)](const Snapshot*) mutable {
            home->post([last = std::move(held)]() mutable { last.reset(); });
          }};
}

// The Gateway's port until now; nothing when it is the one that the new address needs.
const Workers::Ports::value_type* Workers::port_before(const SnapshotListener& listener) const {
  for (const auto& entry : open_)
    if (entry.second.gateway == listener.gateway && entry.second.address.port() != listener.address.port())
      return &entry;
  return nullptr;
}

std::vector<OpenPort> Workers::open_ports() const {
  std::vector<OpenPort> out;
  for (const auto& [key, port] : open_) out.push_back(port);
  return out;
}

void Workers::on_each(const std::function<void(unsigned)>& job) {
  for (unsigned i = 0; i < workers_.size(); ++i) workers_[i]->loop.post([job, i] { job(i); });
}

void Workers::drain(Nanos timeout, const std::function<void()>& done) {
  auto left = std::make_shared<std::atomic<size_t>>(workers_.size());
  for (auto& worker : workers_)
    worker->loop.post([w = worker.get(), timeout, left, done] {
      w->drain(timeout, [left, done] {
        if (left->fetch_sub(1) == 1) done();
      });
    });
}

void Workers::stop() {
  for (auto& worker : workers_) worker->loop.stop();
  for (auto& worker : workers_) worker->join();
}

}  // namespace sluice
