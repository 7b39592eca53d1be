#include "config/documents.h"

#include <array>

namespace sluice {
namespace {

std::string as_json(std::string_view file) {
  const auto documents = parse_documents(file);
  if (!documents) return "error: " + documents.error().message;
  std::string out;
  for (const Document& document : *documents) out += (out.empty() ? "" : " | ") + to_json(document.node);
  return out;
}

std::string error_of(std::string_view file, const DocumentLimits& limits = {}) {
  const auto documents = parse_documents(file, limits);
  if (documents) return "";
  return fmt::format("{}: {}", documents.error().place.line, documents.error().message);
}

TEST(Documents, read_plain_scalars_as_kubectl_does) {
  const struct {
    const char* yaml;
    const char* json;
  } rows[] = {
      {"true", "true"},
      {"yes", "true"},
      {"On", "true"},
      {"Y", "true"},
      {"NO", "false"},
      {"off", "false"},
      {"n", "false"},
      {"~", "null"},
      {"Null", "null"},
      {"'true'", "\"true\""},
      {"tRue", "\"tRue\""},
      {"yEs", "\"yEs\""},
      {"nope", "\"nope\""},
      {"12", "12"},
      {"-7", "-7"},
      {"+7", "7"},
      {"017", "15"},
      {"0o17", "15"},
      {"0x1F", "31"},
      {"0b101", "5"},
      {"1_000", "1000"},
      {"08", "8"},
      {"09.5", "9.5"},
      {".5", "0.5"},
      {"1e3", "1000"},
      {"1.", "1"},
      {"1.5e-2", "0.015"},
      {"1e", "\"1e\""},
      {"0x", "\"0x\""},
      {"1.2.3", "\"1.2.3\""},
      {"10s", "\"10s\""},
      {"2026-01-02", "\"2026-01-02\""},
      {"12:30", "\"12:30\""},
      {"18446744073709551615", "18446744073709551615"},
      {"-9223372036854775808", "-9223372036854775808"},
      {"!!str 12", "\"12\""},
      {"! 12", "\"12\""},
      {"!!int 12", "12"},
      {"|\n  a\n  b\n", "\"a\\nb\\n\""},
      {">-\n  a\n  b", "\"a b\""},
      {"\"\\u00e4\\n\"", "\"\xC3\xA4\\n\""},
      {"\"\xC3\xA4\\N\\_\\x85\\L\"", "\"\xC3\xA4\xC2\x85\xC2\xA0\xC2\x85\xE2\x80\xA8\""},
  };
  for (const auto& row : rows)
    EXPECT_EQ(as_json(fmt::format("v: {}", row.yaml)), fmt::format("{{\"v\":{}}}", row.json)) << row.yaml;
}

TEST(Documents, follow_anchors_and_merge_keys) {
  EXPECT_EQ(as_json("a: &x {b: 1}\nc: *x\nd: [*x, &y z, *y]"), R"({"a":{"b":1},"c":{"b":1},"d":[{"b":1},"z","z"]})");
  EXPECT_EQ(as_json("a: &x {b: 1, c: 2}\nd:\n  <<: *x\n  c: 3"), R"({"a":{"b":1,"c":2},"d":{"c":3,"b":1}})");
  EXPECT_EQ(as_json("- &x {b: 1}\n- &y {b: 2, c: 3}\n- <<: [*x, *y]"), R"([{"b":1},{"b":2,"c":3},{"b":1,"c":3}])");
}

TEST(Documents, of_one_file_know_their_bytes) {
  const std::string file =
      "# licence\n---\na: 1\n# about b\n---\n\n---\nb: |\n  x\n  --- no marker\n---\nc: 1\n...\n# end\n";
  const auto documents = parse_documents(file);
  ASSERT_TRUE(documents.has_value()) << documents.error().message;
  std::vector<std::string> texts;
  for (const Document& document : *documents)
    texts.push_back(file.substr(document.begin, document.end - document.begin));
  EXPECT_EQ(texts, (std::vector<std::string>{"a: 1\n# about b\n", "b: |\n  x\n  --- no marker\n", "c: 1\n"}));
}

TEST(Documents, know_the_lines_of_their_values) {
  const auto documents = parse_documents("# x\n---\na: 1\n---\n\nb:\n  - c\n  - d:\ne: 2\n");
  ASSERT_TRUE(documents.has_value());
  const Node& node = (*documents)[1].node;
  EXPECT_EQ(place_at(node, "b").line, 6u);
  EXPECT_EQ(place_at(node, "b[1]").line, 8u);
  EXPECT_EQ(node.find("b")->list()->at(1).find("d")->place().line, 8u);
  EXPECT_EQ(place_at(node, "e").line, 9u);
  EXPECT_EQ(node.find("e")->place().column, 4u);
}

TEST(Documents, may_begin_on_the_line_of_their_marker) {
  EXPECT_EQ(as_json("--- {a: 1}\n--- # note\nb: 2\n--- |\n text\n"), R"({"a":1} | {"b":2} | "text\n")");
  EXPECT_EQ(as_json("%YAML 1.2\n---\na: 1\n"), R"({"a":1})");
  EXPECT_EQ(as_json("\xEF\xBB\xBF"
                    "a: 1\r\nb: 2\r\n"),
            R"({"a":1,"b":2})");
}

TEST(Documents, without_content_are_left_out) {
  for (const char* file : {"", "\n\n", "# only\n", "---\n---\n# x\n", "...\n", "~\n", "null"})
    EXPECT_EQ(as_json(file), "") << file;
}

TEST(Documents, may_be_json) {
  EXPECT_EQ(as_json(" {\"a\": [1, \"x\\u00e4\"],\n\t\"b\": true}"), "{\"a\":[1,\"x\xC3\xA4\"],\"b\":true}");
  const auto documents = parse_documents("{\n\"a\": 1,\n\"b\": {\n\"c\": \"x\"}}");
  ASSERT_TRUE(documents.has_value());
  EXPECT_EQ(place_at(documents->front().node, "a").line, 2u);
  EXPECT_EQ(place_at(documents->front().node, "b.c").line, 4u);
  EXPECT_EQ(as_json("{a: 1}\n---\n{b: 2}"), R"({"a":1} | {"b":2})");  // YAML in flow style
}

TEST(Documents, that_break_a_rule_are_refused_with_their_line) {
  const struct {
    std::string file;
    const char* error;
  } rows[] = {
      {"a: 1\nb: 2\na: 3", "3: duplicate key \"a\": it is already in line 1"},
      {"x:\n  a: 1\n  \"a\": 3", "3: duplicate key \"a\": it is already in line 2"},
      {"{\"a\":1,\n\"a\":2}", "2: duplicate key \"a\": it is already in line 1"},
      {"a: 1\n---\nb: [1, 2", "3: end of sequence flow not found"},
      {"a: b: c", "1: illegal map value"},
      {"a: 'x", "1: illegal EOF in scalar"},
      {"a: \xFF", "0: not UTF-8; save the file in that encoding"},
      {"a: \xC0\x80", "0: not UTF-8; save the file in that encoding"},
      {"a: 1\nb: \x04", "2: a control character (0x04)"},
      {std::string("a: \0b", 5), "1: a control character (0x00)"},
      {"a: 1\rb: 2", "1: a control character (0x0d)"},
      {"a: \x7F", "1: a control character (0x7f)"},
      {"a: *x", "1: the referenced anchor is not defined"},
      {"a: &x [*x]", "1: an alias inside of its own anchor"},
      {"? [a]\n: b", "1: a map or a list cannot be a key"},
      {"? {a: 1}\n: b", "1: a map or a list cannot be a key"},
      {"~: b", "1: a key must be text"},
      {"? \n: b", "2: a map or a list cannot be a key"},
      {"a: &x [1]\n*x : b", "2: a key must be text"},
      {"&x a: b", "1: an anchor on a key is not supported"},
      {"<<: 1", "1: << takes a map or a list of maps"},
      {"<<: [1]", "1: << takes a map or a list of maps"},
      {"<<: {}\n<<: {}", "2: duplicate key \"<<\""},
      {"a: !!binary aGk=", "1: the tag tag:yaml.org,2002:binary is not supported"},
      {"a: !foo x", "1: the tag !foo is not supported"},
      {"a: !!set {x}", "1: the tag tag:yaml.org,2002:set is not supported"},
      {"a: .inf", "1: infinity and NaN cannot be used"},
      {"a: -.INF", "1: infinity and NaN cannot be used"},
      {"a: .NaN", "1: infinity and NaN cannot be used"},
      {"\ta: 1", "1: a tab in front of the text: YAML is indented by spaces only"},
      {"a: |\n\tb", "2: a tab in front of the text"},
      {"a:\n  b: 1\n\tc: 2", "3: a tab in front of the text"},
      {"a: {{ .Values.a }}", "1: a template ({{ ... }}) that is not in quotes: render a chart of Helm first"},
      {"{{- if .Values.a }}\na: 1\n{{- end }}", "1: a template ({{ ... }}) that is not in quotes"},
      {"a: 1\n\xC2\xA0 b\nc: 2", "2: a no-break space (U+00A0) stands in this line"},
      {"a: @x", "1: a character that cannot stand here; put the text in quotes"},
      {"a: 1\n b: 2", "2: "},
      {"- a\nb: 1", "2: "},
      {"{a: 1}}", "1: "},
      {"a: \"\\q\"", "1: unknown escape character: q"},
      {"\"a\"\n\"b\"", "2: more than one value"},
  };
  for (const auto& row : rows) {
    const std::string error = error_of(row.file);
    EXPECT_TRUE(error.starts_with(row.error)) << row.file << "\n  got: " << error << "\n  want: " << row.error;
  }
}

TEST(Documents, beyond_a_limit_are_refused) {
  std::string deep, list, many = "[";
  for (int i = 0; i < 70; ++i) deep += '[';
  EXPECT_EQ(error_of(deep + "1" + std::string(70, ']')), "1: nested deeper than 64 levels");
  EXPECT_EQ(error_of(std::string(64, '[') + std::string(64, ']')), "");
  for (int i = 0; i < 70; ++i) list += "- ";
  EXPECT_EQ(error_of(list + "x"), "1: nested deeper than 64 levels");
  EXPECT_EQ(error_of("{\"a\":" + deep + std::string(70, ']') + "}"), "1: nested deeper than 64 levels");
  for (int i = 0; i < 20; ++i) many += "1,";
  EXPECT_EQ(error_of(many + "]", {.nodes_max = 20}), "1: more than 20 values once aliases are followed");
  EXPECT_EQ(error_of("a: 1", {.bytes_max = 3}), "0: the file has 4 bytes, more than the limit of 3");
  EXPECT_EQ(error_of("[1]\n---\n[2]\n---\n[3]", {.nodes_max = 5}), "5: more than 5 values once aliases are followed");
}

TEST(Documents, with_bombs_are_refused_quickly) {
  std::string laughs = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 10; ++i) {
    laughs += fmt::format("a{0}: &a{0} [", i);
    for (int j = 0; j < 10; ++j) laughs += fmt::format("*a{},", i - 1);
    laughs += "]\n";
  }
  EXPECT_TRUE(error_of(laughs).ends_with("more than 1000000 values once aliases are followed")) << error_of(laughs);

  std::string text = "a: &x " + std::string(1 << 20, 'x') + "\nb: [";
  for (int i = 0; i < 100; ++i) text += "*x,";
  EXPECT_TRUE(error_of(text + "]").ends_with("bytes of text once aliases are followed")) << error_of(text);

  std::string nested = "&a0 x";
  for (unsigned i = 1; i < 60; ++i) nested = fmt::format("&a{} [{}]", i, nested);
  EXPECT_EQ(error_of(nested), "");
  EXPECT_TRUE(error_of(nested + "\n").empty());
  const std::string twice = "a: " + nested + "\nb: [[[[[[[[[[*a59]]]]]]]]]]";
  EXPECT_EQ(error_of(twice), "2: nested deeper than 64 levels once aliases are followed");

  EXPECT_NE(error_of(std::string(1'000'000, '[')), "");
  EXPECT_NE(error_of("[" + std::string(1'000'000, ',')), "");
  EXPECT_NE(error_of("{\"a\":" + std::string(1'000'000, '[')), "");
  EXPECT_EQ(error_of("? " + std::string(200'000, '?')), "");  // one long key
}

TEST(Documents, can_be_replaced_removed_and_appended_alone) {
  const std::string file = "# licence\na: 1 # one\n---\n# two\nb: 2\n---\nc: 3";
  const auto documents = *parse_documents(file);
  ASSERT_EQ(documents.size(), 3u);
  const auto replace = [&](size_t i) { return replace_document(file, documents[i].begin, documents[i].end, "x: 9\n"); };
  EXPECT_EQ(replace(0), "x: 9\n---\n# two\nb: 2\n---\nc: 3");
  EXPECT_EQ(replace(1), "# licence\na: 1 # one\n---\nx: 9\n---\nc: 3");
  EXPECT_EQ(replace(2), "# licence\na: 1 # one\n---\n# two\nb: 2\n---\nx: 9\n");
  const auto span = [&](size_t i) { return DocumentSpan{documents[i].begin, documents[i].end}; };
  const auto remove = [&](size_t i) { return remove_documents(file, std::array{span(i)}); };
  EXPECT_EQ(remove(0), "# two\nb: 2\n---\nc: 3");
  EXPECT_EQ(remove(1), "# licence\na: 1 # one\n---\nc: 3");
  EXPECT_EQ(remove(2), "# licence\na: 1 # one\n---\n# two\nb: 2\n");
  EXPECT_EQ(append_document(file, "d: 4\n"), file + "\n---\nd: 4\n");
  EXPECT_EQ(append_document("", "d: 4"), "d: 4\n");
  EXPECT_EQ(append_document("a: 1\r\n", "d: 4\n"), "a: 1\r\n---\r\nd: 4\n");
  EXPECT_EQ(replace_document("--- {a: 1}\n---\nb: 2\n", 3, 11, "x: 9\n"), "---\nx: 9\n---\nb: 2\n");
  EXPECT_EQ(remove_documents("a: 1\n", std::array{DocumentSpan{0, 5}}), "");
  EXPECT_EQ(remove_documents(file, std::array{span(0), span(1)}), "c: 3");
  EXPECT_EQ(remove_documents(file, std::array{span(0), span(2)}), "# two\nb: 2\n");
  EXPECT_EQ(remove_documents(file, std::array{span(1), span(2)}), "# licence\na: 1 # one\n");
  EXPECT_EQ(remove_documents(file, {}), file);
}

TEST(Json, that_is_malformed_is_refused) {
  for (const char* text : {"", "{", "{\"a\"}", "[1,]", "{\"a\":1}x", "{'a':1}", "nul", "01", "1e999", "\"\\x\"",
                           "\"\x01\"", "[1 2]", "{\"a\":1,\"a\":1}", "\"\\ud800\"", "//x\n1"})
    EXPECT_FALSE(parse_json(text).has_value()) << text;
}

}  // namespace
}  // namespace sluice
