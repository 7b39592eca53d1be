#include "control/api/discovery.h"

#include <algorithm>
#include <array>
#include <set>

#include "config/node.h"
#include "config/schema.h"

namespace sluice {
namespace {

// The version of the Kubernetes API that this one is like; kubectl warns when it is far from its own.
constexpr std::string_view kKubernetesMinor = "32";

constexpr std::array<std::string_view, 1> kNamespaceNames{"ns"};
constexpr std::array<std::string_view, 1> kEventNames{"ev"};

struct GroupVersion {
  std::string_view group, version;
  auto operator<=>(const GroupVersion&) const = default;
  std::string text() const { return group.empty() ? std::string(version) : fmt::format("{}/{}", group, version); }
};

std::vector<const Kind*> served_kinds() {
  std::vector<const Kind*> served = stored_kinds();
  served.push_back(&kNamespaceKind);
  served.push_back(&kEventKind);
  return served;
}

std::set<GroupVersion> group_versions() {
  std::set<GroupVersion> all;
  for (const Kind* kind : served_kinds()) all.insert({kind->group, kind->version});
  return all;
}

bool has_group(std::string_view group) {
  return std::ranges::any_of(group_versions(), [group](const GroupVersion& gv) { return gv.group == group; });
}

Node texts(std::span<const std::string_view> words) {
  Node::List list;
  for (const auto word : words) list.push_back(word);
  return list;
}

Node resource_of(const Kind& kind) {
  static constexpr std::array<std::string_view, 8> kAll{"create", "delete", "deletecollection", "get",
                                                        "list",   "patch",  "update",           "watch"};
  static constexpr std::array<std::string_view, 3> kReadOnly{"get", "list", "watch"};
  const bool stored = &kind != &kNamespaceKind && &kind != &kEventKind;
  Node resource = Node::make_map({{"name", kind.plural},
                                  {"singularName", kind.singular},
                                  {"namespaced", &kind != &kNamespaceKind},
                                  {"kind", kind.kind},
                                  {"verbs", stored ? texts(kAll) : texts(kReadOnly)}});
  if (!kind.short_names.empty()) resource.set("shortNames", texts(kind.short_names));
  if (!is_core(kind)) {
    const std::string_view category = kind.group == "sluice.dev" ? "sluice" : "gloo-gateway";
    resource.set("categories", texts(std::span(&category, 1)));
  }
  return resource;
}

Node resource_list(const GroupVersion& gv) {
  Node::List resources;
  for (const Kind* kind : served_kinds())
    if (kind->group == gv.group && kind->version == gv.version) resources.push_back(resource_of(*kind));
  return Node::make_map({{"kind", "APIResourceList"},
                         {"apiVersion", "v1"},
                         {"groupVersion", gv.text()},
                         {"resources", std::move(resources)}});
}

Node group_entry(std::string_view group) {
  Node::List versions;
  for (const GroupVersion& gv : group_versions())
    if (gv.group == group) versions.push_back(Node::make_map({{"groupVersion", gv.text()}, {"version", gv.version}}));
  Node preferred = versions.front();
  return Node::make_map(
      {{"name", group}, {"versions", std::move(versions)}, {"preferredVersion", std::move(preferred)}});
}

Node group_list() {
  Node::List groups;
  std::set<std::string_view> seen;
  for (const GroupVersion& gv : group_versions())
    if (!gv.group.empty() && seen.insert(gv.group).second) groups.push_back(group_entry(gv.group));
  return Node::make_map({{"kind", "APIGroupList"}, {"apiVersion", "v1"}, {"groups", std::move(groups)}});
}

Node one_group(std::string_view group) {
  Node node = Node::make_map({{"kind", "APIGroup"}, {"apiVersion", "v1"}});
  const Node entry = group_entry(group);
  for (const NodeMember& member : *entry.map()) node.set(member.key, member.value);
  return node;
}

Node version_info(std::string_view program_version) {
  return Node::make_map({{"major", "1"},
                         {"minor", kKubernetesMinor},
                         {"gitVersion", fmt::format("v1.{}.0+sluice-{}", kKubernetesMinor, program_version)},
                         {"gitCommit", ""},
                         {"gitTreeState", ""},
                         {"buildDate", "1970-01-01T00:00:00Z"},
                         {"goVersion", ""},
                         {"compiler", ""},
                         {"platform", "linux/amd64"}});
}

// ---- OpenAPI ----

// "gateway.solo.io/v1" is "apis/gateway.solo.io/v1", "v1" is "api/v1".
std::string root_of(const GroupVersion& gv) {
  return (gv.group.empty() ? "api/" : "apis/") + gv.text();
}

std::string schema_name(const Kind& kind) {
  return fmt::format("{}.{}.{}", is_core(kind) ? std::string_view("core") : kind.group, kind.version, kind.kind);
}

Node group_version_kind(const Kind& kind) {
  return Node::make_map({{"group", kind.group}, {"version", kind.version}, {"kind", kind.kind}});
}

Node described(std::string_view type, std::string_view description) {
  return Node::make_map({{"type", type}, {"description", description}});
}

Node schema_of(const Kind& kind, std::span<const OptionField> option_fields) {
  Node schema = described("object", fmt::format("{} of {}.", kind.kind, kind.api_version()));
  if (kind.describe) {
    Node spec = to_json_schema(kind.describe(option_fields));
    if (kind.has_spec) {
      schema.child("properties").set("spec", std::move(spec));
    } else if (const Node* fields = spec.find("properties")) {
      schema.set("properties", *fields);
    }
  }
  Node& properties = schema.child("properties");
  properties.set("apiVersion", described("string", "The group and version of the kind."));
  properties.set("kind", described("string", "What the object is."));
  properties.set("metadata", described("object", "Name, namespace, labels and annotations."));
  Node::List kinds;
  kinds.push_back(group_version_kind(kind));
  schema.set("x-kubernetes-group-version-kind", std::move(kinds));
  return schema;
}

Node query_parameter(std::string_view name) {
  return Node::make_map({{"name", name}, {"in", "query"}, {"schema", Node::make_map({{"type", "string"}})}});
}

// kubectl looks here whether PATCH of a kind takes dryRun and fieldValidation; the rest of a path item interests
// nobody.
Node path_item(const Kind& kind) {
  Node::List parameters;
  for (const auto name : {"dryRun", "fieldManager", "fieldValidation"}) parameters.push_back(query_parameter(name));
  Node patch = Node::make_map({{"operationId", fmt::format("patch{}", kind.kind)},
                               {"parameters", std::move(parameters)},
                               {"responses", Node::make_map({{"200", Node::make_map({{"description", "OK"}})}})},
                               {"x-kubernetes-action", "patch"},
                               {"x-kubernetes-group-version-kind", group_version_kind(kind)}});
  return Node::make_map({{"patch", std::move(patch)}});
}

Node openapi_info() {
  return Node::make_map({{"title", "sluice"}, {"version", "v1"}});
}

Node openapi_v3(const GroupVersion& gv, std::span<const OptionField> option_fields) {
  Node paths = Node::make_map();
  Node schemas = Node::make_map();
  for (const Kind* kind : stored_kinds()) {
    if (kind->group != gv.group || kind->version != gv.version) continue;
    paths.set(fmt::format("/{}/namespaces/{{namespace}}/{}/{{name}}", root_of(gv), kind->plural), path_item(*kind));
    schemas.set(schema_name(*kind), schema_of(*kind, option_fields));
  }
  return Node::make_map({{"openapi", "3.0.0"},
                         {"info", openapi_info()},
                         {"paths", std::move(paths)},
                         {"components", Node::make_map({{"schemas", std::move(schemas)}})}});
}

Node openapi_v3_index() {
  Node paths = Node::make_map();
  for (const GroupVersion& gv : group_versions())
    paths.set(root_of(gv), Node::make_map({{"serverRelativeURL", "/openapi/v3/" + root_of(gv)}}));
  return Node::make_map({{"paths", std::move(paths)}});
}

// The protobuf form of an OpenAPI 2 document (openapi_v2.Document of gnostic): swagger = 1, info = 2 {title = 1,
// version = 2}. kubectl apply wants the document; what it does not find in there it does not check
// (docs/decisions/0014).
std::string openapi_v2_protobuf() {
  const auto field = [](char number, std::string_view bytes) {
    std::string out;
    out += static_cast<char>((number << 3) | 2);
    out += static_cast<char>(bytes.size());  // all are shorter than 128
    out += bytes;
    return out;
  };
  return field(1, "2.0") + field(2, field(1, "sluice") + field(2, "v1"));
}

ApiResponse openapi_v2(std::string_view accept) {
  // Older clients ask with an '@' before the version, which is no media type that they could read in an answer.
  if (accept.contains("application/com.github.proto-openapi.spec.v2"))
    return {.content_type = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf",
            .body = openapi_v2_protobuf()};
  const Node document = Node::make_map({{"swagger", "2.0"}, {"info", openapi_info()}, {"paths", Node::make_map()}});
  return {.body = to_json(document) + "\n"};
}

ApiResponse json(const Node& node) {
  return {.body = to_json(node) + "\n"};
}

std::optional<ApiResponse> discover_openapi(std::span<const std::string> path, std::string_view accept,
                                            std::span<const OptionField> option_fields) {
  if (path.size() == 2 && path[1] == "v2") return openapi_v2(accept);
  if (path.size() < 2 || path[1] != "v3") return std::nullopt;
  if (path.size() == 2) return json(openapi_v3_index());
  for (const GroupVersion& gv : group_versions()) {
    std::string wanted;
    for (const std::string& segment : path.subspan(2)) wanted += (wanted.empty() ? "" : "/") + segment;
    if (wanted == root_of(gv)) return json(openapi_v3(gv, option_fields));
  }
  return std::nullopt;
}

}  // namespace

const Kind kNamespaceKind{.kind = "Namespace",
                          .group = "",
                          .version = "v1",
                          .plural = "namespaces",
                          .singular = "namespace",
                          .short_names = kNamespaceNames,
                          .has_spec = false};
const Kind kEventKind{.kind = "Event",
                      .group = "",
                      .version = "v1",
                      .plural = "events",
                      .singular = "event",
                      .short_names = kEventNames,
                      .has_spec = false};

std::optional<ApiResponse> discover(std::span<const std::string> path, std::string_view accept, const Described& what) {
  if (path.empty()) {
    Node::List paths;
    for (const auto known :
         {"/api", "/api/v1", "/apis", "/healthz", "/livez", "/openapi/v2", "/openapi/v3", "/readyz", "/version"})
      paths.push_back(known);
    return json(Node::make_map({{"paths", std::move(paths)}}));
  }
  const std::string& first = path.front();
  if (first == "version" && path.size() == 1) return json(version_info(what.program_version));
  if (first == "openapi") return discover_openapi(path, accept, what.option_fields);
  if (first == "api" && path.size() == 1) {
    Node::List versions;
    versions.push_back("v1");
    return json(Node::make_map({{"kind", "APIVersions"},
                                {"versions", std::move(versions)},
                                {"serverAddressByClientCIDRs", Node::make_list()}}));
  }
  if (first == "api" && path.size() == 2 && path[1] == "v1") return json(resource_list({"", "v1"}));
  if (first != "apis") return std::nullopt;
  if (path.size() == 1) return json(group_list());
  if (path[1].empty() || !has_group(path[1])) return std::nullopt;
  if (path.size() == 2) return json(one_group(path[1]));
  const GroupVersion gv{path[1], path[2]};
  if (path.size() == 3 && group_versions().contains(gv)) return json(resource_list(gv));
  return std::nullopt;
}

}  // namespace sluice
