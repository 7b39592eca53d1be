#include "http/body.h"

#include <gtest/gtest.h>

#include "http/body_budget.h"

namespace sluice {
namespace {

// Pieces that are at hand; an empty one more when `ends_apart`.
class Pieces final : public BodyReader {
 public:
  Pieces(size_t count, size_t bytes, bool ends_apart = false)
      : left_(count), piece_(bytes, 'x'), ends_apart_(ends_apart) {}
  Task<Chunk> read() override {
    if (left_ == 0) return Chunk{{}, true};
    --left_;
    return Chunk{piece_, left_ == 0 && !ends_apart_};
  }

 private:
  size_t left_;
  std::string piece_;
  const bool ends_apart_;
};

constexpr size_t kKiB = 1024;

struct World {
  explicit World(size_t budget_bytes) : budget(budget_bytes, metrics) {}
  Result<std::string_view> read(Pieces pieces, std::optional<uint64_t> length, size_t bytes_max = 1024 * kKiB) {
    arena.reset();
    auto* reader = arena.make<Pieces>(std::move(pieces));
    Runner runner(nullptr, [](void*, Result<void>) {});
    runner.start(collect({reader, length}, bytes_max));
    CHECK(!runner.running());
    return collected;
  }
  Task<void> collect(Body body, size_t bytes_max) {
    auto reading = read_all(body, arena, bytes_max, &budget);
    collected = co_await reading;
    co_return Status{};
  }
  int64_t taken() { return metrics.metric({"sluice_collected_body_bytes", ""})->value() / 1024; }
  int64_t refused() { return metrics.metric({"sluice_collected_body_refused_total", ""})->value(); }

  Metrics metrics{1};
  BodyBudget budget;
  Arena arena;
  Result<std::string_view> collected;
};

TEST(ReadAll, of_a_body_of_known_length_sets_no_more_memory_aside_than_that) {
  World world(320 * kKiB);
  for (const bool ends_apart : {false, true}) {
    const auto body = world.read({20, 16 * kKiB, ends_apart}, 320 * kKiB);
    ASSERT_TRUE(body.has_value());
    EXPECT_EQ(*body, std::string(320 * kKiB, 'x'));
    EXPECT_EQ(world.taken(), 320);
  }
  world.arena.reset();
  EXPECT_EQ(world.taken(), 0);
  EXPECT_EQ(world.read({21, 16 * kKiB}, 336 * kKiB).error().kind, ErrorKind::overload);
  EXPECT_EQ(world.refused(), 1);
}

TEST(ReadAll, of_a_body_of_unknown_length_counts_what_grows_and_what_it_grows_from) {
  World world(1024 * kKiB);
  const auto body = world.read({17, 16 * kKiB}, std::nullopt);
  ASSERT_TRUE(body.has_value());
  EXPECT_EQ(body->size(), 272 * kKiB);
  EXPECT_EQ(world.taken(), 512) << "there is room for 512 KiB";
  // From 512 KiB to 1 MiB there are both for a moment.
  EXPECT_EQ(world.read({33, 16 * kKiB}, std::nullopt).error().kind, ErrorKind::overload);
  world.arena.reset();
  EXPECT_EQ(world.taken(), 0);
  // The bound of one body is the most there is room for.
  ASSERT_TRUE(world.read({17, 16 * kKiB}, std::nullopt, 280 * kKiB).has_value());
  EXPECT_EQ(world.taken(), 288) << "in steps of 16 KiB";
}

TEST(ReadAll, of_small_bodies_pays_nothing) {
  World world(0);
  ASSERT_TRUE(world.read({2, 4 * kKiB}, 8 * kKiB).has_value());
  ASSERT_TRUE(world.read({1, 16 * kKiB}, 16 * kKiB).has_value()) << "it came in one piece";
  EXPECT_EQ(world.read({2, 5 * kKiB}, 10 * kKiB).error().kind, ErrorKind::overload);
}

TEST(ReadAll, gets_no_more_memory_while_the_budget_is_closed) {
  World world(1024 * kKiB);
  world.budget.close(true);
  EXPECT_EQ(world.read({2, 16 * kKiB}, 32 * kKiB).error().kind, ErrorKind::overload);
  EXPECT_EQ(world.refused(), 1);
  EXPECT_EQ(world.taken(), 0);
  BodyBudget::Share share(world.budget);
  EXPECT_TRUE(share.covers(BodyBudget::kFree));
  world.budget.close(false);
  EXPECT_TRUE(share.covers(20 * kKiB));
  world.budget.close(true);
  EXPECT_TRUE(share.covers(32 * kKiB)) << "it has paid for that";
  EXPECT_FALSE(share.covers(33 * kKiB));
  world.budget.close(false);
  EXPECT_TRUE(world.read({2, 16 * kKiB}, 32 * kKiB).has_value());
}

TEST(ReadAll, refuses_what_is_longer_than_allowed) {
  World world(1024 * kKiB);
  EXPECT_EQ(world.read({1, 5}, 5, 4).error().kind, ErrorKind::limit);
  EXPECT_EQ(world.read({1, 5}, std::nullopt, 4).error().kind, ErrorKind::limit);
  EXPECT_EQ(world.read({2, 3}, std::nullopt, 5).error().kind, ErrorKind::limit);
  EXPECT_EQ(world.read({2, 3}, std::nullopt, 6).value(), "xxxxxx");
  EXPECT_EQ(world.read({2, 3, true}, std::nullopt, 6).value(), "xxxxxx");
  EXPECT_EQ(world.read({0, 3}, std::nullopt).value(), "");
}

}  // namespace
}  // namespace sluice
