#include "engines/templates/template.h"

#include "engines/templates/template_test_input.h"

namespace sluice::templates {
namespace {

struct Row {
  std::string_view text;
  std::string_view expected;  // the output, or a part of the error
};

const std::vector<std::string> kExtractors = {"who", "a.b", "tenant"};

Options plain() {
  auto environment = std::make_shared<Environment>();
  (*environment)["REGION"] = "north";
  return {.extractors = kExtractors, .environment = environment};
}

Options advanced() {
  Options options = plain();
  options.advanced = true;
  return options;
}

FakeMessage message() {
  FakeMessage message;
  message.headers = {{"x-tenant", "tenant-1"}, {":path", "/a?b=c"}, {"x-n", "5"},
                     {"x-pad", " p "},         {"x-bad", "\xFF"},   {"x-q", "say \"x\""}};
  message.request_headers = {{":authority", "api.test"}};
  message.extractions = {"ann", "nested", "t1"};
  message.parse(R"({"s":"text","n":7,"f":2.5,"t":true,"z":null,"l":[3,1,2],"e":[],"es":"","o":{"k":"v","d":{"x":1}},
                    "x/y":"slash","da-sh":"dash","m":"he \"x\"","big":18446744073709551616,"body":"field"})");
  message.metadata = {{"io.solo.transformation", {{"k", "v"}, {"n", 5}, {"b", true}, {"o", {{"p", {1, 2}}}}}},
                      {"other", {{"k", "w"}}}};
  return message;
}

std::string run(std::string_view text, const Options& options, const Input& input) {
  const auto compiled = Template::compile(text, options);
  if (!compiled) return "compile: " + compiled.error().message;
  std::string out;
  const auto done = compiled->render(input, out);
  if (done) return out;
  EXPECT_EQ(out, "") << "a failed run leaves nothing behind: " << text;
  return "error: " + done.error().message;
}

void expect_outputs(std::span<const Row> rows, const Options& options) {
  for (const Row& row : rows) EXPECT_EQ(run(row.text, options, message()), row.expected) << row.text;
}

void expect_errors(std::span<const Row> rows, const Options& options, std::string_view start) {
  for (const Row& row : rows) {
    const std::string got = run(row.text, options, message());
    EXPECT_TRUE(got.starts_with(start)) << row.text << "\n" << got;
    EXPECT_TRUE(got.contains(row.expected)) << row.text << "\n" << got;
  }
}

TEST(Template, prints_text_and_look_ups) {
  const Row rows[] = {
      {"", ""},
      {"just text", "just text"},
      {"a { b } # c {x}", "a { b } # c {x}"},
      {R"({{ header("x-tenant") }}.mypaas.test:18081)", "tenant-1.mypaas.test:18081"},
      {R"({{ header("X-Tenant") }})", "tenant-1"},
      {R"({{header("x-tenant")}})", "tenant-1"},
      {R"({{ header("missing") }}|)", "|"},
      {R"({{ header(":path") }})", "/a?b=c"},
      {R"({{ request_header(":authority") }})", "api.test"},
      {R"({{ header("x-" + "tenant") }})", "tenant-1"},
      {R"({{ request_header(lower(":AUTHORITY")) }})", "api.test"},
      {R"({{ "text" }}{{ 1 }}{{ -2 }}{{ 3.0 }}{{ 1e3 }}{{ true }}{{ null }}{{ [1, "b"] }})",
       R"(text1-23.01000.0true[1,"b"])"},
      {R"({{ {"b": 1, "a": {"x": null} } }})", R"({"a":{"x":null},"b":1})"},
      {R"({{ env("REGION") }}{{ env("NONE") }}{{ env("REG" + "ION") }})", "northnorth"},
      {R"({{ "\u00e4\n" }})", "ä\n"},
      {"\xEF\xBB\xBFtext", "text"},
  };
  expect_outputs(rows, plain());
  expect_outputs(rows, advanced());
}

TEST(Template, reads_fields_by_dots) {
  const Row rows[] = {
      {"{{ s }}", "text"},
      {"{{ n }}{{ f }}{{ t }}{{ z }}", "72.5true"},
      {"{{ l }}{{ l.0 }}{{ l.2 }}", "[3,1,2]32"},
      {"{{ o.k }}{{ o.d.x }}{{ o/k }}", "v1v"},
      {"{{ o }}", R"({"d":{"x":1},"k":"v"})"},
      {"{{ da-sh }}", "dash"},
      {"{{ big }}", "1.8446744073709552e+19"},
      {"{{ who }}{{ tenant }}{{ a.b }}", "annt1nested"},
      {"{{ body }}", "field"},
      {"{{ o.d .x }}", "1"},
      {"{{ context().o.k }}", "v"},
      {"{{ (o).d.x }}", "1"},
  };
  expect_outputs(rows, plain());
}

TEST(Template, reads_fields_by_slashes_in_advanced_mode) {
  const Row rows[] = {
      {"{{ s }}{{ o/k }}{{ l/0 }}{{ o/d/x }}", "textv31"},
      {"{{ x~1y }}", "slash"},
      {R"({{ extraction("who") }}{{ extraction("nobody") }}{{ extraction("w" + "ho") }}|)", "annann|"},
      {R"({{ exists("o.k") }}{{ exists("o/k") }}{{ exists("who") }})", "truetruefalse"},
  };
  expect_outputs(rows, advanced());
  const Row errors[] = {
      {"{{ o.k }}", "variable 'o.k' not found"},   {"{{ who }}", "variable 'who' not found"},
      {"{{ l/3 }}", "variable 'l/3' not found"},   {"{{ l/00 }}", "variable 'l/00' not found"},
      {"{{ l/-1 }}", "variable 'l/-1' not found"},
  };
  expect_errors(errors, advanced(), "error: [inja.exception.render_error] (at 1:4) ");
  const Row refused[] = {{"{{ x~2y }}", "escape character '~' must be followed with '0' or '1'"}};
  expect_errors(refused, advanced(), "compile: [inja.exception.parser_error] (at 1:4) ");
}

TEST(Template, calls_functions_without_parentheses) {
  FakeMessage raw;
  raw.text = "raw";
  EXPECT_EQ(run("{{ body }}{{ body() }}|{{ context }}|{{ context() }}", plain(), raw), "rawraw||");
  raw.parse("[1,{\"b\":2,\"a\":1,\"a\":3}]");
  EXPECT_EQ(run("{{ context }}", advanced(), raw), R"([1,{"a":3,"b":2}])");
  EXPECT_EQ(run("{{ a }}", advanced(), raw), "error: [inja.exception.render_error] (at 1:4) variable 'a' not found");
}

TEST(Template, has_the_operators_of_inja) {
  const Row rows[] = {
      {"{{ 1 + 2 * 3 }}{{ (1 + 2) * 3 }}", "79"},
      {"{{ 7 - 2 - 1 }}{{ 2 ^ 3 ^ 2 }}{{ 2 ^ -1 }}", "45120.5"},
      {"{{ 7 / 2 }}{{ 4 / 2 }}{{ 7 % 4 }}", "3.52.03"},
      {"{{ 1 + 2.0 }}{{ 1.5 * 2 }}{{ 2 - 0.5 }}", "3.03.01.5"},
      {R"({{ "a" + "b" }})", "ab"},
      {R"({{ header("x-tenant") + ":80" }})", "tenant-1:80"},
      {"{{ 1 == 1.0 }}{{ 1 != 1 }}{{ 2 > 1 }}{{ 2 >= 2 }}{{ 1 < 1 }}{{ 1 <= 1 }}", "truefalsetruetruefalsetrue"},
      {R"({{ "a" < "b" }}{{ "a" == "a" }}{{ header("x-n") == "5" }}{{ header("x-n") == 5 }})", "truetruetruefalse"},
      {"{{ 2 in l }}{{ 9 in l }}{{ 2 in [1,2] }}{{ \"v\" in o }}", "truefalsetruetrue"},
      {"{{ true or false and false }}", "false"},
      {"{{ not 1 == 1 }}", "false"},
      {"{{ not false == true }}{{ not 0 * 1 }}",
       "error: [json.exception.type_error.302] type must be number, but is boolean"},
      {"{{ not true and false }}{{ not (true and false) }}", "falsetrue"},
      {"{{ true or x }}{{ false and x }}{{ 1 and \"a\" }}{{ \"\" or 0 }}", "truefalsetruetrue"},
      {"{{ n -2 }}{{ n - 2 }}{{ (1) -1 }}", "550"},
      {"{{ l == [3, 1, 2] }}{{ o.d == {\"x\": 1} }}", "truetrue"},
      {"{{ 9223372036854775807 + 1 }}", "-9223372036854775808"},
      {"{{ -9223372036854775808 % -1 }}", "0"},
      {"{{ 10 ^ 30 }}", "1e+30"},
  };
  expect_outputs(rows, plain());
}

TEST(Template, has_the_functions_of_inja) {
  const Row rows[] = {
      {R"({{ length("äb") }}{{ length(l) }}{{ length(o) }}{{ length(header("x-n")) }})", "3321"},
      {"{{ first(l) }}{{ last(l) }}{{ first([4]) }}{{ at(l, 1) }}{{ at(o, \"k\") }}", "3241v"},
      {"{{ range(3) }}{{ range(0) }}{{ sort(l) }}{{ sort([\"b\", \"a\"]) }}", R"([0,1,2][][1,2,3]["a","b"])"},
      {R"({{ join(l, ",") }}{{ join(["a", 1, null], "-") }}{{ join([], ",") }})", "3,1,2a-1-null"},
      {"{{ min(l) }}{{ max(l) }}{{ max([1, 2.5]) }}{{ min([\"b\", \"a\"]) }}", "132.5a"},
      {R"({{ lower("ABc") }}{{ upper(header("x-tenant")) }})", "abcTENANT-1"},
      {"{{ round(2.567, 2) }}{{ round(2.5, 0) }}{{ round(7, 0) }}{{ round(1234.5, -2) }}", "2.57371200.0"},
      {"{{ even(2) }}{{ even(3) }}{{ odd(3) }}{{ divisibleBy(9, 3) }}{{ divisibleBy(9, 0) }}",
       "truefalsetruetruefalse"},
      {R"({{ int("42abc") }}{{ int(" -7") }}{{ float("2.5x") }}{{ float("3") }})", "42-72.53.0"},
      {R"({{ default(x, "y") }}{{ default(s, "y") }}{{ default(x.y.z, 1) }}{{ default(header("none"), "y") }}|)",
       "ytext1|"},
      {R"({{ default(x, default(y, n)) }})", "7"},
      {R"({{ default(n, unknown) }})", "7"},
      {R"({{ exists("s") }}{{ exists("o.k") }}{{ exists("o.none") }}{{ exists("l/0") }}{{ exists("header") }})",
       "truetruefalsetruefalse"},
      {R"({{ existsIn(o, "k") }}{{ existsIn(o, "n") }}{{ existsIn(l, "k") }})", "truefalsefalse"},
      {"{{ isString(s) }}{{ isNumber(n) }}{{ isInteger(n) }}{{ isFloat(n) }}{{ isFloat(f) }}", "truetruetruefalsetrue"},
      {"{{ isBoolean(t) }}{{ isArray(l) }}{{ isObject(o) }}{{ isObject(l) }}{{ isString(header(\"x-n\")) }}",
       "truetruetruefalsetrue"},
      {"{{ sort([3, 1]).0 }}", "compile: [inja.exception.parser_error] (at 1:17) expected a name after '.', got '0'"},
      {"{{ first(sort([3, 1])) }}{{ {\"a\": {\"b\": 5} }.a.b }}", "15"},
  };
  expect_outputs(rows, plain());
}

TEST(Template, has_the_functions_of_gloo) {
  const Row rows[] = {
      {R"({{ base64_encode("ab?>") }}{{ base64_encode("") }})", "YWI/Pg=="},
      {R"({{ base64_decode("YWI/Pg==") }}{{ base64_decode("YWI/Pg") }}{{ base64_decode("!") }}|)", "ab?>|"},
      {R"({{ base64url_encode("ab?>") }})", "YWI_Pg"},
      {R"({{ base64url_decode("YWI_Pg") }}{{ base64url_decode("YWI_Pg==") }}{{ base64url_decode("YWI/Pg") }}|)",
       "ab?>|"},
      {R"({{ substring("hello", 1) }}|{{ substring("hello", 1, 2) }}|{{ substring("hello", 3, 9) }}|{{ substring("hello", 2, 0) }})",
       "ello|el|lo|llo"},
      {R"({{ substring("hello", -1) }}{{ substring("hello", 5) }}{{ substring("hello", "1") }}{{ substring("hello", 1.0) }}|)",
       "|"},
      {R"({{ substring("hello", 1, -4) }}|{{ substring("hello", 0, "x") }}|{{ substring(upper("hello"), 4) }})",
       "ello||O"},
      {R"({{ trim(header("x-pad")) }}|{{ trim(" \t\r\n a b \f\u000b") }}|{{ trim("") }}|{{ trim(lower(" A ")) }})",
       "p|a b||a"},
      {R"({{ raw_string(m) }})", R"(he \"x\")"},
      {R"({{ raw_string("ä\n\u0001") }})", "ä\\n\\u0001"},
      {R"({{ word_count("two  words ") }}{{ word_count("") }}{{ word_count(5) }}{{ word_count({"a b": ["c", true, null]}) }})",
       "2014"},
      {R"({{ dynamic_metadata("k") }}{{ dynamic_metadata("k", "other") }}{{ dynamic_metadata("k", "none") }}|)", "vw|"},
      {R"({{ dynamic_metadata("n") }}{{ dynamic_metadata("b") }}{{ dynamic_metadata("o") }}{{ dynamic_metadata("o:p") }})",
       R"(5.0true{"p":[1,2]}[1,2])"},
      {R"({{ dynamic_metadata("o:none") }}{{ dynamic_metadata(5) }}{{ dynamic_metadata("k:deeper") }}|)", "|"},
      {R"({{ replace_with_random("abc", "") }}{{ replace_with_random("abc", "x") }})", "abcabc"},
  };
  expect_outputs(rows, plain());
}

TEST(Template, gives_a_pattern_the_same_random_token_while_loaded) {
  Options options = plain();
  options.random_seed[0] = 1;
  const std::string first = run(R"({{ replace_with_random("a-b-a", "a") }})", options, message());
  ASSERT_EQ(first.size(), 22 + 3 + 22);
  EXPECT_EQ(first.substr(0, 22), first.substr(25));
  EXPECT_EQ(run(R"({{ replace_with_random("a", "a") }})", options, message()), first.substr(0, 22));
  EXPECT_NE(run(R"({{ replace_with_random("b", "b") }})", options, message()), first.substr(0, 22));
  options.random_seed[0] = 2;
  EXPECT_NE(run(R"({{ replace_with_random("a", "a") }})", options, message()), first.substr(0, 22));
}

TEST(Template, decides_with_if) {
  const Row rows[] = {
      {"{% if t %}yes{% endif %}", "yes"},
      {"{% if z %}yes{% endif %}|", "|"},
      {"{% if z %}a{% else %}b{% endif %}", "b"},
      {"{% if z %}a{% else if n %}b{% else %}c{% endif %}", "b"},
      {"{% if z %}a{% else if z %}b{% else if e %}c{% else %}d{% endif %}", "d"},
      {"{% if t %}{% if z %}a{% else %}b{% endif %}c{% endif %}", "bc"},
      {"{% if n > 5 and header(\"x-n\") == \"5\" %}y{% endif %}", "y"},
      {"{% if e %}list{% endif %}{% if 0 %}zero{% endif %}{% if {} %}object{% endif %}{% if null %}null{% endif %}",
       ""},
      // Every string is true, the empty one too.
      {"{% if header(\"x-none\") %}T{% else %}F{% endif %}{% if es %}T{% else %}F{% endif %}{{ not es }}", "TTfalse"},
      {"{% if \"\" and header(\"x-none\") %}T{% else %}F{% endif %}{{ false or upper(\"\") }}", "Ttrue"},
      {"{% if header(\"x-none\") != \"\" %}T{% else %}F{% endif %}{{ es == \"\" }}", "Ftrue"},
      {"{% if \"false\" %}T{% endif %}{% if \"0\" %}T{% endif %}{{ not body() }}", "TTfalse"},
      {"{% if 0.5 %}half{% endif %}{% if -1 %}negative{% endif %}", "halfnegative"},
      {"a\n## if t\nyes\n## else\nno\n## endif\nb", "a\nyes\nb"},
      {"## if z\nx\n## endif", ""},
      {"{% if z %}{{ unknown }}{% endif %}ok", "ok"},
  };
  expect_outputs(rows, plain());
}

TEST(Template, warns_of_a_string_that_decides) {
  const auto warnings = [](std::string_view text, const Options& options) {
    const auto compiled = Template::compile(text, options);
    return compiled ? fmt::format("{}", fmt::join(compiled->warnings(), "\n")) : compiled.error().message;
  };
  constexpr std::string_view kWhy = " is a string, and every string is true, the empty one too (as in Gloo): write ";
  const auto warning = [kWhy](std::string_view place, std::string_view operand) {
    return fmt::format("{} {}{}{} != \"\"", place, operand, kWhy, operand);
  };
  EXPECT_EQ(warnings("{% if header(\"X-A\") %}{% endif %}", plain()), warning("(at 1:7)", "header(\"x-a\")"));
  EXPECT_EQ(warnings("{% if t %}{% else if request_header(\"a\") %}{% endif %}", plain()),
            warning("(at 1:22)", "request_header(\"a\")"));
  EXPECT_EQ(warnings("{% if who %}{% endif %}", plain()), warning("(at 1:7)", "who"));
  EXPECT_EQ(warnings("{% if extraction(\"who\") %}{% endif %}", advanced()),
            warning("(at 1:7)", "extraction(\"who\")"));
  EXPECT_EQ(warnings("{{ not \"\" }}", plain()), warning("(at 1:8)", "\"\""));
  EXPECT_EQ(warnings("{{ t and trim(s) }}", plain()), warning("(at 1:10)", "trim(...)"));
  EXPECT_EQ(warnings("{{ env(x) or t }}", plain()), warning("(at 1:4)", "env(...)"));
  EXPECT_EQ(warnings("{% if (header(\"a\")) %}{% endif %}", plain()), warning("(at 1:8)", "header(\"a\")"));
  for (const char* good : {"{% if header(\"a\") != \"\" %}{% endif %}", "{% if s %}{% endif %}", "{{ header(\"a\") }}",
                           "{% if length(header(\"a\")) %}{% endif %}", "{% if exists(\"a\") %}{% endif %}",
                           "{{ header(\"a\") == \"\" or not (\"a\" in l) }}", "{% for x in l %}{% endfor %}"}) {
    EXPECT_EQ(warnings(good, plain()), "") << good;
  }
}

TEST(Template, warns_of_names_that_are_nearly_those_of_extractors) {
  const std::string names[] = {"order", "id"};
  const auto warned = [&](std::string_view text, bool advanced) {
    const auto compiled = Template::compile(text, {.advanced = advanced, .extractors = names});
    return compiled ? fmt::format("{}", fmt::join(compiled->warnings(), "\n")) : compiled.error().message;
  };
  EXPECT_EQ(warned("x {{ ordr }}", false),
            "(at 1:6) there is no extractor ordr, so it is looked for in the body: did you mean order?");
  EXPECT_EQ(warned("{{ order }}", true),
            "(at 1:4) order is looked for in the body: an extractor's value is extraction(\"order\")");
  EXPECT_EQ(warned("{{ extraction(\"ordr\") }}", true),
            "(at 1:4) there is no extractor \"ordr\": the value is always \"\"");
  for (const char* good : {"{{ order }}", "{{ tenant }}", "{{ ip }}", "{% set ordr = 1 %}{{ ordr }}",
                           "{% for ordr in l %}{{ ordr }}{% endfor %}"})
    EXPECT_EQ(warned(good, false), "") << good;
}

TEST(Template, keeps_white_space_unless_told_otherwise) {
  const Row rows[] = {
      {"a\n{% if t %}\nb\n{% endif %}\nc", "a\n\nb\n\nc"},
      {"a\n  {%- if t -%}  \n\n b {%- endif %} c", "a\nb {%- endif %} c"},
      {"a \n {{- n -}} \n\n b", "a \n7b"},
      {"a  {{- n }}", "a  7"},
      {"  {{- n }}", "7"},
      {"x{# note {{ }} #}y", "xy"},
      {"x\n  {#- note -#}  \n\ny", "x\n\ny"},
      {"x {%+ if t %}y{% endif %}", "x y"},
      {"{{ n}}{{n }}{{n}}{{\nn\n}}", "7777"},
      {"a ## if t", "a ## if t"},
      {"{{ n-}} x", "7x"},
  };
  for (const Row& row : rows) {
    if (row.text.contains("b {%- endif")) continue;  // below: words stand before it on its line
    EXPECT_EQ(run(row.text, plain(), message()), row.expected) << row.text;
  }
  EXPECT_EQ(run("a\n  {%- if t -%}  \n\n b {%- endif %} c", plain(), message()), "a\nb  c");
}

TEST(Template, remembers_what_set_says) {
  const Row rows[] = {
      {"{% set a = 1 %}{{ a }}", "1"},
      {"{% set s = \"mine\" %}{{ s }}", "mine"},
      {"{% set v.w = l %}{{ v.w.1 }}{{ v }}", R"(1{"w":[3,1,2]})"},
      {"{% set who = \"set\" %}{{ who }}", "set"},
      {"{% set a = 1 %}{% set a = a + 1 %}{{ a }}", "2"},
      {"{% set q = 1 %}{{ exists(\"q\") }}", "false"},
      {"{% set o.k = 2 %}{{ o.k }}{{ o.d.x }}", "21"},
      {"{% set a = l %}{% set a = first(a) %}{{ a }}", "3"},
      {"## set a = 5\n{{ a }}", "5"},
      {"{% if t %}{% set a = header(\"x-n\") %}{% endif %}{{ a }}", "5"},
  };
  expect_outputs(rows, plain());
}

TEST(Template, walks_lists_and_objects) {
  const Row rows[] = {
      {"{% for x in l %}{{ x }},{% endfor %}", "3,1,2,"},
      {"{% for k, v in o.d %}{{ k }}={{ v }}{% endfor %}", "x=1"},
      {"{% for x in e %}{{ x }}{% endfor %}|", "|"},
      {"{% for x in l %}{{ loop.index }}{{ loop.index1 }}{% if loop.is_first %}f{% endif %}{% if loop.is_last %}l{% "
       "endif %} {% endfor %}",
       "01f 12 23l "},
      {"{% for x in [1,2] %}{% for y in [\"a\",\"b\"] %}{{ loop.parent.index }}{{ loop.index }}{{ x }}{{ y }} {% "
       "endfor %}{{ loop.index }};{% endfor %}",
       "001a 011b 0;102a 112b 1;"},
      {"{% for x in l %}{% endfor %}{{ loop }}", ""},
      {"{% for x in l %}{{ x }}{% if not loop.is_last %},{% endif %}{% endfor %}", "3,1,2"},
      {"## for x in l\n{{ x }};\n## endfor\n", "3;\n1;\n2;\n"},
      {"{% for who in l %}{{ who }}{% endfor %}", "312"},
  };
  expect_outputs(rows, plain());
  const Row slashes[] = {{"{% for x in l %}{{ loop/index1 }}{% endfor %}", "123"}};
  expect_outputs(slashes, advanced());
}

TEST(Template, refuses_bad_templates_when_it_compiles_them) {
  const Row rows[] = {
      {"{{ foo(1) }}", "(at 1:4) unknown function foo; there are at, "},
      {R"({{ heder("x") }})", "(at 1:4) unknown function heder; did you mean header?"},
      {"{{ header() }}", "(at 1:4) unknown function header with 0 arguments; it takes 1"},
      {R"({{ header("a", "b") }})", "unknown function header with 2 arguments; it takes 1"},
      {R"({{ substring("a") }})", "substring with 1 argument; it takes 2 or 3"},
      {"{{ dynamic_metadata() }}", "dynamic_metadata with 0 arguments; it takes 1 or 2"},
      {"{{ default(x) }}", "unknown function default with 1 argument"},
      {"{{ default(x, 1, 2) }}", "unknown function default with 3 arguments"},
      {"{{ body(1) }}", "unknown function body with 1 argument; it takes 0"},
      {R"({{ replace("a", "b", "c") }})", "unknown function replace"},
      {R"({{ capitalize("a") }})", "unknown function capitalize"},
      {R"({{ cluster_metadata("a") }})", "cluster_metadata() is not supported yet"},
      {R"({{ host_metadata("a") }})", "host_metadata() is not supported yet"},
      {R"({{ clusterMetadata("a") }})", "clusterMetadata() is not supported yet"},
      {R"({{ data_source("a") }})", "data_source() is not supported yet"},
      {"{{ super() }}", "super() is not supported yet"},
      {R"({% include "x" %})", "(at 1:4) include is not supported yet"},
      {R"({% extends "x" %})", "extends is not supported yet"},
      {"{% block x %}{% endblock %}", "block is not supported yet"},
      {"{{ }}", "expected an expression, got nothing"},
      {"{{", "expected an expression, got nothing"},
      {"{{ n", "(at 1:5) expected expression close '}}', got '<end>'"},
      {"{{ n }", "expected expression close '}}', got '}'"},
      {"{{ n n }}", "(at 1:6) expected expression close '}}', got 'n'"},
      {"{{ n | upper }}", "expected expression close '}}', got '|'"},
      {"{{ 'single' }}", "expected an expression, got '''"},
      {"{{ (n }}", "expected right parenthesis, got '}}'"},
      {"{{ n) }}", "got ')'"},
      {"{{ () }}", "expected an expression, got ')'"},
      {"{{ header(\"x\" }}", "expected right parenthesis"},
      {"{{ \"open }}", "is no JSON literal"},
      {R"({{ "\x" }})", "is no JSON literal"},
      {"{{ 01 }}", "is no JSON literal"},
      {"{{ 1. }}", "is no JSON literal"},
      {"{{ - }}", "is no JSON literal"},
      {"{{ [1, }}", "expected the end of the list or object"},
      {"{{ [1 2] }}", "is no JSON literal"},
      {"{{ [n] }}", "is no JSON literal"},
      {R"({{ {"a": {"b": 1}} }})",
       "expected the end of the list or object, got '}}' (put a space between '}' and '}}')"},
      {"{{ 1 + }}", "expected an expression, got nothing"},
      {"{{ * 2 }}", "expected an expression, got '*'"},
      {"{{ and }}", "too few arguments for 'and'"},
      {"{{ not }}", "expected an expression, got nothing"},
      {"{{ a = 1 }}", "got '='"},
      {"{{ a ! b }}", "got '!'"},
      {"{{ \xC3\xA4 }}", "expected an expression"},
      {"{% %}", "expected statement, got '%}'"},
      {"{%", "expected statement, got '<end>'"},
      {"{% iff n %}", "expected statement, got 'iff'"},
      {"{% elif n %}", "expected statement, got 'elif'; there are if, else if, else"},
      {"{% if %}x{% endif %}", "expected an expression, got nothing"},
      {"{% if n %}", "(at 1:7) unmatched if"},
      {"{% if n }}x{% endif %}", "expected statement close '%}', got '}'"},
      {"{% if n %}{% else %}{% else %}{% endif %}", "else after else"},
      {"{% else %}", "else without matching if"},
      {"{% endif %}", "endif without matching if"},
      {"{% for x in l %}", "(at 1:8) unmatched for"},
      {"{% endfor %}", "endfor without matching for"},
      {"{% for x l %}{% endfor %}", "expected 'in', got 'l'"},
      {"{% for 5 in l %}{% endfor %}", "expected a variable's name, got '5'"},
      {"{% for a, b, c in l %}{% endfor %}", "expected 'in', got ','"},
      {"{% for x in l %}{% if x %}{% endfor %}{% endif %}", "endfor without matching for"},
      {"{% if n %}{% for x in l %}{% endif %}{% endfor %}", "endif without matching if"},
      {"{% set %}", "expected a variable's name, got '%}'"},
      {"{% set a %}", "expected '=', got '%}'"},
      {"{% set a == 1 %}", "expected '=', got '=='"},
      {"{% set 1 = 1 %}", "expected a variable's name, got '1'"},
      {"text\n{{ n }}\n  {{ foo() }}", "(at 3:6) unknown function foo"},
      {"a {# no end", "(at 1:3) expected comment close '#}', got '<end>'"},
      {"## if n", "unmatched if"},
      {"## if n }}\n## endif", "expected end of line, got '}'"},
      {"{{ context(). }}", "expected a name after '.'"},
      {"{{ a : b }}", "got ':'"},
      {"{{ header(,) }}", "expected an expression, got ','"},
  };
  expect_errors(rows, plain(), "compile: [inja.exception.parser_error] (at ");
}

TEST(Template, refuses_too_much_nesting_and_too_long_templates) {
  const auto repeat = [](std::string_view text, size_t times) {
    std::string out;
    for (size_t i = 0; i < times; ++i) out += text;
    return out;
  };
  for (const std::string_view piece : {"(", "not ", "1 ^ ", "length("}) {
    EXPECT_TRUE(run("{{ " + repeat(piece, 100'000) + "1 }}", plain(), message()).contains("in one another")) << piece;
  }
  EXPECT_TRUE(run(repeat("{% if t %}", 100'000), plain(), message()).contains("more than 200 blocks in one another"));
  EXPECT_TRUE(run("{{ " + repeat("[", 100'000) + repeat("]", 100'000) + " }}", plain(), message())
                  .contains("is no JSON literal"));
  EXPECT_TRUE(run(std::string((1 << 20) + 1, 'x'), plain(), message()).contains("a template may have 1048576 bytes"));
}

// A megabyte each: with anything looked for in a list per name, minutes.
TEST(Template, compiles_long_templates_in_the_time_of_their_length) {
  std::vector<std::string> extractors;
  std::string headers, bound, extracted, conditions;
  for (int i = 0; i < 40'000; ++i) {
    extractors.push_back(fmt::format("e{}", i));
    headers += fmt::format("{{{{ header(\"h{}\") }}}}", i);
    if (i < 20'000) bound += fmt::format("{{% set v{} = 1 %}}{{{{ e{} }}}}", i, i);
    extracted += fmt::format("{{{{ e{} }}}}", i);
    if (i < 20'000) conditions += "{% if body() %}{% endif %}";
  }
  Options options{.extractors = extractors};
  for (const std::string& text : {headers, bound, extracted, conditions}) {
    const auto compiled = Template::compile(text, options);
    ASSERT_TRUE(compiled) << compiled.error().message;
    EXPECT_LE(compiled->warnings().size(), 4u);
  }
}

TEST(Template, answers_errors_of_a_run_with_the_texts_of_gloo) {
  const Row rows[] = {
      {"{{ x }}", "[inja.exception.render_error] (at 1:4) variable 'x' not found"},
      {"a\n  {{ o.none }}", "[inja.exception.render_error] (at 2:6) variable 'o.none' not found"},
      {"{{ l.9 }}", "variable 'l.9' not found"},
      {"{{ s.x }}", "variable 's.x' not found"},
      {"{{ length(x) }}", "(at 1:11) variable 'x' not found"},
      {"{{ x + 1 }}", "variable 'x' not found"},
      {"{{ x and true }}", "variable 'x' not found"},
      {"{{ true and x }}", "variable 'x' not found"},
      {"{{ not x }}", "variable 'x' not found"},
      {"{{ x.y }}", "variable 'x.y' not found"},
      {"{{ (x).y }}", "variable 'x' not found"},
      {"{{ default(x, y) }}", "variable 'y' not found"},
      {"{% if x %}{% endif %}", "(at 1:7) variable 'x' not found"},
      {"{% set a = x %}", "variable 'x' not found"},
      {"{% for i in x %}{% endfor %}", "variable 'x' not found"},
      {"{% for i in o %}{% endfor %}", "object must be an array"},
      {"{% for k, v in l %}{% endfor %}", "object must be an object"},
      {"{% for i in \"abc\" %}{% endfor %}", "object must be an array"},
      {"{{ header(5) }}",
       "[json.exception.type_error.303] incompatible ReferenceType for get_ref, actual type is number"},
      {"{{ trim(null) }}",
       "[json.exception.type_error.303] incompatible ReferenceType for get_ref, actual type is null"},
      {"{{ substring(5, 1) }}", "[json.exception.type_error.303]"},
      {"{{ raw_string(l) }}", "[json.exception.type_error.303]"},
      {"{{ base64_encode(n) }}", "[json.exception.type_error.303]"},
      {"{{ dynamic_metadata(\"k\", 5) }}", "[json.exception.type_error.303]"},
      {R"({{ raw_string(header("x-bad")) }})", "[json.exception.type_error.316] invalid UTF-8 byte at index 0: 0xFF"},
      {"{{ lower(5) }}", "[json.exception.type_error.302] type must be string, but is number"},
      {"{{ sort(o) }}", "[json.exception.type_error.302] type must be array, but is object"},
      {R"({{ "a" + 1 }})", "[json.exception.type_error.302] type must be number, but is string"},
      {R"({{ 1 - "a" }})", "[json.exception.type_error.302]"},
      {R"({{ int("x") }})", "stoi"},
      {R"({{ int("99999999999") }})", "stoi"},
      {R"({{ float("x") }})", "stod"},
      {"{{ int(5) }}", "[json.exception.type_error.303]"},
      {"{{ 1 / 0 }}", "(at 1:6) division by zero"},
      {"{{ 1 % 0 }}", "(at 1:6) division by zero"},
      {"{{ 7 % (0 ^ -1) }}{{ 1 / 0 }}", "division by zero"},  // infinity is the largest whole number there is
      {"{{ range(1152921504606846976) }}", "bytes of work"},
      {"{{ range(1e300) }}", "bytes of work"},
      {"{{ at(l, 9) }}", "[json.exception.out_of_range.401] array index 9 is out of range"},
      {"{{ at(l, -1) }}", "[json.exception.out_of_range.401]"},
      {"{{ at(o, \"x\") }}", "[json.exception.out_of_range.403] key 'x' not found"},
      {"{{ at(s, 0) }}", "[json.exception.type_error.304]"},
      {"{{ first(e) }}", "(at 1:4) first() of an empty list"},
      {"{{ max(e) }}", "max() of an empty list"},
      {"{{ range(-1) }}", "range of -1"},
      {"{{ context().none }}", "[json.exception.out_of_range.403] key 'none' not found"},
      {"{{ context().s.x }}", "[json.exception."},
      {"{% set s = 1 %}{% set s.x = 2 %}", "[json.exception.out_of_range.404]"},
      {"{{ exists(\"a~2\") }}", "[json.exception.parse_error.108]"},
  };
  expect_errors(rows, plain(), "error: ");
}

TEST(Template, escapes_what_it_prints_when_asked) {
  Options options = plain();
  const std::string_view text = R"({"t":"{{ m }}"})";
  EXPECT_EQ(run(text, options, message()), R"({"t":"he "x""})");
  EXPECT_EQ(run(R"({"t":"{{ raw_string(m) }}"})", options, message()), R"({"t":"he \"x\""})");
  options.escape_characters = true;
  EXPECT_EQ(run(text, options, message()), R"({"t":"he \"x\""})");
  EXPECT_EQ(run(R"({{ header("x-q") }}|{{ who }}|{{ l }}|{{ "ä" }})", options, message()),
            R"(say \"x\"|ann|[3,1,2]|ä)");
  EXPECT_EQ(run(R"({{ raw_string(m) }})", options, message()), R"(he \\\"x\\\")");
  EXPECT_TRUE(
      run(R"({{ header("x-bad") }})", options, message()).starts_with("error: [json.exception.type_error.316]"));
}

TEST(Template, keeps_within_its_bounds) {
  Options options = plain();
  options.limits = {.output_bytes_max = 100, .work_max = 100'000};
  const Row rows[] = {
      {"{% for a in range(50) %}{{ a }}, {% endfor %}", "output is longer than 100 bytes"},
      {"{{ range(1000000000) }}", "more than 100000 bytes of work"},
      {"{% set a = \"xxxxxxxx\" %}{% for i in range(100) %}{% set a = a + a %}{% endfor %}", "bytes of work"},
      {"{% for i in range(50) %}{% for j in range(50) %}{% for k in range(50) %}{% endfor %}{% endfor %}{% endfor %}",
       "bytes of work"},
      {"{% set a = [0] %}{% for i in range(200) %}{% set b.x = a %}{% set a = b %}{% endfor %}", "bytes of work"},
      // Lists grow up to the index that is set.
      {"{% set a.400000000 = 1 %}", "bytes of work"},
      {"{% set a.b.c.400000000.d = 1 %}", "bytes of work"},
      {"{% set a = [1] %}{% set a.400000000 = 1 %}", "bytes of work"},
      {"{% set a.0.400000000 = 1 %}", "bytes of work"},
      {"{% set a.1000.1000.1000 = 1 %}{% set a.2000.3000.4000 = 1 %}", "bytes of work"},
      {"{% for i in range(100) %}{% set a = [] %}{% set a.100 = 1 %}{% endfor %}", "bytes of work"},
      {"{% set a.18446744073709551615 = 1 %}", "bytes of work"},
      // Texts that grow by what is done with them.
      {"{% set a = \"x\" %}{% for i in range(30) %}{% set a = join([0,0,0,0,0,0,0,0,0,0,0,0], a) %}{% endfor %}",
       "bytes of work"},
      {"{% set a = \"x\" %}{% for i in range(100) %}{% set a = base64_encode(a) %}{% endfor %}", "bytes of work"},
      {"{% set a = \"\\\"\" %}{% for i in range(40) %}{% set a = raw_string(a) %}{% endfor %}", "bytes of work"},
      {"{% set a = \"A\" %}{% for i in range(2000) %}{% set a = replace_with_random(a + \"AAAA\", \"A\") %}{% endfor "
       "%}",
       "bytes of work"},
      {"{% set a = range(50) %}{% for x in a %}{% for y in a %}{% set b = sort(a) %}{% endfor %}{% endfor %}",
       "bytes of work"},
      // Texts that are looked at again and again.
      {"{% set a = upper(join(range(1000), \"\")) %}{% for i in range(50) %}{{ length(trim(a)) - 2890 }}{% endfor %}",
       "bytes of work"},
      {"{% set a = join(range(1000), \"\") %}{% for i in range(50) %}{% if exists(a) %}{% endif %}{% endfor %}",
       "bytes of work"},
  };
  expect_errors(rows, options, "error: ");
  for (const Row& row : rows) {
    std::string out;
    EXPECT_EQ(Template::compile(row.text, options)->render(message(), out).error().kind, ErrorKind::limit);
  }
  options.limits.work_max = 1U << 30;
  const Row deep[] = {{"{% set a = [0] %}{% for i in range(300) %}{% set b.x = a %}{% set a = b %}{% endfor %}",
                       "has more than 200 levels"}};
  expect_errors(deep, options, "error: ");
  std::string simple(101, 'x');
  EXPECT_TRUE(run(simple, options, message()).contains("longer than 100 bytes"));
}

TEST(Template, shares_an_allowance_with_other_runs) {
  const auto compiled = *Template::compile("{% set a = s + s %}{{ a }}", plain());
  Allowance allowance({.output_bytes_max = 20, .work_max = 1000});
  std::string out;
  EXPECT_TRUE(compiled.render(message(), out, allowance));
  EXPECT_TRUE(compiled.render(message(), out, allowance));
  EXPECT_EQ(out, "texttexttexttext");
  EXPECT_EQ(allowance.output_left, 4u);
  EXPECT_EQ(compiled.render(message(), out, allowance).error().message,
            "the template's output is longer than 20 bytes");
  EXPECT_EQ(out, "texttexttexttext");
  Allowance little({.output_bytes_max = 1000, .work_max = 100});
  while (compiled.render(message(), out, little)) {
  }
  EXPECT_EQ(compiled.render(message(), out, little).error().message, "the template does more than 100 bytes of work");
  EXPECT_LT(out.size(), 100u);
}

TEST(Template, knows_what_it_reads) {
  const auto reads = [](std::string_view text) {
    const auto compiled = *Template::compile(text, plain());
    return fmt::format("{}{}", compiled.reads_body() ? "b" : "-", compiled.reads_json() ? "j" : "-");
  };
  EXPECT_EQ(reads(R"({{ header("x") }}{{ who }}{{ a.b }}{{ env("x") }})"), "--");
  EXPECT_EQ(reads("{{ body() }}"), "b-");
  EXPECT_EQ(reads("{{ body }}"), "bj");
  EXPECT_EQ(reads("{{ x }}"), "-j");
  EXPECT_EQ(reads("{{ context() }}"), "-j");
  EXPECT_EQ(reads(R"({{ exists("x") }})"), "-j");
  EXPECT_EQ(reads("{% if false %}{{ body() }}{% endif %}"), "b-");
}

TEST(Template, appends_to_what_is_there) {
  std::string out = "kept ";
  ASSERT_TRUE(Template::compile("{{ n }}", plain())->render(message(), out));
  EXPECT_EQ(out, "kept 7");
  EXPECT_FALSE(Template::compile("more {{ x }}", plain())->render(message(), out));
  EXPECT_EQ(out, "kept 7");
}

TEST(Template, works_out_the_examples_of_the_reference) {
  FakeMessage b;
  b.extractions = {"ann", "", ""};
  b.parse(R"({"items":[{"id":"q"},{"id":"r"}]})");
  EXPECT_EQ(run(R"({"u":"{{ extraction("who") }}","first":"{{ items/0/id }}","n":{{ length(items) }}})", advanced(), b),
            R"({"u":"ann","first":"q","n":2})");

  FakeMessage c;
  c.request_headers = {{":authority", "api.test"}};
  EXPECT_EQ(run(R"({"error":"slow down","host":"{{ request_header(":authority") }}"})", plain(), c),
            R"({"error":"slow down","host":"api.test"})");

  const std::string_view status =
      R"({% if exists("fault.kind") %}{% if fault.kind == "quota" %}429{% else %}422{% endif %}{% else %}{{ header(":status") }}{% endif %})";
  FakeMessage d;
  d.headers = {{":status", "200"}};
  d.parse(R"({"fault":{"kind":"quota"}})");
  EXPECT_EQ(run(status, plain(), d), "429");
  d.parse(R"({"fault":{"kind":"other"}})");
  EXPECT_EQ(run(status, plain(), d), "422");
  d.parse(R"({"ok":1})");
  EXPECT_EQ(run(status, plain(), d), "200");
}

}  // namespace
}  // namespace sluice::templates
