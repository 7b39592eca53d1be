#include "config/foreign.h"

#include <fmt/format.h>
#include <algorithm>
#include <filesystem>

#include "base/strings.h"
#include "config/policy_gap.h"

namespace sluice {
namespace {

using kinds::KindInfo;

// Kinds of Kubernetes' own group besides those we read, and kubectl's configuration.
constexpr std::string_view kCoreKinds[] = {"Binding",
                                           "ComponentStatus",
                                           "Config",
                                           "Endpoints",
                                           "Event",
                                           "LimitRange",
                                           "Namespace",
                                           "Node",
                                           "PersistentVolume",
                                           "PersistentVolumeClaim",
                                           "Pod",
                                           "PodTemplate",
                                           "ReplicationController",
                                           "ResourceQuota",
                                           "Service",
                                           "ServiceAccount"};

// Fields at the top that only one kind of Gloo's has.
struct Telltale {
  std::string_view field;
  std::string_view kind;
};
constexpr Telltale kTelltales[] = {{"virtualHost", "VirtualService"},
                                   {"httpGateway", "Gateway"},
                                   {"tcpGateway", "Gateway"},
                                   {"hybridGateway", "Gateway"},
                                   {"bindPort", "Gateway"},
                                   {"static", "Upstream"},
                                   {"kube", "Upstream"},
                                   {"consul", "Upstream"},
                                   {"aws", "Upstream"},
                                   {"awsEc2", "Upstream"},
                                   {"azure", "Upstream"},
                                   {"pipe", "Upstream"},
                                   {"discoveryNamespace", "Settings"},
                                   {"watchNamespaces", "Settings"},
                                   {"kubernetesConfigSource", "Settings"},
                                   {"directoryConfigSource", "Settings"},
                                   {"kubernetesSecretSource", "Settings"},
                                   {"directorySecretSource", "Settings"},
                                   {"gloo", "Settings"},
                                   {"gateway", "Settings"},
                                   {"destinations", "UpstreamGroup"},
                                   {"listeners", "Proxy"},
                                   {"configs", "AuthConfig"},
                                   {"routes", "RouteTable"}};

std::string_view group_of(std::string_view version) {
  const size_t slash = version.find('/');
  return slash == std::string_view::npos ? std::string_view() : version.substr(0, slash);
}

// A policy whose group has a slip of any size must not be skipped: nobody else has a kind of that name.
bool is_kind_of_ours_alone(std::string_view kind) {
  return std::ranges::any_of(kinds::all_kinds(),
                             [kind](const KindInfo& info) { return info.kind == kind && info.group == "sluice.dev"; });
}

// Others have an IngressPolicy and an AccessPolicy.
bool is_nearly_policy(std::string_view kind) {
  return to_lower(kind).starts_with("egr") && kinds::nearest_kind(kind) == "EgressPolicy";
}

bool is_like_ours(std::string_view kind) {
  return kinds::kind_named(kind) || !kinds::nearest_kind(kind).empty();
}

// Groups of Gloo that we do not know are its own all the same: to skip one of those in silence would drop a policy.
bool is_group_of_ours(std::string_view group) {
  std::vector<std::string_view> groups;
  for (const KindInfo& info : kinds::all_kinds())
    if (!info.group.empty()) groups.push_back(info.group);
  return group.ends_with("solo.io") || group.ends_with("sluice.dev") || nearest(group, groups).has_value();
}

// Something that is no object at all: a chart's values, a kustomization, any other YAML.
bool has_nothing_of_an_object(const Node& document) {
  if (!document.map()) return false;
  for (const std::string_view field : {"metadata", "spec", "kind"})
    if (document.find(field)) return false;
  return flattened_kind_name(document).empty();
}

// "gateway.solo.io/v1", with a slip or two.
bool is_version_of_ours(std::string_view text) {
  constexpr size_t kLengthMax = 40;
  const std::string_view group = group_of(text);
  if (text.size() > kLengthMax || !group.contains('.')) return false;
  const std::string_view version = text.substr(group.size() + 1);
  return version.size() > 1 && version[0] == 'v' && ascii_digit(version[1]) && is_group_of_ours(group);
}

// The version of an object of ours, anywhere: one whose fields have a slip each, or a list of them.
bool mentions_ours(const Node& node) {
  if (const std::string* text = node.text()) return is_version_of_ours(*text);
  if (const auto* items = node.list()) return std::ranges::any_of(*items, mentions_ours);
  return node.map() &&
         std::ranges::any_of(*node.map(), [](const NodeMember& member) { return mentions_ours(member.value); });
}

// One with a slip in each of its fields, or a list without its kind; no values of a chart and the like.
bool is_nearly_object(const Node& document) {
  constexpr std::string_view kFields[] = {"apiversion", "kind", "metadata", "spec", "items", "targetrefs"};
  constexpr size_t kLengthMax = 12;  // no near name of a longer one
  return std::ranges::any_of(*document.map(), [&](const NodeMember& member) {
    std::string key = to_lower(member.key);
    std::erase(key, '_');
    return key.size() <= kLengthMax && nearest(key, kFields).has_value();
  });
}

bool may_be_ours(const Node& document, std::string_view file) {
  if (may_hold_policy(file, "") || has_policy_rules(document)) return true;
  return is_nearly_object(document) && (mentions_ours(document) || mentions_policy(document));
}

bool is_chart(std::string_view path) {
  return std::filesystem::path(path).filename() == "Chart.yaml";
}

void add_path(std::set<std::string>& out, const std::string& file, std::string_view relative) {
  if (relative.empty() || relative.contains('\n')) return;  // a patch that is written here
  // As kustomize has it: only what lies in or below its folder. A file elsewhere is not its to disable.
  const std::filesystem::path path = std::filesystem::path(relative).lexically_normal();
  if (path.is_absolute() || path.string().starts_with("..")) return;
  out.insert((std::filesystem::path(file).parent_path() / path).lexically_normal().string());
}

}  // namespace

std::string_view flattened_kind_name(const Node& document) {
  for (const Telltale& telltale : kTelltales)
    if (document.find(telltale.field)) return telltale.kind;
  return {};
}

std::string foreign_name(const Node& document, std::string_view file) {
  const std::string_view kind = document.text_at({"kind"}), version = document.text_at({"apiVersion"});
  if (has_nothing_of_an_object(document)) {
    if (is_kustomization_file(file)) return "a Kustomization";
    if (!is_chart(file) && may_be_ours(document, file)) return {};
    return version.empty() ? "a document without apiVersion and kind"
                           : fmt::format("a document of apiVersion {}", printable(version, 60));
  }
  if (kind.empty()) return {};
  std::string name = fmt::format("{} {}", printable(version, 60), printable(kind, 60));
  if (kind == "Kustomization") return "a Kustomization";
  if (version.empty()) return {};
  const std::string_view group = group_of(version);
  if (group.empty())
    return version == "v1" && std::ranges::find(kCoreKinds, kind) != std::end(kCoreKinds) ? name : std::string();
  if (is_group_of_ours(group) || is_kind_of_ours_alone(kind) || is_nearly_policy(kind)) return {};
  // A kind of ours, or nearly, in a group that is no domain: a slip, more likely than somebody else's.
  if (!group.contains('.') && is_like_ours(kind)) return {};
  return name;
}

bool is_kustomization_file(std::string_view path) {
  const std::string name = std::filesystem::path(path).filename().string();
  return name == "kustomization.yaml" || name == "kustomization.yml";
}

std::string normal_path(const std::string& path) {
  return std::filesystem::path(path).lexically_normal().string();
}

KustomizePatches kustomize_patches(std::span<const ConfigFile> files, const KustomizePatches& before) {
  KustomizePatches out;
  for (const ConfigFile& file : files) {
    if (!is_kustomization_file(file.path)) continue;
    std::set<std::string>& of_this = out[file.path];
    const auto documents = parse_documents(file.bytes);
    if (file.unread || !documents) {  // told where it is loaded
      if (const auto known = before.find(file.path); known != before.end()) of_this = known->second;
      continue;
    }
    for (const Document& document : *documents) {
      for (const std::string_view field : {"patches", "patchesStrategicMerge", "patchesJson6902", "replacements"}) {
        const Node* patches = document.node.find(field);
        if (!patches || !patches->list()) continue;
        for (const Node& patch : *patches->list())
          add_path(of_this, file.path, patch.text() ? std::string_view(*patch.text()) : patch.text_at({"path"}));
      }
    }
  }
  return out;
}

}  // namespace sluice
