#include "filters/transformation/filter.h"

#include <cstdlib>
#include <random>

#include "pipeline/testing.h"

namespace sluice {
namespace {

using Ask = FilterHarness::Ask;
using Answer = FilterHarness::Answer;

// A gateway with these options on its route, and an upstream that answers with what it got.
struct Gateway : FilterHarness {
  explicit Gateway(std::string_view route_options) : FilterHarness(transformation_filter()) {
    EXPECT_EQ(route(route_options), "");
    upstream = [this](Request& request) { return echo(request); };
  }

  Response echo(Request& request) {
    seen.clear();
    for (const HeaderField& field : request.headers) seen.emplace_back(field.name, field.value);
    seen_path = request.path;
    seen_line = fmt::format("{} {} {}", request.method, request.authority, request.path);
    return make_response(request, status, response_headers, response_body, slowly, with_length);
  }

  std::optional<std::string> seen_header(std::string_view name) const {
    for (const auto& [n, value] : seen) {
      if (n == name) return value;
    }
    return std::nullopt;
  }

  uint16_t status = 200;
  std::vector<std::pair<std::string, std::string>> response_headers = {{"content-type", "text/plain"}};
  std::vector<std::string> response_body = {"ok"};
  bool slowly = false;
  bool with_length = true;
  std::vector<std::pair<std::string, std::string>> seen;
  std::string seen_path, seen_line;
};

// Options with one match-all request transformation in the regular stage.
std::string on_request(std::string_view transformation_template) {
  return fmt::format(
      "stagedTransformations: {{regular: {{requestTransforms: [{{requestTransformation: {{transformationTemplate: "
      "{}}}}}]}}}}",
      transformation_template);
}
std::string on_response(std::string_view transformation_template) {
  return fmt::format(
      "stagedTransformations: {{regular: {{responseTransforms: [{{responseTransformation: {{transformationTemplate: "
      "{}}}}}]}}}}",
      transformation_template);
}

Ask post(std::string body) {
  return {.method = "POST", .headers = {{"content-type", "application/json"}}, .body = {std::move(body)}};
}

TEST(Transformation, computes_the_backend_of_the_main_job) {
  Gateway gateway(on_request(
      R"({parseBodyBehavior: DontParse, headers: {x-mypaas-tenant-backend: {text: '{{ header("x-mypaas-tenant-id") }}.mypaas.test:18081'}}})"));
  gateway.send({.headers = {{"x-mypaas-tenant-id", "tenant-1"}, {"x-mypaas-tenant-backend", "forged:1"}}});
  EXPECT_EQ(gateway.seen_header("x-mypaas-tenant-backend"), "tenant-1.mypaas.test:18081");
  gateway.send({});
  EXPECT_EQ(gateway.seen_header("x-mypaas-tenant-backend"), ".mypaas.test:18081");
}

TEST(Transformation, is_not_in_the_chain_unless_it_is_configured) {
  FilterHarness gateway(transformation_filter());
  EXPECT_EQ(gateway.chain().filters.size(), 0);
  EXPECT_EQ(gateway.route("stagedTransformations: {early: {}, regular: {requestTransforms: [{}]}}"), "");
  EXPECT_EQ(gateway.chain().filters.size(), 0);
  EXPECT_EQ(
      gateway.route(
          "stagedTransformations: {early: {requestTransforms: [{requestTransformation: {transformationTemplate: "
          "{passthrough: {}}}}]},"
          " regular: {responseTransforms: [{responseTransformation: {transformationTemplate: {passthrough: {}}}}]}}"),
      "");
  ASSERT_EQ(gateway.chain().filters.size(), 2);
  EXPECT_EQ(gateway.chain().filters[0].stage, Stage::early_transformation);
  EXPECT_EQ(gateway.chain().filters[1].stage, Stage::regular_transformation);
}

TEST(Transformation, works_out_example_a_and_chooses_the_route_again) {
  Gateway gateway(R"(
stagedTransformations:
  early:
    requestTransforms:
    - matcher: {prefix: /shop}
      clearRouteCache: true
      requestTransformation:
        transformationTemplate:
          passthrough: {}
          extractors:
            tenant: {header: ':path', regex: '.*[?&]tenant=([^&]+).*', subgroup: 1}
            rest:   {header: ':path', regex: '/shop(.*)', subgroup: 1}
          headers:
            x-tenant: {text: '{{ tenant }}'}
            ':path': {text: '/v2{{ rest }}'}
)");
  std::string rerouted;
  gateway.reroute = [&rerouted](Request& request) {
    rerouted = request.path;
    return true;
  };
  gateway.send({.path = "/shop/a?tenant=t1"});
  EXPECT_EQ(gateway.seen_header("x-tenant"), "t1");
  EXPECT_EQ(gateway.seen_path, "/v2/a?tenant=t1");
  EXPECT_EQ(rerouted, "/v2/a?tenant=t1");

  rerouted.clear();
  gateway.send({.path = "/other?tenant=t1"});
  EXPECT_EQ(gateway.seen_header("x-tenant"), std::nullopt);
  EXPECT_EQ(rerouted, "");

  gateway.reroute = [](Request&) { return false; };
  const Answer lost = gateway.send({.path = "/shop/a"});
  EXPECT_EQ(lost.status, 404);
  EXPECT_EQ(lost.details, "route_not_found");
  EXPECT_EQ(lost.flags, "NR");
}

TEST(Transformation, works_out_example_b) {
  Gateway gateway(on_request(R"({advancedTemplates: true, extractors: {who: {header: x-user, regex: '.*', subgroup: 0}},
    body: {text: '{"u":"{{ extraction("who") }}","first":"{{ items/0/id }}","n":{{ length(items) }}}'}})"));
  Ask ask = post(R"({"items":[{"id":"q"},{"id":"r"}]})");
  ask.headers.emplace_back("x-user", "ann");
  const Answer answer = gateway.send(ask);
  EXPECT_EQ(answer.upstream_body, R"({"u":"ann","first":"q","n":2})");
  EXPECT_EQ(gateway.seen_header("content-length"), "29");
  EXPECT_EQ(gateway.seen_header("content-type"), "application/json");
}

TEST(Transformation, works_out_example_c_for_upstream_responses_and_local_replies) {
  Gateway gateway(R"(
stagedTransformations:
  early:
    responseTransforms:
    - matchers: [{name: ':status', value: '429'}]
      responseTransformation:
        transformationTemplate:
          parseBodyBehavior: DontParse
          headers: {content-type: {text: application/json}}
          body: {text: '{"error":"slow down","host":"{{ request_header(":authority") }}"}'}
)");
  gateway.status = 429;
  const Answer answer = gateway.send({});
  EXPECT_EQ(answer.status, 429);
  EXPECT_EQ(answer.body, R"({"error":"slow down","host":"api.test"})");
  EXPECT_EQ(answer.header("content-type"), "application/json");
  EXPECT_EQ(answer.header("content-length"), "39");
  gateway.upstream = [](Request& request) { return local_reply(request, 429, "", "request_rate_limited"); };
  EXPECT_EQ(gateway.send({}).body, answer.body);
  gateway.upstream = [](Request& request) { return local_reply(request, 403, "no", "other"); };
  EXPECT_EQ(gateway.send({}).body, "no");
}

TEST(Transformation, works_out_example_d) {
  Gateway gateway(on_response(
      R"({headers: {':status': {text: '{% if exists("fault.kind") %}{% if fault.kind == "quota" %}429{% else %}422{% endif %}{% else %}{{ header(":status") }}{% endif %}'}}})"));
  gateway.response_body = {R"({"fault":{"kind":)", R"("quota"}})"};
  Answer answer = gateway.send({});
  EXPECT_EQ(answer.status, 429);
  EXPECT_EQ(answer.body, R"({"fault":{"kind":"quota"}})");
  gateway.response_body = {R"({"fault":{"kind":"x"}})"};
  EXPECT_EQ(gateway.send({}).status, 422);
  gateway.response_body = {R"({"ok":1})"};
  EXPECT_EQ(gateway.send({}).status, 200);
}

TEST(Transformation, works_out_example_e) {
  const auto render = [](std::string_view staged, std::string_view own) {
    Gateway gateway(fmt::format(
        R"(stagedTransformations: {{{} regular: {{requestTransforms: [{{requestTransformation: {{transformationTemplate: {{{} body: {{text: '{{"t":"{{{{ say }}}}"}}'}}}}}}}}]}}}})",
        staged, own));
    return gateway.send(post(R"({"say":"he \"x\""})")).upstream_body;
  };
  EXPECT_EQ(render("", ""), R"({"t":"he "x""})");
  EXPECT_EQ(render("", "escapeCharacters: true,"), R"({"t":"he \"x\""})");
  EXPECT_EQ(render("escapeCharacters: true,", ""), R"({"t":"he \"x\""})");
  EXPECT_EQ(render("escapeCharacters: true,", "escapeCharacters: false,"), R"({"t":"he "x""})");
}

TEST(Transformation, sets_appends_and_removes_headers_in_gloos_order) {
  Gateway gateway(on_request(
      R"({passthrough: {}, headers: {X-A: {text: '1'}, x-b: {text: '{{ header("x-a") }}2'}, x-gone: {text: ''}, x-both: {text: s}},
    headersToRemove: [X-Both, x-old], headersToAppend: [{key: x-a, value: {text: '{{ header("x-b") }}'}}, {key: x-none, value: {text: ''}}]})"));
  gateway.send({.headers = {{"x-a", "old"}, {"x-a", "older"}, {"x-gone", "1"}, {"x-old", "1"}}});
  const std::vector<std::pair<std::string, std::string>> expected = {{"x-a", "1"}, {"x-b", "12"}, {"x-a", "12"}};
  EXPECT_EQ(gateway.seen, expected);
}

TEST(Transformation, sets_pseudo_headers) {
  Gateway gateway(on_request(
      R"({passthrough: {}, headers: {':path': {text: '/new?a={{ header(":path") }}'}, ':method': {text: PUT}, ':authority': {text: 'b.test:8080'}}})"));
  gateway.send({.path = "/old"});
  EXPECT_EQ(gateway.seen_line, "PUT b.test:8080 /new?a=/old");
  Gateway host(on_request(R"({passthrough: {}, headers: {host: {text: '{{ header("host") }}.internal'}}})"));
  host.send({});
  EXPECT_EQ(host.seen_line, "GET api.test.internal /");
}

TEST(Transformation, refuses_values_that_would_break_the_message) {
  const std::pair<std::string_view, std::string_view> rows[] = {
      {"x-a", R"(a\nx-evil: 1)"},
      {"x-a", R"(a\r\n\r\nGET /)"},
      {"x-a", R"(a\u0000)"},
      {":path", "no slash"},
      {":path", "/a b"},
      {":path", R"(/a\n)"},
      {":path", ""},
      {":authority", "a@b"},
      {":authority", ""},
      {":authority", "a/b"},
      {":method", "GE T"},
      {":method", ""},
      {":scheme", "ftp"},
      {":path", "*"},
      {":path", "/a/../b"},
      {":path", "/a/..;/b"},
      {":method", "CONNECT"},
  };
  for (const auto& [name, value] : rows) {
    Gateway gateway(on_request(
        fmt::format(R"({{passthrough: {{}}, headers: {{'{}': {{text: '{{{{ "{}" }}}}'}}}}}})", name, value)));
    const Answer answer = gateway.send({});
    EXPECT_EQ(answer.status, 400) << name << " " << value;
    EXPECT_TRUE(answer.body.starts_with(fmt::format("bad request: header '{}' cannot have the value '", name)))
        << answer.body;
    EXPECT_FALSE(answer.reached_upstream);
  }
  for (const std::string_view status : {"", "99", "600", "100", "abc", "2000"}) {
    Gateway gateway(on_response(fmt::format("{{passthrough: {{}}, headers: {{':status': {{text: '{}'}}}}}}", status)));
    EXPECT_EQ(gateway.send({}).status, 400) << status;
  }
}

TEST(Transformation, streams_a_body_that_no_template_reads) {
  for (const std::string_view form : {"passthrough: {}", "parseBodyBehavior: DontParse"}) {
    Gateway gateway(on_request(fmt::format("{{{}, headers: {{x-a: {{text: b}}}}}}", form)));
    gateway.body_buffer_bytes_max = 4;
    Ask ask = post("");
    ask.body = {"not json ", "and longer than ", "the buffer"};
    ask.slowly = true;
    const Answer answer = gateway.send(ask);
    EXPECT_EQ(answer.status, 200);
    EXPECT_EQ(answer.upstream_body, "not json and longer than the buffer");
    EXPECT_EQ(gateway.seen_header("content-length"), "35");
    EXPECT_EQ(gateway.seen_header("content-type"), "application/json");
  }
  Gateway gateway(on_response("{passthrough: {}, headers: {x-a: {text: b}}}"));
  gateway.body_buffer_bytes_max = 1;
  gateway.slowly = true;
  gateway.response_body = {"one ", "two"};
  EXPECT_EQ(gateway.send({}).body, "one two");
}

TEST(Transformation, keeps_a_body_that_it_only_reads) {
  Gateway gateway(on_request(R"({headers: {x-a: {text: '{{ a.b }}'}}})"));
  Ask ask = post("");
  ask.body = {R"({"a":)", R"({"b":5}})"};
  ask.slowly = true;
  const Answer answer = gateway.send(ask);
  EXPECT_EQ(answer.upstream_body, R"({"a":{"b":5}})");
  EXPECT_EQ(gateway.seen_header("x-a"), "5");
  EXPECT_EQ(gateway.seen_header("content-length"), "13");
}

TEST(Transformation, answers_400_when_a_request_cannot_be_transformed) {
  const std::tuple<std::string_view, std::string_view, std::string_view> rows[] = {
      {"{}", "text", "bad request: [json.exception.parse_error.101] parse error at line 1, column 2: "},
      {"{headers: {x: {text: '{{ missing }}'}}}", "{}",
       "bad request: [inja.exception.render_error] (at 1:4) variable 'missing' not found"},
      {"{headers: {x: {text: '{{ trim(5) }}'}}}", "{}", "bad request: [json.exception.type_error.303]"},
      {"{extractors: {a: {header: x, regex: '.*'}}}", "[1]", "bad request: [json.exception.type_error.305]"},
      {"{mergeJsonKeys: {jsonKeys: {a: {tmpl: {text: 'x'}}}}}", "{}", "bad request: [json.exception.parse_error.101]"},
      {"{mergeJsonKeys: {jsonKeys: {a: {tmpl: {text: ''}, overrideEmpty: true}}}}", "{}",
       "bad request: [json.exception.parse_error.101]"},
      {"{mergeJsonKeys: {jsonKeys: {a: {tmpl: {text: '1'}}}}}", "[]", "bad request: [json.exception.type_error.305]"},
  };
  for (const auto& [options, body, expected] : rows) {
    Gateway gateway(on_request(options));
    const Answer answer = gateway.send(post(std::string(body)));
    EXPECT_EQ(answer.status, 400) << options;
    EXPECT_TRUE(answer.body.starts_with(expected)) << options << "\n" << answer.body;
    EXPECT_EQ(answer.header("content-type"), "text/plain");
    EXPECT_EQ(answer.details, "transformation_filter_error");
    EXPECT_FALSE(answer.reached_upstream);
  }
  Gateway lenient(on_request(R"({ignoreErrorOnParse: true, body: {text: '{{ context() }}{{ body() }}'}})"));
  EXPECT_EQ(lenient.send(post("text")).upstream_body, "text");
  Gateway unparsed(on_request(R"({parseBodyBehavior: DontParse, body: {text: '<{{ body() }}>'}})"));
  EXPECT_EQ(unparsed.send(post("text")).upstream_body, "<text>");
}

// One such condition can be decided, many are too much: then nobody knows what the rule would have changed.
TEST(Transformation, answers_500_where_its_conditions_would_take_too_long) {
  constexpr std::string_view kCondition = "{name: x-long, regex: true, value: '(?:a|b)*a(?:a|b){400}|[ab]*'}";
  std::mt19937 random(7);
  std::string value(15'000, 'a');
  for (char& c : value)
    if (random() % 2) c = 'b';
  const std::string change = "{transformationTemplate: {passthrough: {}, headers: {x-new: {text: new}}}}";
  for (const bool many : {false, true}) {
    std::string conditions(kCondition);
    for (int i = 0; many && i < 8; ++i) conditions += fmt::format(", {}", kCondition);
    Gateway on_way_in(
        fmt::format("stagedTransformations: {{regular: {{requestTransforms: [{{matcher: {{prefix: /, headers: [{}]}}, "
                    "requestTransformation: {}}}]}}}}",
                    conditions, change));
    Answer answer = on_way_in.send({.headers = {{"x-long", value}}});
    EXPECT_EQ(answer.status, many ? 500 : 200);
    EXPECT_EQ(answer.reached_upstream, !many);
    EXPECT_EQ(on_way_in.metrics.metric({"sluice_transformation_limit_total", ""})->value(), many);
    Gateway on_way_back(fmt::format(
        "stagedTransformations: {{regular: {{responseTransforms: [{{matchers: [{}], responseTransformation: {}}}]}}}}",
        conditions, change));
    on_way_back.response_headers = {{"x-long", value}};
    answer = on_way_back.send({});
    EXPECT_EQ(answer.status, many ? 500 : 200);
    EXPECT_EQ(answer.body.starts_with("transformation too costly: its matchers"), many) << answer.body;
  }
}

// Bounds of ours on the work of a template or an extractor: not the client's fault, and nothing goes on half done.
TEST(Transformation, answers_500_where_a_bound_on_its_work_is_reached) {
  const std::string many(20'000, 'a');
  const std::tuple<std::string_view, std::string, std::string_view> rows[] = {
      {"{parseBodyBehavior: DontParse, extractors: {a: {body: {}, regex: 'a(?:.*b)?', mode: REPLACE_ALL, "
       "replacementText: x}}}",
       many, "transformation too costly: regex `a(?:.*b)?` may read this text over 32 times"},
      {"{parseBodyBehavior: DontParse, extractors: {a: {body: {}, regex: '(a{1000}){1}.*'}}}",
       std::string(1'000'000, 'a'),
       "transformation too costly: regex `(a{1000}){1}.*` may read this text over 32 times"},
      {"{advancedTemplates: true, extractors: {a: {body: {}, regex: '1', mode: REPLACE_ALL, replacementText: \"$`\"}}}",
       "[\"" + std::string(10'000, '1') + "\"]",
       "transformation too costly: an extractor's replacement makes more than"},
      {"{parseBodyBehavior: DontParse, headersToAppend: [{key: a, value: {text: '{{ body() }}'}}, {key: b, value: "
       "{text: "
       "'{{ body() }}{{ body() }}{{ body() }}'}}, {key: c, value: {text: '{{ body() }}{{ body() }}'}}]}",
       std::string(3'000'000, 'b'), "transformation too costly: the template's output is longer than 16194304 bytes"},
      {"{body: {text: '{% set a.400000000 = 1 %}'}}", "{}", "transformation too costly: the template does more than"},
      {"{body: {text: '{% for a in range(100000) %}{% for b in range(1000) %}x{% endfor %}{% endfor %}'}}", "{}",
       "transformation too costly: the template"},
  };
  for (const auto& [options, body, expected] : rows) {
    Gateway on_way_in(on_request(options));
    on_way_in.body_buffer_bytes_max = 4 << 20;
    Answer answer = on_way_in.send(post(body));
    EXPECT_EQ(answer.status, 500) << options;
    EXPECT_TRUE(answer.body.starts_with(expected)) << options << "\n" << answer.body;
    EXPECT_EQ(answer.details, "transformation_filter_error");
    EXPECT_FALSE(answer.reached_upstream);
    EXPECT_EQ(on_way_in.metrics.metric({"sluice_transformation_limit_total", ""})->value(), 1);
    Gateway on_way_back(on_response(options));
    on_way_back.body_buffer_bytes_max = 4 << 20;
    on_way_back.response_body = {body};
    answer = on_way_back.send({});
    EXPECT_EQ(answer.status, 500) << options;
    EXPECT_TRUE(answer.body.starts_with(expected)) << options << "\n" << answer.body;
  }
}

TEST(Transformation, answers_413_above_the_buffer_limit) {
  Gateway gateway(on_request("{parseBodyBehavior: DontParse, body: {text: '{{ body() }}'}}"));
  gateway.body_buffer_bytes_max = 10;
  EXPECT_EQ(gateway.send(post("1234567890")).status, 200);
  const Answer answer = gateway.send(post("12345678901"));
  EXPECT_EQ(answer.status, 413);
  EXPECT_EQ(answer.body, "payload too large");
  EXPECT_EQ(answer.details, "transformation_filter_error");
  EXPECT_EQ(answer.header("content-type"), "text/plain");
}

TEST(Transformation, changes_the_status_in_place_when_a_response_cannot_be_transformed) {
  Gateway gateway(on_response("{headers: {x-a: {text: '{{ missing }}'}}}"));
  gateway.response_headers = {{"content-type", "application/json"}, {"x-up", "1"}, {"content-encoding", "gzip"}};
  gateway.response_body = {"{}"};
  Answer answer = gateway.send({});
  EXPECT_EQ(answer.status, 400);
  EXPECT_EQ(answer.body, "bad request: [inja.exception.render_error] (at 1:4) variable 'missing' not found");
  EXPECT_EQ(answer.header("content-type"), std::nullopt);
  EXPECT_EQ(answer.header("content-encoding"), std::nullopt);
  EXPECT_EQ(answer.header("content-length"), std::to_string(answer.body.size()));
  EXPECT_EQ(answer.header("x-up"), "1");
  gateway.body_buffer_bytes_max = 3;
  gateway.response_body = {"12", "34"};
  gateway.with_length = false;
  answer = gateway.send({});
  EXPECT_EQ(answer.status, 413);
  EXPECT_EQ(answer.body, "payload too large");
  EXPECT_EQ(answer.header("x-up"), "1");
}

TEST(Transformation, removes_the_content_type_of_an_empty_body_unless_it_passes_through) {
  Gateway gateway(on_request("{}"));
  gateway.send({.headers = {{"content-type", "a/b"}}});
  EXPECT_EQ(gateway.seen_header("content-type"), std::nullopt);
  Gateway emptied(on_request("{body: {text: ''}}"));
  emptied.send(post("{}"));
  EXPECT_EQ(emptied.seen_header("content-type"), std::nullopt);
  EXPECT_EQ(emptied.seen_header("content-length"), "0");
  Gateway through(on_request("{passthrough: {}}"));
  through.send({.headers = {{"content-type", "a/b"}}});
  EXPECT_EQ(through.seen_header("content-type"), "a/b");
}

TEST(Transformation, gives_a_body_to_a_request_without_one) {
  Gateway gateway(on_request(R"({body: {text: '{"path":"{{ header(":path") }}"}'}})"));
  EXPECT_EQ(gateway.send({.path = "/a"}).upstream_body, R"({"path":"/a"})");
  EXPECT_EQ(gateway.seen_header("content-length"), "13");
}

TEST(Transformation, puts_extractors_into_the_json_of_plain_templates) {
  Gateway gateway(on_request(
      R"({extractors: {who: {header: x-user, regex: '.*'}, a.b: {header: x-n, regex: '(\d+).*', subgroup: 1}, none: {header: x-none, regex: '.*', mode: REPLACE_ALL, replacementText: x}},
    body: {text: '{{ who }} {{ a.b }} {{ a }} {{ context() }}'}})"));
  Ask ask = post(R"({"who":"body","a":{"c":1}})");
  ask.headers.insert(ask.headers.end(), {{"x-user", "ann"}, {"x-n", "12x"}});
  EXPECT_EQ(gateway.send(ask).upstream_body, R"(ann 12 {"b":"12","c":1} {"a":{"b":"12","c":1},"none":"","who":"ann"})");

  Gateway merged(on_request(
      R"({mergeExtractorsToBody: {}, extractors: {u.id: {header: x-user, regex: '.*'}, first: {body: {}, regex: '\{"a":(\d).*', subgroup: 1}}})"));
  ask = post(R"({"a":1,"u":{"k":2}})");
  ask.headers.emplace_back("x-user", "ann");
  EXPECT_EQ(merged.send(ask).upstream_body, R"({"a":1,"first":"1","u":{"id":"ann","k":2}})");
  EXPECT_EQ(merged.send({}).upstream_body, R"({"first":"","u":{"id":""}})");

  Gateway advanced(on_request(
      "{mergeExtractorsToBody: {}, advancedTemplates: true, extractors: {u: {header: x-user, regex: '.*'}}}"));
  EXPECT_EQ(advanced.send(post(R"([1, 2.0])")).upstream_body, "[1,2.0]");
  EXPECT_EQ(advanced.send({}).upstream_body, "null");
}

TEST(Transformation, sets_keys_of_the_json_body) {
  Gateway gateway(on_request(
      R"({mergeJsonKeys: {jsonKeys: {a: {tmpl: {text: '{"x": {{ n }} }'}}, b: {tmpl: {text: ''}}, c: {tmpl: {text: '{{ a.x }}'}}}}})"));
  EXPECT_EQ(gateway.send(post(R"({"n":1,"b":"kept"})")).upstream_body, R"({"a":{"x":1},"b":"kept","c":1,"n":1})");
}

TEST(Transformation, keeps_values_for_logs_and_later_templates) {
  Gateway gateway(R"(
stagedTransformations:
  early:
    requestTransforms:
    - requestTransformation:
        transformationTemplate:
          passthrough: {}
          dynamicMetadataValues:
          - {key: text, value: {text: 'a"b'}}
          - {key: json, value: {text: '{"k":[1]}'}, jsonToProto: true, metadataNamespace: ns}
          - {key: broken, value: {text: '{'}, jsonToProto: true}
          - {key: none, value: {text: ''}}
          - {key: text2, value: {text: '1'}}
  regular:
    requestTransforms:
    - requestTransformation:
        transformationTemplate:
          passthrough: {}
          headers:
            x-text: {text: '{{ dynamic_metadata("text") }}|{{ dynamic_metadata("broken") }}|{{ dynamic_metadata("none") }}|{{ dynamic_metadata("text2") }}'}
            x-json: {text: '{{ dynamic_metadata("json:k", "ns") }}'}
)");
  gateway.send({});
  EXPECT_EQ(gateway.seen_header("x-text"), "a\"b|{||1");
  EXPECT_EQ(gateway.seen_header("x-json"), "[1]");
}

TEST(Transformation, matches_bytes_of_a_response_that_are_no_text) {
  Gateway gateway(R"(
stagedTransformations:
  regular:
    responseTransforms:
    - matchers: [{name: x-up, value: 'a.*', regex: true}]
      responseTransformation: {transformationTemplate: {passthrough: {}, headers: {x-r: {text: a}}}}
    - responseTransformation: {transformationTemplate: {passthrough: {}, headers: {x-r: {text: other}}}}
)");
  gateway.response_headers = {{"x-up", "a\xff"}};
  EXPECT_EQ(gateway.send({}).header("x-r"), "a");
}

TEST(Transformation, uses_the_first_entry_that_matches) {
  Gateway gateway(R"(
stagedTransformations:
  regular:
    requestTransforms:
    - matcher: {prefix: /}
    - matcher: {prefix: /a, methods: [POST]}
      requestTransformation: {transformationTemplate: {passthrough: {}, headers: {x: {text: first}}}}
    - matcher: {regex: '/a/[0-9]+', headers: [{name: x-h, value: 'v.*', regex: true}], queryParameters: [{name: q, value: '1'}]}
      requestTransformation: {transformationTemplate: {passthrough: {}, headers: {x: {text: second}}}}
    - matcher: {exact: /b}
      responseTransformation: {transformationTemplate: {passthrough: {}, headers: {x-r: {text: third}}}}
    - requestTransformation: {transformationTemplate: {passthrough: {}, headers: {x: {text: last}}}}
    responseTransforms:
    - matchers: [{name: x-up, value: '1'}]
      responseTransformation: {transformationTemplate: {passthrough: {}, headers: {x-r: {text: up}}}}
    - responseCodeDetails: via_upstream
      responseTransformation: {transformationTemplate: {passthrough: {}, headers: {x-r: {text: details}}}}
)");
  const auto ask = [&gateway](Ask a) {
    const Answer answer = gateway.send(a);
    return fmt::format("{} {}", gateway.seen_header("x").value_or("-"), answer.header("x-r").value_or("-"));
  };
  EXPECT_EQ(ask({.method = "POST", .path = "/a"}), "first details");
  EXPECT_EQ(ask({.path = "/a/7?q=1&q=2", .headers = {{"x-h", "value"}}}), "second details");
  EXPECT_EQ(ask({.path = "/a/7?q=2&q=1", .headers = {{"x-h", "value"}}}), "last details");
  EXPECT_EQ(ask({.path = "/a/7?q=1", .headers = {{"x-h", "other"}}}), "last details");
  EXPECT_EQ(ask({.path = "/b?q"}), "- third");
  gateway.response_headers = {{"x-up", "1"}};
  EXPECT_EQ(ask({.path = "/c"}), "last up");
  EXPECT_EQ(ask({.path = "/b"}), "- third");
  gateway.upstream = [&gateway](Request& request) {
    gateway.echo(request);
    return local_reply(request, 503, "", "no_healthy_upstream");
  };
  EXPECT_EQ(ask({.path = "/c"}), "last -");
}

TEST(Transformation, takes_the_routes_transforms_and_inherits_the_virtual_hosts_when_told) {
  const auto options = [](std::string_view inherit, std::string_view matcher, std::string_view value) {
    return fmt::format(
        "stagedTransformations: {{{} regular: {{requestTransforms: [{{matcher: {{prefix: {}}}, requestTransformation: "
        "{{transformationTemplate: {{passthrough: {{}}, headers: {{x: {{text: {}}}}}}}}}}}]}}}}",
        inherit, matcher, value);
  };
  const auto ask = [](Gateway& gateway, std::string path) {
    gateway.send({.path = std::move(path)});
    return gateway.seen_header("x").value_or("-");
  };
  Gateway gateway(options("", "/a", "route"));
  ASSERT_EQ(gateway.virtual_host(options("", "/", "host")), "");
  EXPECT_EQ(ask(gateway, "/a"), "route");
  EXPECT_EQ(ask(gateway, "/b"), "-");
  ASSERT_EQ(gateway.route(options("inheritTransformation: true,", "/a", "route")), "");
  EXPECT_EQ(ask(gateway, "/a"), "route");
  EXPECT_EQ(ask(gateway, "/b"), "host");
  ASSERT_EQ(gateway.route("stagedTransformations: {early: {}}"), "");
  EXPECT_EQ(ask(gateway, "/b"), "-");
  ASSERT_EQ(gateway.route("{}"), "");
  EXPECT_EQ(ask(gateway, "/b"), "host");
}

// What stands behind the filters when the way to the upstream breaks.
class Broken final : public Service {
 public:
  explicit Broken(ErrorKind kind) : kind_(kind) {}
  Task<Response> handle(Request&) const override { return fail(kind_, "broken", Side::upstream); }

 private:
  ErrorKind kind_;
};

TEST(Transformation, transforms_the_answers_that_errors_become) {
  Gateway gateway(R"(
stagedTransformations:
  early:
    requestTransforms:
    - {clearRouteCache: true, requestTransformation: {transformationTemplate: {passthrough: {}}}}
    responseTransforms:
    - matchers: [{name: ':status', value: '502'}]
      responseTransformation: {transformationTemplate: {parseBodyBehavior: DontParse, body: {text: '<{{ body() }}>'}}}
)");
  Chain broken;
  broken.terminal = std::make_shared<Broken>(ErrorKind::reset);
  gateway.reroute = [&broken](Request& request) {
    request.route.chain = &broken;
    return true;
  };
  const Answer answer = gateway.send({});
  EXPECT_EQ(answer.status, 502);
  EXPECT_TRUE(answer.body.starts_with("<the upstream's response broke off")) << answer.body;

  broken.terminal = std::make_shared<Broken>(ErrorKind::cancelled);
  EXPECT_EQ(gateway.send({}).error->kind, ErrorKind::cancelled);
}

// A body with a field behind it.
class TrailerBody final : public BodyReader {
 public:
  TrailerBody(Arena& arena, std::string_view text) : text_(arena.copy(text)), trailers_(arena) {
    trailers_.add("x-sum", "5");
  }
  Task<Chunk> read() override { return Chunk{{const_cast<char*>(text_.data()), text_.size()}, true}; }
  const Headers* trailers() const override { return &trailers_; }

 private:
  std::string_view text_;
  Headers trailers_;
};

TEST(Transformation, keeps_the_trailers_of_a_body_it_only_reads) {
  for (const bool replaced : {false, true}) {
    Gateway gateway(on_response(replaced ? "{body: {text: new}}" : "{headers: {x: {text: '{{ n }}'}}}"));
    const Headers* trailers = nullptr;
    gateway.upstream = [](Request& request) {
      Response made = make_response(request, 200, {}, {});
      made.body.reader = request.arena.make<TrailerBody>(request.arena, R"({"n":1})");
      return made;
    };
    // An outer look at what the filter passes on.
    class Look final : public Filter {
     public:
      explicit Look(const Headers*& seen, bool& known) : seen_(seen), known_(known) {}
      Task<Response> handle(Request& request, Next next) const override {
        auto rest = next(request);
        Response passed = CO_TRY(co_await rest);
        seen_ = passed.body.reader->trailers();
        known_ = passed.body.length.has_value();
        co_return passed;
      }

     private:
      const Headers*& seen_;
      bool& known_;
    };
    bool length_known = false;
    Chain outer;
    outer.filters = {{Stage::cors, std::make_shared<Look>(trailers, length_known)}, gateway.chain().filters[0]};
    outer.terminal = gateway.chain().terminal;
    Gateway front(
        "stagedTransformations: {early: {requestTransforms: [{clearRouteCache: true, requestTransformation: "
        "{transformationTemplate: {passthrough: {}}}}]}}");
    front.reroute = [&outer](Request& request) {
      request.route.chain = &outer;
      return true;
    };
    const Answer answer = front.send({});
    EXPECT_EQ(answer.body, replaced ? "new" : R"({"n":1})");
    EXPECT_EQ(trailers != nullptr, !replaced);
    EXPECT_EQ(length_known, replaced);
  }
}

TEST(Transformation, sends_no_body_where_none_may_be) {
  Gateway gateway(on_response("{body: {text: made}}"));
  gateway.response_body = {};
  Answer answer = gateway.send({.method = "HEAD"});
  EXPECT_EQ(answer.body, "");
  EXPECT_EQ(answer.header("content-length"), "4");
  gateway.status = 204;
  EXPECT_EQ(gateway.send({}).body, "");
  gateway.status = 304;
  EXPECT_EQ(gateway.send({}).body, "");
}

// Before main(), as whoever starts the gateway does it.
const int kEnvironmentSet = setenv("SLUICE_TRANSFORMATION_TEST", "before", 1);

TEST(Transformation, sees_the_environment_that_the_process_was_started_in) {
  ASSERT_EQ(kEnvironmentSet, 0);
  Gateway gateway(on_request(R"({passthrough: {}, headers: {x: {text: '{{ env("SLUICE_TRANSFORMATION_TEST") }}'}}})"));
  setenv("SLUICE_TRANSFORMATION_TEST", "after", 1);
  gateway.send({});
  EXPECT_EQ(gateway.seen_header("x"), "before");
}

// The environment and the seed cost much more than a plain route, and there may be thousands of those.
TEST(Transformation, reads_the_environment_once_and_not_for_routes_without_transformations) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");  // a process in which no other test has been run
  const auto reads = [](std::initializer_list<std::string> routes) {
    FilterHarness gateway(transformation_filter());
    for (const std::string& options : routes) CHECK(gateway.route(options).empty());
    std::_Exit(static_cast<int>(transformation::environments_read_count()));
  };
  EXPECT_EXIT(reads({"{}", "stagedTransformations: {}", "{}"}), testing::ExitedWithCode(0), "");
  const std::string passing = on_request("{passthrough: {}}");
  EXPECT_EXIT(reads({passing, on_response("{passthrough: {}}"), passing}), testing::ExitedWithCode(1), "");
}

TEST(Transformation, is_the_same_for_equal_options_of_one_stage) {
  const auto options = [](std::string_view early, std::string_view more = "") {
    return fmt::format(
        "stagedTransformations: {{early: {{requestTransforms: [{{requestTransformation: {{transformationTemplate: "
        "{{passthrough: {{}}, headers: {{x: {{text: {}}}}}}}}}}}]}}{}}}",
        early, more);
  };
  Gateway gateway(options("a"));
  const auto first = gateway.chain().filters.at(0).filter;
  const auto again = [&](const std::string& yaml) {
    EXPECT_EQ(gateway.route(yaml), "");
    return gateway.chain().filters.at(0).filter == first;
  };
  EXPECT_TRUE(again(options("a")));
  EXPECT_TRUE(again(options("a", ", regular: {requestTransforms: []}")));
  EXPECT_FALSE(again(options("b")));
  EXPECT_FALSE(again(options("a", ", escapeCharacters: true")));
}

// A virtual host of thousands of routes: only the first has its templates compiled. Where a template stands that cannot
// be compiled, one sees whether it was.
TEST(Transformation, of_a_virtual_host_is_made_once_for_all_its_routes) {
  const auto host = [](std::string_view text, std::string_view written) {
    transformation::StagedTransformations options;
    auto& entry = options.regular.emplace().request_transforms.emplace_back();
    entry.request_transformation.emplace().transformation_template.headers.emplace_back(
        "x", transformation::TemplateOptions{.text = std::string(text)});
    options.regular->written = written;
    OptionSet set;
    set.set("stagedTransformations", std::move(options));
    return set;
  };
  Metrics metrics{1};
  KeptState kept;
  std::vector<std::shared_ptr<const Filter>> made;  // as a snapshot holds them
  const auto build = [&](const OptionSet& options) {
    const OptionSet route;
    FilterBuild build;
    build.virtual_host = &options;
    build.route = &route;
    build.metrics = &metrics;
    build.kept = &kept;
    const auto filters = transformation_filter().build(build);
    if (filters) made.push_back(filters->at(0).filter);
    return filters.has_value();
  };
  const std::string_view broken = "{{ broken";
  EXPECT_FALSE(build(host(broken, "same")));
  for (const std::string_view text : {std::string_view("a"), broken, broken}) EXPECT_TRUE(build(host(text, "same")));
  EXPECT_EQ(made, std::vector(3, made.at(0)));
  EXPECT_TRUE(build(host("a", "other")));
  EXPECT_NE(made.back(), made.front());

  // Without a text nothing is known to be equal.
  for (int i = 0; i < 2; ++i) EXPECT_TRUE(build(host("a", "")));
  EXPECT_NE(made.at(4), made.at(5));
  EXPECT_FALSE(build(host(broken, "")));
}

TEST(Transformation, keeps_the_headers_it_changes_out_of_trailers) {
  Gateway gateway(
      on_request("{passthrough: {}, headers: {x-a: {text: b}}, headersToRemove: [x-c], headersToAppend: [{key: "
                 "x-d, value: {text: e}}]}"));
  std::vector<std::string> kept;
  gateway.upstream = [&](Request& request) {
    kept.assign(request.kept_from_trailers.begin(), request.kept_from_trailers.end());
    return make_response(request, 200, {}, {});
  };
  gateway.send({.headers = {{"x_a", "1"}, {"x_c", "1"}}});
  EXPECT_TRUE(kept.empty()) << "nobody sends trailers";
  gateway.accepts_trailers = true;
  gateway.send({});
  EXPECT_EQ(kept, (std::vector<std::string>{"x-a", "x-c", "x-d"}));
}

TEST(Transformation, counts_what_it_does) {
  Gateway gateway(on_request("{body: {text: '{{ n }}'}}"));
  gateway.send(post(R"({"n":1})"));
  gateway.send(post("{}"));
  gateway.send({});
  const auto count = [&gateway](std::string_view name) {
    for (const auto& family : gateway.metrics.collect()) {
      if (family.name == fmt::format("envoy_http_transformation_{}", name)) return family.samples.at(0).value;
    }
    return int64_t{-1};
  };
  EXPECT_EQ(count("request_body_transformations"), 2);
  EXPECT_EQ(count("request_header_transformations"), 1);
  EXPECT_EQ(count("request_error"), 2);
  EXPECT_EQ(count("response_error"), 0);
}

}  // namespace
}  // namespace sluice
