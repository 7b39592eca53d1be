#include "pipeline/time_format.h"

#include <fmt/format.h>
#include <array>
#include <ctime>

#include "base/strings.h"

namespace sluice {
namespace {

// %n and %t would break a line, %x, %X, %c, %r and %p depend on the locale; %E and %O are prefixes.
constexpr std::string_view kConversions = "aAbBCdDeFgGhHIjklmMRSTuUVwWyYzZ%";

uint32_t nanos_of_second(WallTime time) {
  return static_cast<uint32_t>((time - std::chrono::floor<Seconds>(time)).count());
}

void append_fraction(std::string& out, WallTime time, unsigned digits) {
  std::array<char, 9> text;
  uint32_t nanos = nanos_of_second(time);
  for (size_t i = text.size(); i-- > 0; nanos /= 10) text[i] = static_cast<char>('0' + nanos % 10);
  out.append(text.data(), digits);
}

// Nearly every record is of the same second as the one before it.
void append_iso(std::string& out, WallTime time) {
  thread_local int64_t cached_second = INT64_MIN;
  thread_local std::string cached;
  if (const int64_t second = unix_seconds(time); second != cached_second) {
    cached = format_iso_seconds(time);  // "...:05Z"
    cached.back() = '.';
    cached_second = second;
  }
  out += cached;
  append_fraction(out, time, 3);
  out += 'Z';
}

}  // namespace

Result<TimeFormat> TimeFormat::compile(std::string_view text) {
  if (text.size() > kTextBytesMax)
    return invalid(fmt::format("the time format has {} bytes, more than {}", text.size(), kTextBytesMax));
  TimeFormat out;
  while (!text.empty()) {
    if (text[0] != '%') {
      const std::string_view literal = text.substr(0, text.find('%'));
      out.add_calendar(literal);
      text.remove_prefix(literal.size());
      continue;
    }
    const char next = text.size() > 1 ? text[1] : '\0';
    if (next == 's') {
      out.pieces_.push_back({Piece::Kind::unix_seconds, {}});
    } else if (next == 'f') {
      out.pieces_.push_back({Piece::Kind::fraction, {}, 9});
    } else if (next >= '1' && next <= '9' && text.size() > 2 && text[2] == 'f') {
      out.pieces_.push_back({Piece::Kind::fraction, {}, static_cast<unsigned>(next - '0')});
      text.remove_prefix(1);
    } else if (next != '\0' && kConversions.find(next) != std::string_view::npos) {
      out.add_calendar(text.substr(0, 2));
    } else {
      return invalid(fmt::format("{} is no conversion of a time format; use those of strftime, %s, %f or %3f",
                                 json_quote(text.substr(0, 3))));
    }
    text.remove_prefix(2);
  }
  return out;
}

void TimeFormat::add_calendar(std::string_view text) {
  if (pieces_.empty() || pieces_.back().kind != Piece::Kind::calendar) pieces_.push_back({Piece::Kind::calendar, {}});
  pieces_.back().text += text;
}

void TimeFormat::append(std::string& out, WallTime time) const {
  if (pieces_.empty()) return append_iso(out, time);
  const std::time_t seconds = unix_seconds(time);
  std::tm calendar{};
  gmtime_r(&seconds, &calendar);
  for (const Piece& piece : pieces_) {
    switch (piece.kind) {
      case Piece::Kind::unix_seconds: out += fmt::format_int(seconds).str(); break;
      case Piece::Kind::fraction: append_fraction(out, time, piece.digits); break;
      case Piece::Kind::calendar:
        // The longest conversion ("September", "+0000") is under 16 bytes for two bytes of text.
        std::array<char, kTextBytesMax * 8> text;
        out.append(text.data(), std::strftime(text.data(), text.size(), piece.text.c_str(), &calendar));
        break;
    }
  }
}

}  // namespace sluice
