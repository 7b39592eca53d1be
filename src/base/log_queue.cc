#include "base/log_queue.h"

#include <poll.h>
#include <unistd.h>
#include <algorithm>
#include <atomic>
#include <cerrno>
#include <climits>
#include <condition_variable>
#include <ctime>
#include <mutex>
#include <thread>
#include <utility>

#include "base/thread_name.h"

namespace sluice {

struct LogQueue::State {
  State(int descriptor, Hooks h) : fd(descriptor), hooks(h) {}

  bool write_whole(std::string_view text, bool counted);

  const int fd;
  const Hooks hooks;
  std::mutex mutex;
  std::condition_variable more;
  std::string waiting;
  uint64_t lost = 0;  // lines that found no room behind `waiting`
  bool stopping = false;
  // For flush(), which may be in a signal handler: what has been taken and is not written, and a count that moves
  // with each write.
  std::atomic<uint64_t> unwritten{0};
  std::atomic<uint64_t> writes{0};
  std::atomic<uint64_t> dropped{0};
};

std::string_view whole_lines(std::string_view text, size_t bytes_max) {
  if (text.size() <= bytes_max) return text;
  const size_t line_end = text.rfind('\n', bytes_max - 1);
  return text.substr(0, line_end == std::string_view::npos ? bytes_max : line_end + 1);
}

// False: the descriptor takes no more, ever.
bool LogQueue::State::write_whole(std::string_view text, bool counted) {
  while (!text.empty()) {
    const std::string_view part = whole_lines(text, PIPE_BUF);
    const ssize_t n = ::write(fd, part.data(), part.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) {  // somebody else made it non-blocking
      pollfd ready{fd, POLLOUT, 0};
      ::poll(&ready, 1, -1);
      continue;
    }
    if (n < 0) {
      dropped.fetch_add(static_cast<uint64_t>(std::ranges::count(text, '\n')), std::memory_order_relaxed);
      if (counted) unwritten.fetch_sub(text.size(), std::memory_order_release);
      return false;
    }
    if (counted) unwritten.fetch_sub(static_cast<size_t>(n), std::memory_order_release);
    writes.fetch_add(1, std::memory_order_relaxed);
    text.remove_prefix(static_cast<size_t>(n));
  }
  return true;
}

LogQueue::LogQueue(int fd, Hooks hooks) : state_(std::make_shared<State>(fd, hooks)) {
  std::thread([state = state_] {
    name_thread("log");
    run(state);
  }).detach();
}

LogQueue::~LogQueue() {
  flush(Nanos(1s));
  const std::scoped_lock lock(state_->mutex);
  state_->stopping = true;
  state_->more.notify_one();
}

void LogQueue::push(std::string_view line) {
  State& state = *state_;
  const std::scoped_lock lock(state.mutex);
  // Once lines are lost, those behind them are too, until the gap has been told: so the order stays true.
  if (state.lost > 0 || state.unwritten.load(std::memory_order_relaxed) + line.size() > kBytesMax) {
    ++state.lost;
    state.dropped.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  state.waiting += line;
  state.unwritten.fetch_add(line.size(), std::memory_order_relaxed);
  state.more.notify_one();
}

void LogQueue::run(const std::shared_ptr<State>& held) {
  State& state = *held;
  std::string batch;
  auto next_second = std::chrono::steady_clock::now() + 1s;
  for (std::unique_lock lock(state.mutex);;) {
    state.more.wait_until(lock, next_second,
                          [&] { return !state.waiting.empty() || state.lost > 0 || state.stopping; });
    if (state.waiting.empty() && state.lost == 0 && state.stopping) return;
    batch.swap(state.waiting);
    const uint64_t lost = std::exchange(state.lost, 0);
    lock.unlock();
    if (state.write_whole(batch, true) && lost > 0) state.write_whole(state.hooks.dropped(lost), false);
    batch.clear();
    if (batch.capacity() > (256U << 10)) batch.shrink_to_fit();
    if (const auto now = std::chrono::steady_clock::now(); now >= next_second) {
      next_second = now + 1s;
      if (state.hooks.every_second) state.hooks.every_second();
    }
    lock.lock();
  }
}

// Only atomics and nanosleep(): nothing that a signal handler may not call.
bool LogQueue::flush(Nanos patience) const {
  constexpr timespec kMoment{0, 1'000'000};
  uint64_t writes = state_->writes.load(std::memory_order_relaxed);
  for (Nanos still{}; state_->unwritten.load(std::memory_order_acquire) > 0; still += 1ms) {
    if (still >= patience) return false;
    ::nanosleep(&kMoment, nullptr);
    if (const uint64_t now = state_->writes.load(std::memory_order_relaxed); now != std::exchange(writes, now))
      still = Nanos(0);
  }
  return true;
}

uint64_t LogQueue::dropped() const {
  return state_->dropped.load(std::memory_order_relaxed);
}

}  // namespace sluice
