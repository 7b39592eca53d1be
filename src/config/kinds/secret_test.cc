#include "config/kinds/testing.h"

namespace sluice::kinds {
namespace {

TEST(Secret, decodes_its_values_and_prefers_texts) {
  const auto s = good<Secret>("secret", "type: Opaque\ndata: {a: aGk=, b: \"aG\\nk=\"}\nstringData: {a: text, c: ''}");
  EXPECT_EQ(s.data, (std::map<std::string, std::string>{{"a", "text"}, {"b", "hi"}, {"c", ""}}));
}

TEST(Secret, with_a_mistake_is_refused_without_its_values) {
  expect_bad("secret",
             {
                 {"data: {a: 'not base64!'}", "data: the value of \"a\" is not base64"},
                 {"data: {a: aGk}", "data: the value of \"a\" is not base64"},
                 {"data: {a: 12345}", "data.a: expected text, got a whole number"},
                 {"data: {'a/b': ''}", "data: \"a/b\" is no key"},
                 {"data: [a]", "data: expected a map, got a list"},
                 {"stringData: {a: 1}", "stringData.a: expected text, got a whole number"},
                 {"dta: {}", "dta: unknown field; did you mean \"data\"?"},
                 {"stringData: {a: '" + std::string((1 << 20) + 1, 'x') + "'}", "data: holds more than 1 MiB"},
             });
}

TEST(Secret, is_shown_without_its_values) {
  const Node secret = *parse_json(R"({"kind":"Secret","metadata":{"name":"s","annotations":{"a":"b",
    "kubectl.kubernetes.io/last-applied-configuration":"{\"data\":{\"a\":\"aGk=\"}}"}},"data":{"a":"aGk="},"stringData":{"b":"c"}})");
  EXPECT_EQ(
      to_json(redacted(secret)),
      R"({"kind":"Secret","metadata":{"name":"s","annotations":{"a":"b","kubectl.kubernetes.io/last-applied-configuration":"[redacted]"}},)"
      R"("data":{"a":"[redacted]"},"stringData":{"b":"[redacted]"}})");
  const Node other = *parse_json(R"({"kind":"ConfigMap","data":{"a":"b"}})");
  EXPECT_EQ(redacted(other), other);
}

TEST(ConfigMap, holds_text_and_bytes) {
  const auto m = good<ConfigMap>("cm", "data: {a: b}\nbinaryData: {c: AAE=}");
  EXPECT_EQ(m.data.at("a"), "b");
  EXPECT_EQ(m.binary_data.at("c"), std::string("\0\1", 2));
  expect_bad("cm", {{"data: {a: 1}", "data.a: expected text, got 1; put it in quotes"},
                    {"data: {a: b}\nbinaryData: {a: ''}", "binaryData: \"a\" is in data too"},
                    {"binaryData: {a: '*'}", "binaryData: the value of \"a\" is not base64"},
                    {"spec: {}", "spec: unknown field"}});
}

}  // namespace
}  // namespace sluice::kinds
