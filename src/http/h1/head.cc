#include "http/h1/head.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include "http/target.h"

namespace sluice {
namespace {

// For each byte: the lower-case form of a byte that a token may have, else 0 (RFC 9110 5.6.2).
constexpr std::array<char, 256> token_table() {
  std::array<char, 256> out{};
  for (int c = 1; c < 128; ++c) {
    const char byte = static_cast<char>(c);
    if (byte >= 'A' && byte <= 'Z')
      out[static_cast<size_t>(c)] = static_cast<char>(byte + 32);
    else if ((byte >= 'a' && byte <= 'z') || (byte >= '0' && byte <= '9') ||
             std::string_view("!#$%&'*+-.^_`|~").find(byte) != std::string_view::npos)
      out[static_cast<size_t>(c)] = byte;
  }
  return out;
}
constexpr auto kToken = token_table();

bool is_token(const char* text, size_t size) {
  if (size == 0) return false;
  for (size_t i = 0; i < size; ++i)
    if (!kToken[static_cast<unsigned char>(text[i])]) return false;
  return true;
}

// Makes letters lower-case, as far as there are only letters, digits and "-", of which nearly all names are: how many
// bytes that was. Eight at a time; "text" has `size` bytes, of which the last seven may be left for others.
size_t lower_plain_bytes(char* text, size_t size) {
  constexpr uint64_t kEach = 0x0101010101010101, kHigh = kEach * 0x80;
  size_t at = 0;
  for (; at + 8 <= size; at += 8) {
    uint64_t bytes;
    std::memcpy(&bytes, text + at, 8);
    // Bit 5 makes letters lower-case and is set in digits and "-"; no other bytes may become one of these by it: their
    // two bits above are 0. A sum of two bytes below 0x80 has its high bit set where they reach 0x80 together.
    const uint64_t lower = bytes | (kEach * 0x20);
    const uint64_t low = lower & ~kHigh;
    const auto from = [&](char least) { return low + kEach * (0x80U - static_cast<uint64_t>(least)); };
    const auto above = [&](char most) { return low + kEach * (0x7FU - static_cast<uint64_t>(most)); };
    const uint64_t letter = from('a') & ~above('z');
    const uint64_t digit_or_dash = (from('0') & ~above('9')) | (from('-') & ~above('-'));
    const uint64_t not_control = (bytes << 1) | (bytes << 2);  // bit 6 or 5, where bit 7 is
    const uint64_t good = (letter | digit_or_dash) & not_control & ~bytes & kHigh;
    const auto plain = static_cast<size_t>(std::countr_one(good | ~kHigh)) / 8;
    if (plain == 8) {
      std::memcpy(text + at, &lower, 8);
      continue;
    }
    const uint64_t mask = (uint64_t{1} << (plain * 8)) - 1;
    bytes = (bytes & ~mask) | (lower & mask);
    std::memcpy(text + at, &bytes, 8);
    return at + plain;
  }
  return at;
}

// RFC 9110 5.5: visible bytes, space, tab and obs-text. Written so that it becomes vector code.
bool is_field_value_bytewise(const char* text, size_t size) {
  unsigned bad = 0;
  for (size_t i = 0; i < size; ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    bad |= static_cast<unsigned>(c < 0x20) & static_cast<unsigned>(c != '\t');
    bad |= static_cast<unsigned>(c == 0x7F);
  }
  return bad == 0;
}

// Whether one of eight bytes is below a space or is DEL. (Each byte less 0x20, or DEL less 1, has its high bit set
// then, and had not before.)
bool has_control(uint64_t bytes) {
  constexpr uint64_t kEach = 0x0101010101010101;
  const uint64_t against_del = bytes ^ (kEach * 0x7F);
  const uint64_t below = (bytes - kEach * 0x20) & ~bytes;
  const uint64_t equal = (against_del - kEach) & ~against_del;
  return ((below | equal) & (kEach * 0x80)) != 0;
}

// The same eight bytes at a time; only what seems to have a control byte, which a tab is, is looked at closely.
bool is_field_value(const char* text, size_t size) {
  if (size < 8) return is_field_value_bytewise(text, size);
  uint64_t bytes;
  for (size_t at = 0; at + 8 < size; at += 8) {
    std::memcpy(&bytes, text + at, 8);
    if (has_control(bytes)) [[unlikely]]
      return is_field_value_bytewise(text, size);
  }
  std::memcpy(&bytes, text + size - 8, 8);  // the last eight, some perhaps again
  return !has_control(bytes) || is_field_value_bytewise(text, size);
}

}  // namespace

HeadParser::LineProgress HeadParser::next_line(std::span<char> bytes, Line& line) {
  const char* found = static_cast<const char*>(std::memchr(bytes.data() + scanned_, '\n', bytes.size() - scanned_));
  if (!found) {
    scanned_ = bytes.size();
    const size_t pending = bytes.size() - position_;
    if (!start_line_done_ && pending > limits_.line_bytes_max)
      fail(HeadFailure::line_too_long);
    else if (bytes.size() > limits_.head_bytes_max || (start_line_done_ && pending > limits_.field_bytes_max))
      fail(HeadFailure::too_large);
    return failure_ != HeadFailure::none ? LineProgress::failed : LineProgress::more;
  }
  const auto end = static_cast<size_t>(found - bytes.data());
  line = {bytes.data() + position_, end - position_};
  if (line.size == 0 || line.begin[line.size - 1] != '\r') {  // F9: a bare line feed is not a line end
    fail(HeadFailure::malformed);
    return LineProgress::failed;
  }
  --line.size;
  position_ = scanned_ = end + 1;
  if (position_ > limits_.head_bytes_max) {
    fail(HeadFailure::too_large);
    return LineProgress::failed;
  }
  return LineProgress::line;
}

// Before it becomes lower case where it stands.
void HeadParser::note_name(std::string_view line, const Headers& headers) {
  const std::string_view name = line.substr(0, line.find(':'));
  if (std::ranges::any_of(name, [](char c) { return c >= 'A' && c <= 'Z'; }))
    written_names->add(headers.arena().copy(name));
}

bool HeadParser::parse_field(Line line, Headers& headers) {
  if (line.size > limits_.field_bytes_max || ++fields_ > limits_.fields_max) {
    fail(HeadFailure::too_large);
    return false;
  }
  if (written_names) [[unlikely]]
    note_name({line.begin, line.size}, headers);
  size_t at = lower_plain_bytes(line.begin, line.size);
  for (char lower; at < line.size && (lower = kToken[static_cast<unsigned char>(line.begin[at])]) != 0; ++at)
    line.begin[at] = lower;
  // F10, F11, F12: no name, a space in or behind it, or a folded line.
  if (at == 0 || at == line.size || line.begin[at] != ':') {
    fail(HeadFailure::malformed);
    return false;
  }
  const std::string_view name(line.begin, at);
  const char* begin = line.begin + at + 1;
  const char* end = line.begin + line.size;
  while (begin < end && (*begin == ' ' || *begin == '\t')) ++begin;
  while (begin < end && (end[-1] == ' ' || end[-1] == '\t')) --end;
  const auto size = static_cast<size_t>(end - begin);
  if (!is_field_value(begin, size)) {  // F8
    fail(HeadFailure::malformed);
    return false;
  }
  headers.push({name, {begin, size}, known_header(name)});
  return true;
}

HeadProgress HeadParser::parse_fields(std::span<char> bytes, Headers& headers) {
  for (;;) {
    Line line;
    const LineProgress progress = next_line(bytes, line);
    if (progress == LineProgress::more) return HeadProgress::more;
    if (progress == LineProgress::failed) return HeadProgress::failed;
    if (line.size == 0) return HeadProgress::done;
    if (!parse_field(line, headers)) return HeadProgress::failed;
  }
}

HeadProgress RequestHeadParser::parse(std::span<char> bytes, Headers& headers) {
  if (!start_line_done_) {
    // RFC 9112 2.2: an empty line in front of a request is skipped; old clients send one behind a POST body.
    if (position_ == 0 && bytes.size() >= 2 && bytes[0] == '\r' && bytes[1] == '\n') position_ = scanned_ = 2;
    if (bytes.size() > position_ && bytes[position_] != '\r' && !kToken[static_cast<unsigned char>(bytes[position_])])
      return fail(HeadFailure::malformed);  // not HTTP at all: say so at once
    Line line;
    const LineProgress progress = next_line(bytes, line);
    if (progress == LineProgress::more) return HeadProgress::more;
    if (progress == LineProgress::failed || parse_request_line(line) == HeadProgress::failed)
      return HeadProgress::failed;
    start_line_done_ = true;
  }
  return parse_fields(bytes, headers);
}

HeadProgress RequestHeadParser::parse_request_line(Line line) {
  if (line.size > limits_.line_bytes_max) return fail(HeadFailure::line_too_long);
  const std::string_view text(line.begin, line.size);
  const size_t first = text.find(' ');
  if (first == std::string_view::npos || text.size() < first + 10 || text[text.size() - 9] != ' ')
    return fail(HeadFailure::malformed);
  method = text.substr(0, first);
  target = text.substr(first + 1, text.size() - first - 10);
  const std::string_view version = text.substr(text.size() - 8);
  if (!is_token(method.data(), method.size()) || !has_target_bytes(target)) return fail(HeadFailure::malformed);
  if (version == "HTTP/1.1")
    minor_version = 1;
  else if (version == "HTTP/1.0")
    minor_version = 0;
  else
    return fail(HeadFailure::malformed);
  return HeadProgress::done;
}

HeadProgress ResponseHeadParser::parse(std::span<char> bytes, Headers& headers) {
  if (!start_line_done_) {
    Line line;
    const LineProgress progress = next_line(bytes, line);
    if (progress == LineProgress::more) return HeadProgress::more;
    if (progress == LineProgress::failed || parse_status_line(line) == HeadProgress::failed)
      return HeadProgress::failed;
    start_line_done_ = true;
  }
  return parse_fields(bytes, headers);
}

HeadProgress ResponseHeadParser::parse_status_line(Line line) {
  const std::string_view text(line.begin, line.size);
  const auto digit = [&](size_t i) { return text[i] >= '0' && text[i] <= '9'; };
  // "HTTP/1.1 200 OK"; a missing reason, and a missing space in front of it, are common and harmless.
  if (text.size() < 12 || !text.starts_with("HTTP/1.") || (text[7] != '1' && text[7] != '0') || text[8] != ' ' ||
      !digit(9) || !digit(10) || !digit(11) || (text.size() > 12 && text[12] != ' '))
    return fail(HeadFailure::malformed);
  minor_version = static_cast<unsigned>(text[7] - '0');
  status = static_cast<uint16_t>((text[9] - '0') * 100 + (text[10] - '0') * 10 + (text[11] - '0'));
  reason = text.size() > 13 ? text.substr(13) : std::string_view();
  if (status < 100 || status > 599 || !is_field_value(reason.data(), reason.size()))
    return fail(HeadFailure::malformed);
  return HeadProgress::done;
}

}  // namespace sluice
