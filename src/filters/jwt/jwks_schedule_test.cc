#include "filters/jwt/jwks_schedule.h"

#include <gtest/gtest.h>

namespace sluice::jwt {
namespace {

constexpr SteadyTime kStart = SteadyTime(1'000s);

JwksSchedule fetched(Nanos cache_duration = 5min) {
  JwksSchedule schedule(cache_duration);
  schedule.fetch_begins();
  schedule.fetch_succeeded(kStart);
  return schedule;
}

TEST(JwksSchedule, fetches_nothing_before_somebody_asks) {
  const JwksSchedule schedule(5min);
  EXPECT_EQ(schedule.wakes_at(), SteadyTime::max());
  EXPECT_FALSE(schedule.is_fetch_due(kStart));
  EXPECT_LE(schedule.missing_at(), kStart);
}

TEST(JwksSchedule, fetches_again_a_bit_before_the_keys_are_old) {
  EXPECT_EQ(fetched(5min).wakes_at(), kStart + 295s);
  EXPECT_EQ(fetched(10s).wakes_at(), kStart + 9s);
  EXPECT_FALSE(fetched().is_fetch_due(kStart + 294s));
  EXPECT_TRUE(fetched().is_fetch_due(kStart + 295s));
}

TEST(JwksSchedule, has_no_two_fetches_at_once) {
  JwksSchedule schedule = fetched();
  schedule.fetch_begins();
  EXPECT_FALSE(schedule.is_fetch_due(kStart + 1h));
  EXPECT_TRUE(schedule.is_fetching());
}

TEST(JwksSchedule, pauses_longer_after_each_failure_and_not_for_ever) {
  JwksSchedule schedule(5min);
  SteadyTime now = kStart;
  for (const Nanos pause : {1s, 2s, 4s, 8s, 10s, 10s}) {
    schedule.fetch_begins();
    schedule.fetch_failed(now);
    EXPECT_EQ(schedule.wakes_at(), now + pause);
    EXPECT_EQ(schedule.missing_at(), now + pause);
    now += pause;
  }
  for (int i = 0; i < 1000; ++i) {
    schedule.fetch_begins();
    schedule.fetch_failed(now);
  }
  EXPECT_EQ(schedule.missing_at(), now + 10s);
  schedule.fetch_begins();
  schedule.fetch_succeeded(now);
  schedule.fetch_begins();
  schedule.fetch_failed(now);
  EXPECT_EQ(schedule.missing_at(), now + 1s);
}

TEST(JwksSchedule, lets_old_keys_count_for_an_hour_when_no_new_ones_are_to_be_had) {
  JwksSchedule schedule = fetched();
  EXPECT_FALSE(schedule.is_stale(kStart + 5min - 1ns));
  EXPECT_TRUE(schedule.is_stale(kStart + 5min));
  schedule.fetch_begins();
  schedule.fetch_failed(kStart + 295s);
  EXPECT_FALSE(schedule.drop_ended(kStart + 65min - 1ns));
  EXPECT_TRUE(schedule.has_keys());
  EXPECT_TRUE(schedule.drop_ended(kStart + 65min));
  EXPECT_FALSE(schedule.has_keys());
  EXPECT_FALSE(schedule.drop_ended(kStart + 65min)) << "they end once";
}

TEST(JwksSchedule, wakes_at_the_end_of_the_keys_also_while_it_fetches) {
  JwksSchedule schedule = fetched();
  schedule.fetch_begins();
  EXPECT_EQ(schedule.wakes_at(), kStart + 65min);
}

TEST(JwksSchedule, fetches_for_unknown_keys_once_in_a_while) {
  JwksSchedule schedule = fetched();
  EXPECT_LE(schedule.unknown_key_at(), kStart);
  schedule.fetch_begins_for_unknown_key(kStart + 1s);
  schedule.fetch_succeeded(kStart + 2s);
  EXPECT_EQ(schedule.unknown_key_at(), kStart + 11s);
  EXPECT_EQ(schedule.wakes_at(), kStart + 297s) << "what was fetched counts as every fetch";
}

}  // namespace
}  // namespace sluice::jwt
