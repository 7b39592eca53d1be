#include "observe/resources.h"

#include <fcntl.h>
#include <malloc.h>
#include <sys/stat.h>
#include <unistd.h>
#include <algorithm>
#include <charconv>
#include <fstream>
#include <string_view>

namespace sluice {
namespace {

std::optional<size_t> limit_in(const std::string& folder) {
  std::ifstream file(folder + "/memory.max");
  size_t bytes = 0;
  if (file >> bytes) return bytes;  // else it is not there, or says "max"
  return std::nullopt;
}

// "/a/b" of the line "0::/a/b", which is that of version 2.
std::optional<std::string> group_of(const std::string& self) {
  std::ifstream file(self);
  for (std::string line; std::getline(file, line);)
    if (line.starts_with("0::/")) return line.substr(3);
  return std::nullopt;
}

}  // namespace

// Of /proc/self/statm (proc(5)): sizes in pages, of which the second is what is resident.
std::optional<size_t> memory_resident() {
  const int fd = ::open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
  if (fd < 0) return std::nullopt;
  char text[128];
  const ssize_t got = ::read(fd, text, sizeof text);
  ::close(fd);
  if (got <= 0) return std::nullopt;
  const std::string_view line(text, static_cast<size_t>(got));
  const size_t space = line.find(' ');
  if (space == std::string_view::npos) return std::nullopt;
  size_t pages = 0;
  const auto read = std::from_chars(line.data() + space + 1, line.data() + line.size(), pages);
  if (read.ec != std::errc()) return std::nullopt;
  return pages * static_cast<size_t>(sysconf(_SC_PAGESIZE));
}

void give_memory_back() {
  ::malloc_trim(0);
}

std::optional<size_t> MemoryWatch::in_use() {
  const auto resident = sources_.resident();
  if (!resident || *resident < give_back_at_) return resident;
  const SteadyTime now = sources_.clock();
  if (now < next_) return resident;
  sources_.give_back();
  const SteadyTime after = sources_.clock();
  next_ = after + std::max(kBetween, kShare * (after - now));
  return sources_.resident();
}

size_t descriptors_in_use() {
  struct stat folder{};
  return ::stat("/proc/self/fd", &folder) == 0 && folder.st_size > 0 ? static_cast<size_t>(folder.st_size) : 0;
}

std::optional<size_t> cgroup_memory_max(const std::string& mounted, const std::string& self) {
  auto group = group_of(self);
  std::optional<size_t> least;
  // Inside a container its own group may be mounted where the root would be: a folder that is not there has no limit.
  while (group) {
    if (*group == "/") group->clear();
    if (const auto limit = limit_in(mounted + *group)) least = least ? std::min(*least, *limit) : *limit;
    if (group->empty()) break;
    group->resize(group->rfind('/'));
  }
  return least;
}

}  // namespace sluice
