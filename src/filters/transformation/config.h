// The option `stagedTransformations`, as it is written on virtual hosts and routes.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "config/bind.h"
#include "config/kinds/matcher.h"

namespace sluice::transformation {

struct TemplateOptions {
  std::string text;
};
void bind(Fields& f, TemplateOptions& o);

enum class Mode : uint8_t { extract, single_replace, replace_all };
inline constexpr EnumName kModeNames[] = {{"EXTRACT", 0}, {"SINGLE_REPLACE", 1}, {"REPLACE_ALL", 2}};
constexpr std::span<const EnumName> enum_names(Mode) {
  return kModeNames;
}

struct ExtractorOptions {
  std::optional<std::string> header;
  std::optional<Empty> body;
  std::string regex;
  uint32_t subgroup = 0;
  Mode mode = Mode::extract;
  std::optional<std::string> replacement_text;
};
void bind(Fields& f, ExtractorOptions& o);

struct HeaderToAppend {
  std::string key;
  TemplateOptions value;
};
void bind(Fields& f, HeaderToAppend& o);

struct MetadataValue {
  std::string metadata_namespace;
  std::string key;
  TemplateOptions value;
  bool json_to_proto = false;
};
void bind(Fields& f, MetadataValue& o);

struct JsonKey {
  TemplateOptions tmpl;
  bool override_empty = false;
};
void bind(Fields& f, JsonKey& o);

struct MergeJsonKeys {
  std::vector<std::pair<std::string, JsonKey>> json_keys;
};
void bind(Fields& f, MergeJsonKeys& o);

enum class ParseBody : uint8_t { as_json, not_at_all };
inline constexpr EnumName kParseBodyNames[] = {{"ParseAsJson", 0}, {"DontParse", 1}};
constexpr std::span<const EnumName> enum_names(ParseBody) {
  return kParseBodyNames;
}

struct TransformationTemplate {
  bool advanced_templates = false;
  std::vector<std::pair<std::string, ExtractorOptions>> extractors;
  std::vector<std::pair<std::string, TemplateOptions>> headers;
  std::vector<HeaderToAppend> headers_to_append;
  std::vector<std::string> headers_to_remove;
  std::optional<TemplateOptions> body;
  std::optional<Empty> passthrough;
  std::optional<Empty> merge_extractors_to_body;
  std::optional<MergeJsonKeys> merge_json_keys;
  ParseBody parse_body_behavior = ParseBody::as_json;
  bool ignore_error_on_parse = false;
  std::vector<MetadataValue> dynamic_metadata_values;
  std::optional<bool> escape_characters;
};
void bind(Fields& f, TransformationTemplate& o);

struct TransformationOptions {
  TransformationTemplate transformation_template;
  std::optional<bool> log_request_response_info;
};
void bind(Fields& f, TransformationOptions& o);

struct RequestTransform {
  std::optional<kinds::Matcher> matcher;
  bool clear_route_cache = false;
  std::optional<TransformationOptions> request_transformation;
  std::optional<TransformationOptions> response_transformation;
};
void bind(Fields& f, RequestTransform& o);

struct ResponseTransform {
  std::vector<kinds::HeaderMatcher> matchers;
  std::string response_code_details;
  std::optional<TransformationOptions> response_transformation;
};
void bind(Fields& f, ResponseTransform& o);

struct StageOptions {
  std::vector<RequestTransform> request_transforms;
  std::vector<ResponseTransform> response_transforms;
  std::string written;  // all of this as JSON, for FilterBuild::share
};
void bind(Fields& f, StageOptions& o);

struct StagedTransformations {
  std::optional<StageOptions> early;
  std::optional<StageOptions> regular;
  bool inherit_transformation = false;
  std::optional<bool> log_request_response_info;
  std::optional<bool> escape_characters;
};
void bind(Fields& f, StagedTransformations& o);

}  // namespace sluice::transformation
