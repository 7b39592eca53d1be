// Lines on their way to a descriptor that may take them slowly or not at all: a bounded queue and a thread that writes.
//
// push() never waits for the descriptor. What finds no room is dropped and counted; a line in its place says how many.
// Lines keep their order. They are written whole, up to PIPE_BUF bytes at a time, so that on a pipe they do not mix
// with those of other programs.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/time.h"

namespace sluice {

class LogQueue {
 public:
  static constexpr size_t kBytesMax = 4 << 20;

  struct Hooks {
    // The line that stands for so many that were dropped.
    std::string (*dropped)(uint64_t lines);
    // Called once a second by the thread that writes.
    void (*every_second)() = nullptr;
  };
  // `fd` stays its owner's.
  LogQueue(int fd, Hooks hooks);
  LogQueue(const LogQueue&) = delete;
  LogQueue& operator=(const LogQueue&) = delete;
  // Writes what waits, as flush() does. A thread that is stuck in a write is left to the end of the process.
  ~LogQueue();

  // One line with its newline. Any thread.
  void push(std::string_view line);
  // Waits until all has been written; false when nothing moved for `patience`. Safe in a signal handler.
  bool flush(Nanos patience) const;
  uint64_t dropped() const;

 private:
  struct State;
  static void run(const std::shared_ptr<State>& state);
  std::shared_ptr<State> state_;  // the thread holds it too: it may outlive us
};

// The whole lines at the front of `text` that fit into `bytes_max`; a part of the first where that alone is longer.
std::string_view whole_lines(std::string_view text, size_t bytes_max);

}  // namespace sluice
