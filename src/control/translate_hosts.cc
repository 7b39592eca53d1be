// From VirtualServices to virtual hosts: which serve on a Gateway, their routes, and each route's chain of filters.
#include <algorithm>
#include <ranges>

#include "control/domain_conflicts.h"
#include "control/translating.h"
#include "route/terminals.h"
#include "upstream/retry_policy.h"

namespace sluice {

using kinds::VirtualService;

namespace {

constexpr size_t kInputsASweep = 1000;

std::string host_name(const ObjectKey& service) {
  std::string name = service.ns + "_" + service.name;
  std::ranges::replace(name, '.', '_');
  return name;
}

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

// gloo-core 2.2: one way to select is used, expressions before the selector before references.
bool selects_by_reference(const kinds::HttpGateway& http) {
  return !http.virtual_service_expressions && http.virtual_service_selector.empty() && !http.virtual_services.empty();
}

}  // namespace

bool Translating::is_selected(const ConfigObject& service) const {
  // Of what is rejected and guessed nobody knows whether it was for TLS.
  if (!service.guessed && service.as<VirtualService>()->ssl_config.has_value() != spec_->ssl) return false;
  const kinds::HttpGateway& http = spec_->http_gateway;
  if (selects_by_reference(http))
    return std::ranges::any_of(http.virtual_services, [&](const ObjectRef& ref) {
      return ref.ns == service.key.ns && ref.name == service.key.name;
    });
  const auto& wanted = http.virtual_service_namespaces;
  const bool namespace_fits = wanted.empty() || std::ranges::find(wanted, "*") != wanted.end() ||
                              std::ranges::find(wanted, service.key.ns) != wanted.end();
  if (http.virtual_service_expressions)
    return namespace_fits && http.virtual_service_expressions->fits(service.metadata.labels);
  return namespace_fits && std::ranges::all_of(http.virtual_service_selector, [&](const auto& label) {
           const auto found = service.metadata.labels.find(label.first);
           return found != service.metadata.labels.end() && found->second == label.second;
         });
}

// Gloo says nothing of it.
void Translating::warn_of_other_kind(const ConfigObject& service) {
  const std::string_view where = part_.name.empty()
                                     ? spec_->ssl ? "by a Gateway with ssl: true" : "by a Gateway with ssl: false"
                                 : spec_->ssl ? "where the matcher has an sslConfig"
                                              : "where the matcher has no sslConfig";
  report(part_.owner)
      .warning(fmt::format("{}httpGateway.virtualServices: {} has {} sslConfig, so it is not served {}", part_.path,
                           short_name(service.key), spec_->ssl ? "no" : "an", where));
}

std::vector<ConfigObjectPtr> Translating::select_services() {
  const kinds::HttpGateway& http = spec_->http_gateway;
  std::vector<ConfigObjectPtr> found;
  if (selects_by_reference(http)) {
    for (const ObjectRef& ref : http.virtual_services) {
      const auto object = world_.in_force().find({"VirtualService", ref.ns, ref.name});
      const std::string rejected = why_rejected("VirtualService", ref.ns, ref.name);
      if (object == world_.in_force().end())
        report(part_.owner)
            .error(fmt::format("invalid virtual service ref {}.{}{}", ref.ns, ref.name,
                               rejected.empty() ? suggestion("VirtualService", ref.ns, ref.name) : ": it " + rejected));
      else if (object->second->as<VirtualService>()->ssl_config.has_value() != spec_->ssl)
        warn_of_other_kind(*object->second);
      else if (std::ranges::find(found, object->second) == found.end())
        found.push_back(object->second);
    }
    return found;
  }
  for (const ConfigObjectPtr& object : world_.all("VirtualService"))
    if (is_selected(*object)) found.push_back(object);
  return found;
}

// The hosts of a service that is not in force refuse: else they would fall to one with wildcards, and to its policies.
Result<std::vector<VirtualHostPtr>> Translating::build_hosts(std::span<const ConfigObjectPtr> services) {
  std::vector<std::pair<ConfigObjectPtr, Hosted>> hosted;
  hosted.reserve(services.size());
  std::vector<ConfigObjectPtr> without;
  const std::vector<ConfigObjectPtr> serving = settle_domains(services);  // some of them, in their order
  auto next = serving.begin();
  for (const ConfigObjectPtr& service : services) {
    const bool serves = next != serving.end() && (*next == service || (*next)->key == service->key);
    const ConfigObjectPtr* version = serves ? &*next++ : nullptr;
    if (only_ && only_->key != service->key) continue;
    Hosted host = version ? host_or_last_good(*version, *version == service) : Hosted();
    if (host.host)
      hosted.emplace_back(service, std::move(host));
    else
      without.push_back(service);
  }
  yield_domains(hosted, without);
  std::vector<VirtualHostPtr> hosts;
  hosts.reserve(hosted.size());
  for (auto& [service, host] : hosted) hosts.push_back(std::move(host.host));
  for (const ConfigObjectPtr& object : world_.rejected())
    if (object->as<VirtualService>() && is_selected(*object)) without.push_back(object);
  if (!trial_ && !without.empty()) TRY(close_others(without, hosts));
  return hosts;
}

// Domains were settled for the versions of now. Who goes on with an older one may have had a domain that is another's
// by now: it keeps all of its domains or none, as everywhere.
void Translating::yield_domains(std::vector<std::pair<ConfigObjectPtr, Hosted>>& hosts,
                                std::vector<ConfigObjectPtr>& without) {
  const auto is_older = [](const auto& one) { return one.second.is_last_good; };
  if (std::ranges::none_of(hosts, is_older)) return;  // nearly always
  std::set<std::string> claimed;
  const auto claim = [&claimed](const auto& one) {
    for (const std::string& domain : one.second.host->domains) claimed.insert(to_lower(domain));
  };
  for (const auto& one : hosts)
    if (!is_older(one)) claim(one);
  std::erase_if(hosts, [&](const auto& one) {
    if (!is_older(one)) return false;
    const auto taken = std::ranges::find_if(
        one.second.host->domains, [&](const std::string& domain) { return claimed.contains(to_lower(domain)); });
    if (taken == one.second.host->domains.end()) {
      claim(one);
      return false;
    }
    report(one.first->key)
        .warning(fmt::format("the version before does not stay in force: {} is another's now", json_quote(*taken)));
    without.push_back(one.first);
    without.push_back(t_.last_served_.at(one.first->key).object);
    return true;
  });
}

Status Translating::close_others(std::span<const ConfigObjectPtr> without, std::vector<VirtualHostPtr>& hosts) {
  std::set<std::string> claimed;
  for (const VirtualHostPtr& host : hosts)
    for (const std::string& domain : host->domains) claimed.insert(to_lower(domain));
  for (const ConfigObjectPtr& service : without) TRY(close_hosts_of(*service, claimed, hosts));
  return {};
}

// Those that nobody else serves.
Status Translating::close_hosts_of(const ConfigObject& service, std::set<std::string>& claimed,
                                   std::vector<VirtualHostPtr>& hosts) {
  const auto& wanted = service.as<VirtualService>()->virtual_host;
  if (!wanted) return {};
  VirtualHostEntry host;
  for (const std::string& domain : wanted->domains)
    if (claimed.insert(to_lower(domain)).second) host.domains.push_back(domain);
  if (host.domains.empty()) return {};
  host.name = host_name(service.key);
  const uint32_t line = service.error_line != 0 ? service.error_line : service.tree().place().line;
  auto route = std::make_unique<RouteEntry>();
  route->virtual_host_name = host.name;
  route->generated_name = host.name + "-not-in-force";
  route->refused = fmt::format("this host is refused: {} (line {}) is not in force", service.key.to_string(), line);
  route->matcher = TRY(RequestMatcher::compile(kinds::Matcher{}));
  route->chain.terminal = make_refusal({.kind = OutcomeKind::service_not_in_force,
                                        .rule = fmt::format("{}/{}", service.key.ns, service.key.name),
                                        .text = route->refused,
                                        .count = t_.services_closed_});
  add_once(snapshot_->closed,  // each chain of certificates may have it
           fmt::format("hosts {} of Gateway {}/{} are refused: {}:{}: {} is not in force", join(host.domains, ", "),
                       gateway_->key.ns, gateway_->key.name, service.file, line, service.key.to_string()));
  host.add(std::move(route));
  hosts.push_back(std::make_shared<const VirtualHostEntry>(std::move(host)));
  closed_.insert(service.key);
  return {};
}

std::vector<ConfigObjectPtr> Translating::settle_domains(std::span<const ConfigObjectPtr> services) {
  DomainChoice choice = choose_by_domain(services, [this](const ObjectKey& key) {
    const auto last = t_.last_served_.find(key);
    return last == t_.last_served_.end() ? nullptr : last->second.object;
  });
  for (auto& [key, errors] : choice.errors)
    for (std::string& error : errors) report(key).clash(std::move(error));
  if (!choice.gateway_error.empty()) report(part_.owner).clash(std::move(choice.gateway_error));
  return std::move(choice.serving);
}

// Whether there is something to build; tells when there is not.
bool Translating::has_host(const ConfigObject& service) {
  if (service.as<VirtualService>()->virtual_host) return true;
  report(service.key).warning("VirtualHost Warning: there is no virtualHost");
  return false;
}

// --- units ------------------------------------------------------------------------------------------------------

// From here on what is compiled is for that Gateway.
void Translating::enter(const ObjectKey& gateway, Translator::GatewayContext context) {
  units_ = trial_ ? &trial_units_ : &t_.units_[gateway];
  if (trial_) return trial_units_.hosts.clear();
  units_->seen = t_.run_;
  units_->next = 0;
  units_->order_now.clear();
  if (units_->context == context) return;
  units_->context = std::move(context);
  t_.inputs_.note_change(Inputs::What::gateway, gateway, t_.run_);
}

// What this run did not meet is gone.
void Translating::leave_units() {
  size_t gone = std::erase_if(t_.units_, [this](const auto& entry) { return entry.second.seen != t_.run_; });
  for (auto& [key, units] : t_.units_) {
    units.order.swap(units.order_now);
    if (units.hosts.size() > units.order.size())
      gone += std::erase_if(units.hosts, [this](const auto& entry) { return entry.second.seen != t_.run_; });
  }
  if (gone == 0 && t_.inputs_.size() < 2 * t_.inputs_swept_ + kInputsASweep) return;
  t_.inputs_.forget_unused();
  t_.inputs_swept_ = t_.inputs_.size();
}

void Translating::depend_on(Inputs::What what, const ObjectKey& key) {
  std::vector<InputPtr>* inputs = tls_inputs_ ? tls_inputs_ : unit_ ? &unit_->inputs : nullptr;
  if (!inputs || trial_) return;
  InputPtr input = t_.inputs_.of(what, key);
  if (std::ranges::find(*inputs, input) == inputs->end()) inputs->push_back(std::move(input));
}

// Nearly always the next one of the run before.
HostSlot& Translating::slot_of(const ConfigObjectPtr& service) {
  HostSlot* slot = units_->next < units_->order.size() ? units_->order[units_->next] : nullptr;
  if (slot && slot->service == service) {
    ++units_->next;
  } else {
    slot = &units_->hosts[service->key];
    if (std::exchange(slot->service, service) != service) slot->is_noted = false;
    const auto at =
        std::ranges::find(units_->order.begin() + static_cast<ptrdiff_t>(units_->next), units_->order.end(), slot);
    if (at != units_->order.end()) units_->next = static_cast<size_t>(at - units_->order.begin()) + 1;
  }
  if (std::exchange(slot->seen, t_.run_) != t_.run_) units_->order_now.push_back(slot);
  return *slot;
}

Translating::Hosted Translating::host_or_last_good(const ConfigObjectPtr& service, bool is_newest) {
  HostSlot& slot = slot_of(service);
  if (!is_newest) return {last_good(slot, service->key)};
  if (!has_host(*service)) return {};
  const HostUnit& unit = newest_unit(slot, *service);
  tell(*service, unit);
  done_.insert(service.get());
  if (!unit.host || behind_.contains(service->key)) {
    failed_.insert(service->key);
    return {last_good(slot, service->key), true};
  }
  slot.last_good.reset();
  note_served(slot, service, unit);
  use(unit);
  return {unit.host};
}

// With what it referred to then: also one whose Secret went away stays as it was.
VirtualHostPtr Translating::last_good(HostSlot& slot, const ObjectKey& key) {
  const auto last = t_.last_served_.find(key);
  if (last == t_.last_served_.end()) return nullptr;
  const ConfigObject& service = *last->second.object;
  if (!slot.last_good || slot.last_good_of != last->second.since || !slot.last_good->is_still_true(service)) {
    slot.last_good = compile(service, &last->second.referred);
    slot.last_good_of = last->second.since;
  }
  if (!slot.last_good->host) return nullptr;
  use(*slot.last_good);
  return slot.last_good->host;
}

const HostUnit& Translating::newest_unit(HostSlot& slot, const ConfigObject& service) {
  if (!slot.newest || !slot.newest->is_still_true(service)) {
    slot.newest = compile(service, nullptr);
    slot.is_noted = false;
  }
  return *slot.newest;
}

HostUnitPtr Translating::compile(const ConfigObject& service, const Referred* kept) {
  auto unit = std::make_shared<HostUnit>();
  unit->hash = service.hash;
  unit->run = t_.run_;
  unit_ = unit.get();
  referred_kept_ = kept;
  depend_on(Inputs::What::gateway, part_.key);
  unit->host = build_host(service, unit->report);
  unit_ = nullptr;
  referred_kept_ = nullptr;
  if (!trial_) t_.compiled_->add();
  return unit;
}

// Only the first few texts say what was probably meant, so they are put together in the order of all objects.
void Translating::tell(const ConfigObject& service, const HostUnit& unit) {
  if (unit.report.empty()) return;
  ObjectReport& own = report(service.key);
  for (const std::string& error : unit.report.errors) own.error(error);
  auto missing = unit.missing.begin();
  for (size_t i = 0; i < unit.report.warnings.size(); ++i) {
    std::string text = unit.report.warnings[i];
    if (missing != unit.missing.end() && missing->warning == i) {
      const auto& [kind, ns, name] = missing->upstream;
      const std::string at = suggestions_left_ > 0 ? at_line_of(service, name) : "";
      if (!missing->rejected) text += suggestion(kind, ns, name);
      text += at;
      ++missing;
    }
    own.warning(std::move(text));
  }
}

// It serves: what it leads to is in force.
void Translating::use(const HostUnit& unit) {
  for (const auto& use : unit.clusters) {
    note_cluster(*use.second->cluster);
    clusters_.push_back(&use);
  }
  if (unit.is_dynamic && dynamic_) {
    note_cluster(*dynamic_->cluster);
    snapshot_->dynamic_clusters.insert(dynamic_);
  }
  if (unit.rules) rules_.push_back(unit.rules);
  for (const auto& [what, listener_waits] : unit.preparations) snapshot_->preparations[what] |= listener_waits;
  if (!unit.closed.empty() && dynamic_)
    add_once(snapshot_->closed_clusters[dynamic_->cluster->name],
             fmt::format("{}: {}", gateway_->key.to_string(), unit.closed));
}

void Translating::note_served(HostSlot& slot, const ConfigObjectPtr& service, const HostUnit& unit) {
  if (trial_ || std::exchange(slot.is_noted, true)) return;
  served_.push_back({service->key, {.object = service, .referred = unit.referred}});
}

VirtualHostPtr Translating::build_host(const ConfigObject& service, ObjectReport& report) {
  const kinds::VirtualHost& host = *service.as<VirtualService>()->virtual_host;
  auto entry = std::make_shared<VirtualHostEntry>();
  entry->name = host_name(service.key);
  entry->domains = host.domains;
  if (!check_headers(service, report)) return nullptr;
  bool good = true;
  for (size_t i = 0; i < host.routes.size(); ++i) {
    if (Status built = build_route(service, i, *entry, report); !built) {
      report.error(built.error().message);  // of every route, all at once
      good = false;
    }
  }
  if (!good) return nullptr;
  entry->index();
  return entry;
}

// Operators and Secrets of headers on all levels, each with its path.
bool Translating::check_headers(const ConfigObject& service, ObjectReport& report) {
  bool good = true;
  const FindHeaderSecret find_secret = secret_finder();
  const auto check = [&](const kinds::HeaderManipulation& level, const std::string& path) {
    for (const std::string& problem : HeaderMutations::check(level, find_secret)) {
      report.error(fmt::format("{}.headerManipulation.{}", path, problem));
      good = false;
    }
  };
  const kinds::VirtualHost& host = *service.as<VirtualService>()->virtual_host;
  check(host.options.header_manipulation, "spec.virtualHost.options");
  for (size_t i = 0; i < host.routes.size(); ++i) {
    const std::string path = fmt::format("spec.virtualHost.routes[{}]", i);
    check(host.routes[i].options.header_manipulation, path + ".options");
    const auto* action = std::get_if<kinds::RouteAction>(&host.routes[i].action);
    const auto* multi = action ? std::get_if<kinds::MultiDestination>(&action->destination) : nullptr;
    for (size_t d = 0; multi && d < multi->destinations.size(); ++d)
      check(multi->destinations[d].options.header_manipulation,
            fmt::format("{}.routeAction.multi.destinations[{}].options", path, d));
  }
  return good;
}

Status Translating::build_route(const ConfigObject& service, size_t index, VirtualHostEntry& host,
                                ObjectReport& report) {
  const kinds::Route& route = service.as<VirtualService>()->virtual_host->routes[index];
  const auto* action = std::get_if<kinds::RouteAction>(&route.action);
  const auto* multi = action ? std::get_if<kinds::MultiDestination>(&action->destination) : nullptr;
  for (size_t matcher = 0; matcher < route.matchers.size(); ++matcher) {
    auto entry = TRY(build_entry(service, index, matcher, multi ? &multi->destinations.front() : nullptr, report));
    if (multi)
      for (const kinds::WeightedDestination& destination : multi->destinations)
        entry->add_weighted(destination.weight, TRY(build_entry(service, index, matcher, &destination, report)));
    host.add(std::move(entry));
  }
  return {};
}

Result<std::unique_ptr<RouteEntry>> Translating::build_entry(const ConfigObject& service, size_t index, size_t matcher,
                                                             const kinds::WeightedDestination* destination,
                                                             ObjectReport& report) {
  const kinds::VirtualHost& host = *service.as<VirtualService>()->virtual_host;
  const kinds::Route& route = host.routes[index];
  auto entry = std::make_unique<RouteEntry>();
  entry->name = route.name;
  entry->virtual_host_name = service.key.ns + "_" + service.key.name;
  const std::string tree =
      route_tree_name(gateway_->key.name, kDefaultProxy, service.key.ns, service.key.name, route.name);
  entry->generated_name = route_name(entry->virtual_host_name, index, tree, matcher);
  const auto route_error = [&](Error error) {
    return invalid(
        fmt::format("Route Error: ProcessingError. Reason: {}. Route Name: {}", error.message, entry->generated_name));
  };
  auto compiled = RequestMatcher::compile(route.matchers[matcher]);
  if (!compiled) return route_error(compiled.error());
  entry->matcher = std::move(*compiled);
  entry->timeout = route.options.timeout.value_or(kinds::kRouteTimeoutDefault);
  entry->idle_timeout = route.options.idle_timeout;
  entry->stream_duration = route.options.max_stream_duration;
  entry->envoy_headers = !spec_->http_gateway.options.router.suppress_envoy_headers;
  // A route's policy replaces its virtual host's entirely.
  if (const auto& retries = route.options.retries ? route.options.retries : host.options.retries) {
    // Mostly that of the virtual host, for one route after the other.
    if (std::exchange(retries_compiled_, retries.get()) != retries.get())
      retry_policy_ = std::make_shared<const RetryPolicy>(*retries);
    entry->retry_policy = retry_policy_;
    entry->retries = entry->retry_policy.get();
  }
  entry->prefix_rewrite = route.options.prefix_rewrite;
  entry->host_rewrite = route.options.host_rewrite;
  const kinds::HeaderManipulation* levels[] = {destination ? &destination->options.header_manipulation : nullptr,
                                               &route.options.header_manipulation, &host.options.header_manipulation};
  if (spec_->route_options.most_specific_header_mutations_wins) std::ranges::reverse(levels);
  auto mutations = HeaderMutations::compile(levels, secret_finder());
  if (!mutations) return route_error(mutations.error());
  entry->headers = std::move(*mutations);
  auto filters = build_filters(service, index, destination, report);
  if (!filters) return route_error(filters.error());
  entry->chain.filters = std::move(*filters);
  refused_.clear();
  auto terminal = build_terminal(service, route, entry->matcher, destination, report);
  if (!terminal) return route_error(terminal.error());
  entry->chain.terminal = std::move(*terminal);
  entry->refused = refused_;
  return entry;
}

class Translating::FilterReferences final : public References {
 public:
  explicit FilterReferences(Translating& translating) : t_(translating) {}

  Result<UpstreamEnd> upstream(const ObjectRef& ref) override { return t_.upstream_end(ref); }
  Result<ObjectData> secret(const ObjectRef& ref) override {
    const ConfigObjectPtr object = TRY(t_.find_data("Secret", ref));
    return data_of(object, object->as<kinds::Secret>()->data);
  }
  Result<ObjectData> config_map(const ObjectRef& ref) override {
    const ConfigObjectPtr object = TRY(t_.find_data("ConfigMap", ref));
    return data_of(object, object->as<kinds::ConfigMap>()->data);
  }
  Result<FileData> file(const std::string& path, size_t bytes_max) override { return t_.find_file(path, bytes_max); }

 private:
  static ObjectData data_of(const ConfigObjectPtr& object, const std::map<std::string, std::string>& data) {
    return {{object, &data}, fmt::format("{} {:016x}", object->key.to_string(), object->hash)};
  }

  Translating& t_;
};

Result<std::vector<StagedFilter>> Translating::build_filters(const ConfigObject& service, size_t index,
                                                             const kinds::WeightedDestination* destination,
                                                             ObjectReport& report) {
  const kinds::VirtualHost& host = *service.as<VirtualService>()->virtual_host;
  FilterBuild build;
  build.listener = &spec_->http_gateway.options.filters;
  build.virtual_host = &host.options.filters;
  build.route = &host.routes[index].options.filters;
  build.destination = destination ? &destination->options.filters : nullptr;
  build.settings = settings_;
  build.body_buffer_bytes_max = spec_->options.per_connection_buffer_limit_bytes;
  build.body_budget = options_.body_budget;
  build.loops = options_.loops;
  build.metrics = &metrics_;
  build.kept = &kept_;
  FilterReferences references(*this);
  build.references = &references;
  std::vector<std::string> warnings;
  build.warnings = &warnings;
  if (!unserved_ && !trial_) {
    build.workers = options_.places;
    build.preparations = &unit_->preparations;
  }
  build.cluster = cluster_name(service, host.routes[index], destination);
  build.listener_address = address_label_;
  build.name = fmt::format("{} route {}", short_name(service.key), index);
  if (!unserved_)
    build.without_effect = [&](const OptionSet& level, std::string_view field, std::string_view why) {
      std::string path = "spec.virtualHost.options";
      if (&level == build.route) path = fmt::format("spec.virtualHost.routes[{}].options", index);
      if (&level == build.destination)
        path = fmt::format("spec.virtualHost.routes[{}].routeAction.multi.destinations: options", index);
      report.warning(fmt::format("{}.{}: has no effect: Gateway {} {}", path, field, gateway_->key.name, why));
    };
  std::vector<StagedFilter> filters;
  for (const FilterFactory* factory : options_.filters)
    for (StagedFilter& filter : TRY(factory->build(build)))
      filters.insert(std::ranges::upper_bound(filters, filter.stage, {}, &StagedFilter::stage), std::move(filter));
  for (std::string& warning : warnings) report.warning("Route Warning: " + std::move(warning));
  return filters;
}

// A health check is answered whatever host it asks for, and JSON for gRPC gets its route by the method that it calls.
// Nothing else is for requests that have no route.
std::vector<StagedFilter> Translating::unrouted_filters() {
  FilterBuild build;
  build.listener = &spec_->http_gateway.options.filters;
  build.settings = settings_;
  build.metrics = &metrics_;
  build.kept = &kept_;
  FilterReferences references(*this);
  build.references = &references;
  build.name = "no route";
  Translator::Unrouted of_trial;
  Translator::Unrouted& unrouted = trial_ ? of_trial : t_.unrouted_[part_.key];
  const Referred before = std::exchange(unrouted.referred, {});
  const bool any_before = std::exchange(unrouted.seen, t_.run_) != 0;
  unrouted.inputs.clear();
  std::vector<StagedFilter> filters;
  for (const FilterFactory* factory : options_.filters) {
    const auto is_meant = [](Stage stage) { return stage == Stage::health_check || stage == Stage::grpc_json; };
    if (std::ranges::none_of(factory->stages(), is_meant)) continue;
    auto built = build_unrouted(*factory, build, unrouted, nullptr);
    if (!built) {
      std::string why = built.error().message;
      if (any_before) built = build_unrouted(*factory, build, unrouted, &before);
      if (built) why += "; what was in force before stays so";
      report(part_.owner).warning("for requests without a route: " + std::move(why));
    }
    if (!built) continue;  // they are answered 404 then
    for (StagedFilter& filter : *built)
      filters.insert(std::ranges::upper_bound(filters, filter.stage, {}, &StagedFilter::stage), std::move(filter));
  }
  return filters;
}

// `kept`: as for a last good version.
Result<std::vector<StagedFilter>> Translating::build_unrouted(const FilterFactory& factory, const FilterBuild& build,
                                                              Translator::Unrouted& unrouted, const Referred* kept) {
  HostUnit unit;
  unit_ = &unit;
  referred_kept_ = kept;
  auto built = factory.build(build);
  unit_ = nullptr;
  referred_kept_ = nullptr;
  std::ranges::move(unit.inputs, std::back_inserter(unrouted.inputs));
  if (built) unrouted.referred.merge(std::move(unit.referred));
  return built;
}

// Of a Secret or ConfigMap, for the unit that is compiled.
Result<ConfigObjectPtr> Translating::find_data(std::string_view kind, const ObjectRef& ref) {
  const ObjectKey key{std::string(kind), ref.ns, ref.name};
  if (!referred_kept_) depend_on(Inputs::What::object, key);
  const auto& from = referred_kept_ ? referred_kept_->objects : world_.in_force();
  const auto object = from.find(key);
  if (object == from.end()) {
    const std::string word = to_lower(kind), rejected = why_rejected(kind, ref.ns, ref.name);
    return invalid(rejected.empty() ? fmt::format("list did not find {} {}.{}", word, ref.ns, ref.name)
                                    : fmt::format("{} {}.{} {}", word, ref.ns, ref.name, rejected));
  }
  if (unit_) unit_->referred.objects.emplace(key, object->second);
  return object->second;
}

// The same of a file.
Result<FileData> Translating::find_file(const std::string& path, size_t bytes_max) {
  if (!referred_kept_) {
    FileData file = TRY(watched_file(path, bytes_max));
    if (unit_) unit_->referred.files.emplace(path, file);
    return file;
  }
  const auto kept = referred_kept_->files.find(path);
  if (kept == referred_kept_->files.end()) return invalid(path + " was not read then");
  if (unit_) unit_->referred.files.insert(*kept);
  return kept->second;
}

// As it is now.
Result<FileData> Translating::watched_file(const std::string& path, size_t bytes_max) {
  depend_on(Inputs::What::file, {"", "", path});
  const WatchedFiles::File& file = files_.read(path, bytes_max);
  return FileData{TRY(file.text), fmt::format("{} {}{}", path, file.version, trial_ ? " tried" : "")};
}

FindHeaderSecret Translating::secret_finder() {
  return [this](const ObjectRef& ref) -> Result<HeaderList> {
    const ConfigObjectPtr object = TRY(find_data("Secret", ref));
    const auto& [type, data] = *object->as<kinds::Secret>();
    if (!type.empty() && type != "Opaque" && type != "gloo.solo.io/header")
      return invalid(fmt::format("secret {}.{} is of type {}: a header secret is Opaque or gloo.solo.io/header", ref.ns,
                                 ref.name, printable(type, 60)));
    return HeaderList(data.begin(), data.end());
  };
}

}  // namespace sluice
