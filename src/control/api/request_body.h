// The bodies of write requests: objects in JSON, YAML or protobuf, and patches.
#pragma once

#include <string_view>

#include "config/node.h"
#include "control/api/failure.h"
#include "control/api/request.h"
#include "control/store/kinds.h"

namespace sluice {

// A body may have many more values than bytes, by YAML's aliases; this is what counts for memory and time. A ConfigMap
// has 1 MiB at most, and so not as many.
inline constexpr size_t kObjectValuesMax = 300'000;

// 400 when it cannot be read, 415 when its content type is none of the three; none at all is taken for JSON.
ApiOutcome<Node> parse_body(const ApiRequest& request);

enum class PatchType : uint8_t { merge, json, strategic };
// 415 names what is accepted; strategic merge patch is, for Secret and ConfigMap: it means the same as a merge for maps
// of text.
ApiOutcome<PatchType> patch_type(const Kind& kind, const ApiRequest& request);
// `view` with the patch in the body applied. 413 is a patch that makes too much.
ApiOutcome<Node> apply_patch(PatchType type, const Kind& kind, std::string_view name, const ApiRequest& request,
                             const Node& view);

}  // namespace sluice
