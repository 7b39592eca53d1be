// The head of an HTTP/1 message: start line and fields (RFC 9112 2-5), parsed strictly and in place.
//
// A parser is fed the bytes of one head, from its first byte, again and again as more arrive; it goes on where it
// stopped. Names are made lower-case in the buffer itself, and all views point into it, so the buffer must stay where
// it is (when it has to move: restart()). What is doubtful is refused, not mended: two readers of one message must
// never disagree.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "http/head_limits.h"
#include "http/headers.h"
#include "http/written_names.h"

namespace sluice {

enum class HeadProgress : uint8_t { more, done, failed };

// What both kinds of head have in common: splitting into lines, fields, limits.
class HeadParser {
 public:
  explicit HeadParser(const HeadLimits& limits) : limits_(limits) {}

  // How many bytes the head takes, its empty line included; valid when done.
  size_t size() const { return position_; }
  HeadFailure failure() const { return failure_; }
  // HTTP/1.`minor_version`.
  unsigned minor_version = 1;
  // Names that have capital letters are kept here as well, in the arena of the fields; null: they are not.
  WrittenNames* written_names = nullptr;

 protected:
  struct Line {
    char* begin;
    size_t size;
  };
  enum class LineProgress : uint8_t { line, more, failed };
  LineProgress next_line(std::span<char> bytes, Line& line);
  bool parse_field(Line line, Headers& headers);
  void note_name(std::string_view line, const Headers& headers);
  HeadProgress parse_fields(std::span<char> bytes, Headers& headers);
  HeadProgress fail(HeadFailure why) {
    failure_ = why;
    return HeadProgress::failed;
  }
  void reset_position() {
    position_ = scanned_ = 0;
    start_line_done_ = false;
    fields_ = 0;
    failure_ = HeadFailure::none;
    minor_version = 1;
    if (written_names) written_names->clear();
  }

  HeadLimits limits_;
  size_t position_ = 0;  // of the line that is next
  size_t scanned_ = 0;   // up to here there is no line feed behind position_
  size_t fields_ = 0;
  bool start_line_done_ = false;
  HeadFailure failure_ = HeadFailure::none;
};

class RequestHeadParser : public HeadParser {
 public:
  using HeadParser::HeadParser;
  HeadProgress parse(std::span<char> bytes, Headers& headers);
  void restart(Headers& headers) {
    headers.clear();
    reset_position();
    method = target = {};
  }

  std::string_view method;
  std::string_view target;  // as written

 private:
  HeadProgress parse_request_line(Line line);
};

class ResponseHeadParser : public HeadParser {
 public:
  using HeadParser::HeadParser;
  HeadProgress parse(std::span<char> bytes, Headers& headers);
  void restart(Headers& headers) {
    headers.clear();
    reset_position();
    status = 0;
    reason = {};
  }

  uint16_t status = 0;
  std::string_view reason;

 private:
  HeadProgress parse_status_line(Line line);
};

}  // namespace sluice
