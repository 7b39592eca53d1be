// TCP gateways: whose connections go where, without a look at their bytes.
#include "control/translating.h"
#include "forward/tcp_upstream.h"

namespace sluice {
namespace {

using kinds::TcpHost;

std::string text_of(const ObjectKey& upstream, std::string_view why) {
  return fmt::format("TcpHost Warning: InvalidDestinationWarning. Reason: *v1.Upstream {{ {}.{} }} {}", upstream.ns,
                     upstream.name, why);
}

ChainMatch match_of(const TcpHost& host) {
  return {.sni_domains = host.ssl_config ? host.ssl_config->sni_domains : std::vector<std::string>{}, .sources = {}};
}

}  // namespace

// Null: its TLS cannot be had.
std::shared_ptr<const TcpService> Translating::tcp_service(const ConfigObject& upstream) {
  auto cluster = cluster_of(upstream);
  if (!cluster) return nullptr;
  note_cluster(*cluster->cluster);
  clusters_.push_back(&tcp_clusters_.emplace_back(upstream.key, cluster));
  return make_tcp_upstream(std::move(cluster));
}

// False: there is no such Upstream.
bool Translating::add_tcp_destination(const kinds::Destination& destination, uint32_t weight, std::string_view host,
                                      TcpConfig& to) {
  const std::string& ns = destination.upstream.ns.empty() ? gateway_->key.ns : destination.upstream.ns;
  const ObjectKey key{"Upstream", ns, destination.upstream.name};
  const ConfigObject* object = find(key.kind, key.ns, key.name);
  if (!object) {
    report(gateway_->key)
        .warning(fmt::format("{}; tcpHost {} is not served",
                             text_of(key, why_missing(key.kind, ns, key.name, "not found")), host));
    return false;
  }
  if (trial_) return true;
  auto service = tcp_service(*object);
  if (!service) {
    report(gateway_->key)
        .warning(fmt::format("{}; tcpHost {} is not served",
                             text_of(key, "has TLS that cannot be had, as its status says"), host));
    return false;
  }
  to.destinations.push_back({std::move(service), weight});
  return true;
}

// Whichever name a client may ask for.
void Translating::add_all_clusters(TcpConfig& to) {
  to.by_server_name = true;
  if (trial_) return;
  for (const ConfigObjectPtr& object : world_.all("Upstream"))
    if (auto service = tcp_service(*object))
      to.clusters.emplace(to_lower(object->key.name + "_" + object->key.ns), std::move(service));
}

// A host without all of its destinations is left out (gloo-core 2.6): its connections are not the other hosts'.
Status Translating::build_tcp_listener(const kinds::TcpGateway& gateway, SnapshotListener& listener) {
  TRY(open_access_log(listener));
  apply_port_settings(*spec_, gateway.options.connection_limit, listener);
  std::vector<ChainMatch> matches;
  for (const TcpHost& host : gateway.tcp_hosts) matches.push_back(match_of(host));
  auto all = ChainTable::create(matches);
  if (!all) return std::unexpected(std::move(all).error());
  matches.clear();
  for (const TcpHost& host : gateway.tcp_hosts) {
    TcpConfig made;
    bool whole = true;
    const auto& to = host.destination.destination;
    if (const auto* single = std::get_if<kinds::Destination>(&to))
      whole = add_tcp_destination(*single, 1, host.name, made);
    else if (const auto* multi = std::get_if<kinds::TcpMultiDestination>(&to))
      for (const auto& one : multi->destinations)
        whole &= add_tcp_destination(one.destination, one.weight, host.name, made);
    else
      add_all_clusters(made);
    if (!whole) continue;
    made.idle_timeout = gateway.options.tcp_proxy_settings.idle_timeout;
    made.connect_attempts_max = gateway.options.tcp_proxy_settings.max_connect_attempts;
    made.observer = listener.config.observer;
    made.metrics = t_.tcp_metrics_;
    matches.push_back(match_of(host));
    listener.port.chains.push_back({.name = host.name, .tcp = &listener.tcp.emplace_back(std::move(made))});
  }
  if (listener.port.chains.empty())
    report(gateway_->key).warning("no tcpHost of it can be served, so no port is opened");
  listener.port.listener = &listener.config;
  listener.port.table = std::make_shared<const ChainTable>(TRY(ChainTable::create(matches)));
  listener.port.reads_server_name =
      std::ranges::any_of(listener.tcp, [](const TcpConfig& one) { return one.by_server_name; });
  if (trial_) listener.port.chains.clear();
  return {};
}

}  // namespace sluice
