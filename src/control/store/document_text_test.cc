#include "control/store/document_text.h"

#include "config/documents.h"

namespace sluice {
namespace {

std::vector<Document> parse(std::string_view text) {
  auto documents = parse_documents(text);
  EXPECT_TRUE(documents) << text << "\n" << (documents ? "" : documents.error().message);
  return documents ? std::move(*documents) : std::vector<Document>();
}

Node node(std::string_view text) {
  return parse(text).at(0).node;
}

constexpr std::string_view kGateway = R"(# The gateway of the lab.
apiVersion: gateway.solo.io/v1
kind: Gateway
metadata:
  name: gateway-proxy   # the one
  namespace: gloo-system
spec:
  # Only this machine.
  bindAddress: 127.0.0.1   # loopback
  bindPort: 8080

  httpGateway: {}
# The end.
)";

struct EditRow {
  std::string_view what, before, patch, after;
};

TEST(DocumentText, changes_only_the_lines_of_what_differs) {
  const EditRow kRows[] = {
      {"a value", "a: 1 # one\nb: 2 # two\n", "a: 3", "a: 3\nb: 2 # two\n"},
      {"a value below", "a:\n  # c\n  b: 1\n  c: 2\nd: 3\n", "a: {c: 5}", "a:\n  # c\n  b: 1\n  c: 5\nd: 3\n"},
      {"a new key", "a:\n  b: 1 # x\n\n# next\nd: 3\n", "a: {c: 5}", "a:\n  b: 1 # x\n  c: 5\n\n# next\nd: 3\n"},
      {"a new map", "a: 1\n", "b: {c: {d: [1, x]}}", "a: 1\nb:\n  c:\n    d:\n    - 1\n    - x\n"},
      {"a removed key", "a: 1\nb: 2 # two\n# three\nc: 3\n", "b: null", "a: 1\n# three\nc: 3\n"},
      {"a map in flow style", "a: {b: 1, c: 2} # flow\nd: 1 # x\n", "a: {b: 3}", "a:\n  b: 3\n  c: 2\nd: 1 # x\n"},
      {"an empty map filled", "s:\n  h: {} # h\n  i: 1\n", "s: {h: {x: {}}}", "s:\n  h:\n    x: {}\n  i: 1\n"},
      {"a list", "a:\n  - 1 # one\n  - 2\nb: 1 # b\n", "a: [1, 2, 3]", "a:\n  - 1 # one\n  - 2\n  - 3\nb: 1 # b\n"},
      {"the front of a list", "a:\n- 1 # one\n- 2\n", "a: [0, 1, 2]", "a:\n- 0\n- 1 # one\n- 2\n"},
      {"the middle of a list", "a:\n  - 1 # one\n  - 2\n  - 3 # three\n", "a: [1, 3]",
       "a:\n  - 1 # one\n  - 3 # three\n"},
      {"a map in a list", "a:\n  - n: 1 # one\n    m: 2\n  - n: 3 # three\n", "a: [{n: 1, m: 5}, {n: 3}]",
       "a:\n  - n: 1 # one\n    m: 5\n  - n: 3 # three\n"},
      {"the first key of a map in a list", "a:\n  - k: 1 # one\n    m: 2 # two\n", "a: [{k: 7, m: 2}]",
       "a:\n  - k: 7\n    m: 2 # two\n"},
      {"a block scalar", "a:\n  key: |\n    -----BEGIN\n    # no comment\n    -----END\n  b: 1 # b\n", "a: {key: x}",
       "a:\n  key: x\n  b: 1 # b\n"},
      {"beside a block scalar", "a:\n  key: |\n    one\n    # no comment\n  b: 1 # b\n", "a: {b: 2}",
       "a:\n  key: |\n    one\n    # no comment\n  b: 2\n"},
      {"an absent end of line", "a: 1\nb: 2", "a: 2", "a: 2\nb: 2\n"},
      {"windows line ends", "a: 1\r\nb: 2 # two\r\n", "a: 2", "a: 2\nb: 2 # two\r\n"},
      {"a quoted key", "\"a b\": 1\nc: 2 # c\n", "\"a b\": 2", "a b: 2\nc: 2 # c\n"},
  };
  for (const EditRow& row : kRows) {
    Node wanted = node(row.before);
    merge_patch(wanted, node(row.patch));
    const auto text = text_with_document(row.before, 0, row.before.size(), wanted, false);
    ASSERT_TRUE(text) << row.what << ": " << text.error().message;
    EXPECT_EQ(*text, row.after) << row.what;
  }
}

TEST(DocumentText, keeps_other_documents_and_comments_of_a_file) {
  const std::string file = "# top\n---\n# one\na: 1\n---\n# two\nb: 1 # b\nc: 1\n---\nd: 1 # d\n";
  const auto documents = parse(file);
  ASSERT_EQ(documents.size(), 3u);
  const auto text = text_with_document(file, documents[1].begin, documents[1].end, node("{b: 1, c: 2}"), false);
  ASSERT_TRUE(text) << text.error().message;
  EXPECT_EQ(*text, "# top\n---\n# one\na: 1\n---\n# two\nb: 1 # b\nc: 2\n---\nd: 1 # d\n");
}

TEST(DocumentText, falls_back_to_the_whole_document_where_lines_do_not_tell) {
  for (const std::string_view before :
       {"{a: 1, b: 2}\n", "a: &x {k: 1}\nb: *x\n", "base: &x\n  k: 1\na:\n  <<: *x\n  l: 2\n", "? a\n: 1\n",
        "--- {a: 1}\n", "!!map {a: 1}\n", "a: 'multi\n\n  line'\nb: 1\n", "a:\n    - - 1\n      - 2\n",
        "\"a\": 1\n'b': {c: 1,\n d: 2}\n",
        "\xEF\xBB\xBF"
        "a: 1\n",
        "%YAML 1.2\n---\na: 1\n"}) {
    const auto documents = parse(before);
    ASSERT_EQ(documents.size(), 1u) << before;
    Node wanted = documents[0].node;
    merge_patch(wanted, node("{a: {k: 2}, z: [1, {y: x}]}"));
    const auto text = text_with_document(before, documents[0].begin, documents[0].end, wanted, false);
    ASSERT_TRUE(text) << before << ": " << text.error().message;
    EXPECT_TRUE(node(*text) == wanted) << before << " became " << *text;
  }
}

TEST(DocumentText, patches_the_gateway_of_the_example_in_place) {
  Node wanted = node(kGateway);
  merge_patch(wanted, node("{spec: {httpGateway: {options: {dynamicForwardProxy: {}}}}}"));
  const auto text = text_with_document(kGateway, 0, kGateway.size(), wanted, false);
  ASSERT_TRUE(text) << text.error().message;
  std::string expected(kGateway);
  expected.replace(expected.find("  httpGateway: {}\n"), 18,
                   "  httpGateway:\n    options:\n      dynamicForwardProxy: {}\n");
  EXPECT_EQ(*text, expected);
}

TEST(DocumentText, writes_json_files_as_json) {
  const std::string file = "{\"apiVersion\": \"v1\", \"data\": {\"a\": \"1\"}}\n";
  const auto documents = parse(file);
  const auto text =
      text_with_document(file, documents[0].begin, documents[0].end, node("{apiVersion: v1, data: {a: '2'}}"), false);
  ASSERT_TRUE(text) << text.error().message;
  EXPECT_TRUE(text->starts_with("{")) << *text;
  EXPECT_EQ(node(*text).text_at({"data", "a"}), "2");
}

TEST(DocumentText, keeps_the_flattened_form) {
  const std::string file = "# vs\nmetadata: {name: a, namespace: b}\nvirtualHost: # host\n  domains: [x]\n";
  Node body = node(
      "{apiVersion: gateway.solo.io/v1, kind: VirtualService, metadata: {name: a, namespace: b}, spec: {virtualHost: "
      "{domains: [z]}}}");
  const auto documents = parse(file);
  const auto text = text_with_document(file, documents[0].begin, documents[0].end, body, true);
  ASSERT_TRUE(text) << text.error().message;
  EXPECT_EQ(*text, "# vs\nmetadata: {name: a, namespace: b}\nvirtualHost: # host\n  domains:\n  - z\n");
}

TEST(DocumentText, leaves_out_the_default_namespace_where_it_was_left_out) {
  const std::string file = "metadata:\n  name: a\nspec: 1\n";
  const auto text =
      text_with_document(file, 0, file.size(), node("{metadata: {name: a, namespace: gloo-system}, spec: 2}"), false);
  ASSERT_TRUE(text) << text.error().message;
  EXPECT_EQ(*text, "metadata:\n  name: a\nspec: 2\n");
}

Result<std::optional<std::string>> without_one(std::string_view file, size_t begin, size_t end) {
  const DocumentSpan gone{begin, end};
  return text_without_documents(file, std::span(&gone, 1));
}

TEST(DocumentText, adds_and_removes_documents) {
  EXPECT_EQ(*text_with_new_document("", node("a: 1")), "a: 1\n");
  EXPECT_EQ(*text_with_new_document("# c\na: 1", node("b: 1")), "# c\na: 1\n---\nb: 1\n");
  const std::string file = "# top\na: 1\n---\n# two\nb: 1\n---\nc: 1\n";
  const auto documents = parse(file);
  EXPECT_EQ(**without_one(file, documents[1].begin, documents[1].end), "# top\na: 1\n---\nc: 1\n");
  EXPECT_EQ(**without_one(file, documents[2].begin, documents[2].end), "# top\na: 1\n---\n# two\nb: 1\n");
  const auto first = without_one(file, documents[0].begin, documents[0].end);
  ASSERT_TRUE(first && *first);
  EXPECT_EQ(parse(**first).size(), 2u);
  EXPECT_EQ(*without_one("a: 1\n", 0, 5), std::nullopt);
  std::vector<DocumentSpan> all;
  for (const Document& document : documents) all.push_back({document.begin, document.end});
  EXPECT_EQ(parse(**text_without_documents(file, std::span(all).first(2))).size(), 1u);
  EXPECT_EQ(*text_without_documents(file, all), std::nullopt);
}

TEST(DocumentText, refuses_a_place_where_no_document_is) {
  EXPECT_FALSE(text_with_document("a: 1\n", 1, 5, node("a: 2"), false));
  EXPECT_FALSE(text_with_document("a: 1\n", 0, 4, node("a: 2"), false));
  EXPECT_FALSE(text_with_document("a: [\n", 0, 5, node("a: 2"), false));
  EXPECT_FALSE(without_one("a: 1\n", 2, 5));
}

}  // namespace
}  // namespace sluice
