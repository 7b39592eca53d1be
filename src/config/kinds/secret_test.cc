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

TEST(Redacted, hides_private_keys_in_any_object_and_shows_public_ones) {
  struct Row {
    std::string text;
    bool hidden;
  };
  const std::string hmac = R"({"kty":"oct","k":"aHVzaA","alg":"HS256"})";
  const std::string rsa = R"({"kty":"RSA","n":"AQ","e":"AQAB"})";
  const Row rows[] = {
      {hmac, true},
      {"\n  " + hmac + "\n", true},
      {R"({"kty":"RSA","n":"AQ","e":"AQAB","d":"aHVzaA"})", true},
      {R"({"kty":"EC","crv":"P-256","x":"AQ","y":"AQ","d":"aHVzaA"})", true},
      {R"({"k":"aHVzaA"})", true},
      {R"({"keys":[)" + rsa + "," + hmac + "]}", true},
      {"[" + hmac + "]", true},
      {hmac.substr(0, hmac.size() - 1), true},
      {"-----BEGIN PRIVATE KEY-----\naHVzaA==\n-----END PRIVATE KEY-----", true},
      {"text -----BEGIN EC PRIVATE KEY-----\naHVzaA==\n", true},
      {rsa, false},
      {R"({"keys":[)" + rsa + "]}", false},
      {R"({"keys":["k"],"d":{}})", false},
      {"-----BEGIN PUBLIC KEY-----\nAQ==\n-----END PUBLIC KEY-----", false},
      {"{{ header(\"k\") }", true},  // no JSON, so it is not looked at closely
      {"{{ header(\"x\") }}", false},
      {"no key at all", false},
      {"", false},
  };
  for (const Row& row : rows) {
    const Node spec = Node::make_map({{"providers", Node(Node::List{Node::make_map({{"key", Node(row.text)}})})}});
    const std::string applied = to_json(Node::make_map({{"spec", spec}}));
    Node object = Node::make_map({{"kind", "VirtualService"}, {"spec", spec}});
    object.child("metadata")
        .child("annotations")
        .set("kubectl.kubernetes.io/last-applied-configuration", Node(applied));
    const Node shown = redacted(object);
    if (!row.hidden) {
      EXPECT_EQ(shown, object) << row.text;
      continue;
    }
    EXPECT_FALSE(to_json(shown).contains("aHVzaA")) << row.text;
    EXPECT_EQ(*shown.find({"spec", "providers"})->list()->at(0).find("key"), Node("[redacted]")) << row.text;
    EXPECT_EQ(shown.text_at({"metadata", "annotations", "kubectl.kubernetes.io/last-applied-configuration"}),
              "[redacted]");
  }
}

TEST(Redacted, hides_private_members_of_a_key_that_is_no_text) {
  const Node object = *parse_json(R"({"kind":"VirtualService","key":{"kty":"oct","k":"hush","kid":"a"},"k":"v"})");
  EXPECT_EQ(to_json(redacted(object)),
            R"({"kind":"VirtualService","key":{"kty":"oct","k":"[redacted]","kid":"a"},"k":"v"})");
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
