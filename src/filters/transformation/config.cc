#include "filters/transformation/config.h"

#include "base/strings.h"
#include "config/option_field.h"
#include "engines/templates/extractor.h"
#include "engines/templates/template.h"
#include "filters/transformation/transformation.h"

namespace sluice::transformation {
namespace {

using Keys = std::vector<std::string_view>;

// A message about what stands at the end of `keys`, at the place of the last of them that is found.
void tell_at(Fields& f, Severity severity, const Keys& keys, std::string message) {
  const Node* at = f.node(keys.front());
  for (const std::string_view key : std::span(keys).subspan(1)) {
    const Node* const below = at ? at->find(key) : nullptr;
    if (!below) break;
    at = below;
  }
  f.reader().tell_below(severity, keys, at ? at->place() : Place{}, std::move(message));
}

void check_templates(Fields& f, const TransformationTemplate& o) {
  std::vector<std::string> extractors;
  extractors.reserve(o.extractors.size());
  for (const auto& [name, extractor] : o.extractors) extractors.push_back(name);
  const templates::Options options{.advanced = o.advanced_templates, .extractors = extractors};
  bool reads_body = false;
  const bool parses = !o.passthrough && o.parse_body_behavior != ParseBody::not_at_all;
  const auto check = [&](const TemplateOptions& text, auto&& say) {
    const auto compiled = templates::Template::compile(text.text, options);
    if (!compiled) return say(Severity::error, compiled.error().message);
    for (const std::string& warning : compiled->warnings()) say(Severity::warning, warning);
    reads_body = reads_body || compiled->reads_body();
    // Behind a statement a variable may be one of the template's own.
    if (!parses && !compiled->first_variable().empty() && !text.text.contains("{%"))
      say(Severity::warning,
          fmt::format(
              "{} would be a field of the body, which is not parsed ({}): it is never found, and each request gets 400 "
              "unless it stands in default() or exists()",
              compiled->first_variable(), o.passthrough ? "passthrough" : "parseBodyBehavior: DontParse"));
  };
  const auto at = [&f](Keys keys) {
    return [&f, keys = std::move(keys)](Severity severity, std::string message) {
      tell_at(f, severity, keys, std::move(message));
    };
  };
  const auto at_index = [&f](std::string_view field, size_t index) {
    return [&f, field, index](Severity severity, std::string message) {
      f.tell(severity, field, index, "value.text: " + std::move(message));
    };
  };
  for (const auto& [name, text] : o.headers) check(text, at({"headers", name, "text"}));
  for (size_t i = 0; i < o.headers_to_append.size(); ++i) {
    check(o.headers_to_append[i].value, at_index("headersToAppend", i));
  }
  for (size_t i = 0; i < o.dynamic_metadata_values.size(); ++i) {
    check(o.dynamic_metadata_values[i].value, at_index("dynamicMetadataValues", i));
  }
  if (o.body) check(*o.body, at({"body", "text"}));
  if (o.merge_json_keys)
    for (const auto& one : o.merge_json_keys->json_keys) {
      check(one.second.tmpl, [&f, &key = one.first](Severity severity, std::string message) {
        tell_at(f, severity, {"mergeJsonKeys", "jsonKeys", key}, "tmpl.text: " + std::move(message));
      });
    }
  if (o.passthrough && reads_body)
    f.warning("passthrough", "the body is not looked at, so body() is empty: leave passthrough out to use it");
}

void check_merge_json_keys(Fields& f, const TransformationTemplate& o) {
  if (!o.merge_json_keys) return;
  f.check(o.parse_body_behavior == ParseBody::as_json, "mergeJsonKeys",
          "requires parsing the body: leave parseBodyBehavior out");
  f.check(!o.advanced_templates, "mergeJsonKeys", "is not possible with advancedTemplates");
  for (const auto& [key, value] : o.merge_json_keys->json_keys) {
    f.check(!key.contains('.'), "mergeJsonKeys",
            fmt::format("key \"{}\" must have no dot: only keys at the top can be set", key));
  }
}

// The two spellings of a field.
struct FieldName {
  std::string_view camel, snake;
};
constexpr FieldName kTemplate{"transformationTemplate", "transformation_template"};
constexpr FieldName kHeaders{"headers", "headers"};
constexpr FieldName kHeadersToAppend{"headersToAppend", "headers_to_append"};
constexpr FieldName kHeadersToRemove{"headersToRemove", "headers_to_remove"};

const Node* find_either(const Node* node, const FieldName& name) {
  if (!node) return nullptr;
  const Node* found = node->find(name.camel);
  return found ? found : node->find(name.snake);
}

// Where an entry of a list or map of a transformation's template stands, or the nearest that is known.
Place place_of_entry(const Node& transformation, const FieldName& list, size_t index) {
  const Node* const in = find_either(&transformation, kTemplate);
  const Node* const entries = find_either(in, list);
  if (!entries) return in ? in->place() : transformation.place();
  if (const Node::List* all = entries->list(); all && index < all->size()) return (*all)[index].place();
  if (const Node::Map* all = entries->map(); all && index < all->size()) return (*all)[index].place;
  return entries->place();
}

// The names of headers that a transformation of that direction touches.
void check_header_names(Fields& f, std::string_view field, const std::optional<TransformationOptions>& o,
                        Direction direction) {
  if (!f.reading() || !o || !f.good(field)) return;
  const auto check = [&](const FieldName& list, size_t index, std::string_view name, HeaderUse use) {
    const auto problem = header_problem(name, direction, use);
    if (!problem) return;
    const Keys keys = {field, kTemplate.camel, list.camel};
    f.reader().tell_below(Severity::error, keys, place_of_entry(*f.node(field), list, index), *problem);
  };
  const TransformationTemplate& t = o->transformation_template;
  for (size_t i = 0; i < t.headers.size(); ++i) check(kHeaders, i, t.headers[i].first, HeaderUse::set);
  for (size_t i = 0; i < t.headers_to_append.size(); ++i)
    check(kHeadersToAppend, i, t.headers_to_append[i].key, HeaderUse::append);
  for (size_t i = 0; i < t.headers_to_remove.size(); ++i)
    check(kHeadersToRemove, i, t.headers_to_remove[i], HeaderUse::remove);
  for (const auto& [name, value] : t.headers) {
    const bool no_slash = !value.text.starts_with('/') && !value.text.starts_with('{');  // a template may print one
    if (direction == Direction::request && equals_ignoring_case(name, ":path") && no_slash)
      f.warning(field,
                "transformationTemplate.headers: the ':path' does not begin with \"/\": requests are answered 400");
  }
}

Result<size_t> program_of(const ExtractorOptions& o) {
  const auto extractor = TRY(templates::Extractor::compile(extraction(o)));
  return extractor.program_size();
}

}  // namespace

void bind(Fields& f, TemplateOptions& o) {
  f.optional("text", o.text, "The template.");
}

void bind(Fields& f, ExtractorOptions& o) {
  f.optional("header", o.header, "The first value of this header (or `:path` and the like) is looked at.");
  f.optional("body", o.body, "The whole body is looked at.");
  f.optional("regex", o.regex, "Regular expression (ECMAScript's syntax as far as RE2 has it).");
  f.optional("subgroup", o.subgroup, "Which group is taken; 0 is the whole match.");
  f.optional("mode", o.mode, "Take a group, replace one group, or replace every match.");
  f.optional("replacementText", o.replacement_text, "What is put there in the modes that replace.");
  f.exactly_one({"header", "body"});
  if (f.reading() && f.may_compile()) f.compiled("regex", {}, program_of(o));
}

void bind(Fields& f, HeaderToAppend& o) {
  f.required("key", o.key, "Name of the header.");
  f.optional("value", o.value, "Template of its value; an empty result adds nothing.");
}

void bind(Fields& f, MetadataValue& o) {
  f.optional("metadataNamespace", o.metadata_namespace, "Default `io.solo.transformation`.");
  f.required("key", o.key, "Under which it is kept.");
  f.optional("value", o.value, "Template of the value; an empty result is not kept.");
  f.optional("jsonToProto", o.json_to_proto, "The result is JSON; where it is not, it is kept as text.");
  if (f.present("key")) f.check(!o.key.empty(), "key", "must not be empty");
}

void bind(Fields& f, JsonKey& o) {
  f.optional("tmpl", o.tmpl, "Template of the value: its result must be JSON text.");
  f.optional("overrideEmpty", o.override_empty, "Set the key even when the result is empty.");
}

void bind(Fields& f, MergeJsonKeys& o) {
  f.optional("jsonKeys", o.json_keys, "Top-level keys of the body and their templates.");
}

void bind(Fields& f, TransformationTemplate& o) {
  f.optional("advancedTemplates", o.advanced_templates, "Body fields by slashes, extractors only by `extraction()`.");
  f.optional("extractors", o.extractors, "Named pieces of headers or of the body.");
  f.optional("headers", o.headers, "Headers to set; an empty result removes the header.");
  f.optional("headersToAppend", o.headers_to_append, "Headers that get one more value.");
  f.optional("headersToRemove", o.headers_to_remove, "Headers to remove.");
  f.optional("body", o.body, "The new body.");
  f.optional("passthrough", o.passthrough, "The body is not looked at: it is neither buffered nor parsed.");
  f.optional("mergeExtractorsToBody", o.merge_extractors_to_body,
             "The new body is the JSON body with the extractors' values put in.");
  f.optional("mergeJsonKeys", o.merge_json_keys, "The new body is the JSON body with these keys set.");
  f.optional("parseBodyBehavior", o.parse_body_behavior, "Whether the body is read as JSON.");
  f.optional("ignoreErrorOnParse", o.ignore_error_on_parse,
             "Go on without JSON when the body is none, instead of answering 400.");
  f.optional("dynamicMetadataValues", o.dynamic_metadata_values, "Values for logs and later filters.");
  f.optional("escapeCharacters", o.escape_characters, "Strings are printed as within JSON quotes.");
  f.unsupported("spanTransformer", "Sets the name of the tracing span.");
  f.one_of({"body", "passthrough", "mergeExtractorsToBody", "mergeJsonKeys"});
  if (!f.reading()) return;
  check_merge_json_keys(f, o);
  if (o.passthrough) {
    for (const auto& [name, extractor] : o.extractors) {
      if (extractor.body)
        tell_at(f, Severity::error, {"extractors", name, "body"}, "passthrough: the body is not looked at");
    }
  }
  check_templates(f, o);
}

void bind(Fields& f, TransformationOptions& o) {
  f.optional("transformationTemplate", o.transformation_template, "What is changed, by templates.");
  f.optional("logRequestResponseInfo", o.log_request_response_info, "Log headers before and after, at level debug.");
  f.unsupported("headerBodyTransform", "Makes a JSON body of headers and body.");
  f.unsupported("xsltTransformation", "XSLT.");
  f.exactly_one({"transformationTemplate", "headerBodyTransform", "xsltTransformation"});
}

void bind(Fields& f, RequestTransform& o) {
  f.optional("matcher", o.matcher, "Which requests; left out: all.");
  f.optional("clearRouteCache", o.clear_route_cache, "Choose the route again after the request was changed.");
  f.optional("requestTransformation", o.request_transformation, "How the request is changed.");
  f.optional("responseTransformation", o.response_transformation, "How the responses to these requests are changed.");
  check_header_names(f, "requestTransformation", o.request_transformation, Direction::request);
  check_header_names(f, "responseTransformation", o.response_transformation, Direction::response);
}

void bind(Fields& f, ResponseTransform& o) {
  f.optional("matchers", o.matchers, "Conditions on response headers and `:status`, all of which must hold.");
  f.optional("responseCodeDetails", o.response_code_details, "The response code details must be exactly these.");
  f.optional("responseTransformation", o.response_transformation, "How the response is changed.");
  check_header_names(f, "responseTransformation", o.response_transformation, Direction::response);
}

void bind(Fields& f, StageOptions& o) {
  o.written = f.written();
  f.optional("requestTransforms", o.request_transforms, "The first that matches is used.");
  f.optional("responseTransforms", o.response_transforms,
             "The first that matches is used, where the request phase chose no response transformation.");
}

void bind(Fields& f, StagedTransformations& o) {
  f.optional("early", o.early, "Before CORS and authentication.");
  f.optional("regular", o.regular, "After authentication, before rate limits.");
  f.unsupported("postRouting", "After the upstream host was chosen.");
  f.optional("inheritTransformation", o.inherit_transformation,
             "The virtual host's transforms come behind the route's own.");
  f.optional("logRequestResponseInfo", o.log_request_response_info, "Default for the transformations below.");
  f.optional("escapeCharacters", o.escape_characters, "Default for the templates below.");
  if (o.inherit_transformation && f.reading(OptionLevel::virtual_host))
    f.warning("inheritTransformation", "has no effect on a virtual host: there is nothing above it");
}

}  // namespace sluice::transformation
