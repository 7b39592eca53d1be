#include "simulation/world.h"

#include <deque>

#include "base/log.h"
#include "config/kinds/retries.h"
#include "forward/dynamic_upstream.h"
#include "forward/static_upstream.h"
#include "io/testing.h"
#include "serve/http_server.h"
#include "simulation/client.h"
#include "simulation/host.h"
#include "upstream/retry_policy.h"

namespace sluice::simulation {
namespace {

constexpr uint32_t kNamed[] = {11, 12, 13, 14};  // hosts that names may have: two for each

struct Counts {
  size_t finished = 0;
  size_t without_code = 0;
  size_t ended_by_us = 0;  // with an outcome of the gateway's own
};

class Watch final : public ExchangeObserver {
 public:
  explicit Watch(Counts& counts) : counts_(counts) {}
  void finished(const Request& request, const Response&, SteadyTime) const override {
    ++counts_.finished;
    counts_.without_code += request.info.code < 100;
    counts_.ended_by_us += request.info.outcome.kind != OutcomeKind::none;
  }

 private:
  Counts& counts_;
};

// Where requests for one place may arrive.

// The ends of chains, which stay when the configuration changes, unless names or policies do.
struct Ends {
  std::shared_ptr<const Service> fixed, dynamic;
  std::shared_ptr<const EgressNow> egress;  // the rules that `dynamic` has
  std::string denied;                       // the host that they refuse
  // By "x-to": the hosts of each of its names. One without any is refused.
  std::map<std::string, std::vector<std::set<std::string>>, std::less<>> places;
};

struct Rules final : RouteRules {
  void rewrite_request(Request&) const override {}
  void finish_response(Request&, Response& response) const override { response.finished = true; }
};

// Everything that a request needs of the configuration; goes when nobody needs it any more.
class Snapshot final : public Service {
 public:
  Snapshot(std::shared_ptr<const Ends> ends, Ledger& ledger, Random& random);
  Task<Response> handle(Request& request) const override;
  ListenerConfig config;

 private:
  static Task<Response> collect(Request& request);
  std::shared_ptr<const Ends> ends_;
  Ledger& ledger_;
  Rules rules_;
  std::optional<RetryPolicy> retries_;
  size_t body_buffer_ = 1U << 20;
};

Snapshot::Snapshot(std::shared_ptr<const Ends> ends, Ledger& ledger, Random& random)
    : ends_(std::move(ends)), ledger_(ledger) {
  constexpr Nanos kTimeouts[] = {0s, 700ms, 15s, 15s};
  rules_.timeout = kTimeouts[random.below(std::size(kTimeouts))];
  if (random.below(4) == 0) rules_.idle_timeout = 3s;
  if (random.below(3) > 0) {
    kinds::Retries policy;
    using enum kinds::RetryOn;
    for (const auto condition : {server_error, gateway_error, reset, connect_failure, retriable_4xx})
      if (random.below(2) == 0) policy.retry_on.add(condition);
    policy.num_retries = static_cast<uint32_t>(1 + random.below(3));
    if (random.below(3) == 0) policy.per_try_timeout = Client::kTimeoutMin;
    retries_.emplace(policy);
    rules_.retries = &*retries_;
  }
  if (random.below(3) == 0) body_buffer_ = 1000;
  config.idle_timeout = Client::kKeepAlive;
  config.head_timeout = 5s;
  config.stream_idle_timeout = 8s;
  if (random.below(3) == 0) config.request_timeout = 6s;
  config.server_name = "a gateway whose name is long enough to lie on the heap";
}

Task<Response> Snapshot::collect(Request& request) {
  auto reading = read_all(request.body, request.arena, 1 << 20, request.body_budget);
  const auto body = CO_TRY(co_await reading);
  if (body.size() > (1U << 20)) co_return local_reply(request, 413, "", "");
  co_return local_reply(request, 200, request.path, "collected");
}

Task<Response> Snapshot::handle(Request& request) const {
  const std::string_view to = request.headers.get("x-to").value_or("");
  request.route.rules = &rules_;
  request.body_buffer_bytes_max = body_buffer_;
  const auto place = ends_->places.find(to);
  const auto asked = ledger_.asked.find(request.path);
  if (place != ends_->places.end() && asked != ledger_.asked.end()) {
    asked->second.names = place->second;
    asked->second.refused = place->second.empty();
    hold_against(asked->second, ends_->denied);
    hold_against(asked->second, ledger_.denied_now);
  }
  if (to == "local") return local_reply(request, 200, request.path, "local");
  if (to == "collect") return collect(request);
  return (to == "static" ? ends_->fixed : ends_->dynamic)->handle(request);
}

class World {
 public:
  explicit World(uint64_t seed);
  ~World();
  Outcome play();

 private:
  void open_hosts();
  void open_cluster(Cluster& cluster);
  void let_go_of_clusters();
  void name_hosts();
  void open_ends();
  void configure();
  void run_clients();
  void finish();
  void check_counts();
  void check_cluster(const Cluster& cluster);
  void check_deliveries();
  template <class Condition>
  bool wait(Nanos longest, Condition&& done);
  bool chance(unsigned percent) { return random_.below(100) < percent; }
  void expect(bool holds, const std::string& what) {
    if (!holds) ledger_.fault(loop_.now(), what);
  }
  size_t hosts_open() const;

  Random random_;
  Ledger ledger_;
  Loop loop_;
  Metrics metrics_{1};
  Counts counts_;
  MemoryNetwork network_;
  std::deque<Host> hosts_;
  Upstreams upstreams_{loop_, network_, random_.next()};
  OwnedLoops loops_{{&loop_}};
  ResolverPool resolvers_{loops_};
  std::shared_ptr<const Ends> ends_;
  std::shared_ptr<const DynamicMetrics> dynamic_metrics_ = std::make_shared<DynamicMetrics>(metrics_);
  std::shared_ptr<StaticCluster> upstream_ = std::make_shared<StaticCluster>(loops_);
  std::shared_ptr<const Service> fixed_end_;
  std::map<std::string, std::vector<uint32_t>> named_;  // hosts by name
  std::shared_ptr<const DynamicCluster> names_;
  std::shared_ptr<Cluster> fixed_, dynamic_;
  std::optional<HttpListener> gateway_;
  std::shared_ptr<ServerMetrics> server_metrics_ = std::make_shared<ServerMetrics>(metrics_, "simulation");
  std::vector<std::weak_ptr<const Snapshot>> snapshots_;
  std::deque<Client> clients_;
  TaskGroup running_;
};

World::World(uint64_t seed) : random_(seed) {
  loop_.use_manual_clock(SteadyTime(1'000'000s), WallTime(0s));
  loop_.random = Random(seed);
  ledger_.begin = loop_.now();
  open_hosts();
  gateway_.emplace(loop_, &upstreams_);
  configure();
  const auto clients = static_cast<unsigned>(1 + random_.below(10));
  for (unsigned i = 0; i < clients; ++i) clients_.emplace_back(*gateway_, ledger_, i, random_.next());
}

World::~World() {
  running_.cancel();
  for (Host& host : hosts_) host.end();
  let_go_of_clusters();
  settle_in_memory(loop_);
}

void World::let_go_of_clusters() {
  ends_.reset();
  fixed_end_.reset();
  upstream_.reset();
  names_.reset();
}

void World::open_cluster(Cluster& cluster) {
  constexpr Balancing kBalancings[] = {Balancing::round_robin, Balancing::least_request, Balancing::random};
  cluster.balancing.balancing = kBalancings[random_.below(3)];
  cluster.connect_timeout = 2s;
  cluster.idle_timeout = chance(50) ? 60s : 300ms;
  if (!chance(40)) return;
  kinds::OutlierDetection detection;
  detection.consecutive_5xx = 3;
  detection.base_ejection_time = 2s;
  cluster.detect_outliers(detection);
}

std::string host_name(uint32_t place) {
  return fmt::format("host {}", place);
}
IpAddress host_address(uint32_t place) {
  return IpAddress::v4(127, 0, 1, static_cast<uint8_t>(place));
}

// Three hosts of an Upstream, and four that names may have.
void World::open_hosts() {
  const auto open = [&](uint32_t place) {
    const auto address = host_address(place);
    if (!chance(10)) {  // else nobody listens there
      hosts_.emplace_back(loop_, ledger_, host_name(place), static_cast<Host::Mood>(random_.below(3)), random_.next());
      network_.listen(SocketAddress::of({address, 80}), hosts_.back());
    }
    return address;
  };
  kinds::CircuitBreakers breakers;
  if (chance(30)) breakers.max_connections = 1 + random_.below(3);
  if (chance(30)) breakers.max_pending_requests = 1 + random_.below(3);
  if (chance(20)) breakers.max_requests = 1 + random_.below(4);
  if (chance(30)) breakers.max_retries = random_.below(3);
  fixed_ = std::make_shared<Cluster>("fixed", breakers, 1, metrics_);
  dynamic_ = std::make_shared<Cluster>("dynamic", breakers, 1, metrics_);
  open_cluster(*fixed_);
  open_cluster(*dynamic_);

  upstream_->cluster = fixed_;
  const uint32_t hosts = 1 + random_.below(3);
  for (uint32_t i = 0; i < hosts; ++i)
    upstream_->hosts.push_back({.name = "", .address = open(i + 1), .port = 80, .weight = 1});
  fixed_end_ = make_static_upstream(upstream_);
  for (const uint32_t place : kNamed) open(place);
}

// The addresses of two names, as they are now. Each has one at least, and none of the other's.
void World::name_hosts() {
  ResolverConfig names;
  names.names.family = dns::LookupFamily::v4_only;
  named_ = {{"a.test", {11}}, {"b.test", {13}}};
  if (chance(50)) named_["a.test"].push_back(12);
  if (chance(50)) named_["b.test"].push_back(14);
  for (const auto& [name, hosts] : named_)
    for (const uint32_t host : hosts) names.hosts[name].push_back(host_address(host));
  names.hosts["denied.test"] = {IpAddress::v4(10, 0, 0, 1)};
  auto cluster = std::make_shared<DynamicCluster>(loops_);
  cluster->cluster = dynamic_;
  cluster->resolver = resolvers_.make(std::move(names));
  names_ = std::move(cluster);
}

// The ends of chains with a policy that may refuse one of the hosts that names have.
void World::open_ends() {
  auto ends = std::make_shared<Ends>();
  const uint32_t denied = chance(40) ? kNamed[random_.below(std::size(kNamed))] : 0;
  if (denied != 0) ends->denied = host_name(denied);
  std::set<std::string> all;
  for (uint32_t i = 0; i < upstream_->hosts.size(); ++i) all.insert(host_name(i + 1));
  ends->places["static"] = {all};
  ends->places["denied.test"] = {};
  for (const auto& [name, hosts] : named_) {
    std::set<std::string> its;
    for (const uint32_t host : hosts) its.insert(host_name(host));
    ends->places[name] = {its};
    ends->places["a.test, b.test"].push_back(its);
  }
  std::vector<AddressPolicy> policies{{"lab", {{"lab", RuleAction::allow, {"loopback"}}}}};
  if (denied != 0)
    policies[0].rules.insert(policies[0].rules.begin(),
                             {"closed", RuleAction::deny, {fmt::format("127.0.1.{}/32", denied)}});
  auto rules = AddressRules::compile(policies, {}, {});
  CHECK(rules.has_value());
  ends->fixed = fixed_end_;
  const auto guard = std::make_shared<const AddressGuard>(AddressGuard{*std::move(rules), "gateway-proxy", {}});
  ends->dynamic = make_dynamic_upstream(names_, guard, {.host_rewrite = {}, .host_header = "x-to", .lists = true},
                                        dynamic_metrics_);
  auto egress = std::make_shared<EgressNow>();
  egress->elsewhere.guard = guard;
  ends->egress = std::move(egress);
  ends_ = std::move(ends);
}

void World::configure() {
  if (!names_ || chance(30)) name_hosts();
  open_ends();
  auto snapshot = std::make_shared<Snapshot>(ends_, ledger_, random_);
  snapshot->config.metrics = server_metrics_;
  snapshot->config.observer = std::make_shared<Watch>(counts_);
  // The service is the snapshot, which its own configuration must not keep.
  snapshot->config.service = std::shared_ptr<const Service>(std::shared_ptr<void>(), snapshot.get());
  snapshots_.emplace_back(snapshot);
  const ListenerConfig* config = &snapshot->config;
  gateway_->configure(std::move(snapshot), config);
  // What is under way is held against the new rules.
  ledger_.denied_now = ends_->denied;
  for (auto& [id, asked] : ledger_.asked) hold_against(asked, ledger_.denied_now);
  upstreams_.set_egress(ends_->egress);
}

size_t World::hosts_open() const {
  size_t open = 0;
  for (const Host& host : hosts_) open += host.open();
  return open;
}

// Lets time go by: in small steps while things happen, in larger ones while nothing does, but in none so large that
// what is to happen one after the other would happen at once (the second in which a connection lingers, pauses of
// clients).
template <class Condition>
bool World::wait(Nanos longest, Condition&& done) {
  const SteadyTime latest = loop_.now() + longest;
  for (size_t seen = 0, quiet = 0; !done();) {
    if (loop_.now() >= latest) return false;
    for (auto turns = 1 + random_.below(4); turns > 0; --turns) loop_.turn(0s);
    quiet = std::exchange(seen, ledger_.events.size()) == ledger_.events.size() ? quiet + 1 : 0;
    const bool small = random_.below(100) < (quiet < 10 ? 90 : 20);
    loop_.advance(small ? random_.below(20'000) * 1us : random_.below(400) * 1ms);
  }
  return true;
}

void World::run_clients() {
  for (Client& client : clients_) running_.spawn(client.run());
  const bool drains = chance(40);
  const SteadyTime drain_at = loop_.now() + random_.below(10'000) * 1ms;
  const bool ended = wait(30min, [&] {
    if (chance(1)) {
      ledger_.note(loop_.now(), "a new configuration");
      configure();
    }
    if (chance(1)) network_.fail_next(1);
    if (drains && !ledger_.draining && loop_.now() >= drain_at) {
      ledger_.note(loop_.now(), "drains");
      ledger_.draining = true;
      gateway_->drain();
    }
    return running_.empty();
  });
  expect(ended, "a client waits for ever");
}

void World::finish() {
  ledger_.draining = true;
  gateway_->drain();
  const bool forced = chance(50);
  if (forced) gateway_->abort();
  if (!wait(forced ? 2s : 60s, [&] { return gateway_->connections() == 0; })) {
    expect(false, fmt::format("{} connections of clients do not end", gateway_->connections()));
    gateway_->abort();
    wait(60s, [&] { return gateway_->connections() == 0; });
  }
  expect(wait(70s, [&] { return hosts_open() == 0; }), fmt::format("{} connections to hosts stay open", hosts_open()));
  check_counts();
  check_cluster(*fixed_);
  check_cluster(*dynamic_);
  check_deliveries();
  for (size_t i = 0; i + 1 < snapshots_.size(); ++i)
    expect(snapshots_[i].expired(), fmt::format("configuration {} of {} is still there", i, snapshots_.size()));
  if (gateway_->connections() == 0) gateway_.reset();
  expect(snapshots_.back().expired(), "the last configuration outlives its server");
  let_go_of_clusters();
  settle_in_memory(loop_);
  expect(upstreams_.budget.open() == 0, "connections are counted that are not there");
  expect(fixed_.use_count() == 1 && dynamic_.use_count() == 1, "what a worker keeps of a cluster outlives it");
}

void World::check_counts() {
  const ServerMetrics& server = *server_metrics_;
  expect(server.requests_active->value() == 0, "requests_active of the server");
  expect(server.connections_active->value() == 0, "connections_active of the server");
  expect(server.requests->value() == static_cast<int64_t>(counts_.finished), "a request did not end, or ended twice");
  int64_t responses = 0;
  for (size_t i = 0; i < 5; ++i) {
    responses += server.responses[i]->value();
    expect(server.responses[i]->value() >= static_cast<int64_t>(ledger_.whole_answers[i]),
           fmt::format("{} answers {}xx are counted, {} came", server.responses[i]->value(), i + 1,
                       ledger_.whole_answers[i]));
  }
  expect(responses + static_cast<int64_t>(counts_.without_code) == server.requests->value(),
         fmt::format("{} requests, {} answers, {} without", server.requests->value(), responses, counts_.without_code));
  expect(server.upgrades_active->value() == 0, "upgrades_active of the server");
  expect(server.upgrades->value() >= static_cast<int64_t>(ledger_.tunnels),
         fmt::format("{} upgrades are counted, {} came", server.upgrades->value(), ledger_.tunnels));
  expect(server.requests_malformed->value() == 0, "a request was taken for malformed");
}

void World::check_cluster(const Cluster& cluster) {
  const ClusterMetrics& metrics = cluster.metrics;
  for (const auto& [gauge, name] :
       {std::pair(metrics.requests_active, "requests_active"), std::pair(metrics.pending_active, "pending_active"),
        std::pair(metrics.retries_active, "retries_active"),
        std::pair(metrics.connections_active, "connections_active")})
    expect(gauge->value() == 0, fmt::format("{} of cluster {} is {}", name, cluster.name, gauge->value()));
}

// What hosts have seen and said against what is counted of it.
void World::check_deliveries() {
  size_t heads_read = 0, heads_sent = 0;
  for (const Host& host : hosts_) heads_read += host.heads_read(), heads_sent += host.heads_sent();
  int64_t tries = 0, answers = 0;
  for (const Cluster* cluster : {fixed_.get(), dynamic_.get()}) {
    tries += cluster->metrics.requests->value();
    for (const Counter* responses : cluster->metrics.responses) answers += responses->value();
  }
  expect(static_cast<int64_t>(heads_read) <= tries,
         fmt::format("hosts read {} requests, {} were sent", heads_read, tries));
  expect(answers <= static_cast<int64_t>(heads_sent + counts_.ended_by_us),
         fmt::format("{} answers of {} and {} of ours are counted", answers, heads_sent, counts_.ended_by_us));
  expect(answers >= static_cast<int64_t>(ledger_.answers_of_hosts_seen),
         fmt::format("{} answers are counted, clients have seen {}", answers, ledger_.answers_of_hosts_seen));
}

Outcome World::play() {
  run_clients();
  finish();
  Outcome outcome;
  outcome.wrong = ledger_.wrong;
  outcome.events = ledger_.events;
  for (const size_t answers : ledger_.whole_answers) outcome.whole_answers += answers;
  outcome.unanswered = ledger_.unanswered;
  outcome.tunnels = ledger_.tunnels;
  outcome.policy_refusals = ledger_.policy_refusals;
  for (const Cluster* cluster : {fixed_.get(), dynamic_.get()})
    outcome.retries += static_cast<size_t>(cluster->metrics.request_retries->value());
  return outcome;
}

}  // namespace

Outcome play(uint64_t seed) {
  return World(seed).play();
}

}  // namespace sluice::simulation
