// How much of scarce things the process has, cheaply enough to look ten times a second, and how much its surroundings
// let it have.
#pragma once

#include <cstddef>
#include <optional>
#include <string>

namespace sluice {

// Bytes resident. From `look_closer_at` on, without what the heap holds free, which will be used again before more is
// asked of the system: that look takes the locks of the heap one after the other, for up to a millisecond. Nothing: the
// system does not tell.
std::optional<size_t> memory_in_use(size_t look_closer_at);

// File descriptors open; 0 where the kernel does not tell without listing them (before Linux 6.2).
size_t descriptors_in_use();

// The smallest memory.max (cgroups v2) of this process's group and those above it; nothing where none has one.
// `mounted` and `self` are for tests.
std::optional<size_t> cgroup_memory_max(const std::string& mounted = "/sys/fs/cgroup",
                                        const std::string& self = "/proc/self/cgroup");

}  // namespace sluice
