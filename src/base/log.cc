#include "base/log.h"

#include <unistd.h>
#include <array>

#include "base/strings.h"
#include "base/time.h"

namespace sluice {
namespace {

constexpr std::array<std::string_view, 5> kLevels = {"trace", "debug", "info", "warn", "error"};
std::atomic<LogFormat> format_now{LogFormat::text};
std::atomic<void (*)(std::string_view)> sink_now{nullptr};

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
  std::string line = format_now.load() == LogFormat::json ? json_line(level, component, message, fields)
                                                          : text_line(level, component, message, fields);
  if (auto* sink = sink_now.load()) return sink(line);
  line += '\n';
  // A log that cannot be written has nobody to tell.
  [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, line.data(), line.size());
}

}  // namespace log
}  // namespace sluice
