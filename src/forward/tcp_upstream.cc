#include "forward/tcp_upstream.h"

#include "base/log.h"
#include "forward/connect_tunnel.h"
#include "forward/introduction.h"
#include "forward/learning.h"
#include "forward/race_places.h"
#include "forward/static_pools.h"
#include "net/dialer.h"
#include "net/tls_info.h"

namespace sluice {
namespace {

// The endpoint counts it as a request under way.
class ToEndpoint : public TcpConnection {
 public:
  explicit ToEndpoint(ForwardTarget target) : pool(target.pool), endpoint(std::move(target.endpoint)), user_(pool) {}

  void sent(uint64_t bytes) override { metrics().bytes_sent->add(static_cast<int64_t>(bytes)); }
  void received(uint64_t bytes) override { metrics().bytes_received->add(static_cast<int64_t>(bytes)); }
  const ClusterMetrics& metrics() const { return pool.cluster->metrics; }

  ConnectionPool& pool;
  EndpointSet::Use endpoint;

 private:
  const ConnectionPool::User user_;
};

// What a connection takes while it is made, and as long as it is open.
class UpstreamTcp final : public ToEndpoint {
 public:
  explicit UpstreamTcp(ForwardTarget target) : ToEndpoint(std::move(target)), place_(pool) {
    metrics().connections->add();
  }
  Stream& stream() override { return *stream_; }
  void connected(std::unique_ptr<Stream> stream) { stream_ = std::move(stream); }

 private:
  const ConnectionPlace place_;
  std::unique_ptr<Stream> stream_;
};

// On a connection to a proxy of HTTP/2, which it shares with others.
class TunnelTcp final : public ToEndpoint {
 public:
  explicit TunnelTcp(ForwardTarget target) : ToEndpoint(std::move(target)) { metrics().requests_active->add(1); }
  ~TunnelTcp() override { metrics().requests_active->add(-1); }
  Stream& stream() override { return tunnel->stream(); }

  ConnectionUse connection;
  std::optional<Http2Tunnel> tunnel;
};

class ConnectingTcp {
 public:
  ConnectingTcp(StaticPools& pools, const Cluster& cluster, TcpClient& client)
      : pools_(pools), cluster_(cluster), client_(client) {}

  Task<std::unique_ptr<TcpConnection>> run(unsigned attempts_max);

 private:
  Task<std::optional<ForwardTarget>> choose();
  bool has_room(ConnectionPool& pool);
  bool tunnels_by_http2() const { return client_.tunnel && cluster_.protocol == UpstreamProtocol::http2; }
  Task<std::unique_ptr<TcpConnection>> attempt(ForwardTarget target);
  Task<std::unique_ptr<Stream>> connect(UpstreamTcp& connection);
  Task<void> tunnel(TunnelTcp& through);
  Task<void> connect(TunnelTcp& through, std::string introduction);
  Task<std::unique_ptr<Stream>> race(ToEndpoint& to);
  Task<std::unique_ptr<Stream>> prepare(const ToEndpoint& to, std::unique_ptr<Stream> stream);
  void learn_failure(const ToEndpoint& to, const SocketAddress& address, const Error& error);
  std::unique_ptr<TcpConnection> fail(OutcomeKind kind, std::string_view rule = {});

  StaticPools& pools_;
  const Cluster& cluster_;
  TcpClient& client_;
  std::vector<EndpointSet::Id> tried_;
  Error last_;
  bool overflow_ = false;  // that was a limit of the cluster
};

std::unique_ptr<TcpConnection> ConnectingTcp::fail(OutcomeKind kind, std::string_view rule) {
  client_.info.end({kind, rule}, client_.arena);
  return nullptr;
}

// An endpoint that has not been tried; when all have been, from the beginning.
Task<std::optional<ForwardTarget>> ConnectingTcp::choose() {
  if (!tried_.empty()) {
    auto choosing = pools_.next(nullptr, tried_);
    auto target = co_await choosing;
    if (!target || *target) co_return target;
    tried_.clear();
  }
  auto choosing = pools_.next(nullptr, {});
  co_return co_await choosing;
}

Task<std::unique_ptr<TcpConnection>> ConnectingTcp::run(unsigned attempts_max) {
  client_.info.upstream_cluster = client_.arena.copy(cluster_.name);
  for (unsigned attempts = 0; attempts < attempts_max; ++attempts) {
    auto choosing = choose();
    auto target = co_await choosing;
    if (!target && target.error().kind == ErrorKind::cancelled) co_return std::unexpected(std::move(target).error());
    if (!target || !*target) co_return fail(OutcomeKind::no_healthy_upstream);
    ++client_.info.attempts;
    auto connecting = attempt(**std::move(target));
    auto connection = CO_TRY(co_await connecting);
    if (connection) co_return connection;
    if (overflow_) co_return fail(OutcomeKind::upstream_overflow);
  }
  cluster_.metrics.connect_attempts_exceeded->add();
  fail(connect_outcome(last_), client_.arena.copy(last_.message));
  client_.info.set(ResponseFlag::retry_limit);  // as Envoy has it also where there is one attempt
  co_return nullptr;
}

bool ConnectingTcp::has_room(ConnectionPool& pool) {
  if (pool.make_room()) return true;
  cluster_.metrics.connections_overflow->add();
  overflow_ = true;
  return false;
}

// Null: it failed, and last_ says why.
Task<std::unique_ptr<TcpConnection>> ConnectingTcp::attempt(ForwardTarget target) {
  client_.info.upstream_host = client_.arena.copy(target.endpoint->address().to_string());
  std::unique_ptr<TcpConnection> out;
  Status connected;
  if (tunnels_by_http2()) {
    if (!cluster_.fits(*cluster_.metrics.requests_active, cluster_.requests_max)) {
      cluster_.metrics.pending_overflow->add();
      overflow_ = true;
      co_return nullptr;
    }
    auto through = std::make_unique<TunnelTcp>(std::move(target));
    auto tunnelling = tunnel(*through);
    connected = co_await tunnelling;
    out = std::move(through);
  } else {
    if (!has_room(target.pool)) co_return nullptr;
    auto connection = std::make_unique<UpstreamTcp>(std::move(target));
    auto connecting = connect(*connection);
    auto stream = co_await connecting;
    if (stream)
      connection->connected(*std::move(stream));
    else
      connected = std::unexpected(std::move(stream).error());
    out = std::move(connection);
  }
  if (connected) {
    client_.info.upstream_local_address = client_.arena.copy(out->stream().local_address().to_string());
    co_return out;
  }
  if (overflow_) co_return nullptr;
  if (connected.error().kind == ErrorKind::cancelled) co_return std::unexpected(std::move(connected).error());
  last_ = std::move(connected).error();
  client_.info.upstream_transport_failure = client_.arena.copy(last_.message);
  co_return nullptr;
}

Task<std::unique_ptr<Stream>> ConnectingTcp::connect(UpstreamTcp& connection) {
  auto racing = race(connection);
  auto stream = co_await racing;
  if (!stream || !client_.tunnel) co_return std::move(stream);
  auto tunnelling = connect_through(*std::move(stream), *client_.tunnel, client_.info,
                                    later(client_.loop.now(), cluster_.connect_timeout));
  stream = co_await tunnelling;
  if (!stream && stream.error().kind != ErrorKind::cancelled)
    learn_failure(connection, connection.endpoint->address(), stream.error());
  co_return std::move(stream);
}

// A connection that lay in the pool may turn out to have been closed, before the proxy has seen anything of this: then
// one of its own counts as the same attempt.
Task<void> ConnectingTcp::tunnel(TunnelTcp& through) {
  const std::string introduced =
      cluster_.proxy_protocol ? introduction(cluster_, client_.info.downstream_peer, client_.connected_to()) : "";
  for (const bool fresh : {false, true}) {
    if (!fresh)
      through.connection = through.pool.take({&through.endpoint->address(), 1}, UpstreamProtocol::http2, introduced);
    const bool reused = through.connection != nullptr;
    if (!reused) {
      auto connecting = connect(through, introduced);
      CO_TRY(co_await connecting);
    }
    ++through.connection->uses;
    auto asking = through.tunnel.emplace().connect(*through.connection->session, *client_.tunnel, client_.info,
                                                   client_.loop.now(), cluster_.connect_timeout);
    auto asked = co_await asking;
    if (asked) co_return asked;
    const bool unseen = !through.tunnel->heard() && asked.error().kind != ErrorKind::timeout;
    through.tunnel.reset();
    through.connection.reset();
    if (asked.error().kind == ErrorKind::cancelled) co_return asked;
    if (reused && unseen) continue;
    learn_failure(through, through.endpoint->address(), asked.error());
    co_return asked;
  }
  co_return Status{};
}

Task<void> ConnectingTcp::connect(TunnelTcp& through, std::string introduction) {
  if (!has_room(through.pool)) co_return sluice::fail(ErrorKind::limit, "the cluster takes no more connections");
  auto connection = ConnectionUse(new UpstreamConnection(through.pool, through.endpoint->address()));
  connection->made_for = UpstreamProtocol::http2;
  connection->introduction = std::move(introduction);
  auto racing = race(through);
  auto stream = CO_TRY(co_await racing);
  connection->connected(through.endpoint->address(), h2::make_client_session(std::move(stream), cluster_.http2));
  through.connection = std::move(connection);
  co_return Status{};
}

// Ready for the client's bytes, or for CONNECT.
Task<std::unique_ptr<Stream>> ConnectingTcp::race(ToEndpoint& to) {
  EndpointSet& set = to.endpoint.set();
  std::vector<SocketAddress> good{to.endpoint->address()};
  std::vector<SocketAddress> last_resort;
  if (set.size() > 1) set.others(*to.endpoint, tried_, client_.loop.now(), good, last_resort);
  FamiliesByTurns order(good, last_resort);
  RacePlaces places(to.pool);
  ConnectRace race(client_.loop, to.pool.connections.dialer, order,
                   {.connect_timeout = cluster_.connect_timeout, .places = &places});
  auto running = race.run();
  auto stream = co_await running;
  for (const auto& failure : race.failures()) learn_failure(to, *failure.address, failure.error);
  if (!stream) co_return std::unexpected(std::move(stream).error());
  if (race.winner() != to.endpoint->address()) {
    if (auto* winner = set.find(race.winner(), to.endpoint->host())) to.endpoint = EndpointSet::Use(set, *winner);
    client_.info.upstream_host = client_.arena.copy(race.winner().to_string());
  }
  if (to.pool.tls || cluster_.proxy_protocol) {
    auto preparing = prepare(to, *std::move(stream));
    stream = co_await preparing;
    if (!stream && stream.error().kind != ErrorKind::cancelled)
      learn_failure(to, to.endpoint->address(), stream.error());
    if (!stream) co_return std::unexpected(std::move(stream).error());
  }
  learn_connected(cluster_, to.endpoint);
  co_return std::move(stream);
}

// What stands before the client's bytes.
Task<std::unique_ptr<Stream>> ConnectingTcp::prepare(const ToEndpoint& to, std::unique_ptr<Stream> stream) {
  if (cluster_.proxy_protocol) {
    const std::string said = introduction(cluster_, client_.info.downstream_peer, client_.connected_to());
    auto introducing = stream->write_all(said, cluster_.connect_timeout);
    CO_TRY(co_await introducing);
  }
  if (!to.pool.tls) co_return std::move(stream);
  stream = tunnels_by_http2() ? to.pool.tls->connect(std::move(stream), UpstreamProtocol::http2)
                              : to.pool.tls->connect_for_bytes(std::move(stream));
  auto shaking = stream->established(later(client_.loop.now(), cluster_.connect_timeout));
  CO_TRY(co_await shaking);
  cluster_.metrics.tls_handshakes->add();
  if (stream->tls()->resumed) cluster_.metrics.tls_resumed->add();
  co_return std::move(stream);
}

void ConnectingTcp::learn_failure(const ToEndpoint& to, const SocketAddress& address, const Error& error) {
  learn_connect_failure(cluster_, to.endpoint, address, error, client_.loop.now(), tried_);
}

class TcpUpstream final : public TcpService {
 public:
  explicit TcpUpstream(std::shared_ptr<const StaticCluster> cluster) : cluster_(std::move(cluster)) {}
  Task<std::unique_ptr<TcpConnection>> connect(TcpClient& client, unsigned attempts_max) const override {
    StaticPools& pools = cluster_->pools.here(client.upstreams);
    return client.arena.make<ConnectingTcp>(pools, *cluster_->cluster, client)->run(attempts_max);
  }
  std::string_view cluster_name() const override { return cluster_->cluster->name; }

 private:
  std::shared_ptr<const StaticCluster> cluster_;
};

}  // namespace

std::shared_ptr<const TcpService> make_tcp_upstream(std::shared_ptr<const StaticCluster> cluster) {
  return std::make_shared<TcpUpstream>(std::move(cluster));
}

}  // namespace sluice
