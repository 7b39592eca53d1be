#include "io/loop.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>
#include <deque>
#include <thread>

namespace sluice {
namespace {

struct Finished {
  std::optional<Result<void>> result;
  Runner runner{this, [](void* self, Result<void> r) { static_cast<Finished*>(self)->result = std::move(r); }};
};

Task<void> count_after(Loop& loop, Nanos wait, int& count) {
  auto nap = sleep_for(loop, wait);
  CO_TRY(co_await nap);
  ++count;
  co_return Status{};
}

// A pool that asks for no reason reads each connection once more: 3 % of a request.
TEST(Loop, has_news_of_a_descriptor_whose_event_is_still_to_come_and_not_of_the_one_at_hand) {
  Loop loop;
  loop.turn(0ms);  // its own wakeup
  struct End final : Waiter {
    explicit End(Loop& l) : loop(l) { CHECK(::pipe2(fds, O_NONBLOCK | O_CLOEXEC) == 0); }
    ~End() {
      watch.release();
      ::close(fds[0]);
      ::close(fds[1]);
    }
    void listen() {
      CHECK(watch.attach(loop, fds[0]).has_value());
      watch.readable = false;
      watch.reader = this;
    }
    void wake() override {
      own = loop.may_have_news(watch);
      others = loop.may_have_news(other->watch);
    }
    void cancel() override {}
    Loop& loop;
    int fds[2];
    Watch watch;
    End* other = nullptr;
    std::optional<bool> own, others;
  };
  End one(loop), two(loop);
  one.other = &two;
  two.other = &one;
  for (End* end : {&one, &two}) {
    end->listen();
    ASSERT_EQ(::write(end->fds[1], "x", 1), 1);
  }
  for (int i = 0; i < 3 && !(one.own && two.own); ++i) loop.turn(10ms);
  ASSERT_TRUE(one.own && two.own);
  EXPECT_FALSE(*one.own);
  EXPECT_FALSE(*two.own);
  EXPECT_NE(*one.others, *two.others) << "the first of the two is told that the second's is to come";
  EXPECT_FALSE(loop.may_have_news(one.watch));
}

TEST(Timer, fires_at_its_time_and_not_before) {
  Loop loop;
  loop.use_manual_clock(SteadyTime(1000s), WallTime(0s));
  for (const Nanos wait : std::vector<Nanos>{1ms, 63ms, 64ms, 65ms, 4095ms, 4096ms, 4097ms, 1h, 30h}) {
    int count = 0;
    Finished done;
    done.runner.start(count_after(loop, wait, count));
    loop.advance(wait - 1ms);
    EXPECT_EQ(count, 0) << wait.count();
    loop.advance(1ms);
    EXPECT_EQ(count, 1) << wait.count();
  }
}

TEST(Timer, many_timers_fire_in_order_of_time) {
  Loop loop;
  loop.use_manual_clock(SteadyTime(5s), WallTime(0s));
  struct Mark final : Waiter {
    void wake() override { order->push_back(id); }
    void cancel() override {}
    std::vector<int>* order = nullptr;
    int id = 0;
    Timer timer;
  };
  std::vector<int> order;
  std::deque<Mark> marks;
  for (int i = 0; i < 500; ++i) {
    Mark& mark = marks.emplace_back();
    mark.order = &order;
    mark.id = (i * 7919) % 10007;
    mark.timer.arm(loop, loop.now() + Millis(mark.id), mark);
  }
  for (int i = 0; i < 11; ++i) loop.advance(1s);
  EXPECT_EQ(order.size(), 500U);
  EXPECT_TRUE(std::ranges::is_sorted(order));
}

TEST(Task, cancel_ends_the_innermost_wait_and_all_later_ones) {
  Loop loop;
  loop.use_manual_clock(SteadyTime(1s), WallTime(0s));
  int count = 0;
  Finished done;
  done.runner.start(count_after(loop, 1h, count));
  done.runner.cancel();
  ASSERT_TRUE(done.result);
  ASSERT_FALSE(*done.result);
  EXPECT_EQ(done.result->error().kind, ErrorKind::cancelled);
  loop.advance(2h);
  EXPECT_EQ(count, 0);
}

Task<void> parent(Loop& loop, int& count) {
  TaskGroup group;
  for (int i = 0; i < 3; ++i) group.spawn(count_after(loop, 1s * (i + 1), count));
  auto joined = group.join();
  co_return co_await joined;
}

TEST(TaskGroup, join_waits_for_all) {
  Loop loop;
  loop.use_manual_clock(SteadyTime(1s), WallTime(0s));
  int count = 0;
  Finished done;
  done.runner.start(parent(loop, count));
  loop.advance(2s);
  EXPECT_FALSE(done.result);
  loop.advance(1s);
  EXPECT_TRUE(done.result);
  EXPECT_EQ(count, 3);
}

TEST(TaskGroup, cancelling_the_one_that_joins_cancels_the_group) {
  Loop loop;
  loop.use_manual_clock(SteadyTime(1s), WallTime(0s));
  int count = 0;
  Finished done;
  done.runner.start(parent(loop, count));
  loop.advance(1s);
  done.runner.cancel();
  EXPECT_TRUE(done.result);
  EXPECT_EQ(count, 1);
}

Task<void> wait_for(Event& event, Loop& loop, SteadyTime deadline) {
  auto waiting = event.wait(loop, deadline);
  co_return co_await waiting;
}

TEST(Event, wakes_the_one_that_waits_or_is_remembered) {
  Loop loop;
  loop.use_manual_clock(SteadyTime(1s), WallTime(0s));
  Event event;
  {
    Finished done;
    done.runner.start(wait_for(event, loop, SteadyTime::max()));
    event.notify(loop);
    EXPECT_FALSE(done.result);
    loop.advance(0s);
    EXPECT_TRUE(done.result);
  }
  event.notify(loop);
  Finished again;
  again.runner.start(wait_for(event, loop, SteadyTime::max()));
  EXPECT_TRUE(again.result);
  Finished late;
  late.runner.start(wait_for(event, loop, loop.now() + 10ms));
  loop.advance(10ms);
  ASSERT_TRUE(late.result);
  EXPECT_EQ(late.result->error().kind, ErrorKind::timeout);
}

TEST(Event, wakes_all_that_wait) {
  Loop loop;
  loop.use_manual_clock(SteadyTime(1s), WallTime(0s));
  Event event;
  Finished first, second, third;
  first.runner.start(wait_for(event, loop, SteadyTime::max()));
  second.runner.start(wait_for(event, loop, loop.now() + 10ms));
  third.runner.start(wait_for(event, loop, SteadyTime::max()));
  loop.advance(10ms);
  ASSERT_TRUE(second.result);
  EXPECT_EQ(second.result->error().kind, ErrorKind::timeout);
  EXPECT_FALSE(first.result || third.result);
  event.notify(loop);
  event.notify(loop);
  loop.advance(0s);
  EXPECT_TRUE(first.result && third.result);
  Finished late;
  late.runner.start(wait_for(event, loop, SteadyTime::max()));
  loop.advance(0s);
  EXPECT_FALSE(late.result);  // what others were woken by is over
  late.runner.cancel();
}

TEST(Event, keeps_for_the_next_what_one_that_was_cancelled_had_been_told) {
  Loop loop;
  Event event;
  Finished first;
  first.runner.start(wait_for(event, loop, SteadyTime::max()));
  event.notify(loop);
  first.runner.cancel();
  EXPECT_EQ(first.result->error().kind, ErrorKind::cancelled);
  Finished next;
  next.runner.start(wait_for(event, loop, SteadyTime::max()));
  EXPECT_TRUE(next.result);
}

Task<void> count_at_once(int& count) {
  ++count;
  co_return Status{};
}

TEST(TaskGroup, starts_nothing_once_it_is_cancelled) {
  Loop loop;
  loop.use_manual_clock(SteadyTime(1s), WallTime(0s));
  int count = 0;
  TaskGroup group;
  group.spawn(count_after(loop, 1s, count));
  group.cancel();
  group.spawn(count_at_once(count));
  group.spawn(count_after(loop, 1s, count));
  EXPECT_TRUE(group.empty());
  loop.advance(2s);
  EXPECT_EQ(count, 0);
}

Task<void> work_hard(Loop& loop, std::string& log, char name, int pieces) {
  for (int i = 0; i < pieces; ++i) {
    auto turn = loop.heavy_work.turn();
    CO_TRY(co_await turn);
    log += name;
  }
  co_return Status{};
}

TEST(HeavyWork, has_one_piece_in_a_turn_first_come_first_served) {
  Loop loop;
  std::string log;
  TaskGroup a, b, c;
  a.spawn(work_hard(loop, log, 'a', 2));
  b.spawn(work_hard(loop, log, 'b', 2));
  EXPECT_EQ(log, "a");
  loop.turn(0s);
  EXPECT_EQ(log, "aa");  // it asked again before b had
  c.spawn(work_hard(loop, log, 'c', 1));
  EXPECT_EQ(log, "aa");  // this turn has had its piece
  for (const char* expected : {"aab", "aabc", "aabcb", "aabcb"}) {
    loop.turn(0s);
    EXPECT_EQ(log, expected);
  }
  EXPECT_TRUE(a.empty() && b.empty() && c.empty());
}

TEST(HeavyWork, goes_on_when_some_are_cancelled) {
  Loop loop;
  std::string log;
  TaskGroup a, b, c;
  a.spawn(work_hard(loop, log, 'a', 3));
  b.spawn(work_hard(loop, log, 'b', 3));
  c.spawn(work_hard(loop, log, 'c', 1));
  a.cancel();
  loop.turn(0s);
  EXPECT_EQ(log, "ab");
  b.cancel();
  for (int i = 0; i < 3; ++i) loop.turn(0s);
  EXPECT_EQ(log, "abc");
  EXPECT_TRUE(a.empty() && b.empty() && c.empty());
}

TEST(Loop, runs_jobs_posted_by_other_threads) {
  Loop loop;
  int sum = 0;
  std::thread other([&] {
    for (int i = 1; i <= 100; ++i) loop.post([&sum, i] { sum += i; });
    loop.stop();
  });
  loop.run();
  other.join();
  EXPECT_EQ(sum, 5050);
}

}  // namespace
}  // namespace sluice
