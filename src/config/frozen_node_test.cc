#include "config/frozen_node.h"

#include <gtest/gtest.h>

#include <limits>

#include "config/documents.h"

namespace sluice {
namespace {

constexpr std::string_view kDocument = R"(# comment
spec:
  routes:
  - matchers: [{prefix: /}]
    weight: -3
  - {big: 18446744073709551615, least: -9223372036854775808, half: 0.5, yes: true, no: false, none: null}
  long: "a text that is longer than fifteen bytes"
  empty: [{}, [], ""]
)";

void expect_same_places(const Node& a, const Node& b) {
  EXPECT_EQ(a.place().line, b.place().line);
  EXPECT_EQ(a.place().column, b.place().column);
  if (a.list())
    for (size_t i = 0; i < a.list()->size(); ++i) expect_same_places((*a.list())[i], (*b.list())[i]);
  if (!a.map()) return;
  for (size_t i = 0; i < a.map()->size(); ++i) {
    EXPECT_EQ((*a.map())[i].place.column, (*b.map())[i].place.column);
    expect_same_places((*a.map())[i].value, (*b.map())[i].value);
  }
}

TEST(FrozenNode, gives_the_tree_back_with_its_places) {
  const auto documents = parse_documents(kDocument);
  ASSERT_TRUE(documents);
  const Node& node = documents->front().node;
  const Node thawed = FrozenNode(node).thaw();
  EXPECT_EQ(thawed, node);
  expect_same_places(thawed, node);
}

TEST(FrozenNode, is_small) {
  const auto documents = parse_documents(kDocument);
  ASSERT_TRUE(documents);
  EXPECT_LT(FrozenNode(documents->front().node).bytes(), kDocument.size());
}

TEST(FrozenNode, holds_lists_and_maps_of_any_size) {
  Node map = Node::make_map(), list = Node::make_list();
  for (int i = 0; i < 1000; ++i) {
    map.set("key" + std::to_string(i), Node(i));
    list.list()->emplace_back(std::string(static_cast<size_t>(i), 'x'));
  }
  map.set("list", list);
  const Node thawed = FrozenNode(map).thaw();
  EXPECT_EQ(thawed, map);
  EXPECT_EQ(*thawed.find("key999")->integer(), 999) << "its index is there";
}

TEST(FrozenNode, is_equal_only_at_equal_places) {
  const auto once = parse_documents("a: 1\nb: 2\n"), again = parse_documents("a: 1\nb: 2\n"),
             below = parse_documents("\na: 1\nb: 2\n"), other = parse_documents("a: 1\nb: 3\n");
  EXPECT_EQ(FrozenNode(once->front().node), FrozenNode(again->front().node));
  EXPECT_NE(FrozenNode(once->front().node), FrozenNode(below->front().node));
  EXPECT_NE(FrozenNode(once->front().node), FrozenNode(other->front().node));
}

TEST(FrozenNode, without_a_tree_is_null) {
  EXPECT_TRUE(FrozenNode().thaw().is_null());
  EXPECT_EQ(FrozenNode(), FrozenNode());
}

}  // namespace
}  // namespace sluice
