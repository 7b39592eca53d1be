#include "control/store/not_in_force.h"

#include <filesystem>
#include <fstream>

#include "control/store/test_config.h"

namespace sluice {
namespace {

const std::string kRejected = std::string(kPolicy) + "  ruls: []\n";
constexpr std::string_view kBroken = "---\na: [\n";
const std::string kSlip = replaced(kPolicy, "EgressPolicy", "EgresPolicy");  // in its kind

// The policy is in force as it was, or its gap closes.
void expect_closed(Configured& c, std::string_view when) {
  const bool in_force = c.store.find({"EgressPolicy", "gloo-system", "p"}) != nullptr;
  EXPECT_TRUE(in_force || !c.config->gaps().empty()) << when;
}

TEST(NotInForce, has_a_gap_where_a_policy_never_was_good_and_none_where_its_last_version_stays) {
  Configured c;
  c.folder.write("a.yaml", kPolicy);
  c.open();
  for (const std::string& worse : {std::string(kPolicy) + "  ruls: []\n", std::string(kPolicy) + "  rules: [\n"}) {
    c.folder.write("a.yaml", worse);
    c.reload();
    EXPECT_TRUE(c.config->gaps().empty()) << worse;
    EXPECT_TRUE(c.config->withheld().empty()) << worse;
    Configured after_a_restart;
    after_a_restart.folder.write("a.yaml", worse);
    after_a_restart.open();
    EXPECT_EQ(after_a_restart.config->gaps().size(), 1U) << worse;
  }
  c.folder.remove("a.yaml");
  c.reload();
  c.folder.write("a.yaml", "kind: EgressPolicy\n  a: b");  // another file of that name
  c.reload();
  ASSERT_EQ(c.config->gaps().size(), 1U);
  EXPECT_EQ(c.config->gaps()[0].broken_file, c.folder.path("a.yaml"));
}

TEST(NotInForce, keeps_a_gap_and_a_bad_object_while_their_file_cannot_be_read) {
  const std::string bad = std::string(kPolicy) + "  ruls: []\n---\n" + upstream("u", 1) + "\nstatc: {}\n";
  Configured c;
  c.folder.write("d/a.yaml", bad);
  c.folder.write("b.yaml", upstream("b", 1));
  c.open();
  ASSERT_EQ(c.config->gaps().size(), 1U);
  const PolicyGap gap = c.config->gaps()[0];
  ASSERT_EQ(c.config->withheld().size(), 2U);
  const auto check = [&](std::string_view when) {
    c.reload();
    EXPECT_TRUE(std::ranges::find(c.config->gaps(), gap) != c.config->gaps().end()) << when;
    EXPECT_EQ(c.config->withheld().size(), 2U) << when;
  };
  c.folder.write("d/a.yaml", bad + "---\na: [\n");
  check("with a syntax error");
  c.folder.write("d/a.yaml", std::string((8 << 20) + 1, 'a'));
  check("too large");
  c.folder.remove("d/a.yaml");
  std::filesystem::create_symlink("a.yaml", c.folder.path("d/a.yaml"));
  check("a link to itself");
  c.folder.remove("d/a.yaml");
  std::filesystem::create_symlink("nothing", c.folder.path("d/a.yaml"));
  check("a link to nothing");
  c.folder.remove("d/a.yaml");
  c.reload();
  EXPECT_TRUE(c.config->gaps().empty()) << "it is gone";
  EXPECT_TRUE(c.config->withheld().empty());
}

TEST(NotInForce, has_a_gap_for_what_it_cannot_look_into_and_never_could) {
  Configured c;
  c.folder.write("a.yaml", kPolicy);
  c.folder.write("upstreams/gloo-system/b.yaml", "metadata: {name: b}\nstatic: {hosts: [{addr: x, port: 1}]}\n");
  std::filesystem::permissions(c.folder.path("upstreams/gloo-system"), std::filesystem::perms(0));
  std::filesystem::permissions(c.folder.path("a.yaml"), std::filesystem::perms(0));
  {
    const BoundByModes like_others;
    c.open();
    EXPECT_EQ(c.config->gaps().size(), 2U);
  }
  for (const auto locked : {"upstreams/gloo-system", "a.yaml"})
    std::filesystem::permissions(c.folder.path(locked), std::filesystem::perms(0755));
  c.reload();
  EXPECT_TRUE(c.config->gaps().empty());
  // Of what it has seen, what was there stays.
  std::filesystem::permissions(c.folder.path("upstreams/gloo-system"), std::filesystem::perms(0));
  std::filesystem::permissions(c.folder.path("a.yaml"), std::filesystem::perms(0));
  const BoundByModes like_others;
  c.reload();
  EXPECT_TRUE(c.config->gaps().empty());
  EXPECT_EQ(c.names(), "p b");
}

// What is moved in between, or becomes unreadable where it was moved to, has not gone.
TEST(NotInForce, opens_nothing_while_a_policy_may_stand_in_what_cannot_be_read) {
  {
    Configured c;
    c.folder.write("a.yaml", kRejected);
    c.folder.write("b.yaml", upstream("u", 1));
    c.open();
    expect_closed(c, "rejected");
    c.folder.write("b.yaml", upstream("u", 1) + "---\n" + kRejected);
    c.folder.remove("a.yaml");
    c.reload();
    expect_closed(c, "moved");
    c.folder.write("b.yaml", upstream("u", 1) + "---\n" + kRejected + std::string(kBroken));
    c.reload();
    expect_closed(c, "moved, then a syntax error");
    c.folder.remove("b.yaml");
    c.reload();
    EXPECT_TRUE(c.config->gaps().empty()) << "it is gone for sure";
  }
  for (const std::string_view policy : {kPolicy, std::string_view(kRejected)}) {
    Configured c;
    c.folder.write("a.yaml", policy);
    c.folder.write("b.yaml", upstream("u", 1));
    c.open();
    c.folder.write("b.yaml", upstream("u", 1) + std::string(kBroken));
    c.reload();
    c.folder.write("b.yaml", upstream("u", 1) + std::string(kBroken) + "---\n" + std::string(policy));
    c.folder.remove("a.yaml");
    c.reload();
    expect_closed(c, "moved behind a syntax error");
    if (policy == kPolicy) {
      const std::string& why = c.config->rejected().at({"EgressPolicy", "gloo-system", "p"});
      EXPECT_TRUE(why.contains("a.yaml any more, and may be in what cannot be read") && why.contains("b.yaml:")) << why;
      const auto refused = c.config->erase({"EgressPolicy", "gloo-system", "p"});
      ASSERT_FALSE(refused);
      EXPECT_EQ(refused.error().kind, ErrorKind::conflict);
      EXPECT_FALSE(c.put(std::string(kPolicy)));
    }
    c.folder.write("b.yaml", upstream("u", 2));
    c.reload();
    EXPECT_EQ(c.names(), "u");
    EXPECT_TRUE(c.config->gaps().empty());
    EXPECT_TRUE(c.config->rejected().empty());
  }
  {
    Configured c;
    c.folder.write("deny.yaml", std::string(kPolicy) + std::string(kBroken));
    c.folder.write("good.yaml", upstream("u", 1));
    c.open();
    std::filesystem::rename(c.folder.path("deny.yaml"), c.folder.path("good.yaml"));
    c.reload();
    expect_closed(c, "a broken file over a good one");
    c.folder.write("good.yaml", upstream("u", 1));
    c.reload();
    EXPECT_TRUE(c.config->gaps().empty());
  }
  {
    Configured c;
    c.folder.write("deny.yaml", std::string(kPolicy) + std::string(kBroken));
    c.folder.write("good.yaml", upstream("u", 1));
    c.open();
    c.folder.remove("deny.yaml");
    c.folder.remove("good.yaml");
    std::filesystem::create_symlink("nothing", c.folder.path("good.yaml"));
    c.reload();
    expect_closed(c, "gone, and another a link to nothing");
  }
  {
    Configured c;  // a rejected document elsewhere is the place of the object
    c.folder.write("a.yaml", kPolicy);
    c.folder.write("b.yaml", upstream("u", 1));
    c.open();
    c.folder.remove("a.yaml");
    c.folder.write("b.yaml", kRejected);
    c.reload();
    expect_closed(c, "moved with an error");
    c.folder.write("b.yaml", std::string((8 << 20) + 1, 'a'));
    c.reload();
    expect_closed(c, "moved with an error, and too large");
    c.folder.write("b.yaml", upstream("u", 2));
    c.reload();
    EXPECT_EQ(c.names(), "u");
  }
}

// The hosts of a VirtualService that is in force in no version must not fall to another one.
TEST(NotInForce, withholds_what_was_moved_to_where_it_cannot_be_read) {
  const std::string bad = upstream("a", 1) + "  nonsense: 1\n";
  Configured c;
  c.folder.write("a.yaml", bad);
  c.folder.write("b.yaml", upstream("b", 1));
  c.open();
  ASSERT_EQ(c.config->withheld().size(), 1U);
  c.folder.remove("a.yaml");
  c.folder.write("b.yaml", upstream("b", 1) + "---\n" + bad + std::string(kBroken));
  c.reload();
  EXPECT_EQ(c.config->withheld().size(), 1U);
  c.folder.write("b.yaml", upstream("b", 1));
  c.reload();
  EXPECT_TRUE(c.config->withheld().empty());
}

// What is left out may be anything, and nobody sees when it goes.
TEST(NotInForce, closes_and_keeps_where_it_stops_reading) {
  Configured c;
  c.folder.write("a.yaml", upstream("a", 1));
  c.folder.write("d/b.yaml", upstream("b", 1));
  c.open();
  EXPECT_TRUE(c.config->gaps().empty());
  std::string deep;
  for (unsigned i = 0; i < FolderScan::kDepthMax; ++i) deep += "e/";
  std::filesystem::create_directories(c.folder.path(deep));
  std::filesystem::rename(c.folder.path("d"), c.folder.path(deep + "d"));
  c.reload();
  EXPECT_EQ(c.names(), "a b");
  ASSERT_EQ(c.config->gaps().size(), 1U);
  EXPECT_TRUE(c.config->gaps()[0].why.contains("more than 16 deep")) << c.config->gaps()[0].why;
  c.folder.remove("e");
  c.reload();
  EXPECT_EQ(c.names(), "a");
  EXPECT_TRUE(c.config->gaps().empty());
}

TEST(NotInForce, closes_where_it_may_not_look_into_a_folder) {
  Configured c;
  c.folder.write("conf/a/p.yaml", kPolicy);
  std::filesystem::permissions(c.folder.path("conf"), std::filesystem::perms(0444));  // to list, not to enter
  {
    const BoundByModes like_others;
    c.open({c.folder.path("conf")});
    EXPECT_EQ(c.config->gaps().size(), 1U);
    EXPECT_GT(c.config->diagnostics().errors(), 0U);
    EXPECT_FALSE(c.reload()) << "it is told once";
  }
  std::filesystem::permissions(c.folder.path("conf"), std::filesystem::perms(0755));
  c.reload();
  EXPECT_TRUE(c.config->gaps().empty());
  EXPECT_EQ(c.names(), "p");
}

TEST(NotInForce, does_not_close_for_a_new_file_that_is_being_written) {
  Configured c;
  c.folder.write("a.yaml", upstream("a", 1));
  c.open();
  std::ofstream writer(c.folder.path("new.yaml"));
  writer << "apiVersion: sluice.dev" << std::flush;
  c.reload();
  EXPECT_TRUE(c.config->gaps().empty());
  EXPECT_TRUE(c.config->incomplete());
  Configured at_start;
  at_start.open({c.folder.path()});
  EXPECT_EQ(at_start.config->gaps().size(), 1U) << "nobody knows what was there";
}

TEST(NotInForce, closes_as_long_as_a_document_without_a_name_may_be_in_a_broken_file) {
  const std::string nameless = replaced(kPolicy, "name: p", "name: Bad_Name");
  Configured c;
  c.folder.write("a.yaml", nameless + "---\n" + upstream("u", 1));
  c.folder.write("b.yaml", upstream("v", 1));
  c.open();
  ASSERT_EQ(c.config->gaps().size(), 1U);
  c.folder.write("a.yaml", upstream("u", 1));
  c.folder.write("b.yaml", upstream("v", 1) + "---\n" + nameless + std::string(kBroken));
  c.reload();
  EXPECT_EQ(c.config->gaps().size(), 1U);
  c.folder.write("c.yaml", upstream("w", 1));
  c.reload();
  EXPECT_EQ(c.config->gaps().size(), 1U);
  c.folder.write("b.yaml", upstream("v", 1));
  c.reload();
  EXPECT_TRUE(c.config->gaps().empty());
}

TEST(NotInForce, withholds_each_of_two_that_have_no_name) {
  const auto service = [](std::string_view domain) {
    return fmt::format(
        "apiVersion: gateway.solo.io/v1\nkind: VirtualService\nmetadata: {{name: Bad_Name}}\nspec: {{virtualHost: "
        "{{domains: [{}], routes: []}}}}\n",
        domain);
  };
  Configured c;
  c.folder.write("a.yaml", service("a.example"));
  c.folder.write("b.yaml", service("b.example"));
  c.folder.write("d.yaml", upstream("u", 1));
  c.open();
  ASSERT_EQ(c.config->withheld().size(), 2U);
  {
    const std::ofstream writer(c.folder.path("a.yaml"), std::ios::app);
    c.reload();
    EXPECT_EQ(c.config->withheld().size(), 2U) << "one is being written";
  }
  c.folder.write("d.yaml", upstream("u", 1) + "---\n" + service("a.example") + std::string(kBroken));
  c.folder.remove("a.yaml");
  c.reload();
  EXPECT_EQ(c.config->withheld().size(), 2U) << "moved into a broken file";
  c.folder.write("d.yaml", upstream("u", 1));
  c.reload();
  EXPECT_EQ(c.config->withheld().size(), 1U);
}

TEST(NotInForce, keeps_a_policy_that_was_moved_to_where_it_is_for_nothing) {
  const std::string gateway =
      "apiVersion: gateway.solo.io/v1\nkind: Gateway\nmetadata: {name: g}\n"
      "spec: {bindAddress: 127.0.0.1, bindPort: 1, httpGateway: {}}\n---\n";
  const std::string moved = replaced(kPolicy, "{name: p}", "{name: p, namespace: gloo-sytem}");
  Configured c;
  c.folder.write("a.yaml", gateway + std::string(kPolicy));
  c.open();
  c.folder.write("a.yaml", gateway + moved);
  c.reload();
  const ObjectKey right{"EgressPolicy", "gloo-system", "p"};
  ASSERT_TRUE(c.store.find(right));
  EXPECT_TRUE(c.config->rejected().at(right).contains("has EgressPolicy gloo-sytem/p instead, in a namespace without"))
      << c.config->rejected().at(right);
  c.folder.write("a.yaml", gateway);
  c.reload();
  EXPECT_FALSE(c.store.find(right));
}

TEST(NotInForce, closes_for_a_second_copy_that_says_something_else) {
  for (const char* other : {"a.yaml", "z.yaml"}) {
    Configured c;
    c.folder.write("m.yaml", kPolicy);
    c.open();
    c.folder.write(other, replaced(kPolicy, "private", "loopback"));
    c.reload();
    ASSERT_EQ(c.config->gaps().size(), 1U) << other;
    EXPECT_TRUE(c.config->gaps()[0].second_copy);
    EXPECT_TRUE(c.config->gaps()[0].subject.starts_with("a second EgressPolicy gloo-system/p (line "))
        << c.config->gaps()[0].subject;
    c.folder.write(other, kPolicy);  // it says the same
    c.reload();
    EXPECT_TRUE(c.config->gaps().empty()) << other;
  }
}

TEST(NotInForce, opens_nothing_when_broken_files_change_their_names) {
  const std::string broken = std::string(kPolicy) + std::string(kBroken);
  {
    Configured c;
    c.folder.write("broken.yaml", broken);
    c.folder.write("other.yaml", upstream("u", 1));
    c.open();
    std::filesystem::rename(c.folder.path("other.yaml"), c.folder.path("x"));
    std::filesystem::rename(c.folder.path("broken.yaml"), c.folder.path("other.yaml"));
    std::filesystem::rename(c.folder.path("x"), c.folder.path("broken.yaml"));
    c.reload();
    expect_closed(c, "exchanged");
  }
  Configured c;
  c.folder.write("broken.yaml", broken);
  c.folder.write("other.yaml", upstream("u", 1));
  c.open();
  std::filesystem::rename(c.folder.path("broken.yaml"), c.folder.path("other.yaml"));
  c.reload();
  expect_closed(c, "moved");
  c.folder.write("broken.yaml", upstream("v", 1));
  c.reload();
  expect_closed(c, "another file of its name");
  c.folder.write("other.yaml", upstream("u", 1));
  c.reload();
  EXPECT_TRUE(c.config->gaps().empty());
}

// The name may be cut off, or be edited while the text is broken.
TEST(NotInForce, keeps_a_policy_while_a_broken_text_may_hold_one_of_any_name) {
  for (const std::string& text : {"apiVersion: sluice.dev/v1alpha1\nkind: EgressPolicy\nmetadata: {na", "targetRefs: [",
                                  "kind: EgressPolicy\nmetadata: {name: other}\na: [\n"}) {
    Configured c;
    c.folder.write("deny.yaml", kPolicy);
    c.folder.write("other.yaml", upstream("u", 1));
    c.open();
    c.folder.write("other.yaml", upstream("u", 1) + "---\n" + text);
    c.folder.remove("deny.yaml");
    c.reload();
    EXPECT_TRUE(c.store.find({"EgressPolicy", "gloo-system", "p"})) << text;
    c.folder.write("other.yaml", upstream("u", 1));
    c.reload();
    EXPECT_FALSE(c.store.find({"EgressPolicy", "gloo-system", "p"})) << text;
  }
}

TEST(NotInForce, closes_for_a_second_document_of_a_name_in_the_same_file) {
  for (const std::string& second : {replaced(kPolicy, "private", "loopback"), std::string(kSlip)}) {
    Configured c;
    c.folder.write("a.yaml", std::string(kPolicy) + "---\n" + second);
    c.open();
    EXPECT_EQ(c.config->gaps().size(), 1U) << second;
    c.folder.write("a.yaml", std::string(kPolicy) + "---\n" + upstream("u", 1));
    c.reload();
    EXPECT_TRUE(c.config->gaps().empty()) << second;
    c.folder.write("a.yaml", std::string(kPolicy) + "---\n" + upstream("u", 1) + "---\n" + second);
    c.reload();
    EXPECT_EQ(c.config->gaps().size(), 1U) << second;
  }
}

TEST(NotInForce, opens_when_a_policy_is_mended_whatever_else_is_broken) {
  Configured c;
  c.folder.write("deny.yaml", kSlip);
  c.folder.write("up.yaml", upstream("u", 1) + "# p and all\n" + std::string(kBroken));
  c.open();
  EXPECT_EQ(c.config->gaps().size(), 1U);
  c.folder.write("deny.yaml", kPolicy);
  c.reload();
  EXPECT_TRUE(c.config->gaps().empty());
}

TEST(NotInForce, has_no_more_gaps_after_many_edits) {
  Configured c;
  std::filesystem::create_symlink("nowhere", c.folder.path("dangling.yaml"));
  c.folder.write("b.yaml", upstream("b", 1));
  c.open();
  for (int i = 0; i < 300; ++i) {
    c.folder.write("a.yaml", replaced(kSlip, "name: p", fmt::format("name: {}p{}", i % 2 ? "_" : "", i)));
    c.reload();
    ASSERT_LT(c.config->gaps().size(), 105U);
  }
  c.folder.remove("a.yaml");
  c.folder.remove("dangling.yaml");
  c.reload();
  EXPECT_TRUE(c.config->gaps().empty());
}

TEST(NotInForce, has_one_gap_for_a_file_that_is_renamed_again_and_again) {
  const std::string nameless = replaced(kPolicy, "name: p", "name: _p");
  Configured c;
  c.folder.write("0.yaml", nameless);
  c.open();
  for (int i = 0; i < 20; ++i) {
    std::filesystem::rename(c.folder.path(fmt::format("{}.yaml", i)), c.folder.path(fmt::format("{}.yaml", i + 1)));
    c.reload();
    EXPECT_EQ(c.config->gaps().size(), 1U) << i;
  }
}

}  // namespace
}  // namespace sluice
