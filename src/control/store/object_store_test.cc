#include "control/store/object_store.h"

namespace sluice {
namespace {

using namespace std::chrono_literals;

constexpr WallTime kStart{Seconds(1'800'000'000)};

ConfigObjectPtr object(std::string name, int value, std::string label = {}) {
  auto made = std::make_shared<ConfigObject>();
  made->key = {"Upstream", "ns", name};
  Node tree = Node::make_map(
      {{"apiVersion", "gloo.solo.io/v1"}, {"kind", "Upstream"}, {"spec", Node::make_map({{"v", value}})}});
  tree.child("metadata").set("name", name);
  if (!label.empty()) tree.child("metadata").child("labels").set("l", label);
  made->document = FrozenNode(tree);
  return made;
}

TEST(ObjectStore, derives_metadata_and_counts_the_generation_with_the_spec_only) {
  ObjectStore store(kStart);
  const uint64_t first = store.version();
  EXPECT_EQ(first, 1'800'000'000'000'000u);  // microseconds of the clock: never back over a restart
  store.put(object("a", 1), kStart);
  const ObjectKey key{"Upstream", "ns", "a"};
  const Node view = store.find(key)->view().tree();
  EXPECT_EQ(view.text_at({"metadata", "resourceVersion"}), fmt::to_string(first + 1));
  EXPECT_EQ(view.text_at({"metadata", "creationTimestamp"}), "2027-01-15T08:00:00Z");
  EXPECT_EQ(view.text_at({"metadata", "namespace"}), "ns");
  EXPECT_EQ(view.text_at({"metadata", "uid"}).size(), 36u);

  store.put(object("a", 1, "x"), kStart + 1h);
  EXPECT_EQ(store.find(key)->generation, 1);
  store.put(object("a", 2, "x"), kStart + 2h);
  EXPECT_EQ(store.find(key)->generation, 2);
  store.set_status(key, Node::make_map({{"state", "Accepted"}}));
  EXPECT_EQ(store.find(key)->generation, 2);
  EXPECT_EQ(store.version(), first + 4);
  EXPECT_EQ(store.find(key)->created, kStart);
  EXPECT_EQ(store.find(key)->uid, view.text_at({"metadata", "uid"}));
}

TEST(ObjectStore, does_nothing_when_nothing_changes) {
  ObjectStore store(kStart);
  store.put(object("a", 1), kStart);
  store.set_status({"Upstream", "ns", "a"}, Node::make_map({{"state", "Accepted"}}));
  const uint64_t version = store.version();
  int calls = 0;
  const auto subscription = store.subscribe([&calls] { ++calls; });
  store.put(object("a", 1), kStart);
  store.set_status({"Upstream", "ns", "a"}, Node::make_map({{"state", "Accepted"}}));
  store.set_status({"Upstream", "ns", "none"}, Node("x"));
  store.erase({"Upstream", "ns", "none"});
  EXPECT_EQ(store.version(), version);
  EXPECT_EQ(calls, 0);
}

TEST(ObjectStore, gives_an_object_that_comes_back_another_uid) {
  ObjectStore store(kStart);
  const ObjectKey key{"Upstream", "ns", "a"};
  const std::string uid = store.put(object("a", 1), kStart).uid;
  store.erase(key);
  EXPECT_EQ(store.find(key), nullptr);
  EXPECT_NE(store.put(object("a", 1), kStart + 1s).uid, uid);
}

TEST(ObjectStore, lists_by_kind_and_namespace_in_order) {
  ObjectStore store(kStart);
  for (const auto name : {"c", "a", "b"}) store.put(object(name, 1), kStart);
  auto other = std::make_shared<ConfigObject>(*object("z", 1));
  other->key.ns = "other";
  store.put(other, kStart);
  std::string names;
  for (const StoredObject* one : store.list("Upstream", "ns")) names += one->key.name;
  EXPECT_EQ(names, "abc");
  EXPECT_EQ(store.list("Upstream").size(), 4u);
  EXPECT_EQ(store.list("Gateway").size(), 0u);
  EXPECT_EQ(store.list().size(), 4u);
}

TEST(ObjectStore, tells_subscribers_once_a_batch_and_again_when_one_changes_something) {
  ObjectStore store(kStart);
  int first = 0, second = 0;
  auto one = store.subscribe([&] {
    ++first;
    store.set_status({"Upstream", "ns", "a"}, Node("done"));
  });
  auto two = store.subscribe([&second] { ++second; });
  {
    const ObjectStore::Batch batch(store);
    store.put(object("a", 1), kStart);
    store.put(object("b", 1), kStart);
    EXPECT_EQ(first + second, 0);
  }
  EXPECT_EQ(first, 2);  // for the batch, and for its own status
  EXPECT_EQ(second, 2);
  two.cancel();
  store.put(object("c", 1), kStart);
  EXPECT_EQ(second, 2);
}

TEST(ObjectStore, lets_a_subscriber_leave_while_it_is_told) {
  ObjectStore store(kStart);
  ObjectStore::Subscription one, two;
  int calls = 0;
  one = store.subscribe([&] {
    ++calls;
    one.cancel();
    two.cancel();
  });
  two = store.subscribe([&calls] { ++calls; });
  store.put(object("a", 1), kStart);
  store.put(object("a", 2), kStart);
  EXPECT_EQ(calls, 1);
}

TEST(ObjectStore, keeps_a_bounded_history) {
  ObjectStore store(kStart);
  const uint64_t start = store.version();
  EXPECT_EQ(store.changes_after(start), store.end_of_changes());
  EXPECT_EQ(store.changes_after(start + 1), std::nullopt);  // not there yet
  for (size_t i = 0; i < ObjectStore::kHistoryMax + 10; ++i) store.put(object("a", static_cast<int>(i)), kStart);
  EXPECT_EQ(store.end_of_changes() - store.first_change(), ObjectStore::kHistoryMax);
  EXPECT_EQ(store.changes_after(start), std::nullopt);
  EXPECT_EQ(store.changes_after(start + 9), std::nullopt);
  ASSERT_TRUE(store.changes_after(start + 10));
  EXPECT_EQ(store.change_at(*store.changes_after(start + 10))->version, start + 11);
  EXPECT_EQ(store.change_at(0), nullptr);
  EXPECT_EQ(store.change_at(store.end_of_changes()), nullptr);
  EXPECT_EQ(*store.changes_after(store.version()), store.end_of_changes());
}

TEST(ObjectStore, counts_the_bytes_of_its_history) {
  ObjectStore store(kStart);
  for (int i = 0; i < 40; ++i) {
    auto big = std::make_shared<ConfigObject>(*object("a", i));
    Node tree = big->tree();
    tree.child("spec").set("text", std::string(size_t{1} << 20, static_cast<char>('a' + i % 26)));
    big->document = FrozenNode(tree);
    store.put(big, kStart);
  }
  EXPECT_LE(store.end_of_changes() - store.first_change(), ObjectStore::kHistoryBytesMax >> 20);
  EXPECT_GE(store.end_of_changes() - store.first_change(), 10u);
}

TEST(Normalize, drops_what_is_derived_and_moves_string_data) {
  Node secret = Node::make_map({{"kind", "Secret"}, {"status", "x"}, {"stringData", Node::make_map({{"a", "b"}})}});
  secret.set("data", Node::make_map({{"a", "eA=="}, {"c", "eQ=="}}));
  secret.set("metadata", Node::make_map({{"name", "s"}, {"uid", "u"}, {"resourceVersion", "1"}, {"labels", Node()}}));
  normalize(secret);
  EXPECT_EQ(to_json(secret),
            R"({"kind":"Secret","data":{"a":"Yg==","c":"eQ=="},"metadata":{"name":"s"},"type":"Opaque"})");
  Node odd("text");
  normalize(odd);
  EXPECT_EQ(odd, Node("text"));
}

}  // namespace
}  // namespace sluice
