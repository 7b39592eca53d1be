#include "base/time.h"

#include <gtest/gtest.h>

namespace sluice {
namespace {

TEST(Duration, reads_go_spelling) {
  EXPECT_EQ(*parse_duration("250ms"), 250ms);
  EXPECT_EQ(*parse_duration("1m30s"), 90s);
  EXPECT_EQ(*parse_duration("0.5s"), 500ms);
  EXPECT_EQ(*parse_duration("0"), 0s);
  EXPECT_EQ(*parse_duration("-2s"), -2s);
  for (const char* bad : {"", "5", "5 s", "s", "1.2.3s", "5secs", "1d", "9999999999h"})
    EXPECT_FALSE(parse_duration(bad)) << bad;
}

TEST(Duration, prints_what_it_reads) {
  for (const char* text : {"0s", "1m30s", "1.5s", "250ms", "2h", "1h1m1s"})
    EXPECT_EQ(format_duration(*parse_duration(text)), text);
}

TEST(Duration, reads_up_to_the_longest_there_is_and_never_wraps_around) {
  const Nanos longest = *parse_duration("2562047h47m16s");
  EXPECT_GT(longest, Nanos::max() - 1s);
  EXPECT_EQ(parse_duration(format_duration(longest)), longest);
  for (const char* bad : {"2562047h47m17s", "9223372036854775808ns", "-2562047h47m17s"})
    EXPECT_FALSE(parse_duration(bad)) << bad;
  const SteadyTime now{1'000'000s};
  EXPECT_EQ(later(now, longest), SteadyTime::max());
  EXPECT_EQ(later(now, 5s), now + 5s);
  EXPECT_EQ(later(now, -5s), now - 5s);
  EXPECT_EQ(later(SteadyTime::max(), -5s), SteadyTime::max() - 5s);
  EXPECT_EQ(times(longest, 10), Nanos::max());
  EXPECT_EQ(times(2s, 10), 20s);
}

TEST(Time, prints_and_reads_iso) {
  const WallTime t = WallTime(1767323045s) + 678ms;
  EXPECT_EQ(format_iso(t), "2026-01-02T03:04:05.678Z");
  EXPECT_EQ(parse_iso("2026-01-02T03:04:05.678Z"), t);
  EXPECT_EQ(parse_iso("2026-01-02 03:04:05Z"), std::nullopt);
  EXPECT_EQ(format_http_date(t), "Fri, 02 Jan 2026 03:04:05 GMT");
}

}  // namespace
}  // namespace sluice
