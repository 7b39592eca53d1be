#include "serve/tcp_server.h"

#include "net/tls_info.h"
#include "serve/tunnel.h"

namespace sluice {
namespace {

using enum MetricType;

constexpr MetricFamily kConnections{"envoy_tcp_downstream_cx_total", "Client connections of TCP gateways."};
constexpr MetricFamily kActive{"sluice_tcp_downstream_cx_active", "Client connections of TCP gateways that are open.",
                               gauge};
constexpr MetricFamily kNoRoute{"envoy_tcp_downstream_cx_no_route",
                                "Client connections of TCP gateways closed because they have no destination."};
constexpr MetricFamily kReceived{"envoy_tcp_downstream_cx_rx_bytes_total", "Bytes from clients of TCP gateways."};
constexpr MetricFamily kSent{"envoy_tcp_downstream_cx_tx_bytes_total", "Bytes to clients of TCP gateways."};
constexpr MetricFamily kIdle{"envoy_tcp_idle_timeout",
                             "Client connections of TCP gateways closed because nothing moved."};
constexpr MetricFamily kForced{"sluice_tcp_downstream_cx_ended_by_force_total",
                               "Client connections of TCP gateways ended when drainTimeout was over."};

}  // namespace

std::vector<MetricFamily> tcp_metric_families() {
  return {kConnections, kActive, kNoRoute, kReceived, kSent, kIdle, kForced};
}

TcpMetrics::TcpMetrics(Metrics& metrics) {
  const auto get = [&](const MetricFamily& family) { return metrics.metric(family, {{"envoy_tcp_prefix", "tcp"}}); };
  connections = get(kConnections);
  connections_active = get(kActive);
  no_route = get(kNoRoute);
  bytes_received = get(kReceived);
  bytes_sent = get(kSent);
  idle_timeouts = get(kIdle);
  forced = get(kForced);
}

// --- one connection ---------------------------------------------------------------------------------------------

class TcpServer::Session final : private TunnelCounts {
 public:
  Session(TcpServer& server, Arrival arrival, uint64_t id);
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  ~Session() { metrics_->connections_active->sub(); }

  void start() {
    if (log_interval_.count() > 0 && observer_)
      timer_.arm(server_.loop, server_.loop.now() + log_interval_, reporting_);
    runner_.start(run());
  }
  void abort();

 private:
  friend class TcpServer;
  // Nobody is there any more to be connected.
  struct Gone final : Waiter {
    explicit Gone(Session& s) : session(s) {}
    void wake() override { session.client_stumbled(); }
    void cancel() override {}
    Session& session;
  };

  // A line of the log is due while it is open.
  struct Reporting final : Waiter {
    explicit Reporting(Session& s) : session(s) {}
    void wake() override { session.report(); }
    void cancel() override {}
    Session& session;
  };

  void report();
  Task<void> run();
  Task<std::unique_ptr<TcpConnection>> connect();
  Task<void> relay();
  const TcpService* destination();
  void client_stumbled();
  void to_upstream(uint64_t bytes) override;
  void to_client(uint64_t bytes) override;
  static void on_done(void* self, Result<void> result);
  void finish(const Result<void>& result);
  Stream& client() const { return *arrival_.stream; }

  TcpServer& server_;
  // Until there is a connection; a session may last for days.
  std::shared_ptr<const void> keep_;
  const TcpConfig* config_;
  const Nanos idle_timeout_;
  const Nanos log_interval_;
  const std::shared_ptr<const ExchangeObserver> observer_;
  const std::shared_ptr<const TcpMetrics> metrics_;
  Arrival arrival_;
  Arena arena_;
  StreamInfo info_;
  std::unique_ptr<TcpConnection> upstream_;
  Gone gone_{*this};
  Reporting reporting_{*this};
  Timer timer_;
  std::list<std::unique_ptr<Session>>::iterator self_;
  Runner runner_{this, &Session::on_done};
};

TcpServer::Session::Session(TcpServer& server, Arrival arrival, uint64_t id)
    : server_(server),
      keep_(server.keep_),
      config_(server.config_),
      idle_timeout_(config_->idle_timeout),
      log_interval_(config_->log_interval),
      observer_(config_->observer),
      metrics_(config_->metrics),
      arrival_(std::move(arrival)) {
  metrics_->connections->add();
  metrics_->connections_active->add();
  info_.start = server.loop.now();
  info_.start_wall = server.loop.wall();
  info_.protocol = {};
  info_.connection_id = id;
  info_.tls = client().tls();
  info_.requested_server_name = info_.tls ? std::string_view(info_.tls->sni) : arrival_.server_name;
  info_.downstream_peer = &arrival_.peer;
  info_.downstream_address = &arrival_.seat.listener().address();
  if (const Introduction* said = arrival_.introduction.get()) {
    info_.downstream_direct_peer = &said->direct_peer;
    info_.downstream_address = &said->local_address;
    info_.metadata = said->metadata;
  }
}

// Null: there is none.
const TcpService* TcpServer::Session::destination() {
  if (config_->by_server_name) {
    const std::string_view name = info_.requested_server_name;
    const auto found = config_->clusters.find(name);
    info_.upstream_cluster = arena_.copy(name);
    return found == config_->clusters.end() ? nullptr : found->second.get();
  }
  uint64_t total = 0;
  for (const TcpConfig::Destination& one : config_->destinations) total += one.weight;
  if (total == 0) return nullptr;
  uint64_t at = config_->destinations.size() == 1 ? 0 : server_.loop.random.below(total);
  for (const TcpConfig::Destination& one : config_->destinations) {
    if (at < one.weight) return one.service.get();
    at -= one.weight;
  }
  return nullptr;
}

Task<void> TcpServer::Session::run() {
  auto connecting = connect();
  upstream_ = CO_TRY(co_await connecting);
  keep_.reset();
  config_ = nullptr;
  if (!upstream_) co_return Status{};
  auto relaying = relay();
  co_return co_await relaying;
}

Task<std::unique_ptr<TcpConnection>> TcpServer::Session::connect() {
  const TcpService* const to = destination();
  if (!to) {
    metrics_->no_route->add();
    info_.end(OutcomeKind::no_cluster, arena_);
    co_return nullptr;
  }
  client().when_hung_up(&gone_);
  TcpClient asking{.arena = arena_,
                   .loop = server_.loop,
                   .upstreams = server_.upstreams,
                   .info = info_,
                   .stream = client(),
                   .introduced_as = arrival_.introduction ? &arrival_.introduction->local_address : nullptr,
                   .tunnel = config_->tunnel.get()};
  auto connecting = to->connect(asking, config_->connect_attempts_max);
  auto connected = co_await connecting;
  client().when_hung_up(nullptr);
  co_return connected;
}

Task<void> TcpServer::Session::relay() {
  UpstreamTunnel far{upstream_->stream(), {}, {}};
  Tunnel tunnel(client(), far, idle_timeout_, *this);
  auto relaying = tunnel.run({});
  auto relayed = co_await relaying;
  if (!relayed && relayed.error().kind == ErrorKind::timeout) {
    metrics_->idle_timeouts->add();
    info_.details = "idle_timeout";
  }
  co_return relayed;
}

void TcpServer::Session::report() {
  observer_->tcp_finished(info_, server_.loop.now());
  timer_.arm(server_.loop, server_.loop.now() + log_interval_, reporting_);
}

// Half a close is none: the client may have said all that it has to say.
void TcpServer::Session::client_stumbled() {
  if (client().is_broken()) return runner_.cancel();
  client().when_hung_up(&gone_);
}

void TcpServer::Session::to_upstream(uint64_t bytes) {
  info_.bytes_received += bytes;
  metrics_->bytes_received->add(static_cast<int64_t>(bytes));
  upstream_->sent(bytes);
}

void TcpServer::Session::to_client(uint64_t bytes) {
  if (!info_.upstream_first_byte) info_.upstream_first_byte = server_.loop.now();
  info_.bytes_sent += bytes;
  metrics_->bytes_sent->add(static_cast<int64_t>(bytes));
  upstream_->received(bytes);
}

void TcpServer::Session::abort() {
  metrics_->forced->add();
  runner_.cancel();
}

void TcpServer::Session::on_done(void* self, Result<void> result) {
  auto& session = *static_cast<Session*>(self);
  session.finish(result);
  session.server_.sessions_.erase(session.self_);
}

void TcpServer::Session::finish(const Result<void>& result) {
  const bool client_left = !result && result.error().kind == ErrorKind::cancelled && client().is_broken();
  if (!upstream_ && client_left) info_.end(OutcomeKind::client_gone, arena_);
  const SteadyTime now = server_.loop.now();
  info_.upstream_last_byte = now;
  info_.code = 0;
  if (observer_) observer_->tcp_finished(info_, now);
}

// --- all of them ------------------------------------------------------------------------------------------------

TcpServer::TcpServer(Loop& l, Upstreams& u) : loop(l), upstreams(u) {}

TcpServer::~TcpServer() {
  CHECK(sessions_.empty());
}

void TcpServer::take(Arrival arrival) {
  auto& session = *sessions_.emplace_back(std::make_unique<Session>(*this, std::move(arrival), ++last_id_));
  session.self_ = std::prev(sessions_.end());
  session.start();
}

void TcpServer::abort() {
  while (!sessions_.empty()) sessions_.front()->abort();
}

}  // namespace sluice
