// strftime with fractions of a second, for %START_TIME(...)%: "%s.%3f" is "1893456000.678". Always UTC.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"

namespace sluice {

class TimeFormat {
 public:
  static constexpr size_t kTextBytesMax = 128;

  TimeFormat() = default;  // "2030-01-01T00:00:00.678Z"

  // strftime's conversions that do not depend on a locale or zone, %s (seconds since 1970), %f (nanoseconds) and %1f to
  // %9f (that many digits of the fraction). "" is the default.
  static Result<TimeFormat> compile(std::string_view text);

  void append(std::string& out, WallTime time) const;

 private:
  struct Piece {
    enum class Kind : uint8_t { calendar, unix_seconds, fraction } kind;
    std::string text;     // calendar: for strftime
    unsigned digits = 0;  // fraction
  };
  void add_calendar(std::string_view text);

  std::vector<Piece> pieces_;
};

}  // namespace sluice
