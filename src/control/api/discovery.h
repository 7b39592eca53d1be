// What the API says about itself: groups, versions, resources, OpenAPI.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "config/option_field.h"
#include "control/api/request.h"
#include "control/store/kinds.h"

namespace sluice {

// Served without being stored.
extern const Kind kNamespaceKind;  // read-only: the namespaces that objects are in
extern const Kind kEventKind;      // always an empty list

struct Described {
  std::string_view program_version;
  std::span<const OptionField> option_fields;  // what filters add to the kinds' schemas
};

// /api, /apis, /api/v1, /apis/GROUP[/VERSION], /version, /openapi/v2, /openapi/v3[/...]; nothing for other paths.
std::optional<ApiResponse> discover(std::span<const std::string> path, std::string_view accept, const Described& what);

}  // namespace sluice
