#include "observe/process.h"

#include <dirent.h>
#include <fmt/format.h>
#include <malloc.h>
#include <sys/resource.h>
#include <unistd.h>
#include <cstdio>
#include <iterator>
#include <optional>

#include "base/strings.h"

namespace sluice {
namespace {

using enum MetricType;

constexpr MetricFamily kLive{"envoy_server_live", "1 while traffic is served, 0 before and in drain.", gauge};
constexpr MetricFamily kState{"envoy_server_state", "0 live, 1 draining, 2 and 3 before the first snapshot.", gauge};
constexpr MetricFamily kUptime{"envoy_server_uptime", "Seconds since the start.", gauge};
constexpr MetricFamily kConcurrency{"envoy_server_concurrency", "Workers.", gauge};
constexpr MetricFamily kVersion{"envoy_server_version",
                                "The version as a number: 1.2.3 is 10203 (Envoy: from its commit).", gauge};
constexpr MetricFamily kAllocated{"envoy_server_memory_allocated", "Bytes allocated from the heap.", gauge};
constexpr MetricFamily kHeap{"envoy_server_memory_heap_size", "Bytes the heap holds, free ones included.", gauge};
constexpr MetricFamily kPhysical{"envoy_server_memory_physical_size", "Bytes of memory resident.", gauge};
constexpr MetricFamily kBuild{"sluice_build_info", "1; the label says which version runs.", gauge};
constexpr MetricFamily kCpu{"process_cpu_seconds_total", "Seconds of processor time, user and system."};
constexpr MetricFamily kResident{"process_resident_memory_bytes", "Bytes of memory resident.", gauge};
constexpr MetricFamily kVirtual{"process_virtual_memory_bytes", "Bytes of address space.", gauge};
constexpr MetricFamily kStart{"process_start_time_seconds", "When the process started, in seconds since 1970.", gauge};
constexpr MetricFamily kOpen{"process_open_fds", "Descriptors open.", gauge};
constexpr MetricFamily kOpenMax{"process_max_fds", "Descriptors that may be open.", gauge};
constexpr MetricFamily kThreads{"process_threads", "Threads.", gauge};

class Text {
 public:
  template <class Number>
  void add(const MetricFamily& family, Number value, std::string_view labels = "") {
    fmt::format_to(std::back_inserter(out_), "# HELP {0} {1}\n# TYPE {0} {2}\n{0}{3} {4}\n", family.name, family.help,
                   family.type == gauge ? "gauge" : "counter", labels, value);
  }
  std::string take() { return std::move(out_); }

 private:
  std::string out_;
};

// Of /proc/self/stat (proc(5)), counted behind the program's name, which may hold anything.
struct ProcessStat {
  int64_t threads = 0;
  int64_t start_ticks = 0;
  int64_t virtual_bytes = 0;
  int64_t resident_pages = 0;
};

std::optional<std::string> first_line(const char* path) {
  FILE* file = std::fopen(path, "re");
  if (!file) return std::nullopt;
  char line[1024];
  const bool read = std::fgets(line, sizeof line, file) != nullptr;
  std::fclose(file);
  return read ? std::optional<std::string>(line) : std::nullopt;
}

std::optional<ProcessStat> process_stat() {
  const auto line = first_line("/proc/self/stat");
  if (!line) return std::nullopt;
  const size_t name_end = line->rfind(')');
  if (name_end == std::string::npos) return std::nullopt;
  const std::string rest = line->substr(name_end + 2);
  const std::vector<std::string_view> fields = split(rest, ' ');  // the first is field 3
  const auto field = [&](size_t number) -> int64_t {
    return number - 3 < fields.size() ? std::strtoll(std::string(fields[number - 3]).c_str(), nullptr, 10) : 0;
  };
  return ProcessStat{field(20), field(22), field(23), field(24)};
}

std::optional<int64_t> boot_time() {
  FILE* file = std::fopen("/proc/stat", "re");
  if (!file) return std::nullopt;
  char line[512];
  std::optional<int64_t> found;
  while (!found && std::fgets(line, sizeof line, file))
    if (std::string_view(line).starts_with("btime ")) found = std::strtoll(line + 6, nullptr, 10);
  std::fclose(file);
  return found;
}

std::optional<int64_t> open_descriptors() {
  DIR* folder = opendir("/proc/self/fd");
  if (!folder) return std::nullopt;
  int64_t count = 0;
  while (const dirent* entry = readdir(folder)) count += entry->d_name[0] != '.';
  closedir(folder);
  return count - 1;  // the folder itself
}

// 1.2.3 -> 10203
int64_t version_number(std::string_view version) {
  int64_t number = 0;
  for (const std::string_view part : split(version, '.'))
    number = number * 100 + std::strtoll(std::string(part).c_str(), nullptr, 10);
  return number;
}

void add_server(Text& text, const ProcessFacts& facts) {
  text.add(kLive, facts.state == ServerState::live ? 1 : 0);
  text.add(kState, static_cast<int>(facts.state));
  text.add(kUptime, std::chrono::duration_cast<Seconds>(facts.uptime).count());
  text.add(kConcurrency, facts.workers);
  text.add(kVersion, version_number(facts.version));
  text.add(kBuild, 1, fmt::format("{{version=\"{}\"}}", facts.version));
  const struct mallinfo2 heap = mallinfo2();
  text.add(kAllocated, heap.uordblks + heap.hblkhd);
  text.add(kHeap, heap.arena + heap.hblkhd);
}

void add_process(Text& text) {
  rusage used{};
  if (getrusage(RUSAGE_SELF, &used) == 0)
    text.add(kCpu, static_cast<double>(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
                       static_cast<double>(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6);
  if (const auto stat = process_stat()) {
    const int64_t resident = stat->resident_pages * sysconf(_SC_PAGESIZE);
    text.add(kPhysical, resident);
    text.add(kResident, resident);
    text.add(kVirtual, stat->virtual_bytes);
    text.add(kThreads, stat->threads);
    if (const auto boot = boot_time()) text.add(kStart, *boot + stat->start_ticks / sysconf(_SC_CLK_TCK));
  }
  if (const auto open = open_descriptors()) text.add(kOpen, *open);
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0) text.add(kOpenMax, limit.rlim_cur);
}

}  // namespace

std::string process_text(const ProcessFacts& facts) {
  Text text;
  add_server(text, facts);
  add_process(text);
  return text.take();
}

std::vector<MetricFamily> process_metric_families() {
  return {kLive,  kState, kUptime,   kConcurrency, kVersion, kAllocated, kHeap,    kPhysical,
          kBuild, kCpu,   kResident, kVirtual,     kStart,   kOpen,      kOpenMax, kThreads};
}

}  // namespace sluice
