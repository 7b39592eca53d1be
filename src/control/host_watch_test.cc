#include "control/host_watch.h"

#include <gtest/gtest.h>

#include "forward/dns/testing.h"
#include "net/testing.h"

namespace sluice {
namespace {

// Static Upstreams u0, u1, ... with a host h0.test, h1.test, ... each, and one more that has all of them.
struct Lab {
  static constexpr size_t kNames = 2000;

  Lab() {
    loop.use_manual_clock(SteadyTime(1000s), WallTime(0s));
    ResolverConfig config;
    config.servers.list = {{server.endpoint()}};
    config.names.hosts_max = kNames;
    config.names.failure_max = 1s;
    const auto resolver = pool.make(std::move(config));
    const auto all = cluster("all", resolver);
    for (size_t i = 0; i < kNames; ++i) {
      const auto one = cluster(fmt::format("u{}", i), resolver);
      one->hosts = {{.name = fmt::format("h{}.test", i), .address = {}, .port = 1, .weight = 1}};
      all->hosts.push_back(one->hosts[0]);
      uses.emplace(ObjectKey{"Upstream", "ns", one->cluster->name}, one);
    }
    uses.emplace(ObjectKey{"Upstream", "ns", "all"}, all);
  }
  ~Lab() {
    watch.follow(std::make_shared<const StaticClusters>());
    uses.clear();
    settle(loop);
  }
  std::shared_ptr<StaticCluster> cluster(std::string name, const std::shared_ptr<ResolverView>& resolver) {
    auto made = std::make_shared<StaticCluster>(loops);
    made->cluster = std::make_shared<Cluster>(std::move(name), kinds::CircuitBreakers{}, 1, metrics);
    made->resolver = resolver;
    return made;
  }
  // Time for all names that are asked for to fail.
  void fail_all() {
    settle(loop);
    loop.advance(query_timeout);
    settle(loop);
  }

  Loop loop;
  Metrics metrics{1};
  Nanos query_timeout = ResolverConfig{}.names.query_timeout;
  FakeDns server{loop};  // silent
  OwnedLoops loops{{&loop}};
  ResolverPool pool{loops};
  std::vector<std::set<ObjectKey>> told;
  std::map<ObjectKey, std::shared_ptr<const StaticCluster>> uses;
  HostWatch watch{loop, [this](const std::set<ObjectKey>& upstreams) { told.push_back(upstreams); }};
};

TEST(HostWatch, tells_of_all_names_that_fail_at_once_together) {
  Lab lab;
  lab.watch.follow(std::make_shared<const StaticClusters>(lab.uses));
  lab.fail_all();
  EXPECT_EQ(lab.told.size(), 0U);
  lab.loop.advance(HostWatch::kTellAfter);
  settle(lab.loop);
  ASSERT_EQ(lab.told.size(), 1U);  // a status each, not all statuses for each name
  EXPECT_EQ(lab.told[0].size(), Lab::kNames + 1);
  EXPECT_EQ(lab.watch.warnings({"Upstream", "ns", "u7"}),
            std::vector<std::string>{"Upstream Warning: host h7.test:1 cannot be resolved: resolve_timeout"});
  EXPECT_EQ(lab.watch.warnings({"Upstream", "ns", "all"}).size(), Lab::kNames);
  EXPECT_EQ(lab.watch.warnings({"Upstream", "ns", "other"}).size(), 0U);

  lab.loop.advance(HostWatch::kEvery);
  lab.fail_all();
  lab.loop.advance(HostWatch::kTellAfter);
  settle(lab.loop);
  EXPECT_EQ(lab.told.size(), 1U);  // nothing has changed
}

}  // namespace
}  // namespace sluice
