#include "config/kinds/testing.h"
#include "engines/address/rules.h"

namespace sluice::kinds {
namespace {

constexpr std::string_view kRules = "rules: [{name: r, action: deny, match: {addresses: [private]}}]\n";
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

TEST(EgressPolicy, says_how_upstreams_are_spoken_to) {
  const auto rule = [](std::string_view tls) {
    return good<EgressPolicy>(
               "egp",
               fmt::format("{}rules: [{{name: a, action: allow, match: {{addresses: [global]}}{}}}]", kTarget, tls))
        .rules[0];
  };
  EXPECT_EQ(rule("").upstream_tls, TlsWish::none);
  EXPECT_EQ(rule(", upstreamTls: required").upstream_tls, TlsWish::required);
  EXPECT_EQ(rule(", upstreamTls: forbidden").upstream_tls, TlsWish::forbidden);
  EXPECT_EQ(rule(", upstreamTls: {verify: LB.test}").upstream_tls, TlsWish::required);
  EXPECT_EQ(rule(", upstreamTls: {verify: LB.test}").certificate_name, "lb.test");
  EXPECT_EQ(rule(", upstreamTls: {verify: '::1'}").certificate_name, "::1");
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
          {std::string(kTarget), "rules: is required"},
          {fmt::format("{}rules:", kTarget), "rules: is required"},
          {fmt::format("{}rules: []", kTarget), "rules: must have at least one rule"},
          {fmt::format("targetRefs: []\n{}", kRules), "targetRefs: must name at least one object"},
          {fmt::format("targetRefs: [{{group: gateway.solo.io, kind: Upstream, name: a}}]\n{}", kRules),
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
          {addresses("lopback"), "rules[0].match.addresses[0]: `lopback` is no class word; did you mean `loopback`?"},
          {addresses("everything"),
           "rules[0].match.addresses[0]: `everything` is no range such as 10.0.0.0/8 and none of the class words "},
          {addresses("10.0.0.0/33"), "rules[0].match.addresses[0]: `10.0.0.0/33`: the prefix length must be 0 to 32"},
          {addresses("'::/129'"), "rules[0].match.addresses[0]: `::/129`: the prefix length must be 0 to 128"},
          {addresses("10.0.0/8"), "rules[0].match.addresses[0]: `10.0.0/8` is no address and no range"},
          {addresses("10.0.0.0/"), "rules[0].match.addresses[0]: `10.0.0.0/`: the prefix length must be 0 to 32"},
          {addresses("10.1.0.0/8"),
           "rules[0].match.addresses[0]: `10.1.0.0/8` has bits set behind the prefix; did you mean `10.0.0.0/8`?"},
          {addresses("global, ~, 3, everything"),
           "rules[0].match.addresses[1]: expected a value, got null\n"
           "rules[0].match.addresses[2]: expected text, got 3; put it in quotes\n"
           "rules[0].match.addresses[3]: `everything` is no range such as 10.0.0.0/8"},
          {addresses("global, multicast"), "rules[0].match.addresses[1]: `multicast` is never opened: remove it"},
          {addresses("unspecified"), "rules[0].match.addresses[0]: `unspecified` is never opened: remove it"},
          {addresses("loopback, 224.0.0.0/4"),
           "rules[0].match.addresses[1]: `224.0.0.0/4` is multicast, which is never opened: remove it"},
          {addresses("cluster"), "rules[0].match.addresses[0]: the class word `cluster` is not supported yet"},
          {rule("name: a, action: deny, match: {addresses: [cluster]}"),
           "rules[0].match.addresses[0]: the class word `cluster` is not supported yet"},
          {rule("name: a, action: alow, match: {addresses: [10.0.0.0/33]}"),
           "rules[0].action: expected one of allow, deny, shadow, got \"alow\"; did you mean \"allow\"?\n"
           "rules[0].match.addresses[0]: `10.0.0.0/33`: the prefix length must be 0 to 32"},
          {fmt::format("{}rules: [{{name: a, action: deny, match: {{addresses: [global]}}}}, {{name: a, action: deny, "
                       "match: {{addresses: [global]}}}}]",
                       kTarget),
           "rules[1]: another rule is called \"a\""},
          {fmt::format("{}{}limits: {{}}", kTarget, kRules), "limits: not supported yet"},
          {rule("name: a, action: allow, match: {addresses: [global]}, upstreamTls: yes please"),
           "rules[0].upstreamTls: expected required, forbidden or {verify: a.name}, got \"yes please\""},
          {rule("name: a, action: allow, match: {addresses: [global]}, upstreamTls: true"),
           "rules[0].upstreamTls: expected required, forbidden or"},
          {rule("name: a, action: allow, match: {addresses: [global]}, upstreamTls: {}"),
           "rules[0].upstreamTls.verify: is required"},
          {rule("name: a, action: allow, match: {addresses: [global]}, upstreamTls: {verify: 'a b'}"),
           "rules[0].upstreamTls.verify: expected a DNS name or an IP literal"},
          {rule("name: a, action: allow, match: {addresses: [global]}, upstreamTls: {verify: a, sni: b}"),
           "rules[0].upstreamTls.sni: unknown field"},
          {rule("name: a, action: deny, match: {addresses: [global]}, upstreamTls: required"),
           "rules[0].upstreamTls: has a meaning beside `action: allow` only"},
          {rule("name: a, action: shadow, match: {addresses: [global]}, upstreamTls: {verify: a}"),
           "rules[0].upstreamTls: has a meaning beside `action: allow` only"},
          {rule("name: a, action: allow, match: {addresses: [10.0.0.0/8]}, upstreamTls: required}, {name: b, action: "
                "allow, match: {addresses: [global, 10.0.0.0/8]}, upstreamTls: forbidden"),
           "rules[1]: upstreamTls contradicts that of rule a for 10.0.0.0/8"},
      });
}

// What reading lets through, compiling takes: else one bad policy would take every route down that forwards
// dynamically.
TEST(EgressPolicy, and_the_engine_agree_on_what_an_address_is) {
  const char* entries[] = {"global",
                           "multicast",
                           "unspecified",
                           "metadata",
                           "10.0.0.0/8",
                           "10.1.0.0/8",
                           "0.0.0.0/32",
                           "0.0.0.0/0",
                           "224.0.0.0/4",
                           "224.1.2.3",
                           "224.0.0.0/3",
                           "::/128",
                           "::/0",
                           "::1",
                           "ff00::/8",
                           "ff02::1",
                           "::ffff:224.0.0.0/100",
                           "::ffff:0:0/96",
                           "::ffff:0.0.0.0",
                           "::224.0.0.0/100",
                           "64:ff9b::/96",
                           "64:ff9b::e000:0/100",
                           "2002:e000::/20",
                           "2002::/16",
                           "2001::/32",
                           "2001:0:e000::/36",
                           "::ffff:10.0.0.0/104",
                           "fe80::5efe:e000:1",
                           "lopback",
                           "10.0.0.0/33",
                           "",
                           "1.2.3.4/",
                           "10.0.0.0/08",
                           "[::1]",
                           "::1%eth0"};
  for (const char* entry : entries)
    for (const char* action : {"allow", "deny", "shadow"}) {
      const Outcome read = read_kind(
          "egp",
          fmt::format("{}rules: [{{name: a, action: {}, match: {{addresses: ['{}']}}}}]", kTarget, action, entry));
      const EgressRule& rule = std::get<EgressPolicy>(read.spec).rules.at(0);
      const auto compiled = AddressRules::compile(
          {{.name = "p", .rules = {{rule.name, static_cast<RuleAction>(rule.action), rule.match.addresses}}}}, {}, {});
      EXPECT_EQ(read.said.empty(), compiled.has_value()) << action << " " << entry << ": " << read.said;
    }
}

TEST(EgressPolicy, of_more_ranges_than_the_engine_holds_is_refused) {
  const auto policy = [](size_t ranges) {
    std::string list;
    for (size_t i = 0; i < ranges; ++i) list += fmt::format("10.{}.{}.0/24, ", i / 256 % 256, i % 256);
    return fmt::format("{}rules: [{{name: a, action: deny, match: {{addresses: [{}loopback]}}}}]", kTarget, list);
  };
  EXPECT_EQ(read_kind("egp", policy(AddressRules::kEntriesMax)).said, "");
  EXPECT_EQ(read_kind("egp", policy(AddressRules::kEntriesMax + 1)).said,
            "rules: name 16385 ranges: 16384 is the most");
}

TEST(ProxySettings, has_defaults_and_limits) {
  const auto d = good<ProxySettings>("proxysettings", kTarget);
  EXPECT_EQ(d.jwt_cache.entries_max, 10'000u);
  EXPECT_EQ(d.jwt_cache.ttl_max, 5min);
  EXPECT_EQ(d.local_answers, LocalAnswers::envoy);
  EXPECT_FALSE(d.destinations.list);
  EXPECT_TRUE(
      good<ProxySettings>("proxysettings", fmt::format("{}destinations: {{list: true}}", kTarget)).destinations.list);
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
       {with("destinations: {list: 2}"), "destinations.list: expected true or false"},
       {with("destinations: {lists: true}"), "destinations.lists: unknown field; did you mean \"list\"?"},
       {with("dns: {}"), "dns: not supported yet"},
       {"targetRefs: [{group: gateway.solo.io, kind: VirtualService, name: v}]", "targetRefs[0]: expected a Gateway"}});
}

}  // namespace
}  // namespace sluice::kinds
