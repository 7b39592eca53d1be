// Paths of requests: how they are read, and what a rewrite may make of them.
//
// A gateway's routes protect what stands behind them only when the backend finds no other path in the bytes it gets
// than the one the route was chosen by (docs/decisions/0019).
#pragma once

#include <string_view>

#include "base/arena.h"

namespace sluice {

// RFC 3986 6.2.2: escapes of unreserved characters, then dot segments; `\` is taken for `/`. In the result no reader
// that decodes once finds a dot segment: those with parameters (`..;x=1`), and those behind `%2f` and `%5c`, are
// resolved as well. Empty segments, other escapes and the query stay (docs/decisions/0019). In the arena when it
// changes.
std::string_view normalize_path(std::string_view path, Arena& arena);

// One `/` for each run of them, also where parameters stand between (`/;x=1/`); the query stays. In the arena when it
// changes. With both, after normalize_path, as in Envoy: `/a//../b` is `/a/b`.
std::string_view merge_slashes(std::string_view path, Arena& arena);

// `%2F` and `%5C` decoded; the query stays. The same view when there is none, else in the arena.
std::string_view unescape_slashes(std::string_view path, Arena& arena);

// Whether a reader that decodes once finds a dot segment in it (the query does not count).
bool has_dot_segments(std::string_view path);

// Why a rewrite from `before` to `after` must not go on, or "": a path that does not begin with `/` would become a part
// of the host in a Location, or no request target at all; a space ends the target; and a dot segment that was not there
// before (`/static../secret`, with the prefix `/static` replaced by `/files/`) leads out of where the rewrite points
// to.
std::string_view rewrite_problem(std::string_view before, std::string_view after);

}  // namespace sluice
