#include "config/load.h"

#include <chrono>

namespace sluice {
namespace {

struct Provider {
  std::string issuer;
};
void bind(Fields& f, Provider& p) {
  f.optional("issuer", p.issuer, "Issuer.");
}

std::vector<OptionField> filters() {
  return {option_field<Provider>("jwt", OptionLevel::virtual_host, "Tokens."),
          option_field<Node>("dlp", OptionLevel::route | OptionLevel::virtual_host, "Masks."),
          option_field<Node>("stagedTransformations", OptionLevel::route | OptionLevel::virtual_host, "Templates.")};
}

LoadedConfig load(std::vector<ConfigFile> files) {
  return load_config(files, filters());
}

std::string gateway(std::string_view name, std::string_view more = "") {
  return fmt::format(
      "apiVersion: gateway.solo.io/v1\nkind: Gateway\nmetadata:\n  name: {}\nspec:\n  bindAddress: 127.0.0.1\n  "
      "httpGateway: {{}}\n{}",
      name, more);
}

TEST(Load, reads_objects_of_several_documents_and_files) {
  const std::string first = gateway("a") + "---\n" + gateway("b");
  const LoadedConfig config =
      load({{"x/one.yaml", first}, {"two.yaml", "# nothing\n"}, {"three.json", R"({"apiVersion":"v1",
    "kind":"ConfigMap","metadata":{"name":"c","namespace":"other","labels":{"a":"b"}},"data":{"k":"v"}})"}});
  EXPECT_EQ(config.diagnostics.to_string(), "");
  ASSERT_EQ(config.objects.size(), 3u);
  const ConfigObject& b = *config.objects[1];
  EXPECT_EQ(b.key, (ObjectKey{"Gateway", "gloo-system", "b"}));
  EXPECT_EQ(first.substr(b.begin, b.end - b.begin), gateway("b"));
  EXPECT_EQ(b.file, "x/one.yaml");
  EXPECT_EQ(place_at(b.node, "spec.bindAddress").line, 14u);
  ASSERT_NE(b.as<kinds::Gateway>(), nullptr);
  EXPECT_EQ(b.as<kinds::Upstream>(), nullptr);
  EXPECT_EQ(b.as<kinds::Gateway>()->bind_address, "127.0.0.1");
  EXPECT_EQ(config.objects[2]->key, (ObjectKey{"ConfigMap", "other", "c"}));
  EXPECT_EQ(config.objects[2]->metadata.labels.at("a"), "b");
  EXPECT_EQ(check_report(config, 3), "3 objects in 3 files: no errors, no warnings\n");
}

TEST(Load, warns_of_what_kubernetes_would_act_on) {
  const LoadedConfig config = load({{"a.yaml", R"(apiVersion: v1
kind: ConfigMap
metadata:
  name: a
  finalizers: [example.com/wait]
  ownerReferences: [{kind: ConfigMap, name: b}]
immutable: true
---
apiVersion: v1
kind: ConfigMap
metadata: {name: b, finalizers: [], ownerReferences: []}
immutable: false
)"}});
  EXPECT_EQ(config.objects.size(), 2u);
  EXPECT_EQ(config.diagnostics.errors(), 0u);
  EXPECT_EQ(
      config.diagnostics.to_string(),
      "a.yaml:5: ConfigMap gloo-system/a: metadata.finalizers: warning: has no effect: the object is gone as soon as "
      "it is deleted, nothing waits for what a finalizer stands for\n"
      "a.yaml:6: ConfigMap gloo-system/a: metadata.ownerReferences: warning: has no effect: the object stays when "
      "its owner is deleted\n"
      "a.yaml:7: ConfigMap gloo-system/a: immutable: warning: has no effect: the object can be changed all the "
      "same\n");
}

TEST(Load, tells_file_line_object_and_path_of_all_errors_at_once) {
  const LoadedConfig config = load({{"a.yaml", R"(apiVersion: gateway.solo.io/v1
kind: VirtualService
metadata:
  name: httpbin
spec:
  virtualHost:
    routes:
      - routeAction: {dynamicForwardProxy: {}}
        options:
          retires: 3
          timeout: 5 secs
    options:
      jwt: {issuer: 1}
)"},
                                    {"b.yaml", gateway("b", "  bindport: 3\n")}});
  EXPECT_EQ(
      check_report(config, 2),
      "a.yaml:10: VirtualService gloo-system/httpbin: spec.virtualHost.routes[0].options.retires: unknown field; "
      "did you mean \"retries\"?\n"
      "a.yaml:11: VirtualService gloo-system/httpbin: spec.virtualHost.routes[0].options.timeout: expected a duration "
      "such as \"250ms\" or \"5s\", got \"5 secs\"\n"
      "a.yaml:13: VirtualService gloo-system/httpbin: spec.virtualHost.options.jwt.issuer: expected text, got 1; put "
      "it in quotes\n"
      "b.yaml:8: Gateway gloo-system/b: spec.bindport: unknown field; did you mean \"bindPort\"?\n"
      "2 objects in 2 files: 4 errors, no warnings\n");
  ASSERT_EQ(config.objects.size(), 2u);
  EXPECT_TRUE(config.objects[0]->rejected);
  EXPECT_TRUE(config.objects[1]->rejected);
}

TEST(Load, keeps_the_good_objects_beside_a_bad_one) {
  const LoadedConfig config =
      load({{"a.yaml", gateway("a") + "---\n" + gateway("b", "  ssl: true\n") + "---\n" + gateway("c")}});
  ASSERT_EQ(config.objects.size(), 3u);
  EXPECT_FALSE(config.objects[0]->rejected);
  EXPECT_TRUE(config.objects[1]->rejected);
  EXPECT_FALSE(config.objects[2]->rejected);
}

TEST(Load, reports_a_file_that_cannot_be_parsed_and_reads_the_others) {
  const LoadedConfig config =
      load({{"bad.yaml", gateway("x") + "  a: [1\n"}, {"good.yaml", gateway("a")}, {"dup.yaml", "a: 1\na: 2\n"}});
  EXPECT_EQ(config.broken_files, (std::vector<std::string>{"bad.yaml", "dup.yaml"}));
  ASSERT_EQ(config.objects.size(), 1u);
  EXPECT_EQ(config.diagnostics.errors(), 2u);
  EXPECT_EQ(config.diagnostics.all()[1].to_string(), "dup.yaml:2: duplicate key \"a\": it is already in line 1");
}

TEST(Load, names_both_places_of_a_duplicate_object) {
  const LoadedConfig config =
      load({{"a.yaml", gateway("a")}, {"b.yaml", "---\n" + gateway("b") + "---\n" + gateway("a", "  bindPort: 9\n")}});
  ASSERT_EQ(config.objects.size(), 2u);
  EXPECT_EQ(config.objects[0]->as<kinds::Gateway>()->bind_port, 0);
  EXPECT_EQ(config.diagnostics.to_string(),
            "b.yaml:13: Gateway gloo-system/a: metadata.name: this object is also in a.yaml:4, which counts; remove "
            "one of the two\n");
}

TEST(Load, refuses_what_is_no_object_of_ours) {
  struct {
    const char* yaml;
    const char* said;
  } rows[] = {
      {"[1]", "f:1: expected an object with apiVersion, kind and metadata, got a list"},
      {"text", "f:1: expected an object with apiVersion, kind and metadata, got \"text\""},
      {"a: 1", "f:1: kind: is required: such as VirtualService\nf:1: apiVersion: is required"},
      {"kind: Gateway\nmetadata: {name: a}", "f:1: Gateway gloo-system/a: apiVersion: is required"},
      {"apiVersion: v1\nmetadata: {name: a}", "f:1: kind: is required"},
      {"apiVersion: v1\nkind: Pod\nmetadata: {name: a}", "f:2: Pod gloo-system/a: kind: unknown kind \"Pod\""},
      {"apiVersion: v1\nkind: VirtualServce",
       "f:2: VirtualServce gloo-system/: kind: unknown kind \"VirtualServce\"; did you mean \"VirtualService\"?"},
      {"apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {name: a}",
       "f:1: Gateway gloo-system/a: apiVersion: \"gateway.networking.k8s.io/v1\" has no kind Gateway; did you mean "
       "\"gateway.solo.io/v1\"?"},
      {"apiVersion: gateway.solo.io/v1\nkind: RouteTable\nmetadata: {name: a}",
       "f:2: RouteTable gloo-system/a: kind: kind RouteTable is not supported yet"},
      {"apiVersion: v1\nkind: ConfigMap", "f:1: ConfigMap gloo-system/: metadata: is required: with a name"},
      {"apiVersion: v1\nkind: ConfigMap\nmetadata: {}", "f:3: ConfigMap gloo-system/: metadata.name: is required"},
      {"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: A_b}",
       "f:3: ConfigMap gloo-system/A_b: metadata.name: \"A_b\" is no name"},
      {"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: a.b}",
       "f:3: ConfigMap a.b/a: metadata.namespace: \"a.b\" is no name"},
      {"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, nmespace: b}",
       "f:3: ConfigMap gloo-system/a: metadata.nmespace: unknown field; did you mean \"namespace\"?"},
      {"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, labels: {'a b': c}}",
       "f:3: ConfigMap gloo-system/a: metadata.labels: \"a b\" is no key"},
      {"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, labels: {a: 'b c'}}",
       "f:3: ConfigMap gloo-system/a: metadata.labels: \"b c\" is no label value"},
      {"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, annotations: {a: 1}}",
       "f:3: ConfigMap gloo-system/a: metadata.annotations.a: expected text, got 1"},
      {"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, creationTimestamp: yesterday}",
       "f:3: ConfigMap gloo-system/a: metadata.creationTimestamp: expected a time"},
      {"apiVersion: gateway.solo.io/v1\nkind: VirtualService\nmetadata: {name: a}\nspec: {virtualHost: {}}\nspce: {}",
       "f:5: VirtualService gloo-system/a: spce: unknown field; did you mean \"spec\"?"},
      {"apiVersion: gloo.solo.io/v1\nkind: Upstream\nmetadata: {name: a}",
       "f:1: Upstream gloo-system/a: spec: one of static,"},
      {"metadata: {name: a}\nfoo: 1", "f:1: no apiVersion and kind, and no field that tells the kind"},
  };
  for (const auto& row : rows) {
    const std::string said = load({{"f", row.yaml}}).diagnostics.to_string();
    EXPECT_TRUE(said.starts_with(row.said)) << row.yaml << "\n  got:  " << said << "\n  want: " << row.said;
  }
}

TEST(Load, understands_gloos_flattened_form) {
  const LoadedConfig config = load(
      {{"a.yaml", "metadata: {name: v, namespace: m}\nvirtualHost:\n  domains: [a.com]\nnamespacedStatuses: {x: 1}\n"},
       {"conf/gateways/gloo-system/g.yaml", "metadata: {name: g}\nbindAddress: '::'\nhttpGateway: {}\n"},
       {"us.yaml", "metadata: {name: u}\nstatic: {hosts: [{addr: a, prt: 80}]}\n"}});
  EXPECT_EQ(config.diagnostics.to_string(),
            "us.yaml:2: Upstream gloo-system/u: static.hosts[0].port: is required\n"
            "us.yaml:2: Upstream gloo-system/u: static.hosts[0].prt: unknown field; did you mean \"port\"?\n");
  ASSERT_EQ(config.objects.size(), 3u);
  EXPECT_EQ(config.objects[0]->as<kinds::VirtualService>()->virtual_host->domains.at(0), "a.com");
  EXPECT_EQ(
      to_json(config.objects[0]->node),
      R"({"apiVersion":"gateway.solo.io/v1","kind":"VirtualService","metadata":{"name":"v","namespace":"m"},"spec":{"virtualHost":{"domains":["a.com"]}}})");
  EXPECT_EQ(to_json(to_flattened(config.objects[0]->node)),
            R"({"metadata":{"name":"v","namespace":"m"},"virtualHost":{"domains":["a.com"]}})");
  EXPECT_TRUE(config.objects[1]->flattened);
  EXPECT_EQ(config.objects[1]->key.kind, "Gateway");
}

TEST(Load, takes_a_list_for_its_items) {
  const LoadedConfig config = load(
      {{"a.yaml", "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: ConfigMap\n  metadata: {name: a}\n"}});
  EXPECT_EQ(config.diagnostics.to_string(), "");
  ASSERT_EQ(config.objects.size(), 1u);
  EXPECT_EQ(config.objects[0]->end, 0u);
}

TEST(Load, hashes_what_the_user_wants_and_nothing_else) {
  const auto hash = [](std::string_view yaml) { return load({{"f", std::string(yaml)}}).objects.at(0)->hash; };
  const std::string head = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\n";
  const uint64_t plain = hash(head + "data: {k: v}\n");
  EXPECT_EQ(plain, hash("# comment\n" + head +
                        "  uid: x\n  resourceVersion: '5'\n  generation: 3\ndata:\n  k: v\nstatus: {a: b}\n"));
  EXPECT_NE(plain, hash(head + "data: {k: w}\n"));
  EXPECT_NE(plain, hash(head + "  labels: {a: b}\ndata: {k: v}\n"));
}

TEST(Load, gives_secrets_away_in_no_message) {
  const LoadedConfig config = load(
      {{"f", "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {k: 31415926}\ndata: {j: hush-hush}\n"}});
  EXPECT_EQ(config.diagnostics.to_string(),
            "f:4: Secret gloo-system/s: stringData.k: expected text, got a whole number; put it in quotes\n"
            "f:5: Secret gloo-system/s: data: the value of \"j\" is not base64\n");
}

TEST(Load, refuses_an_oversized_file_at_once) {
  std::vector<ConfigFile> files = {{"big.yaml", std::string((8 << 20) + 1, 'a')}, {"huge.yaml", "", uint64_t{1} << 40}};
  const auto begin = std::chrono::steady_clock::now();
  const LoadedConfig config = load(std::move(files));
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::milliseconds(100));
  EXPECT_EQ(config.diagnostics.to_string(),
            "big.yaml: the file has 8388609 bytes, more than the limit of 8388608\n"
            "huge.yaml: the file has 1099511627776 bytes, more than the limit of 8388608\n");
}

TEST(Load, refuses_more_than_64_mib_together) {
  std::vector<ConfigFile> files;
  for (int i = 0; i < 8; ++i) files.push_back({fmt::format("f{}", i), "# nothing\n", 8 << 20});
  files.push_back({"last", gateway("a")});
  const LoadedConfig config = load(std::move(files));
  EXPECT_EQ(config.broken_files, std::vector<std::string>{"last"});
}

TEST(ReadObject, checks_a_body_of_the_api) {
  Diagnostics diagnostics;
  Node body = *parse_json(
      R"({"apiVersion":"gloo.solo.io/v1","kind":"Upstream","metadata":{"name":"u"},"spec":{"static":{"hosts":[{"addr":"a","port":0}]}}})");
  const ConfigObjectPtr object = read_object(std::move(body), "", filters(), diagnostics);
  ASSERT_NE(object, nullptr);
  EXPECT_TRUE(object->rejected);
  EXPECT_EQ(diagnostics.all()[0].path, "spec.static.hosts[0].port");
  EXPECT_EQ(diagnostics.all()[0].sentence(), "port cannot be empty for host");
}

}  // namespace
}  // namespace sluice
