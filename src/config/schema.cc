#include "config/schema.h"

#include <fmt/format.h>

namespace sluice {
namespace {

std::string escaped_cell(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '|') out += '\\';
    out += c == '\n' ? ' ' : c;
  }
  return out;
}

// Fields that have no row.
struct NotThere {
  std::vector<std::string> later;
  std::vector<std::string> never;  // with the reason
};

// Equal texts: the same fields, which mean the same.
void append_fields(std::string& out, const Schema& schema) {
  for (const SchemaField& field : schema.fields) {
    fmt::format_to(std::back_inserter(out), "{} {} {} {}{{", field.name, shape_text(field.schema), field.doc,
                   field.supported);
    const Schema* inner = &field.schema;
    while (inner->element) inner = inner->element.get();
    append_fields(out, *inner);
    out += '}';
  }
}

// Where it has been described, if it is worth the reference; it is now else.
std::string place_of_same(const Schema& schema, const std::string& path, DescribedObjects* described) {
  constexpr size_t kTextMin = 1500;
  if (!described) return {};
  std::string fields;
  append_fields(fields, schema);
  if (fields.size() < kTextMin) return {};
  const auto [at, is_new] =
      described->places.try_emplace(std::move(fields), fmt::format("`{}` of {}", path, described->kind));
  return is_new ? std::string() : at->second;
}

void append_rows(std::string& out, const Schema& schema, const std::string& path, NotThere& not_there,
                 DescribedObjects* described) {
  for (const SchemaField& field : schema.fields) {
    const std::string name = path.empty() ? field.name : path + "." + field.name;
    if (!field.supported) {
      if (field.refused.empty())
        not_there.later.push_back(name);
      else
        not_there.never.push_back(fmt::format("`{}` ({})", name, field.refused));
      continue;
    }
    const std::string default_text = field.required               ? "required"
                                     : field.default_text.empty() ? ""
                                                                  : fmt::format("`{}`", field.default_text);
    const Schema* inner = &field.schema;
    std::string inner_path = name;
    while (inner->element) {
      inner_path += inner->shape == Shape::list ? "[]" : ".*";
      inner = inner->element.get();
    }
    const std::string same = place_of_same(*inner, inner_path, described);
    fmt::format_to(std::back_inserter(out), "| `{}` | {} | {} | {}{} |\n", name, shape_text(field.schema),
                   escaped_cell(default_text), escaped_cell(field.doc),
                   same.empty() ? "" : fmt::format(" Its fields are those of {}.", same));
    if (same.empty()) append_rows(out, *inner, inner_path, not_there, described);
  }
}

Node integer_schema(const Schema& schema) {
  Node out = Node::make_map({{"type", Node("integer")}});
  out.set("format", Node(schema.bits > 32 || (schema.bits == 32 && !schema.is_signed) ? "int64" : "int32"));
  if (!schema.is_signed) out.set("minimum", Node(0));
  return out;
}

Node object_schema(const Schema& schema) {
  Node out = Node::make_map({{"type", Node("object")}});
  Node properties = Node::make_map();
  Node required = Node::make_list();
  for (const SchemaField& field : schema.fields) {
    if (!field.supported) continue;
    properties.set(field.name, to_json_schema(field.schema, field.doc));
    if (field.required) required.list()->push_back(Node(field.name));
  }
  if (!schema.fields.empty()) out.set("properties", std::move(properties));
  if (!required.list()->empty()) out.set("required", std::move(required));
  return out;
}

Node bare_schema(const Schema& schema) {
  switch (schema.shape) {
    case Shape::boolean: return Node::make_map({{"type", Node("boolean")}});
    case Shape::integer: return integer_schema(schema);
    case Shape::number: return Node::make_map({{"type", Node("number")}});
    case Shape::text:
    case Shape::duration: return Node::make_map({{"type", Node("string")}});
    case Shape::enumeration: {
      Node names = Node::make_list();
      for (const std::string_view name : schema.enum_names) names.list()->push_back(Node(name));
      return Node::make_map({{"type", Node("string")}, {"enum", std::move(names)}});
    }
    case Shape::list: return Node::make_map({{"type", Node("array")}, {"items", to_json_schema(*schema.element)}});
    case Shape::map:
      return Node::make_map({{"type", Node("object")}, {"additionalProperties", to_json_schema(*schema.element)}});
    case Shape::object: return object_schema(schema);
    case Shape::any: break;
  }
  return Node::make_map({{"x-kubernetes-preserve-unknown-fields", Node(true)}});
}

}  // namespace

std::string shape_text(const Schema& schema) {
  switch (schema.shape) {
    case Shape::boolean: return "true or false";
    case Shape::integer: return "whole number";
    case Shape::number: return "number";
    case Shape::text: return "text";
    case Shape::duration: return "duration";
    case Shape::enumeration: return fmt::format("one of {}", fmt::join(schema.enum_names, ", "));
    case Shape::list: return "list of " + shape_text(*schema.element);
    case Shape::map: return "map of " + shape_text(*schema.element);
    case Shape::object: return schema.fields.empty() ? "`{}`" : "object";
    case Shape::any: return "anything";
  }
  return {};
}

std::string to_markdown(const Schema& schema, std::string_view path, DescribedObjects* described) {
  std::string out = "| field | type | default | meaning |\n| --- | --- | --- | --- |\n";
  NotThere not_there;
  append_rows(out, schema, std::string(path), not_there, described);
  const auto& [later, never] = not_there;
  if (!later.empty())
    fmt::format_to(std::back_inserter(out), "\nNot supported yet, and refused: `{}`.\n", fmt::join(later, "`, `"));
  if (!never.empty())
    fmt::format_to(std::back_inserter(out), "\nCannot be had here, and refused: {}.\n", fmt::join(never, ", "));
  return out;
}

Node to_json_schema(const Schema& schema, std::string_view description) {
  Node out = bare_schema(schema);
  if (!description.empty()) out.set("description", Node(description));
  return out;
}

}  // namespace sluice
