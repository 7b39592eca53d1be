#include "serve/overload.h"

#include <gtest/gtest.h>

#include "base/log.h"

namespace sluice {
namespace {

std::vector<std::string> lines;

struct World {
  World() {
    lines.clear();
    log::set_sink([](std::string_view line) { lines.emplace_back(line.substr(line.find(' ') + 1)); });
  }
  ~World() { log::set_sink(nullptr); }
  void update(size_t connections, size_t memory, Nanos later = 2s) {
    now += later;
    overload.update({.connections = connections, .connections_max = 1000, .memory = memory, .memory_max = 1000}, now);
  }
  int64_t value(std::string_view name) { return metrics.metric({name, ""})->value(); }

  Metrics metrics{1};
  Overload overload{metrics};
  SteadyTime now{1000s};
};

TEST(Overload, of_memory_first_keeps_no_connections_then_refuses_requests) {
  World world;
  world.update(0, 899);
  EXPECT_FALSE(world.overload.ends_connections());
  EXPECT_EQ(world.overload.told(), "");
  world.update(0, 900);
  EXPECT_TRUE(world.overload.ends_connections());
  EXPECT_TRUE(world.overload.is_short_of_memory());
  EXPECT_FALSE(world.overload.refuses_requests());
  EXPECT_EQ(world.overload.idle_to_end(), 2048U);
  EXPECT_EQ(world.overload.told(),
            "overloaded: connections are not kept: client connections 0% of their bound, descriptors 0% of theirs, "
            "memory 90% of its limit\n");
  world.update(0, 950);
  EXPECT_TRUE(world.overload.refuses_requests());
  EXPECT_EQ(world.overload.told(),
            "overloaded: new requests are answered 503, connections are not kept: client connections 0% of their "
            "bound, descriptors 0% of theirs, memory 95% of its limit\n");
  EXPECT_EQ(world.value("envoy_overload_envoy_resource_monitors_fixed_heap_pressure"), 95);
  EXPECT_EQ(world.value("envoy_overload_envoy_overload_actions_stop_accepting_requests_active"), 1);
  // Back, each by its own number.
  world.update(0, 900);
  EXPECT_TRUE(world.overload.refuses_requests());
  world.update(0, 899);
  EXPECT_FALSE(world.overload.refuses_requests());
  EXPECT_TRUE(world.overload.ends_connections());
  world.update(0, 850);
  EXPECT_TRUE(world.overload.ends_connections());
  world.update(0, 849);
  EXPECT_FALSE(world.overload.ends_connections());
  EXPECT_EQ(world.overload.idle_to_end(), 0U);
  EXPECT_EQ(world.value("envoy_overload_envoy_overload_actions_stop_accepting_requests_active"), 0);
  EXPECT_EQ(world.value("envoy_overload_envoy_overload_actions_disable_http_keepalive_active"), 0);
  ASSERT_EQ(lines.size(), 4U) << "one for each change";
  EXPECT_TRUE(lines[0].starts_with("warn overload too much to do: connections are ended")) << lines[0];
  EXPECT_TRUE(lines[1].starts_with("warn overload too little memory: new requests are answered 503")) << lines[1];
  EXPECT_TRUE(lines[2].starts_with("info overload new requests are served again")) << lines[2];
  EXPECT_TRUE(lines[3].starts_with("info overload connections are kept again")) << lines[3];
}

TEST(Overload, of_connections_ends_as_many_idle_ones_as_are_too_many) {
  World world;
  world.update(949, 0);
  EXPECT_FALSE(world.overload.ends_connections());
  world.update(950, 0);
  EXPECT_TRUE(world.overload.ends_connections());
  EXPECT_EQ(world.overload.idle_to_end(), 50U);
  world.update(1000, 0);
  EXPECT_EQ(world.overload.idle_to_end(), 100U);
  EXPECT_FALSE(world.overload.refuses_requests()) << "a request needs no further connection of a client";
  EXPECT_FALSE(world.overload.is_short_of_memory()) << "heads that are on their way are not the matter";
  world.update(900, 0);
  EXPECT_TRUE(world.overload.ends_connections());
  EXPECT_EQ(world.overload.idle_to_end(), 0U);
  world.update(899, 0);
  EXPECT_FALSE(world.overload.ends_connections());
  EXPECT_EQ(world.value("envoy_overload_envoy_resource_monitors_global_downstream_max_connections_pressure"), 89);
}

TEST(Overload, of_descriptors_ends_idle_connections_whoever_has_them) {
  World world;
  const auto update = [&](size_t descriptors) {
    world.now += 2s;
    world.overload.update(
        {.connections = 10, .connections_max = 1000, .descriptors = descriptors, .descriptors_max = 2000}, world.now);
  };
  update(1899);
  EXPECT_FALSE(world.overload.ends_connections());
  update(1900);
  EXPECT_TRUE(world.overload.ends_connections());
  EXPECT_EQ(world.overload.idle_to_end(), 100U);
  EXPECT_FALSE(world.overload.refuses_requests());
  EXPECT_EQ(world.value("sluice_descriptors_pressure"), 95);
  update(1799);
  EXPECT_FALSE(world.overload.ends_connections());
}

TEST(Overload, of_memory_that_is_exceeded_closes_new_connections) {
  World world;
  world.update(0, 999);
  EXPECT_FALSE(world.overload.refuses_connections());
  world.update(0, 1000);
  EXPECT_TRUE(world.overload.refuses_connections());
  EXPECT_EQ(world.value("envoy_overload_envoy_overload_actions_reject_incoming_connections_active"), 1);
  EXPECT_TRUE(world.overload.told().starts_with("overloaded: new connections are closed, new requests are answered"));
  EXPECT_TRUE(lines.back().starts_with("warn overload more memory than there may be: new connections are closed"));
  world.update(0, 950);
  EXPECT_TRUE(world.overload.refuses_connections());
  world.update(0, 949);
  EXPECT_FALSE(world.overload.refuses_connections());
  EXPECT_TRUE(world.overload.refuses_requests());
  EXPECT_TRUE(lines.back().starts_with("info overload new connections are taken again"));
}

TEST(Overload, looks_more_often_where_memory_may_be_gone_soon) {
  World world;
  EXPECT_EQ(world.overload.between_looks(), 100ms);
  world.update(0, 500);
  EXPECT_EQ(world.overload.between_looks(), 10ms);
  world.update(0, 499);
  EXPECT_EQ(world.overload.between_looks(), 100ms);
}

TEST(Overload, lasts_for_a_second) {
  World world;
  world.update(0, 960);
  world.update(0, 0, 999ms);
  EXPECT_TRUE(world.overload.refuses_requests());
  world.update(0, 0, 1ms);
  EXPECT_FALSE(world.overload.refuses_requests());
  world.update(0, 960, 1ms);
  EXPECT_TRUE(world.overload.refuses_requests()) << "begins at once";
}

TEST(Overload, knows_nothing_new_of_memory_that_cannot_be_read_and_nothing_without_a_limit) {
  World world;
  world.update(0, 960);
  world.overload.update({.connections_max = 1000, .memory = std::nullopt, .memory_max = 1000}, world.now + 5s);
  EXPECT_TRUE(world.overload.refuses_requests());
  EXPECT_EQ(world.value("envoy_overload_envoy_resource_monitors_fixed_heap_failed_updates"), 1);
  World other;
  other.overload.update({.connections_max = 1000, .memory = size_t{1} << 40, .memory_max = 0}, other.now);
  EXPECT_FALSE(other.overload.ends_connections());
  EXPECT_EQ(other.value("envoy_overload_envoy_resource_monitors_fixed_heap_failed_updates"), 0);
}

}  // namespace
}  // namespace sluice
