#include "config/kinds/max_stream_duration.h"

namespace sluice::kinds {

void bind(Fields& f, MaxStreamDuration& m) {
  f.optional("maxStreamDuration", m.max_stream_duration,
             "Longest time from the first byte of the request to the end of the answer; 0 = no limit. Absent: the "
             "listener's.");
  f.optional("grpcTimeoutHeaderMax", m.grpc_timeout_header_max,
             "A request with grpc-timeout may last as long as that says, and this at most; 0 = as it says. Absent: "
             "grpc-timeout is passed on and not looked at.");
  f.optional("grpcTimeoutHeaderOffset", m.grpc_timeout_header_offset,
             "So much less than grpc-timeout says, where that is more.");
  f.not_negative("maxStreamDuration", m.max_stream_duration);
  f.not_negative("grpcTimeoutHeaderMax", m.grpc_timeout_header_max);
  f.not_negative("grpcTimeoutHeaderOffset", m.grpc_timeout_header_offset);
  if (f.reading() && f.present("grpcTimeoutHeaderOffset") && !f.present("grpcTimeoutHeaderMax"))
    f.warning("grpcTimeoutHeaderOffset", "has no effect without grpcTimeoutHeaderMax");
}

}  // namespace sluice::kinds
