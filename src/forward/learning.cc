#include "forward/learning.h"

#include "base/log.h"
#include "net/tls_info.h"

namespace sluice {
namespace {

void count(const ClusterMetrics& metrics, const Error& error) {
  (error.kind == ErrorKind::timeout ? metrics.connect_timeouts : metrics.connect_failures)->add();
  const TlsFailure failure = tls_failure(error);
  if (failure != TlsFailure::none) metrics.tls_errors->add();
  if (failure == TlsFailure::wrong_name) metrics.tls_wrong_name->add();
  if (failure == TlsFailure::untrusted) metrics.tls_untrusted->add();
}

// Once for each pause of an address, not for each connection; those are counted.
void tell(const Cluster& cluster, const SocketAddress& address, const Error& error, Nanos pause) {
  static log::Site site{LogLevel::warn, "upstream", "an address cannot be connected to"};
  if (pause == 0s || !site.admits()) return;
  site.write({{"cluster", cluster.name},
              {"address", address.to_string()},
              {"error", error.message},
              {"left_out_s", pause / 1s}});
}

}  // namespace

void learn_connect_failure(const Cluster& cluster, const EndpointSet::Use& endpoint, const SocketAddress& address,
                           const Error& error, SteadyTime now, std::vector<EndpointSet::Id>& tried) {
  count(cluster.metrics, error);
  EndpointSet::Endpoint* failed = endpoint.set().find(address, endpoint->host());
  if (!failed) return;
  tried.push_back(failed->id());
  if (error.side != Side::upstream) return;
  using How = Ejections::Failure;
  const How how = error.kind == ErrorKind::timeout ? How::connect_timeout : How::connect;
  tell(cluster, address, error, endpoint.set().failed(*failed, how, now));
}

void learn_connected(const Cluster& cluster, const EndpointSet::Use& endpoint) {
  if (!endpoint.set().connected(*endpoint)) [[likely]]
    return;
  static log::Site site{LogLevel::info, "upstream", "an address can be connected to again"};
  if (site.admits()) site.write({{"cluster", cluster.name}, {"address", endpoint->address().to_string()}});
}

OutcomeKind connect_outcome(const Error& error) {
  if (error.kind == ErrorKind::timeout) return OutcomeKind::connect_timeout;
  switch (tls_failure(error)) {
    case TlsFailure::none: return OutcomeKind::connect_failure;
    case TlsFailure::protocol: return OutcomeKind::tls_failure;
    default: return OutcomeKind::certificate_refused;
  }
}

}  // namespace sluice
