#include "config/node.h"

#include <ctime>

#include "config/documents.h"

namespace sluice {
namespace {

Node yaml(std::string_view text) {
  auto documents = parse_documents(text);
  EXPECT_TRUE(documents.has_value()) << (documents ? "" : documents.error().message);
  return documents && !documents->empty() ? documents->front().node : Node();
}

TEST(Node, is_equal_whatever_the_order_of_keys) {
  EXPECT_EQ(yaml("{a: 1, b: [x, y]}"), yaml("b: [x, y]\na: 1"));
  EXPECT_EQ(hash_of(yaml("{a: 1, b: [x, y]}")), hash_of(yaml("b: [x, y]\na: 1")));
}

TEST(Node, differs_in_type_order_of_lists_and_missing_keys) {
  const char* const rows[][2] = {{"a: 1", "a: '1'"},       {"a: 1", "a: 1.5"}, {"[x, y]", "[y, x]"},
                                 {"{a: 1, b: 2}", "a: 1"}, {"a:", "a: ''"},    {"a: {}", "a: []"}};
  for (const auto& [a, b] : rows) {
    EXPECT_NE(yaml(a), yaml(b)) << a;
    EXPECT_NE(hash_of(yaml(a)), hash_of(yaml(b))) << a;
  }
}

TEST(Node, merge_patch_follows_rfc_7396) {
  // The examples of its appendix A.
  const char* const rows[][3] = {
      {R"({"a":"b"})", R"({"a":"c"})", R"({"a":"c"})"},
      {R"({"a":"b"})", R"({"b":"c"})", R"({"a":"b","b":"c"})"},
      {R"({"a":"b"})", R"({"a":null})", R"({})"},
      {R"({"a":"b","b":"c"})", R"({"a":null})", R"({"b":"c"})"},
      {R"({"a":["b"]})", R"({"a":"c"})", R"({"a":"c"})"},
      {R"({"a":"c"})", R"({"a":["b"]})", R"({"a":["b"]})"},
      {R"({"a":{"b":"c"}})", R"({"a":{"b":"d","c":null}})", R"({"a":{"b":"d"}})"},
      {R"({"a":[{"b":"c"}]})", R"({"a":[1]})", R"({"a":[1]})"},
      {R"(["a","b"])", R"(["c","d"])", R"(["c","d"])"},
      {R"({"a":"b"})", R"(["c"])", R"(["c"])"},
      {R"({"a":"foo"})", R"("bar")", R"("bar")"},
      {R"({"e":null})", R"({"a":1})", R"({"e":null,"a":1})"},
      {R"([1,2])", R"({"a":"b","c":null})", R"({"a":"b"})"},
      {R"({})", R"({"a":{"bb":{"ccc":null}}})", R"({"a":{"bb":{}}})"},
  };
  for (const auto& [target, patch, result] : rows) {
    Node node = *parse_json(target);
    merge_patch(node, *parse_json(patch));
    EXPECT_EQ(to_json(node), result) << target << " + " << patch;
  }
}

TEST(Node, finds_the_place_of_a_path) {
  const Node node = yaml("spec:\n  routes:\n    - name: a\n    - name: b\n      x.y:\n        z: 1\n");
  const struct {
    const char* path;
    uint32_t line;
  } rows[] = {{"spec", 1},
              {"spec.routes", 2},
              {"spec.routes[0]", 3},
              {"spec.routes[1].name", 4},
              {"spec.routes[1][\"x.y\"]", 5},
              {"spec.routes[1][\"x.y\"].z", 6},
              {"spec.routes[1].timeout", 4},
              {"spec.routes[7].name", 2},
              {"status", 1},
              {"", 1},
              {"spec.routes[x]", 2},
              {"spec.routes[1][\"x", 4}};
  for (const auto& row : rows) EXPECT_EQ(place_at(node, row.path).line, row.line) << row.path;
}

TEST(Node, prints_yaml_that_reads_back_the_same) {
  const char* rows[] = {
      R"({"a":1,"b":[1,2,{"c":"d"}],"e":{},"f":[],"g":null,"h":true,"i":1.5})",
      R"({"yes":"yes","no":"0x1F","n":"n","t":"true","nul":"~","e":"","sp":" x","tr":"x ","num":"12","f":"1e3"})",
      R"({"a":"x: y","b":"x #y","c":"x:","d":"- x","e":"#x","f":"{x}","g":"*x","h":"a\tb","i":"<<","j":"---"})",
      R"({"pem":"-----BEGIN-----\nab\n\ncd\n-----END-----\n","one":"a\nb","two":"a\n\n","lead":" a\nb","tail":"a \nb"})",
      R"({"u":"\u00e4\u0001\u007f","<<":"x","a b":"c","":"d"})",
      R"({"q\u0085":"\u0085a\u009f\u00a0","b":"x\u2028y\u2029","c":"\ufeffz","\ufeff":"\u2027\u202a"})",
      R"([[1,[2]],[],[{"a":[{"b":[]}]}]])",
      R"("text")",
      R"({"a":{"b":[[{"c":1,"d":"x\ny"}]]}})",
      R"({"a":9223372036854775807,"b":-9223372036854775808,"c":18446744073709551615,"d":0.1,"e":1e300})",
      R"({"a":"\n","b":"\nx","c":"x\n\n\n","d":"2026-01-01","e":".5","f":".inf","g":"0o7","h":"1_0"})",
  };
  for (const char* row : rows) {
    const Node node = *parse_json(row);
    const std::string printed = to_yaml(node);
    const auto back = parse_documents(printed);
    ASSERT_TRUE(back.has_value()) << printed << back.error().message;
    ASSERT_EQ(back->size(), 1u) << printed;
    EXPECT_EQ(back->front().node, node) << printed;
    EXPECT_EQ(*parse_json(to_json(node, JsonStyle::indented)), node);
  }
}

TEST(Node, prints_keys_of_any_length) {
  const Node inner = Node::make_map({{std::string(2000, ' '), Node("x")}, {"b", Node(1)}});
  const Node node = Node::make_map({{std::string(1500, '"'), inner}, {std::string(1100, '\t'), *parse_json("[{}]")}});
  const auto back = parse_documents(to_yaml(node));
  ASSERT_TRUE(back.has_value()) << back.error().message;
  EXPECT_EQ(back->front().node, node);
}

TEST(Node, prints_yaml_as_kubectl_does) {
  EXPECT_EQ(to_yaml(*parse_json(R"({"a":[{"b":1,"c":["d"]}],"e":{"f":"g: h"},"i":{}})")),
            "a:\n- b: 1\n  c:\n  - d\ne:\n  f: \"g: h\"\ni: {}\n");
}

std::string key_of(int i) {
  return fmt::format("key-{}", i * 7919);
}

// The index of a large map stays right whatever is done to it.
TEST(Node, finds_every_key_of_a_large_map) {
  constexpr int kKeys = 900;
  Node map = Node::make_map();
  const auto expect = [&](auto is_there) {
    for (int i = 0; i < kKeys; ++i) {
      const Node* found = map.find(key_of(i));
      ASSERT_EQ(found != nullptr, is_there(i)) << i;
      if (found) ASSERT_EQ(*found, Node(i));
    }
  };
  for (int i = 0; i < kKeys; ++i) map.set(key_of(i), i);
  expect([](int) { return true; });
  for (int i = 0; i < kKeys; i += 3) EXPECT_TRUE(map.erase(key_of(i)));
  EXPECT_FALSE(map.erase(key_of(0)));
  expect([](int i) { return i % 3 != 0; });
  const Node copy = map;
  map.map()->erase_if([](const NodeMember& member) { return *member.value.integer() % 3 == 1; });
  expect([](int i) { return i % 3 == 2; });
  EXPECT_EQ(copy.map()->size(), 600u);
  map = copy;
  expect([](int i) { return i % 3 != 0; });
  for (int i = 0; i < kKeys; i += 3) map.set(key_of(i), i);
  expect([](int) { return true; });
  const Node moved = std::move(map);
  map = moved;
  while (map.map()->size() > 3) map.erase(map.map()->front().key);  // across the size that has no index
  EXPECT_EQ(map.find(key_of(1)), nullptr);
  EXPECT_EQ(*map.find(key_of(kKeys - 3)), Node(kKeys - 3));
}

// With look-ups one by one each of these took minutes.
TEST(Node, works_on_large_maps_in_linear_time) {
  const std::clock_t start = std::clock();  // CPU time: others may be busy
  constexpr int kKeys = 100'000;
  Node map = Node::make_map(), nulls = Node::make_map();
  for (int i = 0; i < kKeys; ++i) {
    map.set(key_of(i), "value");
    nulls.set(key_of(i), Node());
  }
  Node same = Node::make_map();
  for (int i = kKeys; i-- > 0;) same.set(key_of(i), "value");
  EXPECT_EQ(map, same);
  merge_patch(map, same);
  EXPECT_EQ(map, same);
  merge_patch(map, nulls);
  EXPECT_TRUE(map.map()->empty());
  EXPECT_LT((std::clock() - start) / CLOCKS_PER_SEC, 30);
}

TEST(Node, tells_about_how_much_memory_it_takes) {
  EXPECT_EQ(memory_of(Node()), sizeof(Node));
  EXPECT_GT(memory_of(Node(std::string(1000, 'x'))), 1000u);
  const Node list(Node::List(100, Node(std::string(1000, 'x'))));
  EXPECT_GT(memory_of(list), 100'000u);
  EXPECT_GT(memory_of(Node::make_map({{std::string(5000, 'k'), list}})), 105'000u);
}

}  // namespace
}  // namespace sluice
