#include "config/kinds/egress_policy.h"

#include <fmt/format.h>
#include <algorithm>
#include <map>
#include <set>

#include "base/strings.h"
#include "config/kinds/metadata.h"
#include "config/kinds/paths.h"

namespace sluice::kinds {
namespace {

constexpr EnumName kActions[] = {{"allow", 0}, {"deny", 1}, {"shadow", 2}};

struct VerifiedName {
  std::string verify;
};
void bind(Fields& f, VerifiedName& n) {
  f.required("verify", n.verify, "Whom the certificate must be for.");
  if (f.present("verify"))
    f.check(is_host_name(n.verify) || is_ip_literal(n.verify), "verify", "expected a DNS name or an IP literal");
}

void read_upstream_tls(Fields& f, const Node& written, EgressRule& rule) {
  if (written.map()) {
    const Reader::Step step(f.reader(), "upstreamTls");
    VerifiedName name;
    read_value(kValueType<VerifiedName>, written, &name, f.reader());
    rule.certificate_name = to_lower(name.verify);
    rule.upstream_tls = TlsWish::required;
  } else if (written.text() && *written.text() == "required") {
    rule.upstream_tls = TlsWish::required;
  } else if (written.text() && *written.text() == "forbidden") {
    rule.upstream_tls = TlsWish::forbidden;
  } else {
    f.error("upstreamTls",
            fmt::format("expected required, forbidden or {{verify: a.name}}, got {}", f.reader().quoted(written)));
  }
  f.check(rule.action == EgressAction::allow, "upstreamTls",
          "has a meaning beside `action: allow` only: what is denied is not spoken to, and shadow decides nothing");
}

// Of rules of one policy that stand at the same addresses.
void check_contradictions(Fields& f, const EgressPolicy& policy) {
  std::map<std::string, const EgressRule*> said;
  for (size_t i = 0; i < policy.rules.size(); ++i) {
    const EgressRule& rule = policy.rules[i];
    if (rule.action != EgressAction::allow || rule.upstream_tls == TlsWish::none) continue;
    for (const std::string& text : rule.match.addresses) {
      const auto range = Cidr::parse(text);
      const auto [at, is_first] = said.try_emplace(range ? range->to_string() : text, &rule);
      const EgressRule& other = *at->second;
      TlsDemand demand{other.upstream_tls, other.certificate_name, other.name, {}};
      demand.add({rule.upstream_tls, rule.certificate_name, rule.name, {}});
      if (!demand.contradicted_by.empty())
        f.error("rules", i, fmt::format("upstreamTls contradicts that of rule {} for {}", other.name, text));
    }
  }
}
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
  std::optional<Node> upstream_tls;
  f.optional("upstreamTls", upstream_tls,
             "How what it allows is spoken to: `required` (by TLS), `forbidden` (in the clear), or `{verify: a.name}`: "
             "by TLS, with a certificate for that name in place of the destination's own. Goes before the Gateway's "
             "sslConfig; a request that itself asks otherwise (`destinations.scheme`) is refused with 403. Absent: as "
             "the request and the Gateway say.");
  if (!f.reading()) return;
  check_addresses(f, r);
  if (upstream_tls) read_upstream_tls(f, *upstream_tls, r);
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
  check_contradictions(f, p);
}

}  // namespace sluice::kinds
