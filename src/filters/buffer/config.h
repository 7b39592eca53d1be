// The options of buffering as users write them: gloo-core.md 2.4 and 5.
#pragma once

#include <cstdint>
#include <optional>

#include "config/bind.h"

namespace sluice::buffer {

// `buffer` of a Gateway.
struct Options {
  uint32_t max_request_bytes = 0;  // 1 at least
};
void bind(Fields& f, Options& options);

// `bufferPerRoute` of a virtual host, a route or a weighted destination: one of the two.
struct RouteOptions {
  bool disabled = false;
  std::optional<Options> buffer;
};
void bind(Fields& f, RouteOptions& options);

}  // namespace sluice::buffer
