#include "forward/budget.h"

#include <gtest/gtest.h>
#include <deque>

#include "forward/connection.h"
#include "http/h1/client_session.h"
#include "net/memory_stream.h"
#include "net/testing.h"

namespace sluice {
namespace {

constexpr SocketAddress kNowhere{};

// A worker's clusters; connections that were never opened count like others.
struct World {
  explicit World(size_t connections_max, uint32_t of_cluster = 1024) : budget(connections_max, BudgetMetrics(metrics)) {
    loop.use_manual_clock(SteadyTime(1000s), WallTime(0s));
    kinds::CircuitBreakers breakers;
    breakers.max_connections = of_cluster;
    cluster = std::make_shared<Cluster>("c", breakers, 1, metrics);
  }
  int64_t given_up() { return metrics.metric(budget_metric_families()[0])->value(); }

  Loop loop;
  Metrics metrics{1};
  ConnectionBudget budget;
  std::shared_ptr<Cluster> cluster;
};

// One destination and the connections that are in use there.
struct Place {
  Place(World& w, ClusterConnections& connections) : world(w), pool(w.loop, connections) {}
  bool open() {
    if (!pool.make_room()) return false;
    busy.push_back(ConnectionUse(new UpstreamConnection(pool, kNowhere)));
    return true;
  }
  size_t open(size_t count) {
    size_t opened = 0;
    while (opened < count && open()) ++opened;
    return opened;
  }
  void let_idle() {
    for (auto& connection : busy) {
      far.push_back(memory_streams(world.loop));
      connection->session = h1::make_client_session(std::move(far.back().upstream));
      pool.keep(std::move(connection));
      world.loop.advance(1ms);
    }
    busy.clear();
  }
  World& world;
  ConnectionPool pool;
  std::vector<ConnectionUse> busy;
  std::vector<StreamPair> far;  // the upstream's ends
};

TEST(Budget, keeps_a_quarter_for_the_hosts_of_the_operator) {
  World world(8);
  ClusterConnections of_clients(world.budget, world.cluster, HostsBy::client);
  ClusterConnections of_operator(world.budget, world.cluster, HostsBy::operator_);
  Place dynamic(world, of_clients), fixed(world, of_operator);
  EXPECT_EQ(dynamic.open(100), 6U);
  EXPECT_EQ(fixed.open(100), 2U);
  EXPECT_EQ(world.budget.open(), 8U);
}

TEST(Budget, gives_up_the_longest_idle_dynamic_connections_first) {
  World world(8);
  ClusterConnections of_clients(world.budget, world.cluster, HostsBy::client);
  ClusterConnections of_operator(world.budget, world.cluster, HostsBy::operator_);
  Place first(world, of_clients), second(world, of_clients), fixed(world, of_operator), more(world, of_operator);
  EXPECT_EQ(fixed.open(2), 2U);
  fixed.let_idle();
  EXPECT_EQ(first.open(3), 3U);
  first.let_idle();
  EXPECT_EQ(second.open(3), 3U);
  second.let_idle();
  EXPECT_EQ(more.open(4), 4U);
  EXPECT_EQ(first.pool.open(), 0U);
  EXPECT_EQ(second.pool.open(), 2U);
  EXPECT_EQ(fixed.pool.open(), 2U);
  EXPECT_EQ(world.given_up(), 4);
  EXPECT_EQ(more.open(100), 4U);  // the other two dynamic ones, and at last those of the operator
  EXPECT_EQ(fixed.pool.open(), 0U);
  EXPECT_EQ(world.budget.open(), 8U);
}

TEST(Budget, never_grows_whatever_number_of_destinations_there_is) {
  World world(16);
  ClusterConnections of_clients(world.budget, world.cluster, HostsBy::client);
  std::deque<Place> places;
  for (int i = 0; i < 100; ++i) {
    Place& place = places.emplace_back(world, of_clients);
    EXPECT_TRUE(place.open());
    place.let_idle();
    EXPECT_LE(world.budget.open(), 12U);
  }
  places.clear();
  EXPECT_EQ(world.budget.open(), 0U);
}

TEST(Budget, lets_a_cluster_at_its_limit_open_for_a_new_destination_what_idles_elsewhere) {
  World world(1000, 4);
  ClusterConnections of_clients(world.budget, world.cluster, HostsBy::client);
  std::deque<Place> places;
  for (int i = 0; i < 50; ++i) {
    Place& place = places.emplace_back(world, of_clients);
    EXPECT_TRUE(place.open());
    place.let_idle();
    EXPECT_LE(world.cluster->metrics.connections_active->value(), 4);
  }
  EXPECT_EQ(places.back().pool.idle(), 1U);
  EXPECT_FALSE(places.back().pool.make_room());  // has one, which will do
}

TEST(Budget, gives_up_nothing_that_is_busy) {
  World world(4);
  ClusterConnections of_operator(world.budget, world.cluster, HostsBy::operator_);
  Place busy(world, of_operator), late(world, of_operator);
  EXPECT_EQ(busy.open(100), 4U);
  EXPECT_FALSE(late.open());
  EXPECT_FALSE(world.budget.give_up_any());
  busy.let_idle();
  EXPECT_TRUE(late.open());
}

// As many attempts as there may be to a place.
size_t attempt(Place& place, std::deque<AttemptPlace>& attempts, size_t most = 100) {
  const size_t before = attempts.size();
  while (attempts.size() - before < most && place.pool.make_room_for_attempt()) attempts.emplace_back(place.pool);
  return attempts.size() - before;
}

TEST(Budget, has_an_eighth_for_attempts_and_a_quarter_of_that_for_the_hosts_of_the_operator) {
  World world(64);
  ClusterConnections of_clients(world.budget, world.cluster, HostsBy::client);
  ClusterConnections of_operator(world.budget, world.cluster, HostsBy::operator_);
  Place dynamic(world, of_clients), fixed(world, of_operator);
  std::deque<AttemptPlace> attempts;
  EXPECT_EQ(attempt(dynamic, attempts), 6U);
  EXPECT_EQ(attempt(fixed, attempts), 2U);
  attempts.pop_front();
  EXPECT_EQ(attempt(fixed, attempts), 1U);
  EXPECT_EQ(fixed.open(100) + attempts.size(), 64U) << "what is no attempt may have all the rest";
}

TEST(Budget, lets_no_attempt_begin_when_half_of_it_is_busy) {
  World world(64);
  ClusterConnections of_clients(world.budget, world.cluster, HostsBy::client);
  ClusterConnections of_operator(world.budget, world.cluster, HostsBy::operator_);
  Place dynamic(world, of_clients), fixed(world, of_operator);
  std::deque<AttemptPlace> attempts;
  EXPECT_EQ(dynamic.open(23), 23U);
  EXPECT_EQ(attempt(dynamic, attempts), 1U) << "half of their three quarters";
  EXPECT_EQ(attempt(fixed, attempts, 1), 1U);
  EXPECT_EQ(fixed.open(6), 6U);
  EXPECT_EQ(attempt(fixed, attempts), 1U);
  dynamic.let_idle();
  EXPECT_EQ(attempt(dynamic, attempts), 5U);
}

TEST(Budget, closes_for_attempts_only_what_idles_at_the_hosts_of_clients) {
  World world(16);
  ClusterConnections of_clients(world.budget, world.cluster, HostsBy::client);
  ClusterConnections of_operator(world.budget, world.cluster, HostsBy::operator_);
  Place dynamic(world, of_clients), fixed(world, of_operator), more(world, of_operator);
  std::deque<AttemptPlace> attempts;
  EXPECT_EQ(fixed.open(15), 15U);
  fixed.let_idle();
  EXPECT_EQ(dynamic.open(1), 1U);
  EXPECT_EQ(attempt(more, attempts), 0U);
  dynamic.let_idle();
  EXPECT_EQ(attempt(more, attempts), 1U);
  EXPECT_EQ(dynamic.pool.idle(), 0U);
  EXPECT_EQ(fixed.pool.idle(), 15U);
  EXPECT_EQ(world.given_up(), 1);
}

TEST(Budget, counts_idle_connections_of_a_cluster_as_free_for_attempts_below_its_limit) {
  World world(1000, 8);
  ClusterConnections of_operator(world.budget, world.cluster, HostsBy::operator_);
  Place place(world, of_operator);
  std::deque<AttemptPlace> attempts;
  EXPECT_EQ(place.open(4), 4U);
  EXPECT_EQ(attempt(place, attempts), 0U);
  place.let_idle();
  EXPECT_EQ(attempt(place, attempts), 4U) << "of eight four idle";
}

}  // namespace
}  // namespace sluice
