#include "config/load.h"

#include <chrono>
#include <random>

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
      name, more.empty() ? "  bindPort: 1\n" : more);
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
  EXPECT_EQ(place_at(b.tree(), "spec.bindAddress").line, 15u);
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
      "b.yaml:6: Gateway gloo-system/b: spec.bindPort: warning: is not set: the system chooses a free port, which "
      "`sluice proxy url` tells\n"
      "b.yaml:8: Gateway gloo-system/b: spec.bindport: unknown field; did you mean \"bindPort\"?\n"
      "2 objects in 2 files: 4 errors, 1 warning\n");
  ASSERT_EQ(config.objects.size(), 2u);
  EXPECT_TRUE(config.objects[0]->rejected);
  EXPECT_TRUE(config.objects[1]->rejected);
}

TEST(Load, keeps_the_good_objects_beside_a_bad_one) {
  const LoadedConfig config =
      load({{"a.yaml", gateway("a") + "---\n" + gateway("b", "  tcpGateway: {}\n") + "---\n" + gateway("c")}});
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
  EXPECT_EQ(config.objects[0]->as<kinds::Gateway>()->bind_port, 1);
  EXPECT_EQ(config.diagnostics.to_string(),
            "b.yaml:14: Gateway gloo-system/a: metadata.name: this object is also in a.yaml:4, which counts; remove "
            "one of the two\n");
}

TEST(Load, refuses_what_is_no_object_of_ours) {
  const struct {
    const char* yaml;
    const char* said;
  } rows[] = {
      {"[1]", "f:1: expected an object with apiVersion, kind and metadata, got a list"},
      {"text", "f:1: expected an object with apiVersion, kind and metadata, got \"text\""},
      {"spec: {}", "f:1: kind: is required: such as VirtualService\nf:1: apiVersion: is required"},
      {"kind: Gateway\nmetadata: {name: a}", "f:1: Gateway gloo-system/a: apiVersion: is required"},
      {"apiVersion: v1\nmetadata: {name: a}", "f:1: kind: is required"},
      {"apiVersion: v1\nkind: Secrets\nmetadata: {name: a}",
       "f:2: Secrets gloo-system/a: kind: unknown kind \"Secrets\"; did you mean \"Secret\"?"},
      {"apiVersion: gatway.solo.io/v1\nkind: Foo\nmetadata: {name: a}",
       "f:2: Foo gloo-system/a: kind: unknown kind \"Foo\""},
      {"apiVersion: networking.example.com/v1\nkind: EgressPolicy\nmetadata: {name: a}",
       "f:1: EgressPolicy gloo-system/a: apiVersion: \"networking.example.com/v1\" has no kind EgressPolicy; did you "
       "mean \"sluice.dev/v1alpha1\"?"},
      {"apiVersion: graphql.gloo.solo.io/v1beta1\nkind: GraphQLApi\nmetadata: {name: a}",
       "f:2: GraphQLApi gloo-system/a: kind: unknown kind \"GraphQLApi\""},
      {"apiVersion: v1\nkind: VirtualServce",
       "f:2: VirtualServce gloo-system/: kind: unknown kind \"VirtualServce\"; did you mean \"VirtualService\"?"},
      {"apiVersion: gateway.solo/v1\nkind: Gateway\nmetadata: {name: a}",
       "f:1: Gateway gloo-system/a: apiVersion: \"gateway.solo/v1\" has no kind Gateway; did you mean "
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
       "f:1: Upstream gloo-system/a: spec: static must be set"},
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
       {"conf/gateways/gloo-system/g.yaml", "metadata: {name: g}\nbindAddress: '::'\nbindPort: 1\nhttpGateway: {}\n"},
       {"us.yaml", "metadata: {name: u}\nstatic: {hosts: [{addr: a, prt: 80}]}\n"}});
  EXPECT_EQ(config.diagnostics.to_string(),
            "us.yaml:2: Upstream gloo-system/u: static.hosts[0].prt: unknown field; did you mean \"port\"?\n");
  ASSERT_EQ(config.objects.size(), 3u);
  EXPECT_EQ(config.objects[0]->as<kinds::VirtualService>()->virtual_host->domains.at(0), "a.com");
  EXPECT_EQ(
      to_json(config.objects[0]->tree()),
      R"({"apiVersion":"gateway.solo.io/v1","kind":"VirtualService","metadata":{"name":"v","namespace":"m"},"spec":{"virtualHost":{"domains":["a.com"]}}})");
  EXPECT_EQ(to_json(to_flattened(config.objects[0]->tree())),
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

TEST(Load, takes_a_list_of_one_kind_whose_items_may_go_without_it) {
  const LoadedConfig config = load({{"a.yaml",
                                     "apiVersion: gateway.solo.io/v1\nkind: VirtualServiceList\nitems:\n"
                                     "- metadata: {name: a}\n  spec: {virtualHost: {}}\n"
                                     "- metadata: {name: b}\n  spec: {virtualHost: {domans: []}}\n"}});
  EXPECT_EQ(config.diagnostics.to_string(),
            "a.yaml:7: VirtualService gloo-system/b: spec.virtualHost.domans: unknown field; did you mean "
            "\"domains\"?\n");
  EXPECT_EQ(config.objects.size(), 2u);
  EXPECT_EQ(load({{"a.yaml", "apiVersion: v1\nkind: List\nitems: {a: b}\n"}}).diagnostics.to_string(),
            "a.yaml:3: items: a List has a list of objects here\n");
  EXPECT_EQ(load({{"a.yaml", "apiVersion: v1\nkind: List\n"}}).diagnostics.errors(), 1u);
}

TEST(Load, skips_what_is_not_for_it_and_says_so) {
  const struct {
    std::string yaml;
    const char* said;
  } rows[] = {
      {"apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\n---\napiVersion: v1\nkind: Service\nmetadata: "
       "{name: a}\n---\napiVersion: v1\nkind: Service\nmetadata: {name: b}\n",
       "f:1: note: skipped, as not for sluice: apps/v1 Deployment, v1 Service\n"},
      {"apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {name: a}\n",
       "f:1: note: skipped, as not for sluice: gateway.networking.k8s.io/v1 Gateway\n"},
      {"apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: a}\n",
       "f:1: note: skipped, as not for sluice: networking.istio.io/v1 VirtualService\n"},
      {"apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: Namespace, metadata: {name: a}}\n",
       "f:4: note: skipped, as not for sluice: v1 Namespace\n"},
      {"# values of a chart\nreplicas: 3\nimage: {tag: x}\n",
       "f:2: note: skipped, as not for sluice: a document without apiVersion and kind\n"},
      {"apiVersion: v2\nname: chart\nversion: 1.2.3\n",
       "f:1: note: skipped, as not for sluice: a document of apiVersion v2\n"},
      {"apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [a.yaml]\n",
       "f:1: note: skipped, as not for sluice: a Kustomization; `kustomize build FOLDER | sluice check -` checks what "
       "it "
       "makes\n"},
  };
  for (const auto& row : rows) {
    const LoadedConfig config = load({{"f", row.yaml}});
    EXPECT_EQ(config.diagnostics.to_string(), row.said) << row.yaml;
    EXPECT_EQ(config.diagnostics.errors() + config.diagnostics.warnings(), 0u) << row.yaml;
    EXPECT_TRUE(config.objects.empty()) << row.yaml;
  }
}

// After a restart nobody else must serve them.
TEST(Load, guesses_the_hosts_of_a_file_that_cannot_be_parsed) {
  const auto hosts = [](std::string_view text) {
    const LoadedConfig config = load({{"f", "kind: VirtualService\n" + std::string(text) + "\n  bad: [\n"}});
    std::string out;
    for (const ConfigObjectPtr& guess : config.guesses)
      if (const auto* service = guess->as<kinds::VirtualService>())
        out += fmt::format("{}", fmt::join(service->virtual_host->domains, " "));
    return out;
  };
  EXPECT_EQ(
      hosts(
          "spec:\n  virtualHost:\n   domains:\n    - 'a.test'\n    - \"*.b.test\"\n    - c.test:8080\n    routes: []"),
      "a.test *.b.test c.test:8080");
  EXPECT_EQ(hosts("spec: {virtualHost: {domains: [a.test, '*'], routes: []}}"), "a.test *");
  EXPECT_EQ(hosts("{\"domains\": [\"a.test\",\n \"b.test\"]"), "a.test b.test");
  EXPECT_EQ(hosts("domains: ['a.test']\n---\ndomains: [b.test]"), "a.test b.test");
  EXPECT_EQ(hosts("domains:"), "");
  EXPECT_EQ(hosts("domainsx: [a]"), "");
  EXPECT_EQ(hosts(std::string(2'000'000, '[') + "domains: [[[[]]]]"), "");
}

TEST(Load, takes_no_patch_of_a_kustomization_for_an_object) {
  const std::string patch = "apiVersion: gateway.solo.io/v1\nkind: Gateway\nmetadata: {name: a}\nspec: {bindPort: 2}\n";
  const LoadedConfig config =
      load({{"over/kustomization.yaml",
             "resources: [../base]\npatches:\n- path: one.yaml\n- patch: |-\n    - op: remove\npatchesStrategicMerge: "
             "[./two.yaml]\n"},
            {"base/a.yaml", gateway("a")},
            {"over/one.yaml", patch},
            {"over/two.yaml", patch},
            {"over/three.yaml", patch}});
  EXPECT_EQ(config.diagnostics.to_string(),
            "over/kustomization.yaml:1: note: skipped, as not for sluice: a Kustomization; "
            "`kustomize build FOLDER | sluice check -` checks what it makes\n"
            "over/one.yaml: note: skipped: a patch for Kustomize, no object by itself\n"
            "over/two.yaml: note: skipped: a patch for Kustomize, no object by itself\n"
            "over/three.yaml:3: Gateway gloo-system/a: metadata.name: this object is also in base/a.yaml:4, which "
            "counts; remove one of the two\n"
            "over/three.yaml:4: Gateway gloo-system/a: spec.bindAddress: is required: 127.0.0.1 is reached from this "
            "machine only, :: from everywhere (IPv4 too)\n"
            "over/three.yaml:4: Gateway gloo-system/a: spec: one of httpGateway, tcpGateway, hybridGateway must be "
            "set\n");
}

TEST(Load, lets_a_kustomization_disable_nothing_outside_its_folder) {
  for (const std::string_view path : {"../a/deny.yaml", "/a/deny.yaml", "x/../../a/deny.yaml"}) {
    const LoadedConfig config =
        load({{"a/deny.yaml", gateway("deny")},
              {"b/kustomization.yaml", fmt::format("kind: Kustomization\npatches:\n- path: {}\n", path)}});
    EXPECT_EQ(config.objects.size(), 1u) << path;
  }
}

TEST(Load, keeps_notes_from_pushing_out_errors) {
  std::vector<ConfigFile> files;
  files.reserve(2001);
  for (int i = 0; i < 2000; ++i) files.push_back({fmt::format("{}", i), "a: 1\n"});
  files.push_back({"last", gateway("a", "  nonsense: 1\n")});
  const LoadedConfig config = load(std::move(files));
  EXPECT_EQ(config.diagnostics.errors(), 1u);
  EXPECT_TRUE(config.diagnostics.to_string().contains("last:8: "));
  EXPECT_TRUE(config.diagnostics.to_string().ends_with("and 1900 more\n"));
}

TEST(Load, says_where_a_field_belongs_that_stands_elsewhere) {
  const std::string vs = "apiVersion: gateway.solo.io/v1\nkind: VirtualService\nmetadata: {name: a}\n";
  const struct {
    std::string yaml;
    std::string said;
  } rows[] = {
      {vs + "spec: {virtualHost: {options: {timeout: 5s}}}",
       "spec.virtualHost.options.timeout: unknown field; it belongs into spec.virtualHost.routes[].options\n"},
      {vs + "spec: {virtualHost: {routes: [{timeout: 5s, directResponseAction: {status: 200}}]}}",
       "spec.virtualHost.routes[0].timeout: unknown field; it belongs into spec.virtualHost.routes[].options\n"},
      {vs + "spec: {domains: [a], virtualHost: {}}", "spec.domains: unknown field; it belongs into spec.virtualHost\n"},
      {vs + "spec: {virtualHost: {}}\nroutes: []", "routes: unknown field; it belongs into spec.virtualHost\n"},
      {vs + "spec: {virtualHost: {options: {requestHeadersToAdd: []}}}",
       "requestHeadersToAdd: unknown field; it belongs into spec.virtualHost.options.headerManipulation\n"},
      {"apiVersion: gateway.solo.io/v1\nkind: VirtualService\nmetadata:\nname: a\nspec: {virtualHost: {}}",
       "f:4: VirtualService gloo-system/: name: unknown field; it belongs into metadata\n"},
      {vs + "spec: {virtualHost: {\"\xC2\xA0 domains\": [a]}}",
       "unknown field; there is a no-break space (U+00A0) in it, which only looks like a space: write a plain one"},
      {vs +
           "spec: {virtualHost: {routes: [{options: {timeout: \"5s\xC2\xA0\"}, directResponseAction: {status: 200}}]}}",
       "there is a no-break space (U+00A0) in it, which only looks like a space: write a plain one"},
      {vs + "spec: {virtualHost: {routes: [{routeAction: {dynamicForwardProxy: {sslConfig: {}}}}]}}",
       "dynamicForwardProxy.sslConfig: unknown field; it belongs into spec.httpGateway.options.dynamicForwardProxy of "
       "kind Gateway\n"},
      {vs + "spec: {virtualHost: {options: {headerManipulation: {sslConfig: {}}}}}",
       "headerManipulation.sslConfig: unknown field; it belongs into spec\n"},
      {"apiVersion: gateway.solo.io/v1\nkind: Gateway\nmetadata: {name: a}\nspec: {httpGateway: {options: "
       "{dynamicForwardProxy: {hostRewrite: a}}}}",
       "dynamicForwardProxy.hostRewrite: unknown field; it belongs into "
       "spec.virtualHost.routes[].routeAction.dynamicForwardProxy of kind VirtualService\n"},
      {vs + "spec: {virtualHost: {nothingLikeIt: 1}}", "spec.virtualHost.nothingLikeIt: unknown field\n"},
  };
  for (const auto& row : rows) {
    const std::string said = load({{"f", row.yaml}}).diagnostics.to_string();
    EXPECT_TRUE(said.contains(row.said)) << row.yaml << "\n" << said;
  }
}

TEST(Load, knows_gloos_settings_in_the_flattened_form) {
  for (const char* field : {"discoveryNamespace: gloo-system", "gloo: {xdsBindAddr: a}", "kubernetesConfigSource: {}"})
    EXPECT_EQ(load({{"f", fmt::format("metadata: {{name: default}}\n{}\n", field)}}).diagnostics.to_string(),
              "f:1: Settings gloo-system/default: kind: kind Settings is not supported yet\n");
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
  const std::clock_t begin = std::clock();  // of the processor: other work on the machine does not count
  const LoadedConfig config = load(std::move(files));
  EXPECT_LT(std::clock() - begin, CLOCKS_PER_SEC / 10);
  EXPECT_EQ(config.diagnostics.to_string(),
            "big.yaml: the file has 8388609 bytes, more than the limit of 8388608\n"
            "huge.yaml: the file has 1099511627776 bytes, more than the limit of 8388608\n");
}

TEST(Load, refuses_more_than_64_mib_together) {
  std::vector<ConfigFile> files;
  files.reserve(9);
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

// All that a load tells, in words.
std::string everything(const LoadedConfig& config) {
  std::string out = config.diagnostics.to_string();
  for (const auto* objects : {&config.objects, &config.surplus, &config.guesses})
    for (const ConfigObjectPtr& object : *objects)
      out += fmt::format("{} {} {} {} {} {:x}\n", object->file, object->key.to_string(), object->begin,
                         object->rejected, object->error_line, object->hash);
  for (const PolicyGap& gap : config.gaps) out += fmt::format("gap {} {} {}\n", gap.subject, gap.why, gap.second_copy);
  for (const std::string& file : config.broken_files) out += "broken " + file + "\n";
  for (const auto& [file, why] : config.files_with_nameless) out += fmt::format("nameless {} {}\n", file, why);
  return out;
}

// What one file says does not depend on others, whatever they are: duplicates, patches, what is broken.
TEST(Load, of_files_that_were_parsed_before_finds_what_it_finds_in_their_bytes) {
  const std::string documents[] = {
      gateway("a"),
      gateway("b"),
      gateway("a", "  bindPort: 9\n"),
      gateway("a", "  ssl: true\n"),
      "a: [\n",
      "apiVersion: v1\nkind: List\nitems: {a: b}\n",
      "kind: Deployment\napiVersion: apps/v1\nmetadata: {name: d}\n",
      "apiVersion: sluice.dev/v1alpha1\nkind: EgressPolicy\nmetadata: {name: p}\nspec: {targetRefs: [{group: "
      "gateway.solo.io, kind: Gateway, name: a}], rules: []}\n",
      "apiVersion: sluice.dev/v1alpha1\nkind: EgressPolicy\nmetadata: {name: p}\nspec: {targetRefs: [{group: "
      "gateway.solo.io, kind: Gateway, name: b}], rules: []}\n",
      "apiVersion: gateway.solo.io/v1\nkind: VirtualServic\nmetadata: {name: v}\nspec: {virtualHost: {domains: "
      "[d]}}\n"};
  std::mt19937 random(5);
  std::map<std::string, std::pair<std::string, std::shared_ptr<const ParsedFile>>> known;
  size_t reused = 0;
  for (int round = 0; round < 300; ++round) {
    const std::string changed = fmt::format("f{}.yaml", random() % 4);
    std::string& text = known[changed].first;
    text.clear();
    for (uint32_t i = 0; i < 1 + random() % 3; ++i) text += "---\n" + documents[random() % std::size(documents)];
    known[changed].second = nullptr;
    if (round % 20 == 0)
      known["kustomization.yaml"] = {random() % 2 ? "patches: [{path: f1.yaml}]\n" : "resources: []\n", nullptr};
    std::vector<ConfigFile> whole, kept;
    for (const auto& [path, file] : known) {
      whole.push_back({.path = path, .bytes = file.first});
      const bool is_kustomization = path == "kustomization.yaml";
      const auto parsed = is_kustomization ? nullptr : file.second;
      kept.push_back({.path = path, .bytes = parsed ? "" : file.first, .size = file.first.size(), .parsed = parsed});
      reused += parsed != nullptr;
    }
    const LoadedConfig again = load(kept);
    ASSERT_EQ(everything(again), everything(load(whole))) << "round " << round;
    for (size_t i = 0; i < kept.size(); ++i) known[kept[i].path].second = again.files[i];
  }
  EXPECT_GT(reused, 300U);
}

TEST(ObjectIndex, finds_objects_by_their_keys) {
  std::vector<ConfigObjectPtr> objects;
  ObjectIndex index;
  EXPECT_FALSE(index.contains({}));
  for (int i = 0; i < 1000; ++i) {
    auto object = std::make_shared<ConfigObject>();
    object->key = {"Upstream", "ns", fmt::to_string(i)};
    EXPECT_EQ(index.insert(object.get()), object.get());
    objects.push_back(std::move(object));
  }
  const ConfigObject second = *objects[7];
  EXPECT_EQ(index.insert(&second), objects[7].get());
  for (const ConfigObjectPtr& object : objects) EXPECT_TRUE(index.contains(object->key));
  EXPECT_FALSE(index.contains({"Upstream", "other", "7"}));
}

}  // namespace
}  // namespace sluice
