#include "control/api/protobuf_object.h"

#include <algorithm>
#include <array>
#include <optional>
#include <span>

#include "base/encoding.h"
#include "base/strings.h"

namespace sluice {
namespace {

constexpr std::string_view kMagic("k8s\0", 4);

enum class Type : uint8_t { text, bytes, boolean, integer, text_list, text_map, bytes_map, message, ignored };

struct FieldType {
  uint32_t number;
  std::string_view name;
  Type type;
  std::span<const FieldType> fields = {};  // of a message
};

// What an API server derives is ignored in JSON bodies too, but for what a write can depend on.
constexpr FieldType kMetadata[] = {{1, "name", Type::text},
                                   {2, "generateName", Type::text},
                                   {3, "namespace", Type::text},
                                   {4, "selfLink", Type::ignored},
                                   {5, "uid", Type::text},
                                   {6, "resourceVersion", Type::text},
                                   {7, "generation", Type::ignored},
                                   {8, "creationTimestamp", Type::ignored},
                                   {11, "labels", Type::text_map},
                                   {12, "annotations", Type::text_map},
                                   {14, "finalizers", Type::text_list},
                                   {17, "managedFields", Type::ignored}};
constexpr FieldType kSecret[] = {{1, "metadata", Type::message, kMetadata},
                                 {2, "data", Type::bytes_map},
                                 {3, "type", Type::text},
                                 {4, "stringData", Type::text_map},
                                 {5, "immutable", Type::boolean}};
constexpr FieldType kConfigMap[] = {{1, "metadata", Type::message, kMetadata},
                                    {2, "data", Type::text_map},
                                    {3, "binaryData", Type::bytes_map},
                                    {4, "immutable", Type::boolean}};
constexpr FieldType kNamespace[] = {
    {1, "metadata", Type::message, kMetadata}, {2, "spec", Type::ignored}, {3, "status", Type::ignored}};
constexpr FieldType kPreconditions[] = {{1, "uid", Type::text}, {2, "resourceVersion", Type::text}};
constexpr FieldType kDeleteOptions[] = {
    {1, "gracePeriodSeconds", Type::integer}, {2, "preconditions", Type::message, kPreconditions},
    {3, "orphanDependents", Type::boolean},   {4, "propagationPolicy", Type::text},
    {5, "dryRun", Type::text_list},           {6, "ignoreStoreReadErrorWithClusterBreakingPotential", Type::boolean}};

struct Known {
  std::string_view kind;
  std::span<const FieldType> fields;
};
constexpr Known kKnown[] = {
    {"Secret", kSecret}, {"ConfigMap", kConfigMap}, {"Namespace", kNamespace}, {"DeleteOptions", kDeleteOptions}};

struct Field {
  uint32_t number = 0;
  uint64_t integer = 0;                   // wire type 0
  std::optional<std::string_view> bytes;  // wire type 2
};

// The fields of one message, one after the other (protobuf's encoding: varints, little-endian by 7 bits).
class Message {
 public:
  explicit Message(std::string_view bytes) : rest_(bytes) {}

  bool done() const { return rest_.empty(); }

  Result<Field> next() {
    const uint64_t tag = TRY(varint());
    Field field{.number = static_cast<uint32_t>(tag >> 3)};
    if ((tag >> 3) == 0 || (tag >> 3) > 0x1fffffff) return invalid("a field number is out of range");
    if ((tag & 7) == 0) {
      field.integer = TRY(varint());
      return field;
    }
    if ((tag & 7) != 2) return invalid(fmt::format("field {} has a wire type that nothing here has", field.number));
    const uint64_t size = TRY(varint());
    if (size > rest_.size()) return invalid(fmt::format("field {} is cut short", field.number));
    field.bytes = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return field;
  }

 private:
  Result<uint64_t> varint() {
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      if (rest_.empty()) return invalid("the message is cut short");
      const auto byte = static_cast<unsigned char>(rest_.front());
      rest_.remove_prefix(1);
      value |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    return invalid("a number is too long");
  }

  std::string_view rest_;
};

Result<Node> read_message(std::string_view bytes, std::span<const FieldType> types);

Result<std::string> text_of(const Field& field, std::string_view name) {
  if (!field.bytes || !valid_utf8(*field.bytes)) return invalid(fmt::format("{} is no text", name));
  return std::string(*field.bytes);
}

// map<string, ...> is a repeated message { key = 1, value = 2 }.
Status add_entry(Node& map, const Field& field, const FieldType& type) {
  if (!field.bytes) return invalid(fmt::format("{} is no map", type.name));
  Message message(*field.bytes);
  std::string key, value;
  while (!message.done()) {
    const Field part = TRY(message.next());
    if (part.number == 1) {
      key = TRY(text_of(part, "a key"));
    } else if (part.number == 2 && type.type == Type::bytes_map && part.bytes) {
      value = base64_encode(*part.bytes);
    } else if (part.number == 2 && type.type == Type::text_map) {
      value = TRY(text_of(part, "a value"));
    } else {
      return invalid(fmt::format("{} has an entry that is none", type.name));
    }
  }
  if (map.find(key)) return invalid("a key is there twice");
  map.map()->push_back({std::move(key), Node(std::move(value)), {}});
  return {};
}

Status add_field(Node& object, const Field& field, const FieldType& type) {
  const std::string name(type.name);
  switch (type.type) {
    case Type::ignored: return {};
    case Type::boolean: object.set(name, field.integer != 0); return {};
    case Type::integer: object.set(name, static_cast<int64_t>(field.integer)); return {};
    case Type::bytes: object.set(name, base64_encode(field.bytes.value_or(""))); return {};
    case Type::text: {
      auto text = TRY(text_of(field, name));
      if (!text.empty()) object.set(name, std::move(text));  // Go writes empty text for what is not set
      return {};
    }
    case Type::text_list: {
      if (!object.find(name)) object.set(name, Node::make_list());
      object.find(name)->list()->push_back(TRY(text_of(field, name)));
      return {};
    }
    case Type::text_map:
    case Type::bytes_map: return add_entry(object.child(name), field, type);
    case Type::message: {
      if (!field.bytes) return invalid(fmt::format("{} is no message", name));
      object.set(name, TRY(read_message(*field.bytes, type.fields)));
      return {};
    }
  }
  return {};
}

Result<Node> read_message(std::string_view bytes, std::span<const FieldType> types) {
  Node object = Node::make_map();
  Message message(bytes);
  while (!message.done()) {
    const Field field = TRY(message.next());
    const auto type = std::ranges::find(types, field.number, &FieldType::number);
    if (type == types.end())
      return fail(ErrorKind::unsupported, fmt::format("field {} is not supported yet", field.number));
    TRY(add_field(object, field, *type));
  }
  return object;
}

}  // namespace

Result<Node> read_protobuf_object(std::string_view bytes) {
  if (!bytes.starts_with(kMagic)) return invalid("it does not begin with \"k8s\\0\"");
  Message envelope(bytes.substr(kMagic.size()));
  std::string api_version, kind;
  std::string_view raw;
  while (!envelope.done()) {
    const Field field = TRY(envelope.next());
    if (field.number == 2 && field.bytes) raw = *field.bytes;
    if (field.number == 3 && field.bytes && !field.bytes->empty()) return invalid("its content is encoded");
    if (field.number != 1 || !field.bytes) continue;
    Message type(*field.bytes);
    while (!type.done()) {
      const Field part = TRY(type.next());
      if (part.number == 1) api_version = TRY(text_of(part, "apiVersion"));
      if (part.number == 2) kind = TRY(text_of(part, "kind"));
    }
  }
  const auto known = std::ranges::find(kKnown, kind, &Known::kind);
  // Clients say DeleteOptions in the version of what they delete.
  if (known == std::end(kKnown) || (api_version != "v1" && kind != "DeleteOptions"))
    return invalid(fmt::format("it is {} {}; only Secret, ConfigMap and Namespace of v1 are read in this form",
                               printable(api_version, 60), printable(kind, 60)));
  Node fields = TRY(read_message(raw, known->fields));
  Node object = Node::make_map({{"apiVersion", api_version}, {"kind", kind}});
  for (NodeMember& field : *fields.map()) object.map()->push_back(std::move(field));
  return object;
}

}  // namespace sluice
