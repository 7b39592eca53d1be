#include "control/store/object.h"

#include <algorithm>

#include "base/encoding.h"

namespace sluice {
namespace {

void move_string_data(Node& body) {
  const Node* plain = body.find("stringData");
  if (!plain || !plain->map()) return;
  const Node::Map entries = *plain->map();
  // Something that is no text stays where it is, and is reported there.
  if (!std::ranges::all_of(entries, [](const NodeMember& entry) { return entry.value.text() != nullptr; })) return;
  Node& data = body.child("data");
  for (const NodeMember& entry : entries) {
    Node encoded(base64_encode(*entry.value.text()));
    encoded.set_place(entry.value.place());
    data.set(entry.key, std::move(encoded));
  }
  body.erase("stringData");
}

// `null` is "not set"; an empty map or list says the same where this is called.
void drop_empty(Node& object, std::string_view field) {
  const Node* value = object.find(field);
  if (!value) return;
  const bool empty =
      value->is_null() || (value->map() && value->map()->empty()) || (value->list() && value->list()->empty());
  if (empty) object.erase(field);
}

}  // namespace

ObjectKey key_of(const Node& body) {
  return {.kind = std::string(body.text_at({"kind"})),
          .ns = std::string(body.text_at({"metadata", "namespace"})),
          .name = std::string(body.text_at({"metadata", "name"}))};
}

void normalize(Node& body) {
  if (!body.map()) return;
  body.erase("status");
  if (Node* metadata = body.find("metadata"); metadata && metadata->map()) {
    for (const auto derived : {"uid", "resourceVersion", "generation", "creationTimestamp", "managedFields", "selfLink",
                               "deletionTimestamp", "deletionGracePeriodSeconds"})
      metadata->erase(derived);
    for (const auto field : {"labels", "annotations", "finalizers", "ownerReferences", "generateName"})
      drop_empty(*metadata, field);
  }
  const std::string kind(body.text_at({"kind"}));  // not a view: the map grows below
  if (kind == "Secret") {
    move_string_data(body);
    if (!body.find("type")) body.set("type", "Opaque");
  }
  if (kind == "Secret" || kind == "ConfigMap") {
    for (const auto field : {"data", "stringData", "binaryData", "immutable"}) drop_empty(body, field);
  }
}

bool same_spec(const Node& a, const Node& b) {
  if (!a.map() || !b.map() || a.map()->size() != b.map()->size()) return false;
  return std::ranges::all_of(*a.map(), [&b](const NodeMember& field) {
    if (field.key == "metadata") return true;
    const Node* other = b.find(field.key);
    return other && *other == field.value;
  });
}

}  // namespace sluice
