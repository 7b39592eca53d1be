#include "engines/address/rules.h"

#include <gtest/gtest.h>

namespace sluice {
namespace {

constexpr auto kAllow = RuleAction::allow;
constexpr auto kDeny = RuleAction::deny;
constexpr auto kShadow = RuleAction::shadow;

AddressRules rules(std::vector<AddressRule> list, LocalAddresses local = {}) {
  auto compiled = AddressRules::compile({{.name = "lab", .rules = std::move(list)}}, std::move(local), {8080, 19000});
  EXPECT_TRUE(compiled) << compiled.error().message;
  return *std::move(compiled);
}

std::string decide(const AddressRules& rules, const char* address, uint16_t port = 80) {
  const Verdict verdict = rules.decide(*IpAddress::parse(address), port);
  return fmt::format("{} {} {}{}{}", verdict.allowed ? "allowed" : "denied", class_word(verdict.address_class),
                     verdict.rule, verdict.shadow_rule.empty() ? "" : " shadow ", verdict.shadow_rule);
}

std::string compile_error(std::vector<AddressRule> list) {
  const auto compiled = AddressRules::compile({{.name = "lab", .rules = std::move(list)}}, {}, {});
  return compiled ? "accepted" : compiled.error().message;
}

TEST(AddressRules, allow_only_global_addresses_without_a_policy) {
  const AddressRules none;
  const std::pair<const char*, const char*> rows[] = {
      {"8.8.8.8", "allowed global default/global"},
      {"2600::1", "allowed global default/global"},
      {"127.0.0.1", "denied loopback default/loopback"},
      {"10.0.0.1", "denied private default/private"},
      {"0.0.0.0", "denied unspecified default/unspecified"},
      {"100.64.0.1", "denied shared default/shared"},
      {"169.254.0.1", "denied link-local default/link-local"},
      {"169.254.169.254", "denied metadata default/metadata"},
      {"192.0.0.1", "denied ietf default/ietf"},
      {"192.0.2.1", "denied documentation default/documentation"},
      {"198.18.0.1", "denied benchmarking default/benchmarking"},
      {"192.88.99.1", "denied relay default/relay"},
      {"100::1", "denied discard default/discard"},
      {"224.0.0.1", "denied multicast default/multicast"},
      {"240.0.0.1", "denied reserved default/reserved"},
      {"64:ff9b::808:808", "denied transition default/transition"},
      {"::ffff:127.0.0.1", "denied loopback default/loopback"},
      {"::ffff:8.8.8.8", "denied reserved default/reserved"},
  };
  for (const auto& [address, expected] : rows) EXPECT_EQ(decide(none, address), expected) << address;
}

TEST(AddressRules, open_what_a_policy_names) {
  const auto lab = rules({{"lab-backends", kAllow, {"loopback", "10.0.0.0/8", "192.168.1.1"}}});
  EXPECT_EQ(decide(lab, "127.0.0.1"), "allowed loopback lab/lab-backends");
  EXPECT_EQ(decide(lab, "::1"), "allowed loopback lab/lab-backends");
  EXPECT_EQ(decide(lab, "10.255.0.1"), "allowed private lab/lab-backends");
  EXPECT_EQ(decide(lab, "192.168.1.1"), "allowed private lab/lab-backends");
  EXPECT_EQ(decide(lab, "192.168.1.2"), "denied private default/private");
  EXPECT_EQ(decide(lab, "11.0.0.1"), "allowed global default/global");
}

TEST(AddressRules, let_the_longest_prefix_win_whatever_the_order) {
  for (const bool turned : {false, true}) {
    std::vector<AddressRule> list = {{"wide", kAllow, {"10.0.0.0/8"}},
                                     {"hole", kDeny, {"10.1.0.0/16"}},
                                     {"pin", kAllow, {"10.1.2.3/32"}},
                                     {"class", kDeny, {"private"}}};
    if (turned) std::ranges::reverse(list);
    const auto lab = rules(std::move(list));
    EXPECT_EQ(decide(lab, "10.0.0.1"), "allowed private lab/wide");
    EXPECT_EQ(decide(lab, "10.1.0.1"), "denied private lab/hole");
    EXPECT_EQ(decide(lab, "10.1.2.3"), "allowed private lab/pin");
    EXPECT_EQ(decide(lab, "192.168.0.1"), "denied private lab/class");
  }
}

TEST(AddressRules, let_deny_beat_allow_at_equal_length) {
  const auto lab =
      rules({{"a", kAllow, {"10.0.0.0/8", "shared", "0.0.0.0/0"}}, {"b", kDeny, {"10.0.0.0/8", "shared", "global"}}});
  EXPECT_EQ(decide(lab, "10.0.0.1"), "denied private lab/b");
  EXPECT_EQ(decide(lab, "100.64.0.1"), "denied shared lab/b");
  EXPECT_EQ(decide(lab, "8.8.8.8"), "denied global lab/b");  // a class and /0 are of equal length
  EXPECT_EQ(decide(lab, "192.168.0.1"), "allowed private lab/a");
}

TEST(AddressRules, never_open_unspecified_and_multicast) {
  const auto lab = rules({{"all", kAllow, {"0.0.0.0/0", "::/0"}}});
  EXPECT_EQ(decide(lab, "0.0.0.0"), "denied unspecified default/unspecified");
  EXPECT_EQ(decide(lab, "::"), "denied unspecified default/unspecified");
  EXPECT_EQ(decide(lab, "224.0.0.1"), "denied multicast default/multicast");
  EXPECT_EQ(decide(lab, "ff02::1"), "denied multicast default/multicast");
  EXPECT_EQ(decide(lab, "64:ff9b::e000:1"), "denied multicast default/multicast");
  EXPECT_EQ(decide(lab, "127.0.0.1"), "allowed loopback lab/all");
  for (const char* closed : {"unspecified", "multicast", "0.0.0.0/8", "0.0.0.0/32", "0.0.0.0", "::", "::/128",
                             "224.0.0.0/4", "224.0.0.0/24", "239.255.255.255", "ff00::/8", "ff02::1"})
    EXPECT_NE(compile_error({{"r", kAllow, {closed}}}), "accepted") << closed;
  for (const char* open : {"224.0.0.0/3", "::/0", "::/127", "0.0.0.0/7", "fe00::/7", "0.0.0.0/0"})
    EXPECT_EQ(compile_error({{"r", kAllow, {open}}}), "accepted") << open;
  EXPECT_EQ(compile_error({{"r", kDeny, {"multicast", "0.0.0.0/8", "::ffff:224.0.0.0/100"}}}), "accepted");
  EXPECT_EQ(compile_error({{"r", kShadow, {"multicast", "0.0.0.0/8"}}}), "accepted");
}

TEST(AddressRules, never_open_a_range_that_wraps_only_closed_addresses) {
  for (const char* closed :
       {"::ffff:224.0.0.0/100", "::ffff:224.0.0.1", "::ffff:0.0.0.0/104", "::ffff:0:224.0.0.0/100", "::224.0.0.0/100",
        "::0.0.0.2", "64:ff9b::e000:0/100", "64:ff9b::/104", "2002:e000::/20", "2002::/24", "2001:0:e000::/36",
        "2001:0:808:808::1fff:ffff", "64:ff9b:1:e000::1", "2600::5efe:e000:0/100"})
    EXPECT_TRUE(compile_error({{"r", kAllow, {closed}}}).contains("never opened")) << closed;
  for (const char* open : {"::ffff:0:0/96", "::ffff:224.0.0.0/99", "::ffff:10.0.0.0/104", "::/96", "::1", "::/104",
                           "64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2002:808::/32", "2001::/32", "2600::/16"})
    EXPECT_EQ(compile_error({{"r", kAllow, {open}}}), "accepted") << open;
  EXPECT_EQ(compile_error({{"r", kAllow, {"::ffff:224.0.0.0/100"}}}),
            "rule `lab/r`: addresses: `::ffff:224.0.0.0/100` is multicast, which is never opened: remove it");
}

TEST(AddressRules, open_metadata_only_by_its_word_or_a_full_address) {
  EXPECT_EQ(decide(rules({{"r", kAllow, {"link-local", "169.254.0.0/16", "169.254.169.254/31"}}}), "169.254.169.254"),
            "denied metadata default/metadata");
  EXPECT_EQ(decide(rules({{"r", kAllow, {"0.0.0.0/0"}}}), "168.63.129.16"), "denied metadata default/metadata");
  EXPECT_EQ(decide(rules({{"r", kAllow, {"metadata"}}}), "169.254.169.254"), "allowed metadata lab/r");
  EXPECT_EQ(decide(rules({{"r", kAllow, {"169.254.169.254/32"}}}), "169.254.169.254"), "allowed metadata lab/r");
  EXPECT_EQ(decide(rules({{"r", kAllow, {"fd00:ec2::254"}}}), "fd00:ec2::254"), "allowed metadata lab/r");
  EXPECT_EQ(decide(rules({{"r", kAllow, {"metadata"}}, {"d", kDeny, {"169.254.0.0/16"}}}), "169.254.169.254"),
            "denied metadata lab/d");
}

TEST(AddressRules, need_every_form_of_a_wrapped_address_to_be_allowed) {
  const auto inner = rules({{"r", kAllow, {"loopback", "10.0.0.0/8"}}});
  EXPECT_EQ(decide(inner, "::ffff:127.0.0.1"), "denied reserved default/reserved");
  EXPECT_EQ(decide(inner, "64:ff9b::a00:1"), "denied transition default/transition");
  const auto outer = rules({{"r", kAllow, {"transition"}}});
  EXPECT_EQ(decide(outer, "64:ff9b::a00:1"), "denied private default/private");
  EXPECT_EQ(decide(outer, "64:ff9b::808:808"), "allowed transition lab/r");
  const auto both = rules({{"r", kAllow, {"transition", "private"}}, {"hole", kDeny, {"10.9.0.0/16"}}});
  EXPECT_EQ(decide(both, "64:ff9b::a00:1"), "allowed private lab/r");
  EXPECT_EQ(decide(both, "64:ff9b::a09:1"), "denied private lab/hole");
  LocalAddresses local;
  local.nat64 = {*Cidr::parse("64:ff9b::/96")};
  EXPECT_EQ(decide(rules({{"r", kAllow, {"private"}}}, local), "64:ff9b::a00:1"), "allowed private lab/r");
  EXPECT_EQ(decide(rules({}, local), "64:ff9b::808:808"), "allowed global default/global");
}

TEST(AddressRules, refuse_own_ports_on_every_local_address) {
  LocalAddresses local;
  local.self = {*IpAddress::parse("192.168.7.5"), *IpAddress::parse("8.8.4.4")};
  const auto open = rules({{"r", kAllow, {"loopback", "self", "reserved", "127.0.0.1", "0.0.0.0/0"}}}, local);
  EXPECT_EQ(decide(open, "127.0.0.1", 8080), "denied loopback own-port");
  EXPECT_EQ(decide(open, "127.9.9.9", 19000), "denied loopback own-port");
  EXPECT_EQ(decide(open, "::1", 8080), "denied loopback own-port");
  EXPECT_EQ(decide(open, "192.168.7.5", 8080), "denied self own-port");
  EXPECT_EQ(decide(open, "8.8.4.4", 19000), "denied self own-port");
  EXPECT_EQ(decide(open, "0.0.0.0", 8080), "denied unspecified own-port");
  EXPECT_EQ(decide(open, "::ffff:127.0.0.1", 8080), "denied loopback own-port");
  EXPECT_EQ(decide(open, "127.0.0.1", 8081), "allowed loopback lab/r");
  EXPECT_EQ(decide(open, "192.168.7.5", 8081), "allowed self lab/r");
  EXPECT_EQ(decide(open, "8.8.8.8", 8080), "allowed global lab/r");
  EXPECT_FALSE(open.decide(*IpAddress::parse("127.0.0.1"), 8080).can_be_opened);
}

TEST(AddressRules, only_report_what_a_shadow_rule_would_have_denied) {
  const auto lab = rules(
      {{"open", kAllow, {"10.0.0.0/8", "10.5.5.5"}}, {"watch", kShadow, {"10.5.0.0/16", "global", "192.168.0.0/16"}}});
  EXPECT_EQ(decide(lab, "10.0.0.1"), "allowed private lab/open");
  EXPECT_EQ(decide(lab, "10.5.0.1"), "allowed private lab/open shadow lab/watch");
  EXPECT_EQ(decide(lab, "10.5.5.5"), "allowed private lab/open");  // the longer allow would have stood
  EXPECT_EQ(decide(lab, "8.8.8.8"), "allowed global default/global shadow lab/watch");
  EXPECT_EQ(decide(lab, "192.168.0.1"), "denied private default/private");  // denied anyway: nothing to report
  const auto equal = rules({{"open", kAllow, {"10.0.0.0/8"}}, {"watch", kShadow, {"10.0.0.0/8"}}});
  EXPECT_EQ(decide(equal, "10.0.0.1"), "allowed private lab/open shadow lab/watch");
}

TEST(AddressRules, join_several_policies) {
  const auto joined = AddressRules::compile({{.name = "vs", .rules = {{"open", kAllow, {"10.0.0.0/8"}}}},
                                             {.name = "gw", .rules = {{"hole", kDeny, {"10.0.0.0/9"}}}}},
                                            {}, {});
  ASSERT_TRUE(joined);
  EXPECT_EQ(decide(*joined, "10.0.0.1"), "denied private gw/hole");
  EXPECT_EQ(decide(*joined, "10.128.0.1"), "allowed private vs/open");
}

TEST(AddressRules, find_one_of_very_many_ranges) {
  AddressRule many{.name = "many", .action = kAllow};
  for (int i = 0; i < 16384; ++i) many.addresses.push_back(fmt::format("10.{}.{}.0/24", i / 256, i % 256));
  const auto lab = rules({many});
  EXPECT_EQ(decide(lab, "10.63.255.255"), "allowed private lab/many");
  EXPECT_EQ(decide(lab, "10.64.0.0"), "denied private default/private");
  many.addresses.push_back("10.64.0.0/24");
  EXPECT_EQ(compile_error({many}),
            "rule `lab/many`: addresses: `10.64.0.0/24` is one range too many: 16384 is the most");
}

TEST(AddressRules, hold_as_many_ranges_of_each_of_several_policies) {
  AddressRule many{.name = "many", .action = kAllow};
  for (int i = 0; i < 16384; ++i) many.addresses.push_back(fmt::format("10.{}.{}.0/24", i / 256, i % 256));
  const auto joined = AddressRules::compile(
      {{.name = "vs", .rules = {many}}, {.name = "gw", .rules = {{"a", kDeny, {"10.0.0.0/25"}}}}}, {}, {});
  ASSERT_TRUE(joined) << joined.error().message;
  EXPECT_EQ(decide(*joined, "10.0.0.1"), "denied private gw/a");
  EXPECT_EQ(decide(*joined, "10.0.1.1"), "allowed private vs/many");
}

TEST(AddressRules, name_the_wrong_value_and_what_was_meant) {
  const std::pair<std::vector<std::string>, const char*> rows[] = {
      {{"loopbck"}, "rule `lab/r`: addresses: `loopbck` is no class word; did you mean `loopback`?"},
      {{"Private"}, "rule `lab/r`: addresses: `Private` is no class word; did you mean `private`?"},
      {{"10.1.0.0/8"},
       "rule `lab/r`: addresses: `10.1.0.0/8` has bits set behind the prefix; did you mean `10.0.0.0/8`?"},
      {{"10.0.0.0/40"}, "rule `lab/r`: addresses: `10.0.0.0/40`: the prefix length must be 0 to 32"},
      {{"multicast"}, "rule `lab/r`: addresses: `multicast` is never opened: remove it"},
      {{"224.0.0.0/8"}, "rule `lab/r`: addresses: `224.0.0.0/8` is multicast, which is never opened: remove it"},
      {{}, "rule `lab/r`: addresses: is empty: name at least one class word or range such as 10.0.0.0/8"},
      {{"loopback", "10.0.0.1-10.0.0.9"},
       "rule `lab/r`: addresses: `10.0.0.1-10.0.0.9` is no address and no range such as 10.0.0.0/8"},
  };
  for (const auto& [addresses, message] : rows) EXPECT_EQ(compile_error({{"r", kAllow, addresses}}), message);
  EXPECT_NE(compile_error({{"r", kAllow, {"everything"}}}).find("none of the class words metadata, "),
            std::string::npos);
  LocalAddresses local;
  local.nat64 = {*Cidr::parse("64:ff9b::/80")};
  EXPECT_FALSE(AddressRules::compile({}, local, {}));
}

TEST(AddressRules, word_a_refusal_without_the_address) {
  const AddressRules none;
  const Verdict loopback = none.decide(*IpAddress::parse("127.0.0.1"), 80);
  EXPECT_EQ(refusal_text("tenant-1.mypaas.test", loopback),
            "destination tenant-1.mypaas.test is a loopback address: refused by rule default/loopback; an EgressPolicy "
            "can open it");
  EXPECT_EQ(refusal_rule(loopback), "loopback,default/loopback");
  EXPECT_EQ(refusal_text("a", none.decide(*IpAddress::parse("0.0.0.0"), 80)),
            "destination a is an unspecified address: refused by rule default/unspecified");
  AddressPolicy lab{.name = "lab", .rules = {}};
  lab.rules.push_back({.name = "this", .action = RuleAction::allow, .addresses = {"loopback"}});
  lab.rules.push_back({.name = "not-seven", .action = RuleAction::deny, .addresses = {"127.0.0.7"}});
  const auto rules = *AddressRules::compile({lab}, {}, {});
  EXPECT_EQ(refusal_text("a", rules.decide(*IpAddress::parse("127.0.0.7"), 80)),
            "destination a is a loopback address: refused by rule lab/not-seven of an EgressPolicy");
}

std::string tls(const AddressRules& rules, const char* address) {
  const TlsDemand demand = rules.decide(*IpAddress::parse(address), 80).tls;
  constexpr std::string_view kWishes[] = {"anything", "required", "forbidden"};
  return fmt::format("{}{}{} {}{}{}", kWishes[static_cast<size_t>(demand.wish)],
                     demand.certificate_name.empty() ? "" : " for ", demand.certificate_name, demand.rule,
                     demand.contradicted_by.empty() ? "" : " against ", demand.contradicted_by);
}

AddressRule wish(std::string name, std::vector<std::string> addresses, TlsWish tls, std::string certificate_name = "") {
  return {std::move(name), kAllow, std::move(addresses), tls, std::move(certificate_name)};
}

TEST(AddressRules, say_how_an_address_is_spoken_to_by_the_rule_that_allows_it) {
  using enum TlsWish;
  const auto lab = rules({wish("by", {"10.0.0.0/8", "global"}, required),
                          wish("clear", {"10.1.0.0/16"}, forbidden),
                          wish("named", {"10.2.0.0/16"}, required, "lb.test"),
                          {"hole", kDeny, {"10.3.0.0/16"}},
                          {"free", kAllow, {"10.4.0.0/16", "loopback"}}});
  EXPECT_TRUE(lab.says_of_tls());
  EXPECT_EQ(tls(lab, "10.0.0.1"), "required lab/by");
  EXPECT_EQ(tls(lab, "8.8.8.8"), "required lab/by");
  EXPECT_EQ(tls(lab, "10.1.0.1"), "forbidden lab/clear");
  EXPECT_EQ(tls(lab, "10.2.0.1"), "required for lb.test lab/named");
  EXPECT_EQ(tls(lab, "10.3.0.1"), "anything ");  // it is denied
  EXPECT_EQ(tls(lab, "10.4.0.1"), "anything ");  // the longer prefix says nothing
  EXPECT_EQ(tls(lab, "127.0.0.1"), "anything ");
  EXPECT_EQ(tls(lab, "192.168.0.1"), "anything ");
  EXPECT_FALSE(rules({{"free", kAllow, {"loopback"}}}).says_of_tls());
}

TEST(AddressRules, join_what_rules_of_one_length_say_of_tls_in_either_order) {
  using enum TlsWish;
  for (const bool turned : {false, true}) {
    std::vector<AddressRule> list = {wish("r", {"10.0.0.0/8", "11.0.0.0/8", "loopback"}, required),
                                     wish("n", {"10.0.0.0/8", "shared", "127.0.0.0/8"}, required, "a.test"),
                                     {"free", kAllow, {"10.0.0.0/8", "11.0.0.0/8", "shared"}},
                                     wish("all", {"0.0.0.0/0"}, required, "a.test")};
    if (turned) std::ranges::reverse(list);
    const auto lab = rules(std::move(list));
    EXPECT_EQ(tls(lab, "10.0.0.1"), "required for a.test lab/n");
    EXPECT_EQ(tls(lab, "11.0.0.1"), "required lab/r");
    EXPECT_EQ(tls(lab, "127.0.0.1"), "required for a.test lab/n");           // a range is longer than a class word
    EXPECT_TRUE(tls(lab, "100.64.0.1").starts_with("required for a.test"));  // which is as long as /0
  }
}

TEST(AddressRules, that_contradict_each_other_about_tls_leave_no_way) {
  using enum TlsWish;
  const auto lab = rules({wish("a", {"10.0.0.0/8", "11.0.0.0/8", "loopback"}, required),
                          wish("b", {"10.0.0.0/8"}, forbidden), wish("c", {"11.0.0.0/8"}, required, "c.test"),
                          wish("d", {"11.0.0.0/8"}, required, "d.test"), wish("e", {"loopback"}, forbidden)});
  EXPECT_EQ(tls(lab, "10.0.0.1"), "required lab/a against lab/b");
  EXPECT_EQ(tls(lab, "11.0.0.1"), "required for c.test lab/c against lab/d");
  EXPECT_EQ(tls(lab, "127.0.0.1"), "required lab/a against lab/e");
}

TEST(AddressRules, tell_which_of_them_contradict_each_other) {
  using enum TlsWish;
  const auto lab = rules({wish("a", {"10.0.0.0/8", "11.0.0.0/8", "loopback", "shared"}, required),
                          {"seen", kShadow, {"10.0.0.0/8"}},
                          wish("b", {"10.0.0.0/8", "loopback"}, forbidden),
                          wish("c", {"11.0.0.0/8", "12.0.0.0/8"}, forbidden),
                          wish("d", {"12.0.0.0/8"}, forbidden),
                          {"no", kDeny, {"11.0.0.0/8"}}});
  EXPECT_EQ(lab.contradictions(),
            (std::vector<std::string>{
                "rules lab/a and lab/b of EgressPolicies contradict each other about TLS for 10.0.0.0/8",
                "rules lab/a and lab/b of EgressPolicies contradict each other about TLS for loopback"}));
}

TEST(AddressRules, ask_every_form_of_an_address_about_tls) {
  using enum TlsWish;
  const auto lab = rules({wish("v4", {"10.0.0.0/8"}, required), wish("v6", {"::ffff:0:0/96"}, forbidden)});
  EXPECT_TRUE(tls(lab, "::ffff:10.0.0.1").contains(" against ")) << tls(lab, "::ffff:10.0.0.1");
  const auto one = rules({wish("v4", {"10.0.0.0/8"}, required), {"v6", kAllow, {"::ffff:0:0/96"}}});
  EXPECT_EQ(tls(one, "::ffff:10.0.0.1"), "required lab/v4");
}

TEST(AddressRules, tell_how_a_destination_is_reached_only) {
  TlsDemand demand{.wish = TlsWish::required, .certificate_name = {}, .rule = "lab/r", .contradicted_by = {}};
  EXPECT_EQ(refusal_text("a.test", demand),
            "destination a.test is reached by TLS only: refused by rule lab/r of an EgressPolicy");
  demand.certificate_name = "b.test";
  EXPECT_EQ(refusal_text("a.test", demand),
            "destination a.test is reached by TLS with a certificate for b.test only: refused by rule lab/r of an "
            "EgressPolicy");
  demand.contradicted_by = "lab/s";
  EXPECT_EQ(refusal_text("a.test", demand),
            "destination a.test cannot be reached: rules lab/r and lab/s of EgressPolicies contradict each other about "
            "TLS");
}

}  // namespace
}  // namespace sluice
