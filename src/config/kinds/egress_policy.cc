#include "config/kinds/egress_policy.h"

#include <fmt/format.h>
#include <algorithm>
#include <set>

#include "base/strings.h"
#include "config/kinds/metadata.h"
#include "config/kinds/paths.h"

namespace sluice::kinds {
namespace {

constexpr EnumName kActions[] = {{"allow", 0}, {"deny", 1}, {"shadow", 2}};
constexpr std::string_view kClassWords[] = {
    "unspecified",  "loopback", "self",    "private",   "shared",   "link-local", "metadata", "ietf",  "documentation",
    "benchmarking", "relay",    "discard", "multicast", "reserved", "transition", "cluster",  "global"};

// An address, or an address with a prefix length that fits its family.
bool is_cidr(std::string_view text) {
  const size_t slash = text.find('/');
  const std::string_view address = text.substr(0, slash);
  if (!is_ip_literal(address)) return false;
  if (slash == std::string_view::npos) return true;
  const auto length = parse_decimal(text.substr(slash + 1));
  return length && *length <= (address.contains(':') ? 128u : 32u);
}

}  // namespace

std::span<const EnumName> enum_names(EgressAction) {
  return kActions;
}
std::span<const std::string_view> address_class_words() {
  return kClassWords;
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
  f.required("addresses", m.addresses, "Class words (such as `loopback`, `private`) or CIDRs.");
  f.unsupported({"identities", "names", "ports", "methods", "tls", "times"});
  if (f.present("addresses")) f.check(!m.addresses.empty(), "addresses", "must name at least one class word or CIDR");
  for (size_t i = 0; i < m.addresses.size(); ++i) {
    const std::string& text = m.addresses[i];
    if (!f.good("addresses") || is_cidr(text) || std::ranges::find(kClassWords, text) != std::end(kClassWords))
      continue;
    const auto near = nearest(text, kClassWords);
    f.error("addresses", i,
            fmt::format("expected a CIDR such as \"10.0.0.0/8\" or one of {}, got {}{}", fmt::join(kClassWords, ", "),
                        json_quote(printable(text, 60)),
                        near ? fmt::format("; did you mean {}?", json_quote(*near)) : std::string()));
  }
}

void bind(Fields& f, EgressRule& r) {
  f.required("name", r.name, "Name of the rule in logs and answers.");
  f.required("action", r.action, "allow, deny, or shadow (log and count what it would have denied).");
  f.required("match", r.match, "What it is about.");
  if (f.present("name"))
    if (auto why = dns_label_error(r.name); !why.empty()) f.check(false, "name", why);
  if (r.action != EgressAction::allow) return;
  for (const std::string_view word : {"unspecified", "multicast"})
    if (std::ranges::find(r.match.addresses, word) != r.match.addresses.end())
      f.check(false, "match", fmt::format("{} addresses are never opened", word));
}

void bind(Fields& f, EgressPolicy& p) {
  f.required("targetRefs", p.target_refs, "Gateways and VirtualServices it holds for.");
  f.optional("rules", p.rules, "The longest prefix that holds an address decides; deny beats allow.");
  f.unsupported("limits", "Limits on what may be used.");
  if (f.present("targetRefs")) f.check(!p.target_refs.empty(), "targetRefs", "must name at least one object");
  for (size_t i = 0; i < p.target_refs.size(); ++i) {
    const TargetRef& ref = p.target_refs[i];
    if (f.good("targetRefs") &&
        (ref.group != "gateway.solo.io" || (ref.kind != "Gateway" && ref.kind != "VirtualService")))
      f.error("targetRefs", i, "expected a Gateway or a VirtualService of group gateway.solo.io");
  }
  std::set<std::string_view> names;
  for (size_t i = 0; i < p.rules.size(); ++i)
    if (!p.rules[i].name.empty() && !names.insert(p.rules[i].name).second)
      f.error("rules", i, fmt::format("another rule is called {}", json_quote(printable(p.rules[i].name, 63))));
}

}  // namespace sluice::kinds
