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
// Of so many resident without those that the heap holds free, which will be used again before more is asked of the
// system. Walks over what is free with the heap's locks held, arena by arena: the better part of a second where that is
// a million pieces.
size_t memory_in_use_of(size_t resident);

// Memory in use, for who looks ten times a second: below `look_closer_at` what is resident, from there on without what
// was free in the heap when it last looked closer. That is done rarely: not for 5 s, nor for 100 times as long as the
// last look took. Meanwhile the free bytes may have been taken, and what is in use be more than said; but a heap that
// has free bytes does not grow. So growth of what is resident since that look takes eight times as much off them: after
// an eighth of them all that is resident counts, which is what the system ends a process for. One thread.
class MemoryWatch {
 public:
  static constexpr Nanos kBetweenLooks = 5s;
  static constexpr int kLookShare = 100;
  static constexpr size_t kGrowthTakes = 8;

  struct Sources {  // for tests
    std::function<std::optional<size_t>()> resident = memory_resident;
    std::function<size_t(size_t)> in_use_of = memory_in_use_of;
    std::function<SteadyTime()> clock = steady_now;
  };
  explicit MemoryWatch(size_t look_closer_at) : MemoryWatch(look_closer_at, Sources()) {}
  MemoryWatch(size_t look_closer_at, Sources sources) : look_closer_at_(look_closer_at), sources_(std::move(sources)) {}

  // Nothing: the system does not tell.
  std::optional<size_t> in_use();

 private:
  void look_closer(size_t resident, SteadyTime now);

  const size_t look_closer_at_;
  const Sources sources_;
  SteadyTime next_look_ = SteadyTime::min();
  size_t resident_then_ = 0;  // at the last look
  size_t free_then_ = 0;
};

// File descriptors open; 0 where the kernel does not tell without listing them (before Linux 6.2).
size_t descriptors_in_use();

// The smallest memory.max (cgroups v2) of this process's group and those above it; nothing where none has one.
// `mounted` and `self` are for tests.
std::optional<size_t> cgroup_memory_max(const std::string& mounted = "/sys/fs/cgroup",
                                        const std::string& self = "/proc/self/cgroup");

}  // namespace sluice
