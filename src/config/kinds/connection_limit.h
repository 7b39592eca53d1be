// `connectionLimit` of HTTP and TCP gateways (reference gloo-core.md 2.4).
#pragma once

#include <cstdint>
#include <optional>

#include "config/bind.h"

namespace sluice::kinds {

struct ConnectionLimit {
  std::optional<uint32_t> max_active_connections;  // nothing: no limit; else 1 at least
  Nanos delay_before_close{};
};
void bind(Fields& f, ConnectionLimit& limit);

}  // namespace sluice::kinds
