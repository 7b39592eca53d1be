#include "io/local.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <map>
#include <optional>
#include <string>
#include <thread>

#include "io/testing.h"

namespace sluice {
namespace {

// The thread, for a while, of the worker with that number.
class AsWorker {
 public:
  explicit AsWorker(unsigned worker) : before_(std::exchange(worker_index, worker)) {}
  AsWorker(const AsWorker&) = delete;
  AsWorker& operator=(const AsWorker&) = delete;
  ~AsWorker() { worker_index = before_; }

 private:
  unsigned before_;
};

// Writes down when it goes.
struct Mark {
  Mark(std::string& log, char name) : out(log), what(name) {}
  Mark(const Mark&) = delete;
  Mark& operator=(const Mark&) = delete;
  ~Mark() { out += what; }
  std::string& out;
  char what;
};

// Works until it is told to stop, and needs a moment then.
struct Worker {
  Worker(Loop& l, std::string& log) : loop(l), out(log) { tasks.spawn(work()); }
  Task<void> work() {
    auto waiting = sleep_for(loop, 1h);
    const Status waited = co_await waiting;
    out += waited || waited.error().kind != ErrorKind::cancelled ? '?' : 'c';
    co_return Status{};
  }
  Task<void> stop() {
    out += 's';
    tasks.cancel();
    auto all = tasks.join();
    (void)co_await all;
    out += 'j';
    co_return Status{};
  }
  Loop& loop;
  std::string& out;
  TaskGroup tasks;
  Mark mark{out, 'w'};
};

// Lives until its last user lets it go.
struct Used {
  explicit Used(Loop& l, std::string& log) : loop(l), mark(log, 'u') {}
  Task<void> stop() {
    while (users > 0) {
      auto waiting = free.wait(loop);
      const Status waited = co_await waiting;
      if (!waited) break;
    }
    co_return Status{};
  }
  Loop& loop;
  Mark mark;
  int users = 0;
  Event free;
};

TEST(Local, is_made_when_it_is_first_asked_for_one_for_each_thread) {
  Loop one, two;
  const OwnedLoops loops({&one, &two});
  std::vector<Loop*> made_on;
  const Local<int, int> local(loops, [&](Loop& loop, int value) {
    made_on.push_back(&loop);
    return std::make_unique<int>(value);
  });
  EXPECT_TRUE(made_on.empty());
  EXPECT_EQ(local.here_if_made(), nullptr);
  int& first = local.here(1);
  EXPECT_EQ(&local.here(7), &first);
  EXPECT_EQ(first, 1);
  {
    const AsWorker second(1);
    EXPECT_EQ(local.here_if_made(), nullptr);
    EXPECT_EQ(local.here(2), 2);
  }
  EXPECT_EQ(local.here(7), 1);
  EXPECT_EQ(made_on, (std::vector<Loop*>{&one, &two}));
}

TEST(Local, ends_on_its_own_loop_some_time_after_its_owner) {
  Loop loop;
  const OwnedLoops loops({&loop});
  std::string log;
  std::optional<Local<Mark>> local(std::in_place, loops, [&](Loop&) { return std::make_unique<Mark>(log, 'm'); });
  local->here();
  local.reset();
  EXPECT_EQ(log, "");
  settle(loop);
  EXPECT_EQ(log, "m");
}

TEST(Local, ends_alone_in_whatever_order_the_owners_go) {
  Loop loop;
  OwnedLoops loops({&loop});
  std::string log;
  std::map<char, std::unique_ptr<Local<Mark>>> owners;
  const AsWorker here(0);
  for (const char name : {'a', 'b', 'c', 'd', 'e'}) {
    owners[name] =
        std::make_unique<Local<Mark>>(loops, [&log, name](Loop&) { return std::make_unique<Mark>(log, name); });
    owners[name]->here();
  }
  for (const char name : {'c', 'a', 'e'}) {
    owners.erase(name);
    settle(loop);
  }
  EXPECT_EQ(log, "cae");
  loops.end(0);
  EXPECT_EQ(log, "caedb");
}

TEST(Local, that_nobody_asked_for_simply_goes) {
  Loop loop;
  const OwnedLoops loops({&loop});
  {
    const Local<Mark> local(loops, [](Loop&) { return std::unique_ptr<Mark>(); });
  }
  settle(loop);
}

TEST(Local, has_its_tasks_cancelled_and_joined_before_it_ends) {
  Loop loop;
  const OwnedLoops loops({&loop});
  std::string log;
  {
    const Local<Worker> local(loops, [&](Loop& l) { return std::make_unique<Worker>(l, log); });
    local.here();
    settle(loop);
    EXPECT_EQ(log, "");
  }
  settle(loop);
  EXPECT_EQ(log, "scjw");
}

TEST(Local, in_use_lives_until_its_last_user_lets_go) {
  Loop loop;
  const OwnedLoops loops({&loop});
  std::string log;
  Used* used = nullptr;
  {
    const Local<Used> local(loops, [&](Loop& l) { return std::make_unique<Used>(l, log); });
    used = &local.here();
    used->users = 1;
  }
  settle(loop);
  EXPECT_EQ(log, "");
  used->users = 0;
  used->free.notify(loop);
  settle(loop);
  EXPECT_EQ(log, "u");
}

TEST(Local, ends_with_its_loop_all_stop_before_any_goes_and_the_last_made_goes_first) {
  Loop loop;
  std::string log;
  auto loops = std::make_optional<OwnedLoops>(std::vector<Loop*>{&loop});
  const Local<Mark> first(*loops, [&](Loop&) { return std::make_unique<Mark>(log, '1'); });
  const Local<Worker> second(*loops, [&](Loop& l) { return std::make_unique<Worker>(l, log); });
  const Local<Mark> third(*loops, [&](Loop&) { return std::make_unique<Mark>(log, '3'); });
  const Local<Mark> unused(*loops, [&](Loop&) { return std::make_unique<Mark>(log, '4'); });
  third.here();
  second.here();
  first.here();
  loops.reset();
  EXPECT_EQ(log, "scj1w3");
}

TEST(Local, that_waits_for_users_does_not_keep_its_loop_from_ending) {
  Loop loop;
  std::string log;
  {
    const OwnedLoops loops({&loop});
    const Local<Used> local(loops, [&](Loop& l) { return std::make_unique<Used>(l, log); });
    local.here().users = 1;
  }
  EXPECT_EQ(log, "u");
}

TEST(Local, may_outlive_the_loops) {
  auto loop = std::make_unique<Loop>();
  std::string log;
  std::optional<Local<Mark>> local;
  {
    const OwnedLoops loops({loop.get()});
    local.emplace(loops, [&](Loop&) { return std::make_unique<Mark>(log, 'm'); });
    local->here();
  }
  EXPECT_EQ(log, "m");
  loop.reset();
  local.reset();
  EXPECT_EQ(log, "m");
}

TEST(Local, may_hold_the_owner_of_another) {
  struct Holder {
    std::shared_ptr<Local<Mark>> other;
  };
  Loop loop;
  const OwnedLoops loops({&loop});
  std::string log;
  {
    const Local<Holder> local(loops, [&](Loop&) {
      auto other = std::make_shared<Local<Mark>>(loops, [&](Loop&) { return std::make_unique<Mark>(log, 'o'); });
      other->here();
      return std::make_unique<Holder>(std::move(other));
    });
    local.here();
  }
  settle(loop);
  EXPECT_EQ(log, "o");
}

TEST(Local, jobs_for_a_loop_that_has_ended_are_dropped) {
  auto loop = std::make_unique<Loop>();
  OwnedLoops loops({loop.get()});
  const auto held = std::make_shared<int>(0);
  int ran = 0;
  loops.post(0, [&ran] { ++ran; });
  settle(*loop);
  EXPECT_EQ(ran, 1);
  loops.post(0, [&ran, held] { ++ran; });  // which it does not come to
  loops.end(0);
  loops.post(0, [&ran, held] { ++ran; });
  loop.reset();
  loops.post(0, [&ran, held] { ++ran; });
  EXPECT_EQ(ran, 1);
  EXPECT_EQ(held.use_count(), 1);
}

// --- real threads -----------------------------------------------------------------------------------------------

struct Threads {
  explicit Threads(unsigned count) {
    std::vector<Loop*> all;
    for (unsigned i = 0; i < count; ++i) all.push_back(running.emplace_back(std::make_unique<Loop>()).get());
    loops.emplace(all);
    for (unsigned i = 0; i < count; ++i)
      threads.emplace_back([this, i] {
        worker_index = i;
        running[i]->run();
        loops->end(i);
      });
  }
  void stop() {
    for (auto& loop : running) loop->stop();
    for (auto& thread : threads) thread.join();
    threads.clear();
  }
  ~Threads() { stop(); }

  // Done, on each.
  void on_each(const std::function<void()>& job) {
    std::vector<std::future<void>> done;
    for (auto& loop : running) {
      std::promise<void> said;
      done.push_back(said.get_future());
      loop->post([&job, said = std::move(said)]() mutable {
        job();
        said.set_value();
      });
    }
    for (auto& one : done) one.wait();
  }

  std::vector<std::unique_ptr<Loop>> running;
  std::optional<OwnedLoops> loops;
  std::vector<std::thread> threads;
};

// Knows the thread that it was made on, and looks whether it stops and ends there.
struct Resident {
  explicit Resident(Loop& l, std::atomic<int>& left) : loop(l), alive(left) {
    ++alive;
    tasks.spawn(work());
  }
  Resident(const Resident&) = delete;
  Resident& operator=(const Resident&) = delete;
  ~Resident() {
    EXPECT_EQ(std::this_thread::get_id(), home);
    --alive;
  }
  Task<void> work() {
    auto waiting = sleep_for(loop, 1h);
    co_return co_await waiting;
  }
  Task<void> stop() {
    EXPECT_EQ(std::this_thread::get_id(), home);
    tasks.cancel();
    auto all = tasks.join();
    co_return co_await all;
  }
  Loop& loop;
  std::atomic<int>& alive;
  const std::thread::id home = std::this_thread::get_id();
  int uses = 0;
  TaskGroup tasks;
};

TEST(Local, of_many_threads_ends_on_each_though_another_let_go) {
  std::atomic<int> alive{0};
  Threads threads(3);
  for (int round = 0; round < 20; ++round) {
    auto local = std::make_shared<Local<Resident>>(*threads.loops,
                                                   [&](Loop& l) { return std::make_unique<Resident>(l, alive); });
    threads.on_each([&] { ++local->here().uses; });
    threads.on_each([&] { EXPECT_EQ(++local->here().uses, 2); });
    EXPECT_EQ(alive, 3);
    // Whoever of them is last.
    for (auto& loop : threads.running) loop->post([last = local]() mutable { last.reset(); });
    local.reset();
  }
  for (int i = 0; i < 3; ++i) threads.on_each([] {});  // what was let go is told, then stopped
  threads.stop();
  EXPECT_EQ(alive, 0);
}

TEST(Local, of_many_threads_ends_with_them) {
  std::atomic<int> alive{0};
  Threads threads(3);
  const Local<Resident> local(*threads.loops, [&](Loop& l) { return std::make_unique<Resident>(l, alive); });
  threads.on_each([&] { local.here(); });
  EXPECT_EQ(alive, 3);
  threads.stop();
  EXPECT_EQ(alive, 0);
}

}  // namespace
}  // namespace sluice
