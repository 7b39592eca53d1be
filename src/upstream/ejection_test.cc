#include "upstream/ejection.h"

#include <gtest/gtest.h>

namespace sluice {
namespace {

using Cause = EjectionCause;
using Decision = EjectionDecision;
using Failure = Ejections::Failure;

struct Decided {
  size_t endpoint;
  Cause cause;
  Decision decision;
  Nanos lasts;
  bool operator==(const Decided&) const = default;
};

// A set of endpoints, a clock, and what was decided.
class Endpoints final : private EjectionListener {
 public:
  explicit Endpoints(size_t count, std::optional<kinds::OutlierDetection> detection = {}, double panic = 0)
      : detection_(detection),
        ejections(count,
                  {.detection = detection_ ? &*detection_ : nullptr, .panic_threshold = panic, .listener = this}) {}

  void answers(size_t endpoint, uint16_t status, int times = 1) {
    for (int i = 0; i < times; ++i) ejections.answered(endpoint, status, now);
  }
  void fails(size_t endpoint, Failure how, int times = 1) {
    for (int i = 0; i < times; ++i) ejections.failed(endpoint, how, now);
  }
  bool out(size_t endpoint) { return ejections.left_out(endpoint, now); }
  std::vector<Decided> decisions() { return std::exchange(decided_, {}); }

 private:
  void decided(size_t endpoint, Cause cause, Decision decision, Nanos lasts) override {
    decided_.push_back({endpoint, cause, decision, lasts});
  }
  std::optional<kinds::OutlierDetection> detection_;
  std::vector<Decided> decided_;

 public:
  Ejections ejections;
  SteadyTime now{1000s};
};

kinds::OutlierDetection half() {
  return {.max_ejection_percent = 50};
}

TEST(ConnectPause, leaves_a_failing_endpoint_out_for_twice_as_long_each_time) {
  Endpoints two(2);
  for (const Nanos pause : {2s, 4s, 8s, 16s, 32s, 60s, 60s}) {
    two.fails(0, Failure::connect, 2);  // the second was under way when the first failed
    EXPECT_EQ(two.decisions(), (std::vector<Decided>{{0, Cause::connect, Decision::ejected, pause}}));
    two.now += pause - 1ns;
    EXPECT_TRUE(two.out(0));
    EXPECT_FALSE(two.out(1));
    two.now += 1ns;
    EXPECT_FALSE(two.out(0));
  }
}

TEST(ConnectPause, begins_anew_when_an_endpoint_could_be_connected_to) {
  Endpoints two(2);
  two.fails(0, Failure::connect_timeout);
  two.now += 2s;
  two.fails(0, Failure::connect);
  EXPECT_TRUE(two.ejections.connected(0));
  EXPECT_FALSE(two.ejections.connected(0));
  EXPECT_FALSE(two.out(0));
  two.decisions();
  two.fails(0, Failure::connect);
  EXPECT_EQ(two.decisions().at(0).lasts, 2s);
}

TEST(ConnectPause, comes_of_connects_alone) {
  Endpoints two(2);
  two.fails(0, Failure::reset, 100);
  two.fails(0, Failure::timeout, 100);
  two.answers(0, 503, 100);
  EXPECT_FALSE(two.out(0));
  EXPECT_TRUE(two.ejections.holds_nothing());
  EXPECT_TRUE(two.decisions().empty());
}

TEST(ConnectPause, leaves_also_the_only_endpoint_out) {
  Endpoints one(1, half());
  one.fails(0, Failure::connect);
  EXPECT_TRUE(one.out(0));  // the balancer takes it all the same
}

TEST(Ejection, comes_of_five_bad_answers_in_a_row) {
  Endpoints three(3, half());
  three.answers(0, 500, 4);
  three.answers(0, 404);
  three.answers(0, 599, 4);
  EXPECT_FALSE(three.out(0));
  three.answers(0, 500);
  EXPECT_TRUE(three.out(0));
  EXPECT_EQ(three.decisions(), (std::vector<Decided>{{0, Cause::consecutive_5xx, Decision::ejected, 30s}}));
  three.now += 30s;
  EXPECT_FALSE(three.out(0));
}

TEST(Ejection, counts_what_has_no_answer_as_a_bad_one_unless_split) {
  for (const Failure how : {Failure::reset, Failure::timeout}) {
    Endpoints three(3, half());
    three.fails(0, how, 4);
    three.answers(0, 500);
    EXPECT_EQ(three.decisions(), (std::vector<Decided>{{0, Cause::consecutive_5xx, Decision::ejected, 30s}}));
  }
  Endpoints connecting(3, half());
  for (int i = 0; i < 5; ++i) connecting.fails(0, Failure::connect_timeout);
  EXPECT_EQ(connecting.decisions().at(2), (Decided{0, Cause::consecutive_5xx, Decision::ejected, 30s}));
  EXPECT_FALSE(connecting.ejections.connected(1));
  connecting.ejections.connected(0);
  EXPECT_TRUE(connecting.out(0));  // a connection alone does not make up for an ejection
}

TEST(Ejection, counts_what_has_no_answer_by_itself_when_split) {
  auto split = half();
  split.split_external_local_origin_errors = true;
  split.consecutive_local_origin_failure = 3;
  Endpoints three(3, split);
  three.fails(0, Failure::reset, 2);
  three.answers(0, 500);  // an answer: the endpoint could be reached
  three.fails(0, Failure::timeout, 2);
  EXPECT_TRUE(three.decisions().empty());
  three.fails(0, Failure::reset);
  EXPECT_EQ(three.decisions(),
            (std::vector<Decided>{{0, Cause::consecutive_local_origin_failure, Decision::ejected, 30s}}));
}

TEST(Ejection, for_gateway_failures_is_found_but_not_enforced_by_default) {
  Endpoints three(3, half());
  three.answers(0, 502, 3);
  three.answers(0, 503);
  three.answers(0, 504);
  EXPECT_EQ(three.decisions(),
            (std::vector<Decided>{{0, Cause::consecutive_gateway_failure, Decision::not_enforced, 0s},
                                  {0, Cause::consecutive_5xx, Decision::ejected, 30s}}));
  auto enforced = half();
  enforced.enforcing_consecutive_gateway_failure = 100;
  enforced.consecutive_5xx = 0;
  Endpoints others(3, enforced);
  others.answers(0, 502, 4);
  others.answers(0, 500);  // not of a gateway
  others.answers(0, 502, 4);
  EXPECT_TRUE(others.decisions().empty());
  others.answers(0, 502);
  EXPECT_EQ(others.decisions(),
            (std::vector<Decided>{{0, Cause::consecutive_gateway_failure, Decision::ejected, 30s}}));
}

TEST(Ejection, is_enforced_in_as_many_cases_as_configured) {
  auto some = half();
  some.enforcing_consecutive_5xx = 30;
  some.consecutive_5xx = 1;
  Endpoints three(3, some);
  int enforced = 0;
  for (int i = 0; i < 1000; ++i) {
    three.answers(0, 500);
    enforced += three.decisions().at(0).decision == Decision::ejected;
    three.now += 1h;
  }
  EXPECT_NEAR(enforced, 300, 50);
}

TEST(Ejection, lasts_longer_each_time_and_less_again_after_good_health) {
  Endpoints three(3, half());
  const auto eject = [&] {
    three.answers(0, 500, 5);
    const Nanos lasts = three.decisions().at(0).lasts;
    three.now += lasts;
    return lasts;
  };
  for (const Nanos lasts : {30s, 60s, 90s, 120s, 150s, 180s, 210s, 240s, 270s, 300s, 300s, 300s})
    EXPECT_EQ(eject(), lasts);
  three.now += 35s;  // three intervals
  EXPECT_EQ(eject(), 240s);
  three.now += 1h;
  EXPECT_EQ(eject(), 30s);
}

TEST(Ejection, takes_a_base_time_above_the_limit_as_the_limit) {
  auto slow = half();
  slow.base_ejection_time = 1h;
  Endpoints three(3, slow);
  for (int i = 0; i < 3; ++i) {
    three.answers(0, 500, 5);
    EXPECT_EQ(three.decisions().at(0).lasts, 1h);
    three.now += 1h;
  }
}

TEST(Ejection, begins_counting_anew_when_an_endpoint_is_back) {
  Endpoints three(3, half());
  three.answers(0, 500, 9);  // four came from requests that were under way
  three.now += 30s;
  three.answers(0, 500, 4);
  EXPECT_FALSE(three.out(0));
  three.answers(0, 500);
  EXPECT_TRUE(three.out(0));
}

TEST(Ejection, stops_at_the_share_that_may_be_ejected_but_for_the_first) {
  Endpoints ten(10, kinds::OutlierDetection{.max_ejection_percent = 25});
  for (size_t i = 0; i < 10; ++i) ten.answers(i, 500, 5);
  EXPECT_EQ(ten.ejections.ejected(ten.now), 2u);
  EXPECT_EQ(ten.decisions().at(2), (Decided{2, Cause::consecutive_5xx, Decision::too_many, 0s}));
  Endpoints two(2, kinds::OutlierDetection{});  // 10 %
  two.answers(1, 500, 5);
  EXPECT_TRUE(two.out(1));
  Endpoints none(2, kinds::OutlierDetection{.max_ejection_percent = 0});
  none.answers(1, 500, 5);
  EXPECT_FALSE(none.out(1));
}

TEST(Ejection, never_takes_the_last_endpoint) {
  kinds::OutlierDetection all{.max_ejection_percent = 100};
  Endpoints three(3, all);
  for (size_t i = 0; i < 3; ++i) three.answers(i, 500, 5);
  EXPECT_TRUE(three.out(0) && three.out(1));
  EXPECT_FALSE(three.out(2));
  Endpoints one(1, all);
  one.answers(0, 500, 50);
  EXPECT_FALSE(one.out(0));
}

TEST(Ejection, of_most_endpoints_is_panic_in_which_all_are_used) {
  Endpoints four(4, kinds::OutlierDetection{.max_ejection_percent = 100}, 50);
  four.answers(0, 500, 5);
  four.now += 1s;
  four.answers(1, 500, 5);
  EXPECT_TRUE(four.out(0) && four.out(1));  // half is enough
  four.fails(3, Failure::connect);
  four.answers(2, 500, 5);
  EXPECT_FALSE(four.out(0) || four.out(1) || four.out(2));
  EXPECT_TRUE(four.out(3));  // what cannot be connected to is still no good
  four.now += 29s;           // the first is back: half again
  EXPECT_FALSE(four.out(0));
  EXPECT_TRUE(four.out(1) && four.out(2));
}

TEST(SuccessRate, far_below_that_of_the_others_ejects) {
  auto rates = half();
  rates.consecutive_5xx = 0;
  Endpoints five(5, rates);
  const auto traffic = [&](size_t endpoint, int good, int bad) {
    five.answers(endpoint, 200, good);
    five.answers(endpoint, 500, bad);
  };
  for (size_t i = 0; i < 4; ++i) traffic(i, 100, 0);
  traffic(4, 50, 50);
  EXPECT_TRUE(five.decisions().empty());
  five.now += 10s;
  five.answers(0, 200);
  // Mean 90, deviation 20: 50 is below 90 - 1.9 x 20 = 52.
  EXPECT_EQ(five.decisions(), (std::vector<Decided>{{4, Cause::success_rate, Decision::ejected, 30s}}));
  // The next interval begins at zero: 99 requests are too few.
  five.now += 30s;
  five.answers(0, 200);
  for (size_t i = 0; i < 4; ++i) traffic(i, 100, 0);
  traffic(4, 0, 99);
  five.now += 10s;
  five.answers(0, 200);
  EXPECT_TRUE(five.decisions().empty());
}

TEST(SuccessRate, near_that_of_the_others_or_of_too_few_endpoints_ejects_nobody) {
  auto rates = half();
  rates.consecutive_5xx = 0;
  for (const size_t count : {4, 5}) {
    Endpoints some(count, rates);
    for (size_t i = 0; i < count; ++i) {
      some.answers(i, 200, 100);
      some.answers(i, 500, count == 5 ? 20 + static_cast<int>(i) : static_cast<int>(i == 0 ? 900 : 0));
    }
    some.now += 10s;
    some.answers(0, 200);
    EXPECT_TRUE(some.decisions().empty()) << count;
  }
}

TEST(SuccessRate, of_local_origin_is_compared_by_itself_when_split) {
  auto split = half();
  split.split_external_local_origin_errors = true;
  split.consecutive_local_origin_failure = 0;
  Endpoints five(5, split);
  for (size_t i = 0; i < 5; ++i) five.answers(i, 200, 100);
  five.fails(2, Failure::timeout, 300);
  five.now += 10s;
  five.answers(0, 200);
  EXPECT_EQ(five.decisions(), (std::vector<Decided>{{2, Cause::local_origin_success_rate, Decision::ejected, 30s}}));
}

TEST(Ejections, go_with_their_endpoints_when_the_set_changes) {
  Endpoints three(3, half());
  three.answers(2, 500, 5);
  three.fails(1, Failure::connect);
  const size_t from[] = {2, Ejections::kNew, 1, Ejections::kNew};
  three.ejections.change_set(from);
  EXPECT_TRUE(three.out(0));
  EXPECT_FALSE(three.out(1));
  EXPECT_TRUE(three.out(2));
  EXPECT_FALSE(three.out(3));
  three.ejections.change_set({});
  EXPECT_EQ(three.ejections.ejected(three.now), 0u);
  const size_t fresh[] = {Ejections::kNew};
  three.ejections.change_set(fresh);
  EXPECT_FALSE(three.out(0));
}

TEST(Ejections, hold_nothing_while_all_is_well) {
  Endpoints three(3, half());
  three.answers(0, 200, 1000);
  EXPECT_FALSE(three.ejections.connected(0));
  EXPECT_TRUE(three.ejections.holds_nothing());
}

}  // namespace
}  // namespace sluice
