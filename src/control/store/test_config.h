// What the tests of the config folder share.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "control/store/config_folder.h"
#include "control/store/test_folder.h"

namespace sluice {

inline constexpr WallTime kNow{Seconds(1'800'000'000)};

inline std::string upstream(std::string_view name, int port) {
  return fmt::format(
      "apiVersion: gloo.solo.io/v1\nkind: Upstream\nmetadata:\n  name: {}\nspec:\n  static:\n    hosts:\n"
      "    - addr: 127.0.0.1\n      port: {}\n",
      name, port);
}

inline ObjectKey key(std::string_view name) {
  return {"Upstream", "gloo-system", std::string(name)};
}

// A folder, its store, and reading it on the test's command.
class Configured {
 public:
  TestFolder folder;
  ObjectStore store{kNow};
  std::unique_ptr<ConfigFolder> config;

  void open(std::vector<std::string> paths = {}) {
    if (paths.empty()) paths = {folder.path()};
    auto opened = ConfigFolder::open(store, paths, {});
    ASSERT_TRUE(opened) << opened.error().message;
    config = std::move(*opened);
    config->reload(kNow);
  }
  bool reload() { return config->reload(kNow); }

  // The port of an upstream, 0 when it is not there.
  int64_t port(std::string_view name) const {
    const StoredObject* object = store.find(key(name));
    if (!object) return 0;
    const Node body = object->body();
    return *body.find({"spec", "static", "hosts"})->list()->front().find("port")->integer();
  }
  std::string names() const {
    std::string names;
    for (const StoredObject* object : store.list()) names += (names.empty() ? "" : " ") + object->key.name;
    return names;
  }
  Status put(const std::string& yaml) {
    Diagnostics diagnostics;
    auto documents = parse_documents(yaml);
    EXPECT_TRUE(documents);
    auto object = read_object(documents->at(0).node, "", {}, diagnostics);
    EXPECT_TRUE(object && !object->rejected) << diagnostics.to_string();
    return config->put(object, kNow);
  }
};

// The text with its first `right` made wrong.
inline std::string replaced(std::string_view text, std::string_view right, std::string_view wrong) {
  std::string out(text);
  return out.replace(out.find(right), right.size(), wrong);
}

inline constexpr std::string_view kPolicy =
    "apiVersion: sluice.dev/v1alpha1\nkind: EgressPolicy\nmetadata: {name: p}\nspec:\n  targetRefs: [{group: "
    "gateway.solo.io, kind: Gateway, name: g}]\n  rules: [{name: r, action: deny, match: {addresses: [private]}}]\n";

}  // namespace sluice
