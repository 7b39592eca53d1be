#include "engines/transcoding/http_rule.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>
#include <google/protobuf/unknown_field_set.h>

namespace sluice::transcoding {
namespace {

using google::protobuf::UnknownField;
using google::protobuf::UnknownFieldSet;

constexpr int kHttpExtension = 72295728;  // of google.protobuf.MethodOptions, in google/api/annotations.proto

// google/api/http.proto: fields of HttpRule
constexpr int kGet = 2, kPut = 3, kPost = 4, kDelete = 5, kPatch = 6, kBody = 7, kCustom = 8, kAdditional = 11,
              kResponseBody = 12;
constexpr int kCustomKind = 1, kCustomPath = 2;

bool is_text(const UnknownField& field) {
  return field.type() == UnknownField::TYPE_LENGTH_DELIMITED;
}

void set_pattern(HttpRule& rule, std::string_view method, std::string_view path) {
  rule.method = method;
  rule.path = path;
}

bool read_custom(HttpRule& rule, const std::string& bytes) {
  UnknownFieldSet fields;
  if (!fields.ParseFromString(bytes)) return false;
  for (int i = 0; i < fields.field_count(); ++i) {
    const UnknownField& field = fields.field(i);
    if (!is_text(field)) continue;
    if (field.number() == kCustomKind) rule.method = field.length_delimited();
    if (field.number() == kCustomPath) rule.path = field.length_delimited();
  }
  return true;
}

// `out` gets the rule and, unless it is one of them (they do not nest), its additional ones.
bool read_rule(const std::string& bytes, bool is_additional, std::vector<HttpRule>& out) {
  UnknownFieldSet fields;
  if (!fields.ParseFromString(bytes)) return false;
  const size_t at = out.size();
  out.emplace_back();
  for (int i = 0; i < fields.field_count(); ++i) {
    const UnknownField& field = fields.field(i);
    if (!is_text(field)) continue;
    const std::string& text = field.length_delimited();
    HttpRule& rule = out[at];
    switch (field.number()) {
      case kGet: set_pattern(rule, "GET", text); break;
      case kPut: set_pattern(rule, "PUT", text); break;
      case kPost: set_pattern(rule, "POST", text); break;
      case kDelete: set_pattern(rule, "DELETE", text); break;
      case kPatch: set_pattern(rule, "PATCH", text); break;
      case kBody: rule.body = text; break;
      case kResponseBody: rule.response_body = text; break;
      case kCustom:
        if (!read_custom(rule, text)) return false;
        break;
      case kAdditional:
        if (is_additional || !read_rule(text, true, out)) return false;
        break;
      default: break;
    }
  }
  return true;
}

}  // namespace

Result<std::vector<HttpRule>> http_rules_of(const google::protobuf::MethodDescriptor& method) {
  // A message may come in pieces, which stand for one (Protocol Buffers, "Last One Wins").
  const UnknownFieldSet& options = method.options().unknown_fields();
  std::string bytes;
  bool there = false;
  for (int i = 0; i < options.field_count(); ++i) {
    const UnknownField& field = options.field(i);
    if (field.number() != kHttpExtension || !is_text(field)) continue;
    bytes += field.length_delimited();
    there = true;
  }
  std::vector<HttpRule> rules;
  if (!there) return rules;
  if (!read_rule(bytes, false, rules))
    return invalid("option google.api.http of " + method.full_name() + " cannot be read");
  std::erase_if(rules, [](const HttpRule& rule) { return rule.method.empty(); });
  return rules;
}

}  // namespace sluice::transcoding
