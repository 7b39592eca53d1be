#include "io/descriptors.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

namespace sluice {
namespace {

TEST(Descriptors, add_up_to_no_more_than_there_are) {
  for (const size_t total : {64UL, 256UL, 1024UL, 4096UL, 65536UL, 1048576UL})
    for (const unsigned workers : {1U, 2U, 8U}) {
      const DescriptorShares shares = share_descriptors(total, workers);
      EXPECT_LE(shares.rest + shares.dns + shares.pipes + shares.upstream + shares.downstream, total)
          << total << " " << workers;
    }
}

TEST(Descriptors, give_each_worker_something_of_everything) {
  for (const size_t total : {1UL, 64UL, 1024UL, 1048576UL})
    for (const unsigned workers : {1U, 4U, 64U}) {
      const DescriptorShares shares = share_descriptors(total, workers);
      EXPECT_GE(shares.dns_of_worker(workers), 1U);
      EXPECT_GE(shares.upstream_of_worker(workers), 1U);
      EXPECT_GE(shares.downstream, 1U);
    }
}

TEST(Descriptors, leave_most_of_a_shells_limit_to_connections) {
  const DescriptorShares shares = share_descriptors(1024, 2);
  EXPECT_GE(shares.upstream, 350U);
  EXPECT_GE(shares.downstream, shares.upstream);
  EXPECT_LE(shares.dns, 64U);
}

TEST(Descriptors, are_raised_to_the_hard_limit) {
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  rlimit low = before;
  low.rlim_cur = std::min<rlim_t>(256, before.rlim_max);
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &low), 0);
  const size_t raised = raise_descriptor_limit();
  rlimit after{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &after), 0);
  EXPECT_EQ(after.rlim_cur, before.rlim_max);
  EXPECT_GE(raised, std::min<size_t>(256, before.rlim_max));
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
}

TEST(Descriptors, are_shown_as_metrics) {
  Metrics metrics(1);
  publish_descriptor_shares(share_descriptors(1024, 2), metrics);
  EXPECT_EQ(metrics.metric(descriptor_metric_families().front(), {{"use", "total"}})->value(), 1024);
}

}  // namespace
}  // namespace sluice
