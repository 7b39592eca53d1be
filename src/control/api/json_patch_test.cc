#include "control/api/json_patch.h"

#include "config/documents.h"
#include "control/api/object_path.h"

namespace sluice {
namespace {

Node json(std::string_view text) {
  auto node = parse_json(text);
  EXPECT_TRUE(node) << text << ": " << (node ? "" : node.error().message);
  return node ? *node : Node();
}

// RFC 6902, appendix A, and what people got wrong elsewhere.
TEST(JsonPatch, changes_a_document) {
  const struct {
    std::string_view document, patch, expected;
  } kRows[] = {
      {R"({"foo":"bar"})", R"([{"op":"add","path":"/baz","value":"qux"}])", R"({"baz":"qux","foo":"bar"})"},  // A.1
      {R"({"foo":["bar","baz"]})", R"([{"op":"add","path":"/foo/1","value":"qux"}])",
       R"({"foo":["bar","qux","baz"]})"},                                                                      // A.2
      {R"({"baz":"qux","foo":"bar"})", R"([{"op":"remove","path":"/baz"}])", R"({"foo":"bar"})"},              // A.3
      {R"({"foo":["bar","qux","baz"]})", R"([{"op":"remove","path":"/foo/1"}])", R"({"foo":["bar","baz"]})"},  // A.4
      {R"({"baz":"qux","foo":"bar"})", R"([{"op":"replace","path":"/baz","value":"boo"}])",
       R"({"baz":"boo","foo":"bar"})"},  // A.5
      {R"({"foo":{"bar":"baz","waldo":"fred"},"qux":{"corge":"grault"}})",
       R"([{"op":"move","from":"/foo/waldo","path":"/qux/thud"}])",
       R"({"foo":{"bar":"baz"},"qux":{"corge":"grault","thud":"fred"}})"},  // A.6
      {R"({"foo":["all","grass","cows","eat"]})", R"([{"op":"move","from":"/foo/1","path":"/foo/3"}])",
       R"({"foo":["all","cows","eat","grass"]})"},  // A.7
      {R"({"baz":"qux","foo":["a",2,"c"]})",
       R"([{"op":"test","path":"/baz","value":"qux"},{"op":"test","path":"/foo/1","value":2}])",
       R"({"baz":"qux","foo":["a",2,"c"]})"},  // A.8
      {R"({"foo":"bar"})", R"([{"op":"add","path":"/child","value":{"grandchild":{}}}])",
       R"({"foo":"bar","child":{"grandchild":{}}})"},  // A.10
      {R"({"foo":"bar"})", R"([{"op":"add","path":"/baz","value":"qux","xyz":123}])",
       R"({"foo":"bar","baz":"qux"})"},                                                             // A.11
      {R"({"/":9,"~1":10})", R"([{"op":"test","path":"/~01","value":10}])", R"({"/":9,"~1":10})"},  // A.14
      {R"({"foo":["bar"]})", R"([{"op":"add","path":"/foo/-","value":["abc","def"]}])",
       R"({"foo":["bar",["abc","def"]]})"},  // A.16
      {R"({"a":1})", R"([{"op":"add","path":"","value":{"b":2}}])", R"({"b":2})"},
      {R"({"a":1})", R"([{"op":"replace","path":"","value":[]}])", R"([])"},
      {R"({"a":{"b":1}})", R"([{"op":"copy","from":"/a","path":"/c"}])", R"({"a":{"b":1},"c":{"b":1}})"},
      {R"({"a":1})", R"([{"op":"move","from":"/a","path":"/a"}])", R"({"a":1})"},
      {R"({"a":null})", R"([{"op":"test","path":"/a","value":null}])", R"({"a":null})"},
      {R"({"a":1})", R"([{"op":"add","path":"/a","value":null}])", R"({"a":null})"},
      {R"({"a":1})", R"([{"op":"test","path":"/a","value":1.0}])", R"({"a":1})"},  // numbers are compared by value
      {R"({"a":{"x":1,"y":[1,2]}})", R"([{"op":"test","path":"/a","value":{"y":[1,2],"x":1}}])",
       R"({"a":{"x":1,"y":[1,2]}})"},
      {R"({"":1})", R"([{"op":"replace","path":"/","value":2}])", R"({"":2})"},
      {R"({"a/b":1,"m~n":2})", R"([{"op":"remove","path":"/a~1b"},{"op":"remove","path":"/m~0n"}])", R"({})"},
      {R"({"a":[1]})", R"([{"op":"add","path":"/a/0","value":0},{"op":"add","path":"/a/2","value":2}])",
       R"({"a":[0,1,2]})"},
      {R"({"0":"x"})", R"([{"op":"replace","path":"/0","value":"y"}])", R"({"0":"y"})"},
      {R"({"a":1})", R"([])", R"({"a":1})"},
  };
  for (const auto& row : kRows) {
    const auto patched = json_patch(json(row.document), json(row.patch));
    ASSERT_TRUE(patched) << row.patch << ": " << patched.error().message;
    EXPECT_TRUE(*patched == json(row.expected)) << row.patch << " gave " << to_json(*patched);
  }
}

TEST(JsonPatch, says_when_a_test_does_not_hold) {
  for (const std::string_view patch :
       {R"([{"op":"test","path":"/baz","value":"bar"}])", R"([{"op":"test","path":"/n","value":"1"}])",
        R"([{"op":"test","path":"/n","value":2}])", R"([{"op":"test","path":"/l","value":[2,1]}])",
        R"([{"op":"test","path":"","value":{}}])",
        R"([{"op":"replace","path":"/n","value":2},{"op":"test","path":"/n","value":1}])"}) {
    const auto patched = json_patch(json(R"({"baz":"qux","n":1,"l":[1,2]})"), json(patch));
    ASSERT_FALSE(patched) << patch;
    EXPECT_EQ(patched.error().kind, ErrorKind::conflict) << patched.error().message;
  }
}

TEST(JsonPatch, refuses_what_cannot_be_done) {
  for (const std::string_view patch : {R"({})",
                                       R"("x")",
                                       R"([1])",
                                       R"([{}])",
                                       R"([{"op":"add"}])",
                                       R"([{"op":"add","path":"/a"}])",
                                       R"([{"op":"add","path":"/baz/bat","value":"qux"}])",  // A.12
                                       R"([{"op":"add","path":"/s/bat","value":1}])",
                                       R"([{"op":"add","path":"/l/3","value":1}])",
                                       R"([{"op":"add","path":"/l/01","value":1}])",
                                       R"([{"op":"add","path":"/l/-1","value":1}])",
                                       R"([{"op":"add","path":"/l/1e0","value":1}])",
                                       R"([{"op":"add","path":"/l/x","value":1}])",
                                       R"([{"op":"add","path":"/l/18446744073709551616","value":1}])",
                                       R"([{"op":"add","path":"a","value":1}])",
                                       R"([{"op":"add","path":"/~","value":1}])",
                                       R"([{"op":"add","path":"/~2","value":1}])",
                                       R"([{"op":"add","path":7,"value":1}])",
                                       R"([{"op":"remove","path":"/none"}])",
                                       R"([{"op":"remove","path":""}])",
                                       R"([{"op":"remove","path":"/l/-"}])",
                                       R"([{"op":"remove","path":"/l/2"}])",
                                       R"([{"op":"remove","path":"/e/0"}])",
                                       R"([{"op":"replace","path":"/none","value":1}])",
                                       R"([{"op":"replace","path":"/l/-","value":1}])",
                                       R"([{"op":"move","path":"/x"}])",
                                       R"([{"op":"move","from":"/none","path":"/x"}])",
                                       R"([{"op":"move","from":"/m","path":"/m/child"}])",
                                       R"([{"op":"copy","from":"/none","path":"/x"}])",
                                       R"([{"op":"copy","path":"/x"}])",
                                       R"([{"op":"test","path":"/s"}])",
                                       R"([{"op":"test","path":"/none","value":null}])",
                                       R"([{"op":"increment","path":"/n"}])",
                                       R"([{"op":"ADD","path":"/n","value":1}])",
                                       R"([{"op":"add","path":"/ok","value":1},{"op":"remove","path":"/none"}])"}) {
    const auto patched = json_patch(json(R"({"s":"text","l":[1,2],"e":[],"m":{"a":1},"n":1})"), json(patch));
    ASSERT_FALSE(patched) << patch;
    EXPECT_EQ(patched.error().kind, ErrorKind::invalid) << patch;
  }
}

TEST(JsonPatch, cannot_be_made_to_grow_without_bound) {
  std::string doubling = "[";
  for (int i = 0; i < 60; ++i)
    doubling += fmt::format(R"({}{{"op":"copy","from":"/a","path":"/a/x{}"}})", i ? "," : "", i);
  EXPECT_FALSE(json_patch(json(R"({"a":{}})"), json(doubling + "]")));
  std::string wide = "[";
  for (int i = 0; i < 40; ++i) wide += fmt::format(R"({}{{"op":"copy","from":"/a","path":"/a/-"}})", i ? "," : "");
  EXPECT_FALSE(json_patch(json(R"({"a":[1,2,3]})"), json(wide + "]")));
  Node::List operations(kJsonPatchOperationsMax + 1, json(R"({"op":"test","path":"/a","value":1})"));
  EXPECT_FALSE(json_patch(json(R"({"a":1})"), Node(std::move(operations))));
}

ErrorKind why_not(const Node& document, std::string_view operation, size_t times) {
  std::string patch = "[";
  for (size_t i = 0; i < times; ++i) patch += fmt::format("{}{}", i ? "," : "", operation);
  const auto patched = json_patch(document, json(patch + "]"));
  return patched ? ErrorKind::internal : patched.error().kind;
}

// One value, many bytes: 5,000 copies of it would be 5 GB.
TEST(JsonPatch, copies_no_more_bytes_than_its_limit) {
  const Node large = Node::make_map({{"a", std::string(1'000'000, 'x')}, {"l", Node::make_list()}});
  constexpr std::string_view kCopy = R"({"op":"copy","from":"/a","path":"/l/-"})";
  EXPECT_EQ(why_not(large, kCopy, 5000), ErrorKind::limit);
  EXPECT_EQ(why_not(large, kCopy, kJsonPatchCopiedMax / 1'000'000), ErrorKind::internal);  // it is applied
  EXPECT_EQ(why_not(large, kCopy, kJsonPatchCopiedMax / 1'000'000 + 1), ErrorKind::limit);
}

// What an operation moves does not grow the document, but it is work.
TEST(JsonPatch, moves_no_more_values_than_its_limit) {
  constexpr int kSize = 100'000;
  constexpr size_t kTimes = kJsonPatchWorkMax / kSize;
  Node map = Node::make_map();
  for (int i = 0; i < kSize; ++i) map.set(fmt::format("k{}", i), i);
  const Node large = Node::make_map({{"l", Node::List(kSize, Node(1))}, {"m", std::move(map)}, {"a", Node()}});
  EXPECT_EQ(why_not(large, R"({"op":"remove","path":"/l/0"})", kTimes + 1), ErrorKind::limit);
  EXPECT_EQ(why_not(large, R"({"op":"add","path":"/l/0","value":1})", kTimes + 1), ErrorKind::limit);
  EXPECT_EQ(why_not(large, R"({"op":"move","from":"/m","path":"/x"},{"op":"move","from":"/x","path":"/m"})", kTimes),
            ErrorKind::limit);
  constexpr std::string_view kInAndOut = R"({"op":"add","path":"/m/new","value":1},{"op":"remove","path":"/m/new"})";
  EXPECT_EQ(why_not(large, kInAndOut, kTimes), ErrorKind::limit);
  EXPECT_EQ(why_not(large, kInAndOut, kTimes / 2), ErrorKind::internal);  // it is applied
  EXPECT_EQ(why_not(large, R"({"op":"replace","path":"/m/k99999","value":1})", 5000), ErrorKind::internal);
}

TEST(ObjectPath, erases_what_a_diagnostic_names) {
  const std::string_view document =
      R"({"spec":{"a":[{"b":1,"c":2}],"d":1},"metadata":{"labels":{"x.y/z":"1","x":"2"}}})";
  const struct {
    std::string_view path;
    bool erased;
  } kRows[] = {{"spec.d", true},
               {"spec.a[0].b", true},
               {"metadata.labels.x.y/z", true},
               {"metadata.labels.x", true},
               {"spec", true},
               {"spec.e", false},
               {"spec.a[1].b", false},
               {"spec.a[0]", false},
               {"spec.a[x].b", false},
               {"spec.a[0", false},
               {"", false},
               {"spec.", false},
               {"spec..d", false},
               {"spec.a.b", false},
               {"spec.d.x", false},
               {"[0]", false}};
  for (const auto& row : kRows) {
    Node node = json(document);
    EXPECT_EQ(erase_path(node, row.path), row.erased) << row.path;
    EXPECT_EQ(node == json(document), !row.erased) << row.path;
  }
}

}  // namespace
}  // namespace sluice
