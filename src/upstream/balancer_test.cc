#include "upstream/balancer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

namespace sluice {
namespace {

struct World {
  std::set<size_t> was_tried;
  std::set<size_t> is_out;
  std::vector<uint64_t> loads = std::vector<uint64_t>(1000);
  bool tried(size_t i) const { return was_tried.contains(i); }
  bool left_out(size_t i) const { return is_out.contains(i); }
  uint64_t load(size_t i) const { return loads[i]; }
};

constexpr Balancing kAll[] = {Balancing::round_robin, Balancing::least_request, Balancing::random};

std::string turns(Balancer& balancer, const World& world, size_t count) {
  std::string out;
  for (size_t i = 0; i < count; ++i) {
    const auto found = balancer.pick(world);
    out += found ? fmt::format("{}", *found) : "-";
  }
  return out;
}

std::vector<size_t> counts(Balancer& balancer, const World& world, size_t picks) {
  std::vector<size_t> out(balancer.size());
  for (size_t i = 0; i < picks; ++i) ++out.at(balancer.pick(world).value());
  return out;
}

TEST(RoundRobin, of_equal_weights_goes_from_one_to_the_next) {
  Balancer balancer(Balancing::round_robin, std::vector<uint32_t>{7, 7, 7}, 1);
  EXPECT_EQ(turns(balancer, {}, 7), "0120120");
}

TEST(RoundRobin, gives_each_its_weight_in_each_run_and_spreads_it_out) {
  Balancer balancer(Balancing::round_robin, std::vector<uint32_t>{1, 4, 2}, 1);
  const World world;
  for (int run = 0; run < 1000; ++run) {
    const std::string seven = turns(balancer, world, 7);
    EXPECT_EQ(std::ranges::count(seven, '0'), 1) << seven;
    EXPECT_EQ(std::ranges::count(seven, '1'), 4) << seven;
    EXPECT_EQ(std::ranges::count(seven, '2'), 2) << seven;
    EXPECT_EQ(seven.find("111"), std::string::npos) << seven;
  }
}

TEST(RoundRobin, of_the_most_uneven_weights_keeps_the_shares) {
  Balancer balancer(Balancing::round_robin, std::vector<uint32_t>{UINT32_MAX, UINT32_MAX / 1000, 1}, 1);
  const auto found = counts(balancer, {}, 100'100);
  EXPECT_NEAR(static_cast<double>(found[1]), 100, 1);
  EXPECT_EQ(found[2], 0u);
}

TEST(RoundRobin, gives_one_that_comes_back_its_share_and_not_what_it_missed) {
  Balancer balancer(Balancing::round_robin, std::vector<uint32_t>{1, 1, 1}, 1);
  World world;
  world.is_out = {1};
  EXPECT_EQ(counts(balancer, world, 1000), (std::vector<size_t>{500, 0, 500}));
  world.is_out.clear();
  const auto found = counts(balancer, world, 30);
  for (const size_t each : found) EXPECT_NEAR(static_cast<double>(each), 10, 1);
}

TEST(RoundRobin, goes_on_in_turn_while_all_are_left_out) {
  Balancer balancer(Balancing::round_robin, std::vector<uint32_t>{1, 1, 2}, 1);
  World world;
  world.is_out = {0, 1, 2};
  EXPECT_EQ(counts(balancer, world, 400), (std::vector<size_t>{100, 100, 200}));
}

TEST(RandomChoice, follows_the_weights_also_among_few_that_may_be_chosen) {
  std::vector<uint32_t> weights(100, 1);
  weights[7] = 300;
  weights[8] = 100;
  Balancer balancer(Balancing::random, weights, 5);
  World world;
  const auto all = counts(balancer, world, 49'800);
  EXPECT_NEAR(static_cast<double>(all[7]), 30'000, 1000);
  EXPECT_NEAR(static_cast<double>(all[0]), 100, 50);
  for (size_t i = 0; i < 100; ++i)
    if (i != 8 && i != 9) world.is_out.insert(i);
  const auto few = counts(balancer, world, 10'100);
  EXPECT_NEAR(static_cast<double>(few[8]), 10'000, 60);
  EXPECT_EQ(few[8] + few[9], 10'100u);
}

TEST(LeastRequest, takes_the_less_loaded_of_two) {
  Balancer balancer(Balancing::least_request, std::vector<uint32_t>(4, 1), 3);
  World world;
  world.loads = {5, 0, 5, 5};
  const auto found = counts(balancer, world, 16'000);
  // Seen in two of four draws with replacement: 1 - (3/4)^2.
  EXPECT_NEAR(static_cast<double>(found[1]), 7000, 300);
}

TEST(LeastRequest, of_as_many_choices_as_endpoints_takes_the_least_loaded_of_all) {
  Balancer balancer(Balancing::least_request, std::vector<uint32_t>(4, 1), 3, 4);
  World world;
  world.loads = {5, 3, 2, 9};
  EXPECT_EQ(counts(balancer, world, 100), (std::vector<size_t>{0, 0, 100, 0}));
  world.is_out = {2};
  EXPECT_EQ(counts(balancer, world, 100), (std::vector<size_t>{0, 100, 0, 0}));
  world = {};
  for (const size_t each : counts(balancer, world, 4000)) EXPECT_NEAR(static_cast<double>(each), 1000, 150);
}

TEST(LeastRequest, levels_the_load_with_the_weights) {
  Balancer balancer(Balancing::least_request, std::vector<uint32_t>{1, 3}, 3);
  const auto idle = counts(balancer, {}, 8000);
  EXPECT_NEAR(static_cast<double>(idle[1]), 6000, 250);
  World world;  // requests that never end
  for (int i = 0; i < 4000; ++i) ++world.loads[balancer.pick(world).value()];
  EXPECT_NEAR(static_cast<double>(world.loads[1]), 3000, 20);
}

TEST(Balancer, chooses_none_that_was_tried_and_one_that_is_left_out_only_when_all_others_are) {
  for (const Balancing how : kAll) {
    Balancer balancer(how, std::vector<uint32_t>{1, 2, 3, 4}, 9, 3);
    World world;
    world.was_tried = {0};
    world.is_out = {1};
    for (int i = 0; i < 500; ++i) {
      const size_t found = balancer.pick(world).value();
      EXPECT_TRUE(found == 2 || found == 3) << found;
    }
    world.was_tried = {0, 2, 3};
    EXPECT_EQ(turns(balancer, world, 4), "1111");
    world.was_tried = {0, 1, 2, 3};
    EXPECT_EQ(balancer.pick(world), std::nullopt);
    world.was_tried = {};
    world.is_out = {0, 1, 2, 3};
    for (const size_t each : counts(balancer, world, 500)) EXPECT_GT(each, 0u);
  }
}

TEST(Balancer, of_one_endpoint_or_none_has_no_choice) {
  for (const Balancing how : kAll) {
    Balancer one(how, std::vector<uint32_t>{5}, 1);
    World world;
    world.is_out = {0};
    EXPECT_EQ(one.pick(world), 0u);
    world.was_tried = {0};
    EXPECT_EQ(one.pick(world), std::nullopt);
    EXPECT_EQ(Balancer(how, {}, 1).pick(World()), std::nullopt);
  }
}

TEST(Balancer, with_the_same_seed_chooses_the_same) {
  const std::vector<uint32_t> weights{1, 2, 3, 4, 5};
  for (const Balancing how : kAll) {
    Balancer a(how, weights, 42);
    Balancer b(how, weights, 42);
    EXPECT_EQ(turns(a, {}, 100), turns(b, {}, 100));
  }
}

TEST(Balancer, does_not_begin_with_the_same_endpoint_on_each_worker) {
  struct All {
    bool tried(size_t) const { return false; }
    bool left_out(size_t) const { return false; }
    uint64_t load(size_t) const { return 0; }
  };
  std::array<int, 4> firsts{};
  for (uint64_t seed = 1; seed <= 400; ++seed) {
    Balancer balancer(Balancing::round_robin, std::vector<uint32_t>(4, 1), seed);
    ++firsts.at(*balancer.pick(All()));
  }
  for (const int times : firsts) EXPECT_NEAR(times, 100, 40);
}

}  // namespace
}  // namespace sluice
