// `maxStreamDuration` of a route: how long an exchange may last, and what of it a client of gRPC may say (reference
// gloo-core.md 5.1).
#pragma once

#include <optional>

#include "base/time.h"
#include "config/bind.h"

namespace sluice::kinds {

struct MaxStreamDuration {
  std::optional<Nanos> max_stream_duration;      // 0: none; nothing: the listener's
  std::optional<Nanos> grpc_timeout_header_max;  // 0: as it asks; nothing: it is not looked at
  Nanos grpc_timeout_header_offset{};

  // How long a request with this grpc-timeout may last, with grpcTimeoutHeaderMax.
  Nanos for_grpc_timeout(Nanos asked) const {
    const Nanos max = *grpc_timeout_header_max;
    const Nanos limit = max > Nanos(0) && asked > max ? max : asked;
    // As in Envoy: where nothing would be left it counts for nothing.
    return grpc_timeout_header_offset < limit ? limit - grpc_timeout_header_offset : limit;
  }
};
void bind(Fields& f, MaxStreamDuration& limit);

}  // namespace sluice::kinds
