// How much of scarce things the process has, cheaply enough to look ten times a second, and how much its surroundings
// let it have.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <utility>

#include "base/time.h"

namespace sluice {

// Bytes resident; nothing: the system does not tell.
std::optional<size_t> memory_resident();
// Gives what the heap holds free back to the system, page by page. Walks over it with the heap's locks held, arena by
// arena: the better part of a second where that is a million pieces.
void give_memory_back();

// What is resident, for who looks ten times a second; it is what the system ends a process for. The heap keeps what was
// freed, each thread's by itself, and would seem full after each peak: from `give_back_at` on that is given back before
// what is resident counts. As that costs time it is done rarely: not for 1 s, nor for 100 times as long as it took
// last. One thread.
class MemoryWatch {
 public:
  static constexpr Nanos kBetween = 1s;
  static constexpr int kShare = 100;

  struct Sources {  // for tests
    std::function<std::optional<size_t>()> resident = memory_resident;
    std::function<void()> give_back = give_memory_back;
    std::function<SteadyTime()> clock = steady_now;
  };
  explicit MemoryWatch(size_t give_back_at) : MemoryWatch(give_back_at, Sources()) {}
  MemoryWatch(size_t give_back_at, Sources sources) : give_back_at_(give_back_at), sources_(std::move(sources)) {}

  // Nothing: the system does not tell.
  std::optional<size_t> in_use();

 private:
  const size_t give_back_at_;
  const Sources sources_;
  SteadyTime next_ = SteadyTime::min();
};

// File descriptors open; 0 where the kernel does not tell without listing them (before Linux 6.2).
size_t descriptors_in_use();

// The smallest memory.max (cgroups v2) of this process's group and those above it; nothing where none has one.
// `mounted` and `self` are for tests.
std::optional<size_t> cgroup_memory_max(const std::string& mounted = "/sys/fs/cgroup",
                                        const std::string& self = "/proc/self/cgroup");

}  // namespace sluice
