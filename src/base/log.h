// The program's own log: one line an event, on standard error.
//
//   2026-01-02T03:04:05.678Z warn config message key=value
//
// Any thread may log; a line is one write. A level that is off costs one relaxed load. Never log a secret.
#pragma once

#include <fmt/format.h>
#include <atomic>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

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
}  // namespace sluice
