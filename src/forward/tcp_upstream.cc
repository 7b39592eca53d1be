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

// What a connection takes while it is made, and as long as it is open. The endpoint counts it as a request under way.
class UpstreamTcp final : public TcpConnection {
 public:
  explicit UpstreamTcp(ForwardTarget target)
      : pool(target.pool), endpoint(std::move(target.endpoint)), user_(pool), place_(pool) {
    metrics().connections->add();
  }

  Stream& stream() override { return *stream_; }
  void sent(uint64_t bytes) override { metrics().bytes_sent->add(static_cast<int64_t>(bytes)); }
  void received(uint64_t bytes) override { metrics().bytes_received->add(static_cast<int64_t>(bytes)); }

  void connected(std::unique_ptr<Stream> stream) { stream_ = std::move(stream); }
  const ClusterMetrics& metrics() const { return pool.cluster->metrics; }

  ConnectionPool& pool;
  EndpointSet::Use endpoint;

 private:
  const ConnectionPool::User user_;
  const ConnectionPlace place_;
  std::unique_ptr<Stream> stream_;
};

class ConnectingTcp {
 public:
  ConnectingTcp(StaticPools& pools, const Cluster& cluster, TcpClient& client)
      : pools_(pools), cluster_(cluster), client_(client) {}

  Task<std::unique_ptr<TcpConnection>> run(unsigned attempts_max);

 private:
  Task<std::optional<ForwardTarget>> choose();
  Task<std::unique_ptr<TcpConnection>> attempt(ForwardTarget target);
  Task<std::unique_ptr<Stream>> race(UpstreamTcp& connection);
  Task<std::unique_ptr<Stream>> prepare(const UpstreamTcp& connection, std::unique_ptr<Stream> stream);
  void learn_failure(const UpstreamTcp& connection, const SocketAddress& address, const Error& error);
  std::unique_ptr<TcpConnection> fail(OutcomeKind kind, std::string_view rule = {});

  StaticPools& pools_;
  const Cluster& cluster_;
  TcpClient& client_;
  std::vector<EndpointSet::Id> tried_;
  Error last_;
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
    if (!(*target)->pool.make_room()) {
      cluster_.metrics.connections_overflow->add();
      co_return fail(OutcomeKind::upstream_overflow);
    }
    auto connecting = attempt(**std::move(target));
    auto connection = CO_TRY(co_await connecting);
    if (connection) co_return connection;
  }
  cluster_.metrics.connect_attempts_exceeded->add();
  fail(connect_outcome(last_), client_.arena.copy(last_.message));
  client_.info.set(ResponseFlag::retry_limit);  // as Envoy has it also where there is one attempt
  co_return nullptr;
}

// Null: it failed, and last_ says why.
Task<std::unique_ptr<TcpConnection>> ConnectingTcp::attempt(ForwardTarget target) {
  auto connection = std::make_unique<UpstreamTcp>(std::move(target));
  client_.info.upstream_host = client_.arena.copy(connection->endpoint->address().to_string());
  auto racing = race(*connection);
  auto stream = co_await racing;
  if (!stream && stream.error().kind == ErrorKind::cancelled) co_return std::unexpected(std::move(stream).error());
  if (!stream) {
    last_ = std::move(stream).error();
    client_.info.upstream_transport_failure = client_.arena.copy(last_.message);
    co_return nullptr;
  }
  client_.info.upstream_local_address = client_.arena.copy((*stream)->local_address().to_string());
  connection->connected(*std::move(stream));
  co_return connection;
}

Task<std::unique_ptr<Stream>> ConnectingTcp::race(UpstreamTcp& connection) {
  EndpointSet& set = connection.endpoint.set();
  std::vector<SocketAddress> good{connection.endpoint->address()};
  std::vector<SocketAddress> last_resort;
  if (set.size() > 1) set.others(*connection.endpoint, tried_, client_.loop.now(), good, last_resort);
  FamiliesByTurns order(good, last_resort);
  RacePlaces places(connection.pool);
  ConnectRace race(client_.loop, connection.pool.connections.dialer, order,
                   {.connect_timeout = cluster_.connect_timeout, .places = &places});
  auto running = race.run();
  auto stream = co_await running;
  for (const auto& failure : race.failures()) learn_failure(connection, *failure.address, failure.error);
  if (!stream) co_return std::unexpected(std::move(stream).error());
  if (race.winner() != connection.endpoint->address()) {
    if (auto* winner = set.find(race.winner(), connection.endpoint->host()))
      connection.endpoint = EndpointSet::Use(set, *winner);
    client_.info.upstream_host = client_.arena.copy(race.winner().to_string());
  }
  if (connection.pool.tls || cluster_.proxy_protocol) {
    auto preparing = prepare(connection, *std::move(stream));
    stream = co_await preparing;
    if (!stream && stream.error().kind != ErrorKind::cancelled)
      learn_failure(connection, connection.endpoint->address(), stream.error());
    if (!stream) co_return std::unexpected(std::move(stream).error());
  }
  learn_connected(cluster_, connection.endpoint);
  if (client_.tunnel) {
    auto tunnelling = connect_through(*std::move(stream), *client_.tunnel, client_.info,
                                      later(client_.loop.now(), cluster_.connect_timeout));
    stream = co_await tunnelling;
    if (!stream && stream.error().kind != ErrorKind::cancelled)
      learn_failure(connection, connection.endpoint->address(), stream.error());
  }
  co_return std::move(stream);
}

// What stands before the client's bytes.
Task<std::unique_ptr<Stream>> ConnectingTcp::prepare(const UpstreamTcp& connection, std::unique_ptr<Stream> stream) {
  if (cluster_.proxy_protocol) {
    const std::string said = introduction(cluster_, client_.info.downstream_peer, client_.connected_to());
    auto introducing = stream->write_all(said, cluster_.connect_timeout);
    CO_TRY(co_await introducing);
  }
  if (!connection.pool.tls) co_return std::move(stream);
  stream = connection.pool.tls->connect_for_bytes(std::move(stream));
  auto shaking = stream->established(later(client_.loop.now(), cluster_.connect_timeout));
  CO_TRY(co_await shaking);
  cluster_.metrics.tls_handshakes->add();
  if (stream->tls()->resumed) cluster_.metrics.tls_resumed->add();
  co_return std::move(stream);
}

void ConnectingTcp::learn_failure(const UpstreamTcp& connection, const SocketAddress& address, const Error& error) {
  learn_connect_failure(cluster_, connection.endpoint, address, error, client_.loop.now(), tried_);
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
