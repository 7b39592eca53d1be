#include "base/time.h"

#include <fmt/format.h>
#include <charconv>
#include <cmath>
#include <ctime>

#include "base/strings.h"

namespace sluice {
namespace {

std::tm utc(WallTime t) {
  const std::time_t seconds = unix_seconds(t);
  std::tm out{};
  gmtime_r(&seconds, &out);
  return out;
}

std::optional<double> unit_nanos(std::string_view unit) {
  if (unit == "ns") return 1;
  if (unit == "us" || unit == "\xC2\xB5s") return 1e3;
  if (unit == "ms") return 1e6;
  if (unit == "s") return 1e9;
  if (unit == "m") return 60e9;
  if (unit == "h") return 3600e9;
  return std::nullopt;
}

}  // namespace

Result<Nanos> parse_duration(std::string_view text) {
  const auto bad = [&] {
    return invalid(
        fmt::format("expected a duration such as \"250ms\" or \"5s\", got {}", json_quote(printable(text, 60))));
  };
  std::string_view rest = text;
  const bool negative = rest.starts_with('-');
  if (negative || rest.starts_with('+')) rest.remove_prefix(1);
  if (rest == "0") return Nanos(0);
  if (rest.empty()) return bad();
  double total = 0;
  while (!rest.empty()) {
    const size_t digits = std::min(rest.find_first_not_of("0123456789."), rest.size());
    double number = 0;
    const auto [end, error] = std::from_chars(rest.data(), rest.data() + digits, number, std::chars_format::fixed);
    if (digits == 0 || error != std::errc() || end != rest.data() + digits) return bad();
    rest.remove_prefix(digits);
    const size_t letters = std::min(rest.find_first_of("0123456789."), rest.size());
    const auto unit = unit_nanos(rest.substr(0, letters));
    if (!unit) return bad();
    rest.remove_prefix(letters);
    total += number * *unit;
  }
  // As a double, the longest duration rounds up to one that does not fit.
  if (total >= static_cast<double>(Nanos::max().count()))
    return invalid(fmt::format("{} is longer than 292 years, the longest duration", json_quote(printable(text, 60))));
  return Nanos(static_cast<int64_t>(std::llround(negative ? -total : total)));
}

std::string format_duration(Nanos duration) {
  int64_t n = duration.count();
  if (n == 0) return "0s";
  std::string out = n < 0 ? "-" : "";
  if (n < 0) n = -n;
  if (n < 1'000) return out + fmt::format("{}ns", n);
  if (n < 1'000'000) return out + fmt::format("{}us", static_cast<double>(n) / 1e3);
  if (n < 1'000'000'000) return out + fmt::format("{}ms", static_cast<double>(n) / 1e6);
  const int64_t hours = n / 3'600'000'000'000, minutes = n / 60'000'000'000 % 60;
  if (hours) out += fmt::format("{}h", hours);
  if (minutes) out += fmt::format("{}m", minutes);
  const double seconds = static_cast<double>(n % 60'000'000'000) / 1e9;
  if (seconds > 0) out += fmt::format("{}s", seconds);
  return out;
}

std::string format_iso(WallTime t) {
  const std::tm tm = utc(t);
  const auto millis = std::chrono::floor<Millis>(t).time_since_epoch().count() % 1000;
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday,
                     tm.tm_hour, tm.tm_min, tm.tm_sec, millis);
}

std::string format_iso_seconds(WallTime t) {
  const std::tm tm = utc(t);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour,
                     tm.tm_min, tm.tm_sec);
}

std::optional<WallTime> parse_iso(std::string_view text) {
  std::tm tm{};
  int consumed = 0;
  const std::string copy(text);
  if (std::sscanf(copy.c_str(), "%4d-%2d-%2dT%2d:%2d:%2d%n", &tm.tm_year, &tm.tm_mon, &tm.tm_mday, &tm.tm_hour,
                  &tm.tm_min, &tm.tm_sec, &consumed) != 6)
    return std::nullopt;
  std::string_view rest = std::string_view(copy).substr(static_cast<size_t>(consumed));
  int64_t nanos = 0;
  if (rest.starts_with('.')) {
    rest.remove_prefix(1);
    int64_t unit = 100'000'000;
    for (; !rest.empty() && ascii_digit(rest.front()); rest.remove_prefix(1), unit /= 10)
      nanos += (rest.front() - '0') * unit;
  }
  if (rest != "Z") return std::nullopt;
  tm.tm_year -= 1900;
  tm.tm_mon -= 1;
  return WallTime(Seconds(timegm(&tm))) + Nanos(nanos);
}

std::string format_http_date(WallTime t) {
  static constexpr const char* kDays[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  static constexpr const char* kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                            "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const std::tm tm = utc(t);
  return fmt::format("{}, {:02} {} {:04} {:02}:{:02}:{:02} GMT", kDays[tm.tm_wday], tm.tm_mday, kMonths[tm.tm_mon],
                     tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
}

}  // namespace sluice
