#include "config/policy_gap.h"

#include <fmt/format.h>
#include <algorithm>

#include "base/strings.h"
#include "config/kinds/kinds.h"

namespace sluice {
namespace {

constexpr std::string_view kKind = "EgressPolicy";
constexpr std::string_view kGroup[] = {"sluice.dev"};
constexpr std::string_view kTargetKinds[] = {"Gateway", "VirtualService", "EgressListener"};

// By its kind where that says something, else by its group, else by what it is made of.
bool may_be_policy(const Node& document, std::string_view flattened_kind) {
  if (!flattened_kind.empty()) return flattened_kind == kKind;
  std::string_view kind = document.text_at({"kind"});
  if (kind.ends_with("List")) kind.remove_suffix(std::string_view("List").size());
  if (const std::string_view looks_like = kind.empty() ? kind : kinds::nearest_kind(kind); !looks_like.empty())
    return looks_like == kKind;
  const std::string_view version = document.text_at({"apiVersion"});
  if (const size_t slash = version.find('/'); slash != std::string_view::npos)
    return nearest(version.substr(0, slash), kGroup).has_value();
  return mentions_policy(document);
}

// "" when nobody can tell.
std::string namespace_of(const Node& document) {
  const Node* metadata = document.find("metadata");
  if (!metadata || !metadata->map()) return {};
  const Node* ns = metadata->find("namespace");
  if (!ns) return std::string(kinds::kDefaultNamespace);
  const bool readable = ns->text() && kinds::dns_label_error(*ns->text()).empty();
  return readable ? *ns->text() : std::string();
}

// None when one of them cannot be read.
std::vector<PolicyGap::Target> targets_of(const Node& document) {
  const Node* refs = document.find({"spec", "targetRefs"});
  if (!refs || !refs->list()) return {};
  std::vector<PolicyGap::Target> out;
  for (const Node& ref : *refs->list()) {
    const std::string_view kind = ref.text_at({"kind"});
    const std::string_view name = ref.text_at({"name"});
    if (std::ranges::find(kTargetKinds, kind) == std::end(kTargetKinds) || !kinds::dns_subdomain_error(name).empty())
      return {};
    out.push_back({std::string(kind), std::string(name)});
  }
  return out;
}

}  // namespace

bool has_policy_rules(const Node& document) {
  const Node* rules = document.find("rules");
  return rules && rules->list() && std::ranges::any_of(*rules->list(), [](const Node& rule) {
           const std::string_view action = rule.text_at({"action"});
           return action == "allow" || action == "deny";
         });
}

bool mentions_policy(const Node& node) {
  if (node.map() && has_policy_rules(node)) return true;
  if (const std::string* text = node.text()) return may_hold_policy("", *text);
  if (const auto* items = node.list()) return std::ranges::any_of(*items, mentions_policy);
  return node.map() && std::ranges::any_of(*node.map(), [](const NodeMember& member) {
           return may_hold_policy("", member.key) || mentions_policy(member.value);
         });
}

std::optional<PolicyGap> policy_sketch(const Node& document, std::string_view flattened_kind) {
  if (!may_be_policy(document, flattened_kind)) return std::nullopt;
  PolicyGap out;
  out.ns = namespace_of(document);
  if (const auto name = document.text_at({"metadata", "name"}); kinds::dns_subdomain_error(name).empty())
    out.name = name;
  if (!out.ns.empty()) out.targets = targets_of(document);
  return out;
}

std::string rule_of(const PolicyGap& gap) {
  std::string word = gap.word;
  std::ranges::replace(word, ' ', '_');
  return word;
}

PolicyGap gap_of_file(const std::string& path, uint32_t line, std::string why) {
  const std::string name = printable(std::string_view(path).substr(path.rfind('/') + 1), 255);
  PolicyGap out;
  const std::string at = line == 0 ? "" : fmt::format(" (line {})", line);
  out.subject = fmt::format("{}{}, which may hold an EgressPolicy, cannot be read", name, at);
  out.word = name;
  out.why = std::move(why);
  out.broken_file = path;
  out.file = path;
  return out;
}

// Words that no EgressPolicy is without. A file with NUL bytes is in another encoding, or no text: who knows.
bool may_hold_policy(std::string_view path, std::string_view bytes) {
  std::string text(bytes);
  for (char *c = text.data(), *end = c + text.size(); c != end; ++c)  // the file may be a large one
    if (*c >= 'A' && *c <= 'Z') *c |= 0x20;
  return text.find('\0') != std::string::npos || text.find("egresspolic") != std::string::npos ||
         text.find("sluice.dev") != std::string::npos || text.find("targetrefs") != std::string::npos ||
         text.find("target_refs") != std::string::npos || to_lower(path).find("egresspolic") != std::string::npos;
}

}  // namespace sluice
