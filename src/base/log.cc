#include "base/log.h"

#include <unistd.h>
#include <array>
#include <csignal>

#include "base/log_queue.h"
#include "base/strings.h"

namespace sluice {
namespace {

constexpr std::array<std::string_view, 5> kLevels = {"trace", "debug", "info", "warn", "error"};
std::atomic<LogFormat> format_now{LogFormat::text};
std::atomic<void (*)(std::string_view)> sink_now{nullptr};
std::atomic<LogQueue*> queue_now{nullptr};  // never freed: threads log until the process is gone
std::atomic<log::Site*> sites{nullptr};     // those that have held lines back
std::atomic<uint64_t> held_back{0};

constexpr MetricFamily kDropped = {"sluice_log_lines_dropped_total",
                                   "Lines of the program's log dropped because standard error takes no more."};
constexpr MetricFamily kHeldBack = {"sluice_log_lines_held_back_total",
                                    "Lines of the program's log not written because there were too many like them."};

// A value that a reader could not tell from the next field is quoted.
bool plain(std::string_view value) {
  return !value.empty() && value.find_first_of(" \"=\t\n\r\\") == std::string_view::npos;
}

std::string text_line(LogLevel level, std::string_view component, std::string_view message, log::Fields fields) {
  std::string line =
      fmt::format("{} {} {} {}", format_iso(wall_now()), log_level_name(level), component, printable(message, 4096));
  for (const LogField& field : fields)
    line +=
        fmt::format(" {}={}", field.key, plain(field.value) ? printable(field.value, 4096) : json_quote(field.value));
  return line;
}

std::string json_line(LogLevel level, std::string_view component, std::string_view message, log::Fields fields) {
  std::string line = fmt::format(R"({{"time":"{}","level":"{}","component":{},"message":{})", format_iso(wall_now()),
                                 log_level_name(level), json_quote(component), json_quote(message));
  for (const LogField& field : fields) line += fmt::format(",{}:{}", json_quote(field.key), json_quote(field.value));
  return line + "}";
}

std::string line_of(LogLevel level, std::string_view component, std::string_view message, log::Fields fields) {
  std::string line = format_now.load() == LogFormat::json ? json_line(level, component, message, fields)
                                                          : text_line(level, component, message, fields);
  return line += '\n';
}

std::string dropped_line(uint64_t lines) {
  return line_of(LogLevel::warn, "log", "lines were dropped here: standard error took no more", {{"lines", lines}});
}

// What was logged just before a crash often says why. Then the signal does what it always does.
void on_crash(int number) {
  if (const LogQueue* queue = queue_now.load()) queue->flush(1s);
  std::signal(number, SIG_DFL);
  std::raise(number);
}

void flush_before_crash() {
  for (const int number : {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL}) {
    struct sigaction now{};
    // A sanitizer may have its own.
    if (sigaction(number, nullptr, &now) == 0 && now.sa_handler == SIG_DFL) std::signal(number, &on_crash);
  }
}

}  // namespace

std::string_view log_level_name(LogLevel level) {
  return kLevels[static_cast<size_t>(level)];
}

std::optional<LogLevel> parse_log_level(std::string_view name) {
  for (size_t i = 0; i < kLevels.size(); ++i)
    if (kLevels[i] == name) return static_cast<LogLevel>(i);
  return std::nullopt;
}

namespace log {

void set_level(LogLevel level) {
  level_now.store(level, std::memory_order_relaxed);
}
void set_format(LogFormat format) {
  format_now.store(format);
}
void set_sink(void (*sink)(std::string_view)) {
  sink_now.store(sink);
}

void write(LogLevel level, std::string_view component, std::string_view message, Fields fields) {
  const std::string line = line_of(level, component, message, fields);
  if (auto* sink = sink_now.load()) return sink(std::string_view(line).substr(0, line.size() - 1));
  if (auto* queue = queue_now.load()) return queue->push(line);
  // A log that cannot be written has nobody to tell.
  [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, line.data(), line.size());
}

void start_writer() {
  queue_now.store(new LogQueue(STDERR_FILENO, {.dropped = &dropped_line, .every_second = [] { tell_of_all_sites(); }}));
  flush_before_crash();
}

void flush(Nanos patience) {
  tell_of_all_sites();
  if (const LogQueue* queue = queue_now.load()) queue->flush(patience);
}

void last_words(std::string_view line) {
  if (auto* queue = queue_now.load()) {
    queue->push(line);
    queue->flush(1s);
  } else {
    [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, line.data(), line.size());
  }
}

bool Site::admits(SteadyTime now) {
  const int64_t second = std::chrono::floor<Seconds>(now.time_since_epoch()).count();
  if (int64_t known = second_.load(std::memory_order_relaxed);
      known != second && second_.compare_exchange_strong(known, second, std::memory_order_relaxed)) {
    tell_held_back();
    lines_.store(0, std::memory_order_relaxed);
  }
  if (lines_.fetch_add(1, std::memory_order_relaxed) < kPerSecond) return true;
  held_back_.fetch_add(1, std::memory_order_relaxed);
  held_back.fetch_add(1, std::memory_order_relaxed);
  if (!listed_.exchange(true)) join_list();
  return false;
}

void Site::join_list() {
  next_ = sites.load();
  while (!sites.compare_exchange_weak(next_, this)) continue;
}

void Site::tell_held_back() {
  if (const uint64_t lines = held_back_.exchange(0, std::memory_order_relaxed); lines > 0)
    log::write(level_, component_, "more lines like this were held back", {{"like", message_}, {"lines", lines}});
}

void tell_of_all_sites() {
  for (Site* site = sites.load(); site; site = site->next_) site->tell_held_back();
}

}  // namespace log
LogMetrics::LogMetrics(Metrics& metrics) : dropped_(metrics.metric(kDropped)), held_back_(metrics.metric(kHeldBack)) {}

void LogMetrics::update() {
  const LogQueue* queue = queue_now.load();
  dropped_->set(queue ? static_cast<int64_t>(queue->dropped()) : 0);
  held_back_->set(static_cast<int64_t>(held_back.load(std::memory_order_relaxed)));
}

std::vector<MetricFamily> LogMetrics::families() {
  return {kDropped, kHeldBack};
}

}  // namespace sluice
