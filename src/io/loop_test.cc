#include "io/loop.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>
#include <deque>
#include <thread>

#include "io/socket.h"
#include "io/testing.h"

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

Task<void> echo_once(Loop& loop, int fd) {
  Socket socket;
  CO_TRY(socket.adopt(loop, fd, Side::downstream));
  char buffer[64];
  const size_t got = CO_TRY(co_await socket.read(buffer));
  co_return co_await socket.write_all(std::string_view(buffer, got), 1s);
}

Task<void> ask(Loop& loop, SocketAddress address, std::string& answer) {
  Socket socket;
  CO_TRY(co_await connect(socket, loop, address, 1s));
  CO_TRY(co_await socket.write_all("hello", 1s));
  char buffer[64];
  const size_t got = CO_TRY(co_await socket.read(buffer));
  answer.assign(buffer, got);
  loop.stop();
  co_return Status{};
}

TEST(Socket, connects_writes_and_reads) {
  Loop loop;
  auto fd = ListenSocket::open(SocketAddress::v4(INADDR_LOOPBACK, 0), false);
  ASSERT_TRUE(fd) << fd.error().message;
  ListenSocket listener;
  TaskGroup group;
  ASSERT_TRUE(
      listener.start(loop, *fd, [&](int client, const SocketAddress&) { group.spawn(echo_once(loop, client)); }));
  std::string answer;
  group.spawn(ask(loop, listener.local(), answer));
  loop.run();
  EXPECT_EQ(answer, "hello");
  EXPECT_TRUE(group.empty());
}

TEST(ListenSocket, accepts_a_part_of_a_flood_in_one_turn) {
  Loop loop;
  auto fd = ListenSocket::open(SocketAddress::v4(INADDR_LOOPBACK, 0), false);
  ListenSocket listener;
  int accepted = 0;
  ASSERT_TRUE(listener.start(loop, *fd, [&](int client, const SocketAddress&) {
    ::close(client);
    ++accepted;
  }));
  std::deque<TestPeer> flood;
  for (int i = 0; i < 3 * ListenSocket::kAcceptsATurn; ++i) flood.emplace_back(listener.local());
  for (int turns = 1; turns <= 3; ++turns) {
    loop.turn(0ms);
    EXPECT_EQ(accepted, turns * ListenSocket::kAcceptsATurn);
  }
  flood.emplace_back(listener.local());
  EXPECT_TRUE(turn_until(loop, [&] { return accepted == 3 * ListenSocket::kAcceptsATurn + 1; }));
  for (int i = 0; i < 2 * ListenSocket::kAcceptsATurn; ++i) flood.emplace_back(listener.local());
  loop.turn(0ms);
  listener.close();  // while it is to go on
  settle(loop);
  EXPECT_EQ(accepted, 4 * ListenSocket::kAcceptsATurn + 1);
}

TEST(Socket, closes_once_what_it_could_not_take_over) {
  Loop loop;
  loop.limit_watches(1);  // the loop's own
  for (const bool listening : {false, true}) {
    const int fd = *ListenSocket::open(SocketAddress::v4(INADDR_LOOPBACK, 0), false);
    int reused = -1;
    {
      Socket socket;
      ListenSocket listener;
      const Status taken = listening
                               ? listener.start(loop, fd, [](int client, const SocketAddress&) { ::close(client); })
                               : socket.adopt(loop, fd, Side::downstream);
      ASSERT_FALSE(taken);
      EXPECT_EQ(taken.error().code, ENOSPC);
      EXPECT_FALSE(socket.open() || listener.listening());
      reused = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
      EXPECT_EQ(reused, fd);  // it has been closed, and the number is somebody else's now
    }
    EXPECT_EQ(::fcntl(reused, F_GETFD), FD_CLOEXEC);
    ::close(reused);
  }
}

TEST(Socket, says_who_has_the_port) {
  auto first = ListenSocket::open(SocketAddress::v4(INADDR_LOOPBACK, 0), false);
  ASSERT_TRUE(first);
  Loop loop;
  ListenSocket holder;
  ASSERT_TRUE(holder.start(loop, *first, [](int, const SocketAddress&) {}));
  auto second = ListenSocket::open(holder.local(), false);
  ASSERT_FALSE(second);
  EXPECT_NE(second.error().message.find("another program has this port"), std::string::npos);
}

}  // namespace
}  // namespace sluice
