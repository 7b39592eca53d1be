// The ends of chains: where the requests of a route go, with the clusters, address rules and resolvers they share.
#include <algorithm>
#include <bit>

#include "base/log.h"
#include "control/translating.h"
#include "route/terminals.h"

namespace sluice {
namespace {

// Where the tree refers to that Upstream; 0 when it cannot be told.
uint32_t line_of_upstream(const Node& node, std::string_view name) {
  if (const auto* items = node.list()) {
    for (const Node& item : *items)
      if (const uint32_t line = line_of_upstream(item, name); line != 0) return line;
  } else if (const auto* members = node.map()) {
    for (const NodeMember& member : *members) {
      if (member.key == "upstream" && member.value.text_at({"name"}) == name)
        return place_at(member.value, "name").line;
      if (const uint32_t line = line_of_upstream(member.value, name); line != 0) return line;
    }
  }
  return 0;
}

// " (line 7)", for the operator's eye: the words before are Gloo's.
std::string at_line_of(const ConfigObject& service, std::string_view upstream) {
  const uint32_t line = line_of_upstream(service.tree(), upstream);
  return line == 0 ? std::string() : fmt::format(" (line {})", line);
}

std::string hex_hash(std::string_view text) {
  return fmt::format("{:016x}", std::hash<std::string_view>{}(text));
}

EgressNow::Standing closed_standing(const PolicyGap& gap) {
  return {.guard = nullptr,
          .refusal = {.text = "dynamic destinations are refused here: " + gap.subject, .details = details_of(gap)}};
}

}  // namespace

Result<std::shared_ptr<const Filter>> Translating::build_terminal(const ConfigObject& service,
                                                                  const kinds::Route& route,
                                                                  const RequestMatcher& matcher,
                                                                  const kinds::WeightedDestination* destination,
                                                                  ObjectReport& report) {
  if (const auto* redirect = std::get_if<kinds::RedirectAction>(&route.action))
    return make_redirect(*redirect, matcher, *t_.redirects_too_costly_);
  if (const auto* direct = std::get_if<kinds::DirectResponseAction>(&route.action))
    return make_direct_response(*direct);
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

void Translating::note_cluster(const Cluster& cluster, const ClusterId& id) {
  auto& alive = snapshot_->clusters_alive;
  if (alive.size() <= id.value()) alive.resize(id.value() + 1);
  if (alive[id.value()]) return;  // by another route: many may lead to one cluster
  alive[id.value()] = true;
  cluster.come_into_force();
}

std::shared_ptr<const Filter> Translating::static_terminal(const ConfigObject& service,
                                                           const kinds::Destination& destination,
                                                           ObjectReport& report) {
  const std::string& ns = destination.upstream.ns.empty() ? service.key.ns : destination.upstream.ns;
  const ConfigObject* object = find("Upstream", ns, destination.upstream.name);
  const std::string name = destination.upstream.name + "_" + ns;
  if (!object) {
    const std::string at = suggestions_left_ > 0 ? at_line_of(service, destination.upstream.name) : "";
    report.warning(fmt::format("Route Warning: InvalidDestinationWarning. Reason: *v1.Upstream {{ {}.{} }} {}", ns,
                               destination.upstream.name,
                               why_missing("Upstream", ns, destination.upstream.name, "not found") + at));
    return make_no_cluster(name);
  }
  if (unserved_ || trial_) return make_no_cluster(name);  // a cluster that nobody uses is none
  return make_static_upstream(static_cluster(*object));
}

std::shared_ptr<const StaticCluster> Translating::static_cluster(const ConfigObject& object) {
  const std::string name = object.key.name + "_" + object.key.ns;
  const auto& upstream = *object.as<kinds::Upstream>();
  auto cluster = kept_.get<StaticCluster>("cluster " + name + fmt::format(" {:016x}", object.hash), [&] {
    auto made = std::make_shared<StaticCluster>();
    auto common = std::make_shared<Cluster>(name, upstream.circuit_breakers.value_or(kinds::CircuitBreakers{}),
                                            options_.workers, metrics_);
    common->connect_timeout = upstream.connection_config.connect_timeout;
    common->balancing = upstream.load_balancer_config;
    if (upstream.outlier_detection) common->detect_outliers(*upstream.outlier_detection);
    made->cluster = std::move(common);
    for (const kinds::StaticHost& host : upstream.static_hosts.hosts) {
      const auto address = IpAddress::parse(host.addr);
      made->hosts.push_back({address ? "" : to_lower(host.addr), address, host.port, host.load_balancing_weight});
      if (!address && !made->resolver) made->resolver = static_resolver();
    }
    return made;
  });
  note_cluster(*cluster->cluster, cluster->id);
  snapshot_->static_clusters.emplace(object.key, cluster);
  return cluster;
}

// As it is now; one that is gone goes on for a version that was served with it.
Result<UpstreamEnd> Translating::upstream_end(const ObjectRef& ref) {
  const ObjectKey key{"Upstream", ref.ns, ref.name};
  ConfigObjectPtr object;
  if (const auto now = by_key_.find(key); now != by_key_.end()) object = now->second;
  if (const auto* kept = secrets_kept_; !object && kept && kept->contains(key)) object = kept->at(key);
  if (!object)
    return invalid(fmt::format("*v1.Upstream {{ {}.{} }} {}", ref.ns, ref.name,
                               why_missing("Upstream", ref.ns, ref.name, "not found")));
  if (secrets_used_) secrets_used_->emplace(key, object);
  const std::string made_of = fmt::format("{} {:016x}", key.to_string(), object->hash);
  if (unserved_ || trial_) return UpstreamEnd{make_no_cluster(ref.name + "_" + ref.ns), made_of + " unused"};
  return UpstreamEnd{make_static_upstream(static_cluster(*object)), made_of};
}

Result<std::shared_ptr<const Filter>> Translating::dynamic_terminal(const ConfigObject& service,
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
  if (dynamic_) {
    note_cluster(*dynamic_->cluster, dynamic_->id);
    snapshot_->dynamic_clusters.insert(dynamic_);
  }
  const std::string place = place_of(&service);
  EgressNow::Standing& standing = egress_->places[place];
  if (const PolicyGap* gap = gap_for(&service)) {
    standing = closed_standing(*gap);
    return closed_terminal(standing, *gap, report);
  }
  standing.guard = TRY(guard_for(&service));
  if (!dynamic_) return make_no_cluster("solo_io_generated_dfp");  // in a trial
  return make_dynamic_upstream(dynamic_, standing.guard,
                               {.host_rewrite = route.host_rewrite,
                                .host_header = to_lower(route.auto_host_rewrite_header),
                                .place = place,
                                .lists = settings_->destinations.list},
                               t_.dynamic_metrics_);
}

std::string Translating::place_of(const ConfigObject* service) const {
  return EgressNow::place(short_name(gateway_->key), service ? short_name(service->key) : "");
}

// What holds for requests under way to services that are gone by now.
Status Translating::note_gateway_egress() {
  EgressNow::Standing& standing = egress_->places[place_of(nullptr)];
  if (const PolicyGap* gap = gap_for(nullptr))
    standing = closed_standing(*gap);
  else
    standing.guard = TRY(guard_for(nullptr));
  return {};
}

// Before any name is resolved (S3).
std::shared_ptr<const Filter> Translating::closed_terminal(const EgressNow::Standing& standing, const PolicyGap& gap,
                                                           ObjectReport& report) {
  refused_ = standing.refusal.text;
  report.warning(fmt::format("dynamic destinations on Gateway {} are refused: {} ({})", gateway_->key.name, gap.subject,
                             gap.file));
  if (dynamic_)
    add_once(snapshot_->closed_clusters[dynamic_->cluster->name],
             fmt::format("{}: {}", gateway_->key.to_string(), refused_));
  return make_refusal({.status = 403,
                       .text = standing.refusal.text,
                       .details = standing.refusal.details,
                       .count = t_.dynamic_metrics_->closed});
}

// The policies of the Gateway and of the VirtualService, joined.
Result<std::shared_ptr<const AddressGuard>> Translating::guard_for(const ConfigObject* service) {
  if (last_guard_.guard && last_guard_.gateway == gateway_ && last_guard_.service == service) return last_guard_.guard;
  std::vector<AddressPolicy> policies;
  std::string key = "guard " + gateway_->key.to_string();
  for (const ConfigObjectPtr& object : all<kinds::EgressPolicy>()) {
    const auto& policy = *object->as<kinds::EgressPolicy>();
    const bool meant = std::ranges::any_of(policy.target_refs, [&](const kinds::TargetRef& target) {
      const ConfigObject* own = target.kind == "Gateway" ? gateway_ : service;
      return own && target.kind == own->key.kind && target.name == own->key.name && object->key.ns == own->key.ns;
    });
    if (!meant) continue;
    AddressPolicy& made = policies.emplace_back(AddressPolicy{object->key.name, {}});
    for (const kinds::EgressRule& rule : policy.rules)
      made.rules.push_back({rule.name, static_cast<RuleAction>(rule.action), rule.match.addresses});
    key += fmt::format(" {}:{:016x}", object->key.to_string(), object->hash);
  }
  last_guard_ = {gateway_, service, TRY(guard_of(gateway_->key.name, std::move(key), policies))};
  return last_guard_.guard;
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

std::shared_ptr<const DynamicCluster> Translating::dynamic_cluster(const kinds::DynamicForwardProxyConfig& config) {
  auto resolver = resolver_view(config.dns_cache_config, 1024);
  const kinds::CircuitBreakers breakers = config.circuit_breakers.value_or(kinds::CircuitBreakers{});
  const std::string key =
      fmt::format("dfp {} {} {} {} {} {} {}", resolver->config().key(), breakers.max_connections.value_or(1024),
                  breakers.max_pending_requests.value_or(1024), breakers.max_requests.value_or(1024),
                  breakers.max_retries.value_or(3), breakers.track_remaining, config.save_upstream_address);
  return kept_.get<DynamicCluster>(key, [&] {
    auto made = std::make_shared<DynamicCluster>();
    auto common =
        std::make_shared<Cluster>("solo_io_generated_dfp:" + hex_hash(key), breakers, options_.workers, metrics_);
    common->balancing.balancing = kinds::Balancing::least_request;  // S10
    made->cluster = std::move(common);
    made->resolver = resolver;
    made->save_upstream_address = config.save_upstream_address;
    return made;
  });
}

// Whatever stands in the configuration has a place, four for each, as hashes do not spread names evenly over the
// workers. The places only grow, and by doubling: else every Upstream more would be a new resolver that knows nothing.
// What grew leaves clusters that are kept with the resolver that they have; it has room for their names.
const std::shared_ptr<ResolverView>& Translating::static_resolver() {
  if (static_resolver_) return static_resolver_;
  size_t names = 0;
  for (const auto& [key, object] : by_key_)
    if (const auto* upstream = object->as<kinds::Upstream>()) names += upstream->static_hosts.hosts.size();
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
