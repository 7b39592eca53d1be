// JSON Patch (RFC 6902) with JSON Pointers (RFC 6901).
#pragma once

#include "base/result.h"
#include "config/node.h"

namespace sluice {

inline constexpr size_t kJsonPatchOperationsMax = 10'000;       // as Kubernetes
inline constexpr size_t kJsonPatchCopiedMax = size_t{8} << 20;  // bytes in memory that all `copy` make together
inline constexpr size_t kJsonPatchWorkMax = 10'000'000;         // values that all operations look at or move
inline constexpr size_t kJsonPointerDepthMax = 64;

// Applies all operations, or changes nothing: the patched document, or which operation failed and why. ErrorKind
// `conflict` is a `test` that did not hold, `limit` a patch that makes or moves too much, `invalid` everything else.
Result<Node> json_patch(const Node& document, const Node& patch);

}  // namespace sluice
