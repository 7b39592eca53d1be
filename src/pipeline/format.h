// Envoy's command operators ("%REQ(:PATH)% %RESPONSE_CODE%"), compiled once and filled in per request: for access logs
// and for the values of headers (reference gloo-policies.md 8.5, gloo-core.md 5.4).
//
// "%%" is a percent sign; a lone "%" is an error. Immutable once compiled: any thread may use it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "config/node.h"
#include "pipeline/message.h"
#include "pipeline/stream_info.h"

namespace sluice {

// What the operators are answered from. Whatever is null has no values.
struct FormatInput {
  const Request* request = nullptr;    // null when no head could be read
  const Response* response = nullptr;  // as it went to the client; null when there was none
  const StreamInfo& info;
  SteadyTime now;  // the end of the request, for durations
  const Headers* response_trailers = nullptr;
};

enum class FormatUse : uint8_t {
  log,           // a missing value is "-"; control bytes in values are written as \xNN
  header_value,  // a missing value is nothing; values are as they are
  json_text,     // a missing value is "-"; values are as they are (quoting is the caller's)
};

class FormatOperator;

class Format {
 public:
  static constexpr size_t kTextBytesMax = 16U << 10;

  // The error names the operator and its place; one that is understood but not to be had says "not supported yet".
  static Result<Format> compile(std::string_view text, FormatUse use = FormatUse::log);
  // All that is wrong with such a text; empty when it compiles.
  static std::vector<std::string> problems(std::string_view text);

  Format(Format&&) noexcept;
  Format& operator=(Format&&) noexcept;
  ~Format();

  void append(std::string& out, const FormatInput& input) const;

  // Without any operator: its text is the same for every request.
  bool is_constant() const { return operators_.empty(); }
  const std::string& constant() const { return tail_; }
  // It is one operator and nothing else; that operator, else nullptr.
  const FormatOperator* sole_operator() const;

 private:
  struct Piece;
  Format();

  FormatUse use_ = FormatUse::log;
  std::vector<Piece> operators_;  // each with the text before it
  std::string tail_;              // behind the last operator
};

// A tree whose texts are formats, written as one line of JSON a record. A text that is one operator keeps the
// operator's type (numbers without quotes), and is null when its value is missing. Numbers, booleans, lists and nested
// maps stay as they are; keys keep the document's order.
class JsonFormat {
 public:
  static constexpr size_t kDepthMax = 64;

  // `tree` must be a map. The error names the key: "claims.sub: unknown operator ...".
  static Result<JsonFormat> compile(const Node& tree);
  // All that is wrong, each behind its path: ".claims.sub: unknown operator ...", ": expected a map ...".
  static std::vector<std::string> problems(const Node& tree);
  JsonFormat(JsonFormat&&) noexcept;
  JsonFormat& operator=(JsonFormat&&) noexcept;
  ~JsonFormat();

  // The record and a line break.
  void append(std::string& out, const FormatInput& input) const;

 private:
  class Compiler;
  struct Part;
  JsonFormat();

  std::vector<Part> parts_;  // each with the JSON before it
  std::string tail_;
};

// The operators that compile, as "REQ", for docs.
std::vector<std::string_view> supported_format_operators();

}  // namespace sluice
