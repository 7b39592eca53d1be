// TCP gateways: whose connections go where, without a look at their bytes.
#include "control/translating.h"
#include "forward/tcp_upstream.h"
#include "route/header_mutations.h"

namespace sluice {
namespace {

using kinds::TcpHost;

std::string text_of(const ObjectKey& upstream, std::string_view why) {
  return fmt::format("TcpHost Warning: InvalidDestinationWarning. Reason: *v1.Upstream {{ {}.{} }} {}", upstream.ns,
                     upstream.name, why);
}

std::string not_served(std::string_view host) {
  return fmt::format("; tcpHost {} is not served", printable(host, 60));
}

// Its headers, those of Secrets too, the last of a name where it is to be in place of the others.
class TunnelBuilder {
 public:
  explicit TunnelBuilder(FindHeaderSecret find_secret) : find_secret_(std::move(find_secret)) {}

  Result<std::shared_ptr<const TcpTunnel>> build(const kinds::TunnelingConfig& from) {
    for (size_t i = 0; i < from.headers_to_add.size(); ++i) {
      auto added = add(from.headers_to_add[i]);
      if (!added) return std::unexpected(std::move(added).error().in(fmt::format("headersToAdd[{}]", i)));
    }
    auto host = Format::compile(from.hostname, FormatUse::header_value);
    if (!host) return std::unexpected(std::move(host).error().in("hostname"));
    return std::make_shared<const TcpTunnel>(TcpTunnel{*std::move(host), std::move(headers_)});
  }

 private:
  Status add(const kinds::RequestHeaderAddition& addition) {
    if (addition.header) return add(addition.header->key, addition.header->value, addition.append);
    for (const auto& [name, value] : TRY(usable_secret(*addition.header_secret_ref, find_secret_)))
      TRY(add(name, without_operators(value), addition.append));
    return {};
  }
  Status add(std::string_view key, std::string_view value, bool append) {
    const std::string name = to_lower(key);
    if (!append) std::erase_if(headers_, [&](const TcpTunnel::Header& one) { return one.name == name; });
    headers_.push_back({name, TRY(Format::compile(value, FormatUse::header_value))});
    return {};
  }
  // The format that stands for the text itself.
  static std::string without_operators(std::string_view text) {
    std::string out;
    for (const char c : text) out.append(c == '%' ? 2 : 1, c);
    return out;
  }

  const FindHeaderSecret find_secret_;
  std::vector<TcpTunnel::Header> headers_;
};

ChainMatch match_of(const TcpHost& host) {
  return {.sni_domains = host.ssl_config ? host.ssl_config->sni_domains : std::vector<std::string>{},
          .sources = {},
          .name = "tcpHost " + printable(host.name, 60)};
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
  const std::string& ns = destination.upstream.ns.empty() ? part_.owner.ns : destination.upstream.ns;
  const ObjectKey key{"Upstream", ns, destination.upstream.name};
  const ConfigObject* object = find(key.kind, key.ns, key.name);
  if (!object) {
    report(part_.owner).warning(text_of(key, why_missing(key.kind, ns, key.name, "not found")) + not_served(host));
    return false;
  }
  if (trial_) return true;
  auto service = tcp_service(*object);
  if (!service) {
    report(part_.owner).warning(text_of(key, "has TLS that cannot be had, as its status says") + not_served(host));
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

// False: one of its destinations is not there.
bool Translating::add_tcp_destinations(const TcpHost& host, TcpConfig& to) {
  const auto& destination = host.destination.destination;
  if (const auto* single = std::get_if<kinds::Destination>(&destination))
    return add_tcp_destination(*single, 1, host.name, to);
  bool whole = true;
  if (const auto* multi = std::get_if<kinds::TcpMultiDestination>(&destination))
    for (const auto& one : multi->destinations)
      whole &= add_tcp_destination(one.destination, one.weight, host.name, to);
  else
    add_all_clusters(to);
  return whole;
}

// Where its sslConfig has certificates. Null: they cannot be had.
ServerCertificatePtr Translating::certificate_of_host(const TcpHost& host) {
  const ObjectKey& gateway = part_.owner;
  Certified certified =
      certify({"TcpHost", part_.key.ns, part_.key.name + "/" + host.name}, *host.ssl_config, host.destination.hash);
  if (certified.beside_other) certified.certificate = nullptr;  // who may go there its own sslConfig says
  if (certified.problem) {
    const bool is_missing = certified.problem->kind == ErrorKind::not_found;
    std::string text = fmt::format("Listener {}. Reason: tcpHost {}: {}",
                                   is_missing ? "Warning: SSLConfigWarning" : "Error: SSLConfigError",
                                   printable(host.name, 60), certified.problem->message);
    text += what_is_shown(certified);
    if (!certified.certificate) text += not_served(host.name);
    if (is_missing)
      report(gateway).warning(std::move(text));
    else
      report(gateway).clash(std::move(text));
  }
  if (certified.certificate && !trial_) certified.certificate->come_into_force();
  if (certified.certificate)
    for (const std::string& warning : certified.certificate->context->warnings(now_))
      report(gateway).warning(
          fmt::format("tcpHost {}: {}: {}", printable(host.name, 60), certified.certificate->from, warning));
  return certified.certificate;
}

// gloo-core 3.7: the name alone counts then. Gloo says nothing of the rest.
void Translating::warn_of_passed_on(const TcpHost& host) {
  for (const std::string_view field : host.ssl_config->set)
    if (field != "sniDomains")
      report(part_.owner)
          .warning(fmt::format("tcpHost {}: sslConfig.{} has no effect: without certificates TLS is passed on",
                               printable(host.name, 60), field));
}

std::string Translating::chain_name(const TcpHost& host) const {
  return part_.name.empty() ? host.name : part_.name + " " + host.name;
}

// A host without all that it needs is left out (gloo-core 2.6): its connections end, and are not the other hosts'.
// False: so it is.
Result<bool> Translating::add_tcp_host(const TcpHost& host, const kinds::TcpListenerOptions& options,
                                       SnapshotListener& listener) {
  TcpConfig made;
  bool whole = true;
  if (const auto& config = options.tcp_proxy_settings.tunneling_config) {
    auto tunnel = TunnelBuilder(secret_finder()).build(*config);
    if (!tunnel)
      report(part_.owner)
          .clash(fmt::format("{}tcpGateway.options.tcpProxySettings.tunnelingConfig.{}{}", part_.path,
                             tunnel.error().message, not_served(host.name)));
    whole = tunnel.has_value();
    if (tunnel) made.tunnel = *std::move(tunnel);
  }
  whole &= add_tcp_destinations(host, made);
  ServerCertificatePtr certificate;
  if (host.ssl_config && host.ssl_config->source.any()) {
    certificate = certificate_of_host(host);
    whole &= certificate != nullptr;
  } else if (host.ssl_config) {
    warn_of_passed_on(host);
  }
  const std::string name = chain_name(host);
  PortChain& chain = listener.port.chains.emplace_back(PortChain{.name = name});
  if (!whole) return false;
  if (certificate)
    made.tls =
        TRY(TlsServerChains::create({{.sni_domains = host.ssl_config->sni_domains, .context = certificate->context}}));
  made.log_interval = options.tcp_proxy_settings.access_log_flush_interval.value_or(Nanos(0));
  made.idle_timeout = options.tcp_proxy_settings.idle_timeout;
  made.connect_attempts_max = options.tcp_proxy_settings.max_connect_attempts;
  made.observer = listener.config.observer;
  made.metrics = t_.tcp_metrics_;
  listener.port.reads_server_name |= made.by_server_name && !made.tls;
  chain.tcp = &listener.tcp.emplace_back(SnapshotTcp{name, std::move(made), std::move(certificate)}).config;
  return true;
}

Status Translating::build_tcp_listener(const kinds::TcpGateway& gateway, SnapshotListener& listener) {
  TRY(open_access_log(listener));
  apply_port_settings(gateway.options.connection_limit, listener);
  std::vector<ChainMatch> matches;
  matches.reserve(gateway.tcp_hosts.size());
  for (const TcpHost& host : gateway.tcp_hosts) matches.push_back(match_of(host));
  listener.port.table = std::make_shared<const ChainTable>(TRY(ChainTable::create(matches)));
  bool any = false;
  for (const TcpHost& host : gateway.tcp_hosts) any |= TRY(add_tcp_host(host, gateway.options, listener));
  if (!any) report(part_.owner).warning("no tcpHost of it can be served, so no port is opened");
  listener.port.listener = &listener.config;
  if (trial_ || !any) listener.port.chains.clear();
  return {};
}

}  // namespace sluice
