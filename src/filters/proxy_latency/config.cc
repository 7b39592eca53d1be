#include "filters/proxy_latency/config.h"

namespace sluice::proxy_latency {
namespace {

constexpr EnumName kMeasurements[] = {
    {"LAST_INCOMING_FIRST_OUTGOING", static_cast<int>(Measurement::last_in_first_out)},
    {"FIRST_INCOMING_FIRST_OUTGOING", static_cast<int>(Measurement::first_in_first_out)},
    {"LAST_INCOMING_LAST_OUTGOING", static_cast<int>(Measurement::last_in_last_out)},
    {"FIRST_INCOMING_LAST_OUTGOING", static_cast<int>(Measurement::first_in_last_out)},
};

}  // namespace

std::span<const EnumName> enum_names(Measurement) {
  return kMeasurements;
}

void bind(Fields& f, Options& o) {
  f.optional("request", o.request, "From the first or the last byte of the client's to that which goes upstream.");
  f.optional(
      "measureRequestInternally", o.measure_request_internally,
      "To where all filters are done with the request instead of its first byte upstream: without the wait for a "
      "connection.");
  f.optional("response", o.response, "From the first or the last byte of the upstream's to that which goes back.");
  f.optional("chargeClusterStat", o.charge_cluster_stat, "Count it for the cluster.");
  f.optional("chargeListenerStat", o.charge_listener_stat, "Count it for the listener.");
  f.optional("emitDynamicMetadata", o.emit_dynamic_metadata,
             "Tell times of each request in metadata `io.solo.filters.http.proxy_latency`, for access logs.");
  if (!f.reading()) return;
  o.written = f.written();
  if (o.measure_request_internally && to_last(o.request))
    f.warning("measureRequestInternally", "has no effect: `request` is measured to the last byte");
  if (!o.any())
    f.warning("emitDynamicMetadata",
              "nothing is measured: neither cluster nor listener are charged, nor metadata told");
}

}  // namespace sluice::proxy_latency
