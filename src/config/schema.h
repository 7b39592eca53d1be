// What can be told about a struct from its bind(): a Markdown page, JSON schema, kubectl explain.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "config/bind.h"

namespace sluice {

// "duration", "list of text", "map of numbers", "one of A, B".
std::string shape_text(const Schema& schema);

// Objects of many fields that a page has described, and where: one that is just the same is not described again.
struct DescribedObjects {
  std::map<std::string, std::string> places;
  std::string kind;  // of what is described now
};

// A table of every field, nested ones by their path: field, type, default, meaning. Fields that are not supported yet
// are listed in a line below.
std::string to_markdown(const Schema& schema, std::string_view path, DescribedObjects* described = nullptr);

// JSON schema in OpenAPI v3's subset (type, properties, items, additionalProperties, enum, required, description).
Node to_json_schema(const Schema& schema, std::string_view description = {});

}  // namespace sluice
