// The ends of chains: where the requests of a route go, with the clusters, address rules and resolvers they share.
#include <algorithm>
#include <bit>
#include <set>

#include "base/log.h"
#include "control/translating.h"
#include "route/terminals.h"

namespace sluice {
namespace {

std::string hex_hash(std::string_view text) {
  return fmt::format("{:016x}", std::hash<std::string_view>{}(text));
}

void set_protocol(const kinds::Upstream& upstream, Cluster& cluster) {
  if (upstream.protocol_selection == kinds::ProtocolSelection::downstream)
    cluster.protocol = UpstreamProtocol::as_client;
  else if (upstream.use_http2)
    cluster.protocol = UpstreamProtocol::http2;
  h2::ClientOptions& options = cluster.http2;
  options.stream_window = upstream.initial_stream_window_size.value_or(options.stream_window);
  options.connection_window = upstream.initial_connection_window_size.value_or(options.connection_window);
  options.streams_max = upstream.max_concurrent_streams.value_or(options.streams_max);
  options.only_stream_ends_on_invalid_message = upstream.override_stream_error_on_invalid_http_message;
}

std::string static_cluster_name(const ObjectRef& upstream, const ConfigObject& service) {
  return upstream.name + "_" + (upstream.ns.empty() ? service.key.ns : upstream.ns);
}

EgressNow::Standing closed_standing(const PolicyGap& gap) {
  return {.guard = nullptr,
          .refusal = {.kind = OutcomeKind::policy_not_in_force,
                      .rule = rule_of(gap),
                      .text = "dynamic destinations are refused here: " + gap.subject}};
}

}  // namespace

Result<std::shared_ptr<const Service>> Translating::build_terminal(const ConfigObject& service,
                                                                   const kinds::Route& route,
                                                                   const RequestMatcher& matcher,
                                                                   const kinds::WeightedDestination* destination,
                                                                   ObjectReport& report) {
  if (const auto* redirect = std::get_if<kinds::RedirectAction>(&route.action))
    return make_redirect(*redirect, matcher, *t_.redirects_too_costly_);
  if (const auto* direct = std::get_if<kinds::DirectResponseAction>(&route.action))
    return make_direct_response(*direct, spec_->route_options.max_direct_response_body_size_bytes);
  if (destination) return static_terminal(service, destination->destination, report);
  const auto& action = std::get<kinds::RouteAction>(route.action).destination;
  if (const auto* single = std::get_if<kinds::Destination>(&action)) return static_terminal(service, *single, report);
  if (const auto* dynamic = std::get_if<kinds::DynamicForwardProxyRoute>(&action))
    return dynamic_terminal(service, *dynamic, report);
  report.warning(
      "Route Warning: InvalidDestinationWarning. Reason: must specify either 'singleDestination', "
      "'multipleDestinations' or 'upstreamGroup' for action");
  return make_no_cluster("");
}

// "": there is none. By name alone: whether it is there build_terminal() finds out.
std::string Translating::cluster_name(const ConfigObject& service, const kinds::Route& route,
                                      const kinds::WeightedDestination* destination) const {
  const auto* action = std::get_if<kinds::RouteAction>(&route.action);
  if (!action) return {};
  const auto* to = destination ? &destination->destination : std::get_if<kinds::Destination>(&action->destination);
  if (to) return static_cluster_name(to->upstream, service);
  if (std::holds_alternative<kinds::DynamicForwardProxyRoute>(action->destination) && dynamic_)
    return dynamic_->cluster->name;
  return {};
}

void Translating::note_cluster(const Cluster& cluster) {
  // Many routes may lead to one cluster.
  if (clusters_in_force_.insert(&cluster).second) cluster.come_into_force();
}

// A text ends with what was probably meant where it is told (tell()).
void Translating::note_missing(const ObjectKey& upstream, ObjectReport& report) {
  const std::string rejected = why_rejected("Upstream", upstream.ns, upstream.name);
  const size_t before = report.warnings.size();
  report.warning(fmt::format("Route Warning: InvalidDestinationWarning. Reason: *v1.Upstream {{ {}.{} }} {}",
                             upstream.ns, upstream.name, rejected.empty() ? "not found" : rejected));
  if (report.warnings.size() > before) unit_->missing.push_back({before, upstream, !rejected.empty()});
}

std::shared_ptr<const Service> Translating::static_terminal(const ConfigObject& service,
                                                            const kinds::Destination& destination,
                                                            ObjectReport& report) {
  const std::string& ns = destination.upstream.ns.empty() ? service.key.ns : destination.upstream.ns;
  const ConfigObject* object = find("Upstream", ns, destination.upstream.name);
  const std::string name = static_cluster_name(destination.upstream, service);
  depend_on(Inputs::What::object, {"Upstream", ns, destination.upstream.name});
  if (!object) {
    note_missing({"Upstream", ns, destination.upstream.name}, report);
    return make_no_cluster(name);
  }
  if (unserved_ || trial_) return make_no_cluster(name);  // a cluster that nobody uses is none
  if (auto cluster = static_cluster(*object)) return make_static_upstream(std::move(cluster));
  report.warning(
      fmt::format("Route Warning: InvalidDestinationWarning. Reason: *v1.Upstream {{ {}.{} }}: its TLS "
                  "cannot be had, as its status says: requests are answered 503",
                  ns, destination.upstream.name));
  return make_no_cluster(name);
}

namespace {

// Gloo sends an address as a name, too; RFC 6066 3 forbids it, and sslConfig.sni is the better guess.
std::string name_for_tls(const kinds::Upstream& upstream, const kinds::StaticHost& host) {
  if (!host.sni_addr.empty()) return to_lower(host.sni_addr);
  if (upstream.static_hosts.auto_sni_rewrite && !IpAddress::parse(host.addr)) return to_lower(host.addr);
  return upstream.ssl_config ? to_lower(upstream.ssl_config->sni) : std::string();
}

}  // namespace

// Null: its TLS cannot be had.
std::shared_ptr<const StaticCluster> Translating::cluster_of(const ConfigObject& object) {
  const std::string name = object.key.name + "_" + object.key.ns;
  const auto found = met(object);
  if (!found) return nullptr;  // never plain instead
  const auto& upstream = *found->version->as<kinds::Upstream>();
  const ClientTlsPtr& tls = found->tls;
  std::string key = fmt::format("cluster {} {:016x}", name, found->version->hash);
  if (tls) key += " " + tls->made_of;
  return kept_.get<StaticCluster>(key, [&] {
    auto made = std::make_shared<StaticCluster>(options_.loops);
    auto common = std::make_shared<Cluster>(name, upstream.circuit_breakers.value_or(kinds::CircuitBreakers{}),
                                            options_.workers, metrics_);
    common->connect_timeout = upstream.connection_config.connect_timeout;
    common->balancing = upstream.load_balancer_config;
    set_protocol(upstream, *common);
    if (const auto& version = upstream.proxy_protocol_version)
      common->proxy_protocol = *version == kinds::ProxyProtocolVersion::v1 ? ProxyProtocol::v1 : ProxyProtocol::v2;
    if (upstream.outlier_detection) common->detect_outliers(*upstream.outlier_detection);
    if (tls) common->tls = tls->context;
    made->cluster = std::move(common);
    for (const kinds::StaticHost& host : upstream.static_hosts.hosts) {
      const auto address = IpAddress::parse(host.addr);
      made->hosts.push_back({.name = address ? "" : to_lower(host.addr),
                             .address = address,
                             .port = host.port,
                             .weight = host.load_balancing_weight,
                             .sni = tls ? name_for_tls(upstream, host) : ""});
      if (!address && !made->resolver) made->resolver = static_resolver();
    }
    return made;
  });
}

// For the unit that is compiled.
std::shared_ptr<const StaticCluster> Translating::static_cluster(const ConfigObject& object) {
  auto cluster = cluster_of(object);
  if (!cluster) return nullptr;
  if (std::ranges::find(unit_->clusters, object.key, &HostUnit::ClusterUse::first) == unit_->clusters.end())
    unit_->clusters.emplace_back(object.key, cluster);
  return cluster;
}

// As it is now; one that is gone goes on for a version that was served with it.
Result<UpstreamEnd> Translating::upstream_end(const ObjectRef& ref) {
  const ObjectKey key{"Upstream", ref.ns, ref.name};
  depend_on(Inputs::What::object, key);
  ConfigObjectPtr object;
  if (const auto now = world_.in_force().find(key); now != world_.in_force().end()) object = now->second;
  if (!object && referred_kept_)
    if (const auto kept = referred_kept_->objects.find(key); kept != referred_kept_->objects.end())
      object = kept->second;
  if (!object) {
    std::string why = why_rejected("Upstream", ref.ns, ref.name);
    if (why.empty()) why = "not found" + meant(key);
    return invalid(fmt::format("*v1.Upstream {{ {}.{} }} {}", ref.ns, ref.name, why));
  }
  unit_->referred.objects.emplace(key, object);
  const std::string made_of = fmt::format("{} {:016x}", key.to_string(), object->hash);
  const bool tls = speaks_tls(*object->as<kinds::Upstream>());
  const auto found = met(*object);
  const bool any_certificate_will_do =
      found && found->tls && found->tls->context->options().verify == TlsClientOptions::Verify::nothing;
  if (unserved_ || trial_)
    return UpstreamEnd{make_no_cluster(ref.name + "_" + ref.ns), made_of + " unused", tls, any_certificate_will_do};
  const auto cluster = static_cluster(*object);
  if (!cluster)
    return invalid(fmt::format("the TLS of Upstream {}.{} cannot be had, as its status says", ref.ns, ref.name));
  return UpstreamEnd{
      make_static_upstream(cluster),
      made_of + (cluster->cluster->tls ? fmt::format(" {}", static_cast<const void*>(cluster.get())) : ""), tls,
      any_certificate_will_do};
}

// Often the same as before: then the snapshots share it.
void Translating::settle_clusters() {
  const bool same =
      t_.static_clusters_ &&
      std::ranges::equal(clusters_, t_.clusters_used_, {}, [](const HostUnit::ClusterUse* use) { return use->second; });
  if (!same) {
    auto made = std::make_shared<StaticClusters>();
    t_.clusters_used_.clear();
    for (const HostUnit::ClusterUse* use : clusters_) {
      made->insert(*use);
      t_.clusters_used_.push_back(use->second);
    }
    t_.static_clusters_ = std::move(made);
  }
  snapshot_->static_clusters = t_.static_clusters_;
}

Result<std::shared_ptr<const Service>> Translating::dynamic_terminal(const ConfigObject& service,
                                                                     const kinds::DynamicForwardProxyRoute& route,
                                                                     ObjectReport& report) {
  if (unserved_) return make_no_cluster("solo_io_generated_dfp");
  if (!spec_->http_gateway.options.dynamic_forward_proxy) {
    report.warning(
        fmt::format("Route Warning: InvalidDestinationWarning. Reason: the route forwards dynamically, but Gateway {} "
                    "has no httpGateway.options.dynamicForwardProxy: requests get 503",
                    gateway_->key.name));
    return make_no_cluster("solo_io_generated_dfp");
  }
  unit_->is_dynamic = true;
  if (!unit_->rules) unit_->rules = TRY(rules_for(&service));
  const EgressNow::Standing& standing = unit_->rules->standing;
  if (!standing.guard) return closed_terminal(standing, *gap_for(&service), report);
  if (!dynamic_) return make_no_cluster("solo_io_generated_dfp");  // in a trial
  return make_dynamic_upstream(dynamic_, standing.guard,
                               {.host_rewrite = route.host_rewrite,
                                .host_header = to_lower(route.auto_host_rewrite_header),
                                .place = unit_->rules->place,
                                .schemes = settings_->destinations.scheme,
                                .lists = settings_->destinations.list},
                               t_.dynamic_metrics_);
}

std::string Translating::place_of(const ConfigObject* service) const {
  return EgressNow::place(short_name(gateway_->key), service ? short_name(service->key) : "");
}

// Null: what the Gateway has besides its services.
Result<std::shared_ptr<const PlaceRules>> Translating::rules_for(const ConfigObject* service) {
  auto rules = std::make_shared<PlaceRules>();
  rules->place = std::make_shared<const std::string>(place_of(service));
  if (const PolicyGap* gap = gap_for(service))
    rules->standing = closed_standing(*gap);
  else
    rules->standing.guard = TRY(guard_for(service));
  return rules;
}

// What holds for requests under way to services that are gone by now.
Status Translating::note_gateway_egress() {
  rules_.push_back(TRY(rules_for(nullptr)));
  return {};
}

// Within one policy they are its error (config/kinds/egress_policy.cc).
void Translating::warn_of_contradictions() {
  std::set<std::pair<const AddressGuard*, std::string_view>> told;  // by Gateway, whose services share guards
  for (const auto& rules : rules_) {
    const AddressGuard* guard = rules->standing.guard.get();
    if (!guard || !guard->rules.says_of_tls()) continue;
    const std::string_view gateway = std::string_view(*rules->place).substr(0, rules->place->find('|'));
    if (!told.emplace(guard, gateway).second) continue;
    const size_t dot = gateway.find('.');  // of short_name(): none stands in a namespace
    const ObjectKey key{"Gateway", std::string(gateway.substr(0, dot)), std::string(gateway.substr(dot + 1))};
    for (const std::string& text : guard->rules.contradictions())
      report(key).warning(fmt::format("{}: dynamic destinations there are refused with 403", text));
  }
}

// Likewise: workers judge nothing again then.
void Translating::settle_egress() {
  warn_of_contradictions();
  const auto same_rules = [](const auto& a, const auto& b) { return a == b || *a == *b; };
  const bool same = t_.egress_ && t_.egress_->elsewhere.guard == elsewhere_.guard &&
                    std::ranges::equal(rules_, t_.rules_used_, same_rules);
  if (!same) {
    auto made = std::make_shared<EgressNow>();
    made->elsewhere = elsewhere_;
    made->says_of_tls = false;
    for (const auto& rules : rules_) {
      made->places[*rules->place] = rules->standing;
      made->says_of_tls |= rules->standing.guard && rules->standing.guard->rules.says_of_tls();
    }
    t_.egress_ = std::move(made);
    t_.rules_used_ = std::move(rules_);
  }
  snapshot_->egress = t_.egress_;
}

// Before any name is resolved (S3).
std::shared_ptr<const Service> Translating::closed_terminal(const EgressNow::Standing& standing, const PolicyGap& gap,
                                                            ObjectReport& report) {
  refused_ = standing.refusal.text;
  report.warning(fmt::format("dynamic destinations on Gateway {} are refused: {} ({})", gateway_->key.name, gap.subject,
                             gap.file));
  unit_->closed = refused_;
  return make_refusal({.kind = standing.refusal.kind,
                       .rule = standing.refusal.rule,
                       .text = standing.refusal.text,
                       .count = t_.dynamic_metrics_->closed});
}

// The policies of the Gateway and of the VirtualService, joined: in the order of their names, each once.
Result<std::shared_ptr<const AddressGuard>> Translating::guard_for(const ConfigObject* service) {
  depend_on(Inputs::What::addresses);
  std::map<ObjectKey, const ConfigObject*> meant;
  for (const ConfigObject* target : {gateway_, service}) {
    if (!target) continue;
    depend_on(Inputs::What::rules, target->key);
    if (const auto found = t_.policies_.find(target->key); found != t_.policies_.end())
      for (const ConfigObjectPtr& object : found->second) meant.emplace(object->key, object.get());
  }
  std::vector<AddressPolicy> policies;
  std::string key = "guard " + gateway_->key.to_string();
  for (const auto& [name, object] : meant) {
    AddressPolicy& made = policies.emplace_back(AddressPolicy{name.name, {}});
    for (const kinds::EgressRule& rule : object->as<kinds::EgressPolicy>()->rules)
      made.rules.push_back({rule.name, static_cast<RuleAction>(rule.action), rule.match.addresses, rule.upstream_tls,
                            rule.certificate_name});
    key += fmt::format(" {}:{:016x}", name.to_string(), object->hash);
  }
  return guard_of(gateway_->key.name, std::move(key), policies);
}

Result<std::shared_ptr<const AddressGuard>> Translating::guard_of(const std::string& name, std::string key,
                                                                  const std::vector<AddressPolicy>& policies) {
  for (const uint16_t port : own_ports_) key += fmt::format(" {}", port);
  for (const IpAddress& address : local_.self) key += " " + address.to_string();
  auto& known = guards_[key];
  if (known) return known;
  auto rules = TRY(AddressRules::compile(policies, local_, own_ports_));
  return known = kept_.get<AddressGuard>(
             key, [&] { return std::make_shared<AddressGuard>(AddressGuard{std::move(rules), name, {}}); });
}

std::shared_ptr<const DynamicCluster> Translating::dynamic_cluster(const kinds::DynamicForwardProxyConfig& config,
                                                                   const ClientTlsPtr& tls) {
  auto resolver = resolver_view(config.dns_cache_config, 1024);
  const kinds::CircuitBreakers breakers = config.circuit_breakers.value_or(kinds::CircuitBreakers{});
  const std::string key = fmt::format(
      "dfp {} {} {} {} {} {} {} {} {} {}", resolver->config().key(), breakers.max_connections.value_or(1024),
      breakers.max_pending_requests.value_or(1024), breakers.max_requests.value_or(1024),
      breakers.max_retries.value_or(3), breakers.track_remaining, config.save_upstream_address,
      config.ssl_config.has_value(), settings_->destinations.scheme, tls ? tls->made_of : "plain");
  return kept_.get<DynamicCluster>(key, [&] {
    auto made = std::make_shared<DynamicCluster>(options_.loops);
    auto common =
        std::make_shared<Cluster>("solo_io_generated_dfp:" + hex_hash(key), breakers, options_.workers, metrics_);
    common->balancing.balancing = kinds::Balancing::least_request;  // S10
    if (tls && config.ssl_config) common->tls = tls->context;
    made->cluster = std::move(common);
    made->resolver = resolver;
    made->save_upstream_address = config.save_upstream_address;
    if (tls && !config.ssl_config) made->scheme_tls = tls->context;
    if (tls) made->named_tls = tls->named;
    return made;
  });
}

// Whatever stands in the configuration has a place, four for each, as hashes do not spread names evenly over the
// workers. The places only grow, and by doubling: else every Upstream more would be a new resolver that knows nothing.
// What grew leaves clusters that are kept with the resolver that they have; it has room for their names.
const std::shared_ptr<ResolverView>& Translating::static_resolver() {
  if (static_resolver_) return static_resolver_;
  size_t names = 0;
  for (const ConfigObjectPtr& object : world_.all("Upstream"))
    names += object->as<kinds::Upstream>()->static_hosts.hosts.size();
  t_.static_names_max_ = std::max(t_.static_names_max_, std::bit_ceil(4 * names));
  kinds::DnsCacheConfig config;
  config.max_hosts = static_cast<uint32_t>(t_.static_names_max_);
  return static_resolver_ = resolver_view(config, 1024);
}

std::shared_ptr<ResolverView> Translating::resolver_view(const kinds::DnsCacheConfig& config, size_t pending_max) {
  ResolverConfig made;
  made.pending_max = pending_max;
  made.names.family = static_cast<dns::LookupFamily>(config.dns_lookup_family);
  made.names.host_ttl = config.host_ttl;
  made.names.hosts_max = config.max_hosts;
  made.names.query_timeout = config.dns_query_timeout;
  if (config.dns_failure_refresh_rate) {
    made.names.failure_base = config.dns_failure_refresh_rate->base_interval;
    made.names.failure_max = config.dns_failure_refresh_rate->max_interval.value_or(times(made.names.failure_base, 10));
  } else {
    made.names.failure_max = std::min(made.names.failure_max, config.dns_refresh_rate);
    made.names.failure_base = std::min(made.names.failure_base, made.names.failure_max);
  }
  if (config.cares_dns) {
    for (const kinds::DnsServer& server : config.cares_dns->resolvers)
      made.servers.list.push_back({{*IpAddress::parse(server.address), server.port},
                                   config.cares_dns->use_tcp || server.protocol == kinds::SocketProtocol::tcp
                                       ? DnsProtocol::tcp
                                       : DnsProtocol::udp_then_tcp});
  } else if (!options_.default_resolvers.empty()) {
    for (const Endpoint& endpoint : options_.default_resolvers)
      made.servers.list.push_back({endpoint, DnsProtocol::udp_then_tcp});
  } else {
    if (auto read = use_system_files(made); read) {
      t_.system_names_ = made;
    } else {
      // Other servers than until now would be worse than yesterday's.
      log::warn("dns", "the system's DNS configuration cannot be read; what it said before stays in force",
                {{"error", read.error().message}});
      made.servers = t_.system_names_.servers;
      made.hosts = t_.system_names_.hosts;
    }
  }
  const std::string key = "dns " + made.key();
  return kept_.get<ResolverView>(key, [&] { return options_.resolvers->make(std::move(made)); });
}

}  // namespace sluice
