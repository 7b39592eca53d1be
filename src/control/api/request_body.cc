#include "control/api/request_body.h"

#include <algorithm>

#include "base/strings.h"
#include "config/documents.h"
#include "control/api/json_patch.h"
#include "control/api/protobuf_object.h"

namespace sluice {
namespace {

constexpr DocumentLimits kLimits{.bytes_max = ApiRequest::kBodyBytesMax, .nodes_max = kObjectValuesMax};

std::string media_type(const ApiRequest& request) {
  const auto field = request.header("content-type");
  return to_lower(trim(field.substr(0, std::min(field.find(';'), field.size()))));
}

// Merging is right for maps of text; the directives of a strategic merge ("$patch") mean more.
bool has_directive(const Node& patch) {
  if (patch.list()) return std::ranges::any_of(*patch.list(), has_directive);
  if (!patch.map()) return false;
  return std::ranges::any_of(*patch.map(), [](const NodeMember& member) {
    return member.key == "$patch" || member.key == "$retainKeys" ||
           member.key.starts_with("$deleteFromPrimitiveList") || has_directive(member.value);
  });
}

// Only lists have an order, and the kinds that are merged so have none.
void drop_element_orders(Node& patch) {
  if (!patch.map()) return;
  patch.map()->erase_if([](const NodeMember& member) { return member.key.starts_with("$setElementOrder/"); });
  for (NodeMember& member : *patch.map()) drop_element_orders(member.value);
}

}  // namespace

ApiOutcome<Node> parse_body(const ApiRequest& request) {
  const std::string type = media_type(request);
  if (type == "application/yaml") {
    auto documents = parse_documents(request.body, kLimits);
    if (!documents)
      return bad_request(
          fmt::format("the body is not YAML: line {}: {}", documents.error().place.line, documents.error().message));
    if (documents->size() != 1) return bad_request("the body must have one YAML document");
    return std::move(documents->front().node);
  }
  if (type == "application/vnd.kubernetes.protobuf") {
    auto node = read_protobuf_object(request.body);
    if (!node) return bad_request("the body is not a protobuf object that is known here: " + node.error().message);
    return std::move(*node);
  }
  if (!type.empty() && type != "application/json")
    return unsupported_media_type(type, "application/json, application/yaml, application/vnd.kubernetes.protobuf");
  auto node = parse_json(request.body, kLimits);
  if (!node) return bad_request("the body is not JSON: " + node.error().message);
  return std::move(*node);
}

ApiOutcome<PatchType> patch_type(const Kind& kind, const ApiRequest& request) {
  const std::string type = media_type(request);
  if (type == "application/json-patch+json") return PatchType::json;
  if (type == "application/merge-patch+json") return PatchType::merge;
  if (type == "application/strategic-merge-patch+json" && is_core(kind)) return PatchType::strategic;
  const std::string_view accepted =
      is_core(kind)
          ? "application/json-patch+json, application/merge-patch+json, application/strategic-merge-patch+json"
          : "application/json-patch+json, application/merge-patch+json";
  return unsupported_media_type(type, accepted);
}

ApiOutcome<Node> apply_patch(PatchType type, const Kind& kind, std::string_view name, const ApiRequest& request,
                             const Node& view) {
  const bool strategic = type == PatchType::strategic;
  auto parsed = parse_json(request.body, kLimits);
  if (!parsed) return bad_request("the patch is not JSON: " + parsed.error().message);
  if (type == PatchType::json) {
    auto patched = json_patch(view, *parsed);
    if (!patched && patched.error().kind == ErrorKind::limit) return entity_too_large(patched.error().message);
    if (!patched && patched.error().kind == ErrorKind::invalid)
      return bad_request("the patch cannot be applied: " + patched.error().message);
    if (!patched) return invalid_object(kind, name, {{"FieldValueInvalid", patched.error().message, "patch"}});
    return std::move(*patched);
  }
  if (!parsed->map()) return bad_request("a merge patch must be a map");
  if (strategic && has_directive(*parsed))
    return invalid_object(
        kind, name,
        {{"FieldValueNotSupported", "directives of a strategic merge patch are not supported yet", "patch"}});
  if (strategic) drop_element_orders(*parsed);
  Node patched = view;
  merge_patch(patched, *parsed);
  return patched;
}

}  // namespace sluice
