// One command operator of a Format. For format.cc and format_json.cc only.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "http/grpc.h"
#include "pipeline/format.h"
#include "pipeline/time_format.h"

namespace sluice {

struct FormatValue {
  enum class Kind : uint8_t { missing, text, number, json };
  Kind kind = Kind::missing;
  std::string_view text;  // text, json: as long as the request and the scratch space last
  uint64_t number = 0;

  static FormatValue of(std::string_view text) { return text.empty() ? FormatValue{} : FormatValue{Kind::text, text}; }
  static FormatValue of_optional(std::optional<std::string_view> text) {
    return text ? FormatValue{Kind::text, *text} : FormatValue{};
  }
  static FormatValue of_number(uint64_t number) { return {Kind::number, {}, number}; }
};

// A header or pseudo header that an operator asks for, so that a record compares no names it need not.
struct FormatHeader {
  enum class Source : uint8_t { none, field, method, path, authority, scheme, status, original_path };
  Source source = Source::none;
  Known known = Known::other;  // field
  std::string name;            // lower case

  static FormatHeader of(std::string_view name);
};

class FormatOperator {
 public:
  // What stands between the percent signs: NAME, NAME(ARGUMENTS), each with or without :N.
  struct Parts {
    std::string_view name;
    std::optional<std::string_view> arguments;
    std::optional<size_t> bytes_max;
  };
  static Result<FormatOperator> compile(const Parts& parts);

  // `scratch` is cleared by the caller, and may be used for the value's text.
  FormatValue value(const FormatInput& input, std::string& scratch) const;

  // What the operators in the table work with.
  FormatHeader header;                     // REQ, RESP, TRAILER
  FormatHeader alternative;                // looked at when `header` is missing
  std::vector<std::string> path;           // DYNAMIC_METADATA: namespace, key, keys below
  TimeFormat time;                         // START_TIME
  std::optional<std::string> fixed;        // HOSTNAME, ENVIRONMENT
  std::optional<grpc::Spelling> spelling;  // GRPC_STATUS; nothing: its number

  using Evaluate = FormatValue (*)(const FormatOperator& op, const FormatInput& input, std::string& scratch);

 private:
  Evaluate evaluate_ = nullptr;
  size_t bytes_max_ = SIZE_MAX;
};

// The value under a namespace, a key and keys below it; texts without their quotes, all else as compact JSON.
FormatValue metadata_value(const StreamInfo& info, const std::vector<std::string>& path, std::string& scratch);

}  // namespace sluice
