// `proxyLatency` of a Gateway: Gloo's proxylatency.proto.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "config/bind.h"

namespace sluice::proxy_latency {

// From which byte that came in to which that went out.
enum class Measurement : uint8_t { last_in_first_out, first_in_first_out, last_in_last_out, first_in_last_out };
std::span<const EnumName> enum_names(Measurement);

constexpr bool from_last(Measurement m) {
  return m == Measurement::last_in_first_out || m == Measurement::last_in_last_out;
}
constexpr bool to_last(Measurement m) {
  return m == Measurement::last_in_last_out || m == Measurement::first_in_last_out;
}

struct Options {
  Measurement request = Measurement::last_in_first_out;
  Measurement response = Measurement::last_in_first_out;
  bool measure_request_internally = false;
  bool charge_cluster_stat = true;
  bool charge_listener_stat = true;
  bool emit_dynamic_metadata = true;

  bool any() const { return charge_cluster_stat || charge_listener_stat || emit_dynamic_metadata; }
  std::string written;  // Fields::written()
};
void bind(Fields& f, Options& options);

}  // namespace sluice::proxy_latency
