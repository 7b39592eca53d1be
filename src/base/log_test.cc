#include "base/log.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>
#include <algorithm>
#include <csignal>
#include <thread>

#include "base/check.h"
#include "base/log_queue.h"

namespace sluice {
namespace {

// A pipe that is read only when the test says so.
class Pipe {
 public:
  Pipe() { EXPECT_EQ(::pipe2(ends_, O_CLOEXEC), 0); }
  ~Pipe() {
    close_reader();
    ::close(ends_[1]);
  }
  int writer() const { return ends_[1]; }
  void close_reader() {
    if (ends_[0] >= 0) ::close(ends_[0]);
    ends_[0] = -1;
  }
  // What comes until `last` has; waits for it.
  std::string read_until(std::string_view last) {
    std::string all;
    std::string part(65536, '\0');
    while (!all.contains(last)) {
      const ssize_t n = ::read(ends_[0], part.data(), part.size());
      if (n <= 0) break;
      all.append(part, 0, static_cast<size_t>(n));
    }
    return all;
  }

 private:
  int ends_[2] = {-1, -1};
};

std::string dropped_line(uint64_t lines) {
  return fmt::format("dropped {}\n", lines);
}

TEST(LogQueue, never_waits_for_a_reader_that_stands_still_and_says_in_order_what_it_dropped) {
  Pipe pipe;
  LogQueue queue(pipe.writer(), {.dropped = &dropped_line});
  const std::string filler(1000, 'x');
  int pushed = 0;
  while (queue.dropped() < 100) queue.push(fmt::format("{} {}\n", pushed++, filler));
  EXPECT_FALSE(queue.flush(Nanos(1)));
  EXPECT_GT(pushed, 4000);
  EXPECT_LT(pushed, 5000);

  const std::string all = pipe.read_until("dropped 100\n");
  const size_t lines = static_cast<size_t>(std::ranges::count(all, '\n'));
  EXPECT_EQ(lines, static_cast<size_t>(pushed) - 100 + 1);
  size_t at = 0;
  for (size_t i = 0; i + 1 < lines; ++i) {
    ASSERT_TRUE(std::string_view(all).substr(at).starts_with(fmt::format("{} x", i))) << i;
    at = all.find('\n', at) + 1;
  }
  queue.push("room again\n");
  EXPECT_EQ(pipe.read_until("again\n"), "room again\n");
}

TEST(LogQueue, keeps_lines_of_several_threads_whole) {
  Pipe pipe;
  LogQueue queue(pipe.writer(), {.dropped = &dropped_line});
  std::vector<std::thread> threads;
  for (const char name : {'a', 'b', 'c'})
    threads.emplace_back([&queue, name] {
      for (int i = 0; i < 500; ++i) queue.push(std::string(100, name) + "\n");
    });
  for (std::thread& thread : threads) thread.join();  // nobody waits, though a pipe holds less
  std::string all;
  while (all.size() < size_t{3} * 500 * 101) all += pipe.read_until("\n");
  size_t bad = 0;
  for (size_t at = 0; at < all.size(); at += 101) bad += all.substr(at, 101) != std::string(100, all[at]) + "\n";
  EXPECT_EQ(bad, 0U);
}

TEST(LogQueue, counts_what_a_reader_that_is_gone_will_never_see) {
  std::signal(SIGPIPE, SIG_IGN);
  Pipe pipe;
  LogQueue queue(pipe.writer(), {.dropped = &dropped_line});
  pipe.close_reader();
  queue.push("nobody\n");
  EXPECT_TRUE(queue.flush(10s));
  EXPECT_EQ(queue.dropped(), 1U);
}

// In a process of its own, with a pipe as standard error.
template <class Child>
std::string stderr_of(Child child, int& status) {
  int ends[2];
  EXPECT_EQ(::pipe(ends), 0);
  const pid_t pid = ::fork();
  if (pid == 0) {
    ::dup2(ends[1], STDERR_FILENO);
    ::close(ends[0]);
    ::close(ends[1]);
    child();
    ::_exit(0);
  }
  ::close(ends[1]);
  std::string all;
  std::string part(65536, '\0');
  for (ssize_t n = 0; (n = ::read(ends[0], part.data(), part.size())) > 0;) all.append(part, 0, static_cast<size_t>(n));
  ::close(ends[0]);
  EXPECT_EQ(::waitpid(pid, &status, 0), pid);
  return all;
}

int never() {
  return 0;
}

// More than a pipe holds: without waiting, most of it would be lost.
void log_much_and_then(std::string_view last) {
  log::start_writer();
  for (int i = 0; i < 3000; ++i) log::info("test", std::string(500, 'x'));
  log::error("test", last);
}

TEST(Log, writes_all_before_an_end_in_good_order) {
  int status = 0;
  const std::string all = stderr_of(
      [] {
        log_much_and_then("the end");
        log::flush();
      },
      status);
  EXPECT_EQ(std::ranges::count(all, '\n'), 3001);
  EXPECT_TRUE(all.ends_with(" error test the end\n")) << all.substr(all.size() - 100);
}

TEST(Log, writes_what_was_logged_before_a_crash) {
  for (const int number : {SIGABRT, SIGSEGV}) {
    int status = 0;
    const std::string all = stderr_of(
        [&] {
          std::signal(number, SIG_DFL);  // a sanitizer keeps its own, and prints for itself
          log_much_and_then("the end");
          std::raise(number);
        },
        status);
    EXPECT_TRUE(all.ends_with(" error test the end\n")) << number;
    EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == number) << status;
  }
}

TEST(Log, says_which_check_failed_behind_all_that_was_logged) {
  int status = 0;
  const std::string all = stderr_of(
      [] {
        log_much_and_then("the end");
        CHECK(never() == 1);
      },
      status);
  EXPECT_NE(all.find("error test the end\n"), std::string::npos);
  EXPECT_NE(all.find("CHECK(never() == 1) failed"), std::string::npos);
}

std::vector<std::string> lines;

TEST(LogSite, lets_some_lines_a_second_pass_and_says_how_many_it_held_back) {
  lines.clear();
  log::set_sink([](std::string_view line) { lines.emplace_back(line.substr(25)); });
  log::Site& site = *new log::Site{LogLevel::warn, "test", "again"};  // sites are never unlisted
  Metrics metrics(1);
  LogMetrics counts(metrics);
  const auto held_back = [&] {
    counts.update();
    return metrics.metric({"sluice_log_lines_held_back_total", ""})->value();
  };
  const int64_t before = held_back();
  const SteadyTime start{1000s};
  const auto many = [&site](SteadyTime when, int count) {
    for (int i = 0; i < count; ++i)
      if (site.admits(when)) site.write({{"i", i}});
  };
  many(start, 100);
  EXPECT_EQ(lines.size(), log::Site::kPerSecond);
  EXPECT_EQ(lines[0], "warn test again i=0");
  lines.clear();
  many(start + 1s, 2);
  EXPECT_EQ(lines, (std::vector<std::string>{"warn test more lines like this were held back like=again lines=90",
                                             "warn test again i=0", "warn test again i=1"}));
  lines.clear();
  many(start + 1s, 10);
  EXPECT_EQ(lines.size(), log::Site::kPerSecond - 2);
  lines.clear();
  log::tell_of_all_sites();  // nothing more comes, and yet it is told
  log::tell_of_all_sites();
  EXPECT_EQ(lines, (std::vector<std::string>{"warn test more lines like this were held back like=again lines=2"}));

  EXPECT_EQ(held_back() - before, 92);
  log::set_sink(nullptr);
}

TEST(LogSite, holds_nothing_back_of_a_level_that_is_off) {
  static log::Site site{LogLevel::debug, "test", "quiet"};
  for (int i = 0; i < 100; ++i) EXPECT_FALSE(site.admits());
  lines.clear();
  log::set_sink([](std::string_view line) { lines.emplace_back(line); });
  log::tell_of_all_sites();
  log::set_sink(nullptr);
  EXPECT_TRUE(lines.empty());
}

}  // namespace
}  // namespace sluice
