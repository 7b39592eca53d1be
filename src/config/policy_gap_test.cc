#include "config/policy_gap.h"

#include <gtest/gtest.h>

#include "config/load.h"

namespace sluice {
namespace {

// "namespace: Kind/name Kind/name", "?" for any namespace; "" when it is certainly no policy.
std::string sketched(std::string_view yaml) {
  const ConfigFile file{"a.yaml", std::string(yaml), 0};
  const LoadedConfig loaded = load_config(std::span(&file, 1), {});
  std::string out;
  for (const PolicyGap& gap : loaded.gaps) {
    out += (out.empty() ? "" : "; ") + (gap.ns.empty() ? "?" : gap.ns) + ":";
    for (const PolicyGap::Target& target : gap.targets) out += " " + target.kind + "/" + target.name;
  }
  return out;
}

struct Row {
  std::string_view yaml;
  std::string_view gap;
};

TEST(PolicyGap, tells_what_a_policy_with_errors_is_for_as_far_as_it_can_be_read) {
  for (const Row& row : {
           Row{"apiVersion: sluice.dev/v1alpha1\nkind: EgressPolicy\nmetadata: {name: a, namespace: x}\n"
               "spec: {targetRefs: [{group: g, kind: Gateway, name: b}, {kind: VirtualService, name: c}]}",
               "x: Gateway/b VirtualService/c"},
           Row{"apiVersion: sluice.dev/v1alpha1\nkind: EgressPolicy\nmetadata: {name: a}\nspec: {}", "gloo-system:"},
           Row{"apiVersion: sluice.dev/v1alpha1\nkind: EgressPolicy\nmetadata: {name: a}\n"
               "spec: {targetRefs: [{kind: Gateway, name: b}, {kind: Gateway}]}",
               "gloo-system:"},
           Row{"apiVersion: sluice.dev/v1alpha1\nkind: EgressPolicy\nmetadata: {name: a}\nspec: {targetRefs: b}",
               "gloo-system:"},
           Row{"apiVersion: sluice.dev/v1alpha1\nkind: EgressPolicy\nmetadata: {name: a, namespace: [x]}\nspec: {}",
               "?:"},
           Row{"apiVersion: sluice.dev/v1alpha1\nkind: EgressPolicy\nspec: {}", "?:"},
           Row{"kind: EgressPolicy\nmetadata: {name: a, namespace: x}", "x:"},
           Row{"kind: EgresPolicy\napiVersion: v1\nmetadata: {name: a, namespace: x}", "x:"},
           Row{"apiVersion: sluice.dv/v1alpha1\nkind: Rules\nmetadata: {name: a, namespace: x}", "x:"},
           Row{"metadata: {name: a, namespace: x}\nspec: {targetRefs: []}", "x:"},
           Row{"metadata: {name: a, namespace: x}\ntargetRefs: []", "x:"},
           Row{"- {apiVersion: sluice.dev/v1alpha1, kind: EgressPolicy}", "?:"},
           Row{"apiVersion: v1\nkind: List\nitem: [{apiVersion: sluice.dev/v1alpha1, kind: EgressPolicy}]", "?:"},
           Row{"apiVersion: v1\nkind: List\nitems: {apiVersion: sluice.dev/v1alpha1, kind: EgressPolicy}", "?:"},
           Row{"apiVersion: v1\nkind: List\nitems: {a: {kind: EgressPolicy, spec: {}}}", "?:"},
           Row{"apiVersion: v1\nkind: List\nitems: 'kind: EgressPolicy'", "?:"},
           Row{"apiVersion: sluice.dev/v1alpha1\nkind: EgressPolicyList\nitems: {metadata: {name: a}}", "?:"},
           Row{"apiVersion: sluice.dev/v1alpha1\nkind: EgressPolicyList\nitem: [{metadata: {name: a}}]", "?:"},
           Row{"apiVersion: v1\nkind: Lst\nitems: [{apiVersion: sluice.dev/v1alpha1, kind: EgressPolicy}]", "?:"},
           Row{"kind: List\nitems: [{kind: List, items: [{kind: EgressPolicy, metadata: {name: a, namespace: x}}]}]",
               "x:"},
           Row{"kind: List\nitems: [{kind: List, items: {kind: EgressPolicy}}]", "?:"},
           Row{"metdata: {name: a, namespace: x}\ntargetRefs: []", "?:"},
           Row{"ApiVersion: sluice.dev/v1alpha1\nKind: EgressPolicy\nMetadata: {name: a}\nSpec: {}", "?:"},
           Row{"apiVersion: v1\nKind: List\nitems: [{apiVersion: sluice.dev/v1alpha1, kind: EgressPolicy}]", "?:"},
           Row{"apiVersion: v1\nknd: List\nitems: [{apiVersion: sluice.dev/v1alpha1, kind: EgressPolicy}]", "?:"},
           Row{"items: [{apiVersion: sluice.dev/v1alpha1, kind: EgressPolicy}]", "?:"},
           Row{"kind: List\nitems: [{ApiVersion: sluice.dev/v1alpha1, Kind: EgressPolicy, Spec: {}}]", "?:"},
           Row{"rules: [{action: deny, match: {addresses: [loopback]}}]", "?:"},
           Row{"metadata: {name: a, namespace: x}\nrules: [{action: deny}]", "x:"},
           Row{"target_refs: []\nmetdata: {name: a}", "?:"},
           Row{"apiVersion: example.com/v1\nkind: EgresPolicy\nmetadata: {name: a, namespace: x}", "x:"},
           Row{"apiVersion sluice.dev/v1alpha1", "?:"},
           Row{"apiVersion: sluice.dev/v1alpha1\nkind: EgressPolicy\nmetadata: {name: a\n", "?:"},
           Row{std::string_view("a: b\0", 5), "?:"},
       })
    EXPECT_EQ(sketched(row.yaml), row.gap) << row.yaml;
}

TEST(PolicyGap, is_not_made_of_what_is_certainly_no_policy) {
  for (const std::string_view yaml : {
           R"(apiVersion: sluice.dev/v1alpha1
kind: EgressPolicy
metadata: {name: a}
spec: {targetRefs: [{group: gateway.solo.io, kind: Gateway, name: b}],
  rules: [{name: r, action: deny, match: {addresses: [private]}}]})",
           "apiVersion: gateway.solo.io/v1\nkind: VirtualService\nmetadata: {name: a}\nspec: {virtualHst: {}}",
           "apiVersion: gateway.solo.io/v1\nkind: VirtualServce\nmetadata: {name: a}",
           "apiVersion: sluice.dev/v1alpha1\nkind: ProxySetings\nmetadata: {name: a}",
           "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}",
           "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: a}",
           "metadata: {name: a}\nvirtualHost: {domains: 1}",
           "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: a}\n"
           "rules: [{apiGroups: [sluice.dev], resources: [egresspolicies]}]",
           "image: example.com/sluice:1\nreplicas: 2",
           "image: source.dev/team/app:1",
           "egressPolicy: {enabled: true}",
           "image: {repository: registry.sluice.dev/x}\nannotations: {sluice.dev/inject: 'true'}",
           "version: '3'\nservices: {a: {volumes: ['./egresspolicy.yaml:/etc/sluice/x.yaml']}}",
           "on: push\njobs: {a: {steps: [{run: kubectl get egresspolicies}]}}",
           "name: x\ndescription: for sluice.dev",
           "apiVersion: v1\nkind: Config\nclusters: []",
           "apiVersion: policies.example.com/v1\nkind: IngressPolicy\nmetadata: {name: a}",
           "apiVersion: access.example.com/v1\nkind: AccessPolicy\nmetadata: {name: a}",
           "apiVersion: v1\nkind: List\nitem: [{apiVersion: gateway.solo.io/v1, kind: VirtualService}]",
           "apiVersion: apps/v1\nkind: DeploymentList\nitems: []",
           "kind: List\nitems: []",
           "hello",
           "a: b",
           "[1, 2]",
           "a: [",
           "apiVersion: gateway.solo.io/v1\nkind: VirtualService\nmetadata: {name: a",
       })
    EXPECT_EQ(sketched(yaml), "") << yaml;
}

TEST(PolicyGap, is_made_of_what_lies_among_policies) {
  for (const auto& [path, gaps] :
       {std::pair("egresspolicies/x/a.yaml", 1U), {"egresspolicies/kustomization.yaml", 0U}}) {
    const ConfigFile file{path, "metdata: {name: a}\nrules: []\n", 0};
    EXPECT_EQ(load_config(std::span(&file, 1), {}).gaps.size(), gaps) << path;
  }
}

TEST(PolicyGap, names_the_object_and_the_line_of_its_first_error) {
  const ConfigFile file{"/etc/x/a.yaml",
                        "apiVersion: sluice.dev/v1alpha1\nkind: EgressPolicy\nmetadata: {name: a}\nspec:\n"
                        "  targetRefs: [{group: gateway.solo.io, kind: Gateway, name: b}]\n  ruls: []\n",
                        0};
  const LoadedConfig loaded = load_config(std::span(&file, 1), {});
  ASSERT_EQ(loaded.gaps.size(), 1U);
  EXPECT_EQ(loaded.gaps[0].subject, "EgressPolicy gloo-system/a (line 6) is not in force");
  EXPECT_EQ(loaded.gaps[0].word, "gloo-system/a");
  EXPECT_TRUE(loaded.gaps[0].why.starts_with("/etc/x/a.yaml:6: EgressPolicy gloo-system/a: spec.ruls: unknown field"))
      << loaded.gaps[0].why;
}

TEST(PolicyGap, is_made_of_files_whose_bytes_are_not_known) {
  const ConfigFile files[] = {{"a b.yaml", "", kConfigFileBytesMax + 1}};
  const LoadedConfig loaded = load_config(files, {});
  ASSERT_EQ(loaded.gaps.size(), 1U);
  EXPECT_EQ(loaded.gaps[0].subject, "a b.yaml, which may hold an EgressPolicy, cannot be read");
  EXPECT_EQ(loaded.gaps[0].word, "a b.yaml");
  EXPECT_EQ(rule_of(loaded.gaps[0]), "a_b.yaml");
  EXPECT_EQ(loaded.gaps[0].broken_file, "a b.yaml");
}

}  // namespace
}  // namespace sluice
