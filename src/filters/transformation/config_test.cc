#include "filters/transformation/config.h"

#include "base/strings.h"
#include "filters/transformation/filter.h"
#include "pipeline/testing.h"

namespace sluice {
namespace {

// What the options of a transformation template are answered with.
std::string problems(std::string_view yaml) {
  FilterHarness gateway(transformation_filter());
  return gateway.route(yaml);
}

std::string problems_of_template(std::string_view yaml) {
  std::string indented;
  for (const std::string_view line : split(yaml, '\n')) indented += fmt::format("          {}\n", line);
  return problems(
      "stagedTransformations:\n  regular:\n    requestTransforms:\n    - requestTransformation:\n"
      "        transformationTemplate:\n" +
      indented);
}

TEST(TransformationConfig, takes_every_form_that_gloo_takes) {
  EXPECT_EQ(problems(R"(
stagedTransformations:
  inheritTransformation: true
  escapeCharacters: true
  logRequestResponseInfo: false
  early:
    responseTransforms:
    - matchers: [{name: ':status', value: '429'}, {name: x, invertMatch: true}]
      responseCodeDetails: ext_authz_error
      responseTransformation: {transformationTemplate: {headers: {':status': {text: '500'}}, parseBodyBehavior: DontParse}}
  regular:
    requestTransforms:
    - matcher: {prefix: /a, methods: [GET], headers: [{name: x}], queryParameters: [{name: q, value: '1'}]}
      clearRouteCache: true
      requestTransformation:
        logRequestResponseInfo: true
        transformationTemplate:
          advancedTemplates: true
          extractors:
            a: {header: ':path', regex: '(.*)', subgroup: 1}
            b: {body: {}, regex: 'x', mode: REPLACE_ALL, replacementText: z}
          headers: {':path': {text: /}, ':method': {text: GET}, ':authority': {text: a.test}, ':scheme': {text: http}, host: {text: b.test}, X-Mixed: {text: ''}}
          headersToAppend: [{key: x, value: {text: '1'}}]
          headersToRemove: [x, z]
          body: {text: 'x'}
          ignoreErrorOnParse: true
          escapeCharacters: false
          dynamicMetadataValues: [{key: k, value: {text: v}, jsonToProto: true, metadataNamespace: ns}]
    - matcher: {exact: /b}
      requestTransformation: {transformation_template: {passthrough: {}}}
    - matcher: {regex: '/c.*'}
      requestTransformation: {transformationTemplate: {mergeExtractorsToBody: {}}}
    - requestTransformation: {transformationTemplate: {mergeJsonKeys: {jsonKeys: {a: {tmpl: {text: '1'}, overrideEmpty: true}}}}}
    - {}
)"),
            "");
}

TEST(TransformationConfig, says_where_a_template_is_wrong) {
  const std::pair<std::string_view, std::string_view> rows[] = {
      {"headers: {x-a: {text: '{{ foo() }}'}}",
       "headers.x-a.text: [inja.exception.parser_error] (at 1:4) unknown function foo"},
      {"headers: {x-a: {text: '{% if x %}'}}", "unmatched if"},
      {"body: {text: '{{ '}", "body.text: [inja.exception.parser_error]"},
      {"headersToAppend: [{key: x, value: {text: '{{ cluster_metadata(\"x\") }}'}}]",
       "cluster_metadata() is not supported yet"},
      {"dynamicMetadataValues: [{key: x, value: {text: '{{'}}]", "[inja.exception.parser_error]"},
      {"mergeJsonKeys: {jsonKeys: {a: {tmpl: {text: '{{ x'}}}}", "[inja.exception.parser_error]"},
      {"mergeJsonKeys: {jsonKeys: {a.b: {tmpl: {text: '1'}}}}", "must have no dot"},
      {"{advancedTemplates: true, mergeJsonKeys: {jsonKeys: {a: {tmpl: {text: '1'}}}}}", "advancedTemplates"},
      {"{parseBodyBehavior: DontParse, mergeJsonKeys: {jsonKeys: {a: {tmpl: {text: '1'}}}}}",
       "requires parsing the body"},
      {"extractors: {a: {header: x, regex: '('}}", "extractors.a.regex: regex `(`"},
      {"extractors: {a: {header: x, regex: 'a(?=b)'}}", "look-ahead"},
      {"extractors: {a: {header: x, regex: a, subgroup: 1}}", "subgroup 1"},
      {"extractors: {a: {regex: a}}", "header"},
      {"extractors: {a: {header: x, body: {}, regex: a}}", "body"},
      {"extractors: {a: {header: x, regex: a, mode: REPLACE_ALL}}", "replacementText"},
      {"extractors: {a: {header: x, regex: a, mode: REPLACE}}", "REPLACE"},
      {"{passthrough: {}, extractors: {a: {body: {}, regex: a}}}", "the body is not looked at"},
      {"{passthrough: {}, body: {text: x}}", "passthrough"},
      {"spanTransformer: {name: {text: x}}", "not supported yet"},
      {"headers: {':status': {text: '200'}}", "':status' is no pseudo header of a request; there are :method, :path"},
      {"headers: {'a b': {text: x}}", "\"a b\" is no header name"},
      {"headers: {content-length: {text: '5'}}", "'content-length' cannot be changed"},
      {"headersToRemove: [transfer-encoding]", "'transfer-encoding' cannot be changed"},
      {"headers: {Connection: {text: close}}", "'connection' cannot be changed"},
      {"headersToAppend: [{key: te, value: {text: x}}]", "'te' cannot be changed"},
      {"headersToRemove: [':path']", "':path' can only be set"},
      {"headersToAppend: [{key: host, value: {text: x}}]", "'host' can only be set"},
      {"headersToAppend: [{value: {text: x}}]", "key"},
      {"dynamicMetadataValues: [{key: '', value: {text: x}}]", "key"},
      {"parseBodyBehavior: Maybe", "Maybe"},
      {"{passthrough: {}, headers: {a: {text: '{{ body() }}'}}}", "passthrough: warning: the body is not looked at"},
      {"{passthrough: {}, headers: {a: {text: '{{ user.name }}'}}}",
       "headers.a.text: warning: user.name would be a field of the body, which is not parsed (passthrough)"},
      {"{parseBodyBehavior: DontParse, headers: {a: {text: '{{ user.name }}'}}}",
       "headers.a.text: warning: user.name would be a field of the body, which is not parsed (parseBodyBehavior: "
       "DontParse): it is never found, and each request gets 400"},
      {"boddy: {text: x}", "did you mean \"body\""},
  };
  for (const auto& [yaml, expected] : rows) {
    const std::string got = problems_of_template(yaml);
    EXPECT_TRUE(got.contains(expected)) << yaml << "\n" << got;
  }
}

TEST(TransformationConfig, warns_of_a_path_that_is_none) {
  const auto said = [](std::string_view path) {
    return problems_of_template(fmt::format("headers: {{':path': {{text: '{}'}}}}", path));
  };
  EXPECT_TRUE(said("x").contains("':path' does not begin with \"/\": requests are answered 400")) << said("x");
  for (const std::string_view path : {"/x", "{{ header(\"x-path\") }}", "{% if a %}/b{% else %}/c{% endif %}"})
    EXPECT_EQ(said(path), "") << path;
}

TEST(TransformationConfig, tells_of_a_header_where_it_stands) {
  const auto line = [](std::string_view yaml) {
    const std::string got = problems_of_template(yaml);
    return got.substr(0, got.find(": "));
  };
  EXPECT_EQ(line("headers:\n  x: {text: a}\n  te: {text: a}"), "test.yaml:8");
  EXPECT_EQ(line("headersToRemove:\n- x\n- te"), "test.yaml:8");
  EXPECT_EQ(line("headers_to_append:\n- key: x\n  value: {text: a}\n- key: te\n  value: {text: a}"), "test.yaml:9");
}

TEST(TransformationConfig, warns_of_a_string_that_decides) {
  constexpr std::string_view kIf = "'{% if header(\"a\") %}x{% endif %}'";
  const std::pair<std::string, std::string_view> rows[] = {
      {fmt::format("headers: {{x-a: {{text: {}}}}}", kIf),
       "headers.x-a.text: warning: (at 1:7) header(\"a\") is a string"},
      {fmt::format("body: {{text: {}}}", kIf), "body.text: warning: (at 1:7) header(\"a\") is a string"},
      {fmt::format("headersToAppend: [{{key: x, value: {{text: {}}}}}]", kIf),
       "headersToAppend[0]: warning: value.text: (at 1:7) header(\"a\") is a string"},
      {fmt::format("dynamicMetadataValues: [{{key: x, value: {{text: {}}}}}]", kIf), "header(\"a\") is a string"},
      {fmt::format("mergeJsonKeys: {{jsonKeys: {{a: {{tmpl: {{text: {}}}}}}}}}", kIf), "write header(\"a\") != \"\""},
  };
  for (const auto& [yaml, expected] : rows) {
    const std::string got = problems_of_template(yaml);
    EXPECT_TRUE(got.contains(expected)) << yaml << "\n" << got;
    EXPECT_TRUE(got.contains("warning")) << got;
  }
}

TEST(TransformationConfig, refuses_what_is_not_there_yet_and_what_is_contradictory) {
  const std::pair<std::string_view, std::string_view> rows[] = {
      {"{postRouting: {}}", "postRouting: not supported yet"},
      {"{regular: {requestTransforms: [{matcher: {headers: [{name: x}]}}]}}", "prefix"},
      {"{regular: {requestTransforms: [{matcher: {connectMatcher: {}}}]}}", "connectMatcher"},
      {"{regular: {requestTransforms: [{requestTransformation: {headerBodyTransform: {}}}]}}",
       "headerBodyTransform: not supported yet"},
      {"{regular: {requestTransforms: [{requestTransformation: {xsltTransformation: {xslt: x}}}]}}",
       "xsltTransformation: not supported yet"},
      {"{regular: {requestTransforms: [{requestTransformation: {}}]}}", "transformationTemplate"},
      {"{regular: {requestTransforms: [{responseTransformation: {transformationTemplate: {headers: {':path': {text: "
       "/}}}}}]}}",
       "':path' is no pseudo header of a response; there is :status"},
      {"{early: {responseTransforms: [{responseTransformation: {transformationTemplate: {headers: {':method': {text: "
       "x}}}}}]}}",
       "':method'"},
      {"{early: {responseTransforms: [{matchers: [{name: x, value: '(', regex: true}]}]}}", "matchers[0].value"},
  };
  for (const auto& [yaml, expected] : rows) {
    const std::string got = problems(fmt::format("stagedTransformations: {}", yaml));
    EXPECT_TRUE(got.contains(expected)) << yaml << "\n" << got;
  }
  EXPECT_TRUE(problems("transformations: {}").contains("not supported yet"));
}

}  // namespace
}  // namespace sluice
