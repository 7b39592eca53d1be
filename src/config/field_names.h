// The two spellings of a field: as documents have it and as protobuf does, both of which are read.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>

#include "config/node.h"

namespace sluice {

// "max_request_headers_kb" -> "maxRequestHeadersKb", as protobuf makes JSON names.
std::string camel_case(std::string_view name);

// What stands at the path of these fields (lowerCamelCase), in either spelling; null where nothing does.
const Node* find_field(const Node& object, std::initializer_list<std::string_view> path);

}  // namespace sluice
