#include "config/kinds/testing.h"

namespace sluice::kinds {
namespace {

constexpr std::string_view kTarget = "targetRefs: [{group: gateway.solo.io, kind: Gateway, name: g}]\n";

TEST(EgressPolicy, reads_class_words_and_cidrs) {
  const auto p = good<EgressPolicy>(
      "egp", fmt::format("{}rules: [{{name: a, action: allow, match: {{addresses: [loopback, 10.0.0.0/8, '::1', "
                         "'fd00::/8']}}}}, {{name: b, action: shadow, match: {{addresses: [global]}}}}]",
                         kTarget));
  EXPECT_EQ(p.rules[0].action, EgressAction::allow);
  EXPECT_EQ(p.rules[0].match.addresses.size(), 4u);
  EXPECT_EQ(p.rules[1].action, EgressAction::shadow);
}

TEST(EgressPolicy, with_a_mistake_is_refused) {
  const auto rule = [](std::string_view s) { return fmt::format("{}rules: [{{{}}}]", kTarget, s); };
  const auto addresses = [&](std::string_view s) {
    return rule(fmt::format("name: a, action: allow, match: {{addresses: [{}]}}", s));
  };
  expect_bad(
      "egp",
      {
          {"{}", "targetRefs: is required"},
          {"targetRefs: []", "targetRefs: must name at least one object"},
          {"targetRefs: [{group: gateway.solo.io, kind: Upstream, name: a}]",
           "targetRefs[0]: expected a Gateway or a VirtualService"},
          {"targetRefs: [{group: sluice.dev, kind: EgressListener, name: a}]", "targetRefs[0].kind: not supported yet"},
          {"targetRefs: [{kind: Gateway, name: a}]", "targetRefs[0].group: is required"},
          {"targetRefs: [{group: gateway.solo.io, kind: Gateway, name: A}]", "targetRefs[0].name: \"A\" is no name"},
          {rule("action: allow, match: {addresses: [global]}"), "rules[0].name: is required"},
          {rule("name: a, match: {addresses: [global]}"), "rules[0].action: is required"},
          {rule("name: a, action: alow, match: {addresses: [global]}"),
           "rules[0].action: expected one of allow, deny, shadow, got \"alow\"; did you mean \"allow\"?"},
          {rule("name: a, action: allow"), "rules[0].match: is required"},
          {rule("name: a, action: allow, match: {}"), "rules[0].match.addresses: is required"},
          {rule("name: a, action: allow, match: {addresses: [global], ports: [80]}"),
           "rules[0].match.ports: not supported yet"},
          {addresses(""), "rules[0].match.addresses: must name at least one"},
          {addresses("lopback"),
           "rules[0].match.addresses[0]: expected a CIDR such as \"10.0.0.0/8\" or one of unspecified"},
          {addresses("10.0.0.0/33"), "rules[0].match.addresses[0]: expected a CIDR"},
          {addresses("'::/129'"), "rules[0].match.addresses[0]: expected a CIDR"},
          {addresses("10.0.0/8"), "rules[0].match.addresses[0]: expected a CIDR"},
          {addresses("10.0.0.0/"), "rules[0].match.addresses[0]: expected a CIDR"},
          {addresses("multicast"), "rules[0].match: multicast addresses are never opened"},
          {addresses("unspecified"), "rules[0].match: unspecified addresses are never opened"},
          {fmt::format("{}rules: [{{name: a, action: deny, match: {{addresses: [global]}}}}, {{name: a, action: deny, "
                       "match: {{addresses: [global]}}}}]",
                       kTarget),
           "rules[1]: another rule is called \"a\""},
          {fmt::format("{}limits: {{}}", kTarget), "limits: not supported yet"},
      });
}

TEST(ProxySettings, has_defaults_and_limits) {
  const auto d = good<ProxySettings>("proxysettings", kTarget);
  EXPECT_EQ(d.jwt_cache.entries_max, 10'000u);
  EXPECT_EQ(d.jwt_cache.ttl_max, 5min);
  EXPECT_EQ(d.local_answers, LocalAnswers::envoy);
  const auto s = good<ProxySettings>(
      "proxysettings",
      fmt::format("{}jwtCache: {{entriesMax: 0, ttlMax: 1s}}\nlocalAnswers: proxy\ndrainTimeout: 5s", kTarget));
  EXPECT_EQ(s.jwt_cache.entries_max, 0u);
  EXPECT_EQ(s.local_answers, LocalAnswers::proxy);
  const auto with = [](std::string_view more) { return fmt::format("{}{}", kTarget, more); };
  expect_bad(
      "proxysettings",
      {{with("jwtCache: {ttlMax: 0s}"), "jwtCache.ttlMax: must be more than 0"},
       {with("jwtCache: {entriesMax: 10000001}"), "jwtCache.entriesMax: must be from 0 to 10000000"},
       {with("drainTimeout: 0s"), "drainTimeout: must be more than 0"},
       {with("localAnswers: squid"), "localAnswers: expected one of envoy, proxy"},
       {with("dns: {}"), "dns: not supported yet"},
       {"targetRefs: [{group: gateway.solo.io, kind: VirtualService, name: v}]", "targetRefs[0]: expected a Gateway"}});
}

}  // namespace
}  // namespace sluice::kinds
