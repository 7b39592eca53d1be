// The path of a rule of google.api.http, as http.proto of googleapis has its grammar:
//
//   Template = "/" Segments [ ":" Verb ]      Segments = Segment { "/" Segment }
//   Segment  = "*" | "**" | literal | "{" FieldPath [ "=" Segments ] "}"       FieldPath = name { "." name }
//
// Behind "**" only literals may stand, and variables do not nest.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace sluice::transcoding {

struct TemplateVariable {
  std::vector<std::string> field_path;
  size_t begin = 0;         // its first segment
  size_t behind = 0;        // of `segments`, behind its last one
  bool any_length = false;  // holds "**"
  bool one_segment() const { return !any_length && behind == begin + 1; }
};

struct PathTemplate {
  static Result<PathTemplate> parse(std::string_view text);

  std::vector<std::string> segments;  // "*" and "**" as they are
  std::vector<TemplateVariable> variables;
  std::string verb;
};

// What a variable stands for in a path of these segments, which the template fits. As Envoy: one segment is decoded
// entirely; several keep what would be a reserved character of a URL (RFC 3986 2.2) in its escaped form.
std::string value_of(const TemplateVariable& variable, const PathTemplate& path, std::span<const std::string_view> in);

}  // namespace sluice::transcoding
