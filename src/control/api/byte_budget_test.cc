#include "control/api/byte_budget.h"

namespace sluice {
namespace {

TEST(ByteBudget, gives_out_what_there_is_and_takes_it_back) {
  Metrics metrics(1);
  Gauge* held = metrics.metric({.name = "held", .help = "", .type = MetricType::gauge});
  Counter* refused = metrics.metric({.name = "refused", .help = ""});
  ByteBudget budget(100, {held, refused});
  ByteBudget::Share one(budget);
  EXPECT_TRUE(one.resize(60));
  {
    ByteBudget::Share two(budget);
    EXPECT_FALSE(two.resize(41));
    EXPECT_EQ(refused->value(), 1);
    EXPECT_TRUE(two.resize(40));
    EXPECT_FALSE(one.resize(61));
    EXPECT_TRUE(one.resize(50));
    EXPECT_EQ(held->value(), 90);
  }
  EXPECT_EQ(held->value(), 50);
  EXPECT_TRUE(one.resize(100));
  EXPECT_FALSE(one.resize(SIZE_MAX));
  EXPECT_TRUE(one.resize(0));
  EXPECT_EQ(held->value(), 0);
  EXPECT_EQ(refused->value(), 3);
}

}  // namespace
}  // namespace sluice
