// The program's own log: one line an event, on standard error.
//
//   2026-01-02T03:04:05.678Z warn config message key=value
//
// Any thread may log. A level that is off costs one relaxed load. Never log a secret.
//
// A program that serves calls start_writer(): from then on nobody who logs waits for standard error. Lines are queued
// (base/log_queue.h), written by a thread of their own, and dropped and counted when the queue is full. A line that a
// client can cause goes through a log::Site, which lets some a second pass and says how many it held back.
#pragma once

#include <fmt/format.h>
#include <atomic>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/metrics.h"
#include "base/time.h"

namespace sluice {

enum class LogLevel : uint8_t { trace, debug, info, warn, error };
enum class LogFormat : uint8_t { text, json };

std::string_view log_level_name(LogLevel level);
std::optional<LogLevel> parse_log_level(std::string_view name);

struct LogField {
  std::string_view key;
  std::string value;
  template <class T>
  LogField(std::string_view k, const T& v) : key(k), value(fmt::to_string(v)) {}
};

namespace log {

inline std::atomic<LogLevel> level_now{LogLevel::info};
inline bool enabled(LogLevel level) {
  return level >= level_now.load(std::memory_order_relaxed);
}
void set_level(LogLevel level);
void set_format(LogFormat format);

using Fields = std::initializer_list<LogField>;
void write(LogLevel level, std::string_view component, std::string_view message, Fields fields);

// Once, before any other thread logs: lines are written by a thread of their own. Where the program crashes, what was
// logged before is written first.
void start_writer();
// Waits until all lines have been written; gives up when standard error has taken nothing for `patience`. Call it
// before the program ends.
void flush(Nanos patience = 1s);
// A line as it is, whatever level and sink are set; returns when it is written, or cannot be.
void last_words(std::string_view line);

// A place in the code whose lines a client can cause: so many a second in the whole process, then one line that says
// how many were held back. A static object of constants:
//
//   static log::Site site{LogLevel::warn, "egress", "a destination is refused"};
//   if (site.admits()) site.write({{"destination", name}});
class Site {
 public:
  static constexpr uint32_t kPerSecond = 10;

  constexpr Site(LogLevel level, std::string_view component, std::string_view message)
      : level_(level), component_(component), message_(message) {}
  Site(const Site&) = delete;
  Site& operator=(const Site&) = delete;

  // False: the level is off, or the line is held back. Ask before what the line says is put together.
  bool admits() { return enabled(level_) && admits(steady_now()); }
  bool admits(SteadyTime now);
  void write(Fields fields) { log::write(level_, component_, message_, fields); }
  // Says how many lines were held back since it last did, if any were.
  void tell_held_back();

 private:
  friend void tell_of_all_sites();
  void join_list();

  const LogLevel level_;
  const std::string_view component_;
  const std::string_view message_;
  std::atomic<int64_t> second_{-1};
  std::atomic<uint32_t> lines_{0};  // of this second
  std::atomic<uint64_t> held_back_{0};
  std::atomic<bool> listed_{false};
  Site* next_ = nullptr;
};
// tell_held_back() of every site there is. The thread that writes does this each second.
void tell_of_all_sites();

// Where lines go instead of standard error; for tests. Empty: back to standard error.
void set_sink(void (*sink)(std::string_view line));

inline void error(std::string_view component, std::string_view message, Fields fields = {}) {
  if (enabled(LogLevel::error)) write(LogLevel::error, component, message, fields);
}
inline void warn(std::string_view component, std::string_view message, Fields fields = {}) {
  if (enabled(LogLevel::warn)) write(LogLevel::warn, component, message, fields);
}
inline void info(std::string_view component, std::string_view message, Fields fields = {}) {
  if (enabled(LogLevel::info)) write(LogLevel::info, component, message, fields);
}
// Debug and trace lines may be many: guard costly fields with log::enabled().
inline void debug(std::string_view component, std::string_view message, Fields fields = {}) {
  if (enabled(LogLevel::debug)) write(LogLevel::debug, component, message, fields);
}

}  // namespace log

// What became of lines, in the metrics. Belongs to the control thread.
class LogMetrics {
 public:
  explicit LogMetrics(Metrics& metrics);
  // Before each scrape.
  void update();
  static std::vector<MetricFamily> families();

 private:
  Counter* dropped_;
  Counter* held_back_;
};

}  // namespace sluice
