// What the API says about itself: groups, versions, resources, OpenAPI.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "control/api/request.h"
#include "control/store/kinds.h"

namespace sluice {

// Served without being stored.
extern const Kind kNamespaceKind;  // read-only: the namespaces that objects are in
extern const Kind kEventKind;      // always an empty list

// /api, /apis, /api/v1, /apis/GROUP[/VERSION], /version, /openapi/v2, /openapi/v3[/...]; nothing for other paths.
std::optional<ApiResponse> discover(std::span<const std::string> path, std::string_view accept,
                                    std::string_view program_version);

}  // namespace sluice
