#include "config/kinds/egress_policy.h"

#include <fmt/format.h>
#include <algorithm>
#include <set>

#include "base/strings.h"
#include "config/kinds/metadata.h"
#include "config/kinds/paths.h"
#include "engines/address/rules.h"

namespace sluice::kinds {
namespace {

constexpr EnumName kActions[] = {{"allow", 0}, {"deny", 1}, {"shadow", 2}};
// At each entry that is not good. Nothing is said of entries that are no text: the reader said it.
void check_addresses(Fields& f, const EgressRule& rule) {
  const Node* match = f.node("match");
  const Node* written = match ? match->find("addresses") : nullptr;
  if (!written || !written->list()) return;
  const Reader::Step in_match(f.reader(), "match");
  const Reader::Step in_addresses(f.reader(), "addresses");
  for (size_t i = 0; i < written->list()->size(); ++i) {
    const Node& entry = (*written->list())[i];
    if (!entry.text()) continue;
    const Reader::Step in_entry(f.reader(), i);
    if (auto good = check_address(*entry.text(), static_cast<RuleAction>(rule.action)); !good)
      f.reader().error(entry.place(), std::move(good).error().message);
    else if (parse_class_word(*entry.text()) == AddressClass::cluster)
      f.reader().error(entry.place(), "the class word `cluster` is not supported yet: write the ranges it stands for");
  }
}

size_t count_ranges(const EgressPolicy& policy) {
  size_t count = 0;
  for (const EgressRule& rule : policy.rules)
    for (const std::string& text : rule.match.addresses) count += parse_class_word(text) ? 0 : 1;
  return count;
}

}  // namespace

std::span<const EnumName> enum_names(EgressAction) {
  return kActions;
}

void bind(Fields& f, TargetRef& r) {
  f.required("group", r.group, "Group of the object, such as `gateway.solo.io`.");
  f.required("kind", r.kind, "Its kind.");
  f.required("name", r.name, "Its name; it is in the namespace of this object.");
  f.unsupported("sectionName", "A part of the object.");
  if (f.present("kind") && r.kind == "EgressListener") f.check(false, "kind", "not supported yet");
  if (f.present("name"))
    if (auto why = dns_subdomain_error(r.name); !why.empty()) f.check(false, "name", why);
}

void bind(Fields& f, EgressMatch& m) {
  f.required("addresses", m.addresses,
             "Ranges such as `10.0.0.0/8`, addresses, or class words: `unspecified`, `loopback`, `self`, `private`, "
             "`shared`, `link-local`, `metadata`, `ietf`, `documentation`, `benchmarking`, `relay`, `discard`, "
             "`multicast`, `reserved`, `transition`, `global`. The word `cluster` is not supported yet. No rule can "
             "allow `unspecified` or `multicast`, nor a range that lies in one of them.");
  f.unsupported({"identities", "names", "ports", "methods", "tls", "times"});
  if (f.present("addresses")) f.check(!m.addresses.empty(), "addresses", "must name at least one class word or CIDR");
}

void bind(Fields& f, EgressRule& r) {
  f.required("name", r.name, "Name of the rule in logs and answers.");
  f.required("action", r.action, "allow, deny, or shadow (log and count what it would have denied).");
  f.required("match", r.match, "What it is about.");
  if (f.present("name"))
    if (auto why = dns_label_error(r.name); !why.empty()) f.check(false, "name", why);
  if (f.reading()) check_addresses(f, r);
}

void bind(Fields& f, EgressPolicy& p) {
  f.required(
      "targetRefs", p.target_refs,
      "Gateways and VirtualServices it holds for. While one is not there the policy is Rejected, and Gateways and "
      "VirtualServices of its namespace refuse dynamic destinations.");
  f.required("rules", p.rules, "The longest prefix that holds an address decides; deny beats allow.");
  f.unsupported("limits", "Limits on what may be used.");
  if (f.present("targetRefs")) f.check(!p.target_refs.empty(), "targetRefs", "must name at least one object");
  // Without one it decides nothing: the end of its file may be missing.
  if (f.present("rules")) f.check(!p.rules.empty(), "rules", "must have at least one rule");
  for (size_t i = 0; i < p.target_refs.size(); ++i) {
    const TargetRef& ref = p.target_refs[i];
    if (f.good("targetRefs") &&
        (ref.group != "gateway.solo.io" || (ref.kind != "Gateway" && ref.kind != "VirtualService")))
      f.error("targetRefs", i, "expected a Gateway or a VirtualService of group gateway.solo.io");
  }
  if (const size_t ranges = count_ranges(p); ranges > AddressRules::kEntriesMax)
    f.check(false, "rules", fmt::format("name {} ranges: {} is the most", ranges, AddressRules::kEntriesMax));
  std::set<std::string_view> names;
  for (size_t i = 0; i < p.rules.size(); ++i)
    if (!p.rules[i].name.empty() && !names.insert(p.rules[i].name).second)
      f.error("rules", i, fmt::format("another rule is called {}", json_quote(printable(p.rules[i].name, 63))));
}

}  // namespace sluice::kinds
