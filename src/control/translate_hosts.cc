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

std::string host_name(const ObjectKey& service) {
  std::string name = service.ns + "_" + service.name;
  std::ranges::replace(name, '.', '_');
  return name;
}

}  // namespace

bool Translating::is_selected(const ConfigObject& service) const {
  const kinds::HttpGateway& http = spec_->http_gateway;
  if (http.virtual_service_selector.empty() && !http.virtual_services.empty())
    return std::ranges::any_of(http.virtual_services, [&](const ObjectRef& ref) {
      return ref.ns == service.key.ns && ref.name == service.key.name;
    });
  const auto& wanted = http.virtual_service_namespaces;
  const bool namespace_fits = wanted.empty() || std::ranges::find(wanted, "*") != wanted.end() ||
                              std::ranges::find(wanted, service.key.ns) != wanted.end();
  return namespace_fits && std::ranges::all_of(http.virtual_service_selector, [&](const auto& label) {
           const auto found = service.metadata.labels.find(label.first);
           return found != service.metadata.labels.end() && found->second == label.second;
         });
}

std::vector<ConfigObjectPtr> Translating::select_services(const ConfigObject& gateway) {
  const kinds::HttpGateway& http = spec_->http_gateway;
  std::vector<ConfigObjectPtr> found;
  if (http.virtual_service_selector.empty() && !http.virtual_services.empty()) {
    for (const ObjectRef& ref : http.virtual_services) {
      const auto object = by_key_.find({"VirtualService", ref.ns, ref.name});
      const std::string rejected = why_rejected("VirtualService", ref.ns, ref.name);
      if (object == by_key_.end())
        report(gateway.key)
            .error(fmt::format("invalid virtual service ref {}.{}{}", ref.ns, ref.name,
                               rejected.empty() ? suggestion("VirtualService", ref.ns, ref.name) : ": it " + rejected));
      else if (std::ranges::find(found, object->second) == found.end())
        found.push_back(object->second);
    }
    return found;
  }
  for (const ConfigObjectPtr& object : all<VirtualService>())
    if (is_selected(*object)) found.push_back(object);
  return found;
}

// The hosts of a service that is not in force refuse: else they would fall to one with wildcards, and to its policies.
Result<std::vector<VirtualHostEntry>> Translating::build_hosts(const ConfigObject& gateway,
                                                               std::span<const ConfigObjectPtr> services) {
  std::vector<VirtualHostEntry> hosts;
  std::set<ObjectKey> served;
  std::set<std::string> claimed;
  for (const ConfigObjectPtr& service : settle_domains(gateway, services)) {
    auto host = build_host_or_last_good(service);
    if (!host) continue;
    served.insert(service->key);
    for (const std::string& domain : host->domains) claimed.insert(to_lower(domain));
    hosts.push_back(std::move(*host));
  }
  for (const ConfigObjectPtr& service : services)
    if (!served.contains(service->key)) TRY(close_hosts_of(*service, claimed, hosts));
  for (const ConfigObjectPtr& object : rejected_)
    if (object->as<VirtualService>() && is_selected(*object)) TRY(close_hosts_of(*object, claimed, hosts));
  return hosts;
}

// Those that nobody else serves.
Status Translating::close_hosts_of(const ConfigObject& service, std::set<std::string>& claimed,
                                   std::vector<VirtualHostEntry>& hosts) {
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
  route->chain.terminal =
      make_refusal({.status = 503,
                    .text = route->refused,
                    .details = fmt::format("virtual_service_not_in_force{{{}/{}}}", service.key.ns, service.key.name),
                    .count = t_.services_closed_});
  snapshot_->closed.push_back(fmt::format("hosts {} of Gateway {}/{} are refused: {}:{}: {} is not in force",
                                          join(host.domains, ", "), gateway_->key.ns, gateway_->key.name, service.file,
                                          line, service.key.to_string()));
  host.routes.push_back(std::move(route));
  hosts.push_back(std::move(host));
  closed_.insert(service.key);
  return {};
}

std::vector<ConfigObjectPtr> Translating::settle_domains(const ConfigObject& gateway,
                                                         std::span<const ConfigObjectPtr> services) {
  DomainChoice choice = choose_by_domain(services, [this](const ObjectKey& key) {
    const auto last = t_.last_served_.find(key);
    return last == t_.last_served_.end() ? nullptr : last->second.object;
  });
  for (auto& [key, errors] : choice.errors)
    for (std::string& error : errors) report(key).clash(std::move(error));
  if (!choice.gateway_error.empty()) report(gateway.key).clash(std::move(choice.gateway_error));
  return std::move(choice.serving);
}

// Whether there is something to build; tells when there is not.
bool Translating::has_host(const ConfigObject& service) {
  if (service.as<VirtualService>()->virtual_host) return true;
  report(service.key).warning("VirtualHost Warning: there is no virtualHost");
  return false;
}

void Translating::check_host(const ConfigObject& service) {
  if (!has_host(service)) return;
  ObjectReport& own = report(service.key);
  build_host(service, own);
}

std::optional<VirtualHostEntry> Translating::build_host_or_last_good(const ConfigObjectPtr& service) {
  if (find(service->key.kind, service->key.ns, service->key.name) != service.get())
    return build_last_good(service->key);
  if (!has_host(*service)) return std::nullopt;
  ObjectReport& own = report(service->key);
  Translator::Served served{service, {}};
  secrets_used_ = &served.secrets;
  auto built = build_host(*service, own);
  secrets_used_ = nullptr;
  if (built) {
    built_[service->key].secrets.merge(served.secrets);
    built_[service->key].object = service;
    return built;
  }
  failed_.insert(service->key);
  return build_last_good(service->key);
}

// With the Secrets it had then: also one whose Secret went away stays as it was.
std::optional<VirtualHostEntry> Translating::build_last_good(const ObjectKey& key) {
  const auto last = t_.last_served_.find(key);
  if (last == t_.last_served_.end()) return std::nullopt;
  ObjectReport ignored;
  secrets_kept_ = &last->second.secrets;
  auto built = build_host(*last->second.object, ignored);
  secrets_kept_ = nullptr;
  return built;
}

std::optional<VirtualHostEntry> Translating::build_host(const ConfigObject& service, ObjectReport& report) {
  const kinds::VirtualHost& host = *service.as<VirtualService>()->virtual_host;
  VirtualHostEntry entry;
  entry.name = host_name(service.key);
  entry.domains = host.domains;
  bool good = check_headers(service, report);
  if (!good) return std::nullopt;
  for (size_t i = 0; i < host.routes.size(); ++i) {
    if (Status built = build_route(service, i, entry, report); !built) {
      report.error(built.error().message);  // of every route, all at once
      good = false;
    }
  }
  if (!good) return std::nullopt;
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
    host.routes.push_back(std::move(entry));
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
  entry->timeout = route.options.timeout.value_or(15s);
  entry->idle_timeout = route.options.idle_timeout;
  // A route's policy replaces its virtual host's entirely.
  if (const auto& retries = route.options.retries ? route.options.retries : host.options.retries) {
    entry->retry_policy = std::make_shared<const RetryPolicy>(*retries);
    entry->retries = entry->retry_policy.get();
  }
  entry->prefix_rewrite = route.options.prefix_rewrite;
  entry->host_rewrite = route.options.host_rewrite;
  const kinds::HeaderManipulation* levels[] = {destination ? &destination->options.header_manipulation : nullptr,
                                               &route.options.header_manipulation, &host.options.header_manipulation};
  auto mutations = HeaderMutations::compile(levels, secret_finder());
  if (!mutations) return route_error(mutations.error());
  entry->headers = std::move(*mutations);
  auto filters = build_filters(service, index, destination);
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

 private:
  static ObjectData data_of(const ConfigObjectPtr& object, const std::map<std::string, std::string>& data) {
    return {{object, &data}, fmt::format("{} {:016x}", object->key.to_string(), object->hash)};
  }

  Translating& t_;
};

Result<std::vector<StagedFilter>> Translating::build_filters(const ConfigObject& service, size_t index,
                                                             const kinds::WeightedDestination* destination) {
  const kinds::VirtualHost& host = *service.as<VirtualService>()->virtual_host;
  FilterBuild build;
  build.listener = &spec_->http_gateway.options.filters;
  build.virtual_host = &host.options.filters;
  build.route = &host.routes[index].options.filters;
  build.destination = destination ? &destination->options.filters : nullptr;
  build.settings = settings_;
  build.body_buffer_bytes_max = spec_->options.per_connection_buffer_limit_bytes;
  build.threads = options_.workers + 1;
  build.metrics = &metrics_;
  build.kept = &kept_;
  FilterReferences references(*this);
  build.references = &references;
  if (!unserved_ && !trial_) {
    build.workers = options_.places;
    build.preparations = &snapshot_->preparations;
  }
  build.name = fmt::format("{} route {}", short_name(service.key), index);
  std::vector<StagedFilter> filters;
  for (const FilterFactory* factory : options_.filters)
    for (StagedFilter& filter : TRY(factory->build(build)))
      filters.insert(std::ranges::upper_bound(filters, filter.stage, {}, &StagedFilter::stage), std::move(filter));
  return filters;
}

// Of a Secret or ConfigMap, for the host being built.
Result<ConfigObjectPtr> Translating::find_data(std::string_view kind, const ObjectRef& ref) {
  const ObjectKey key{std::string(kind), ref.ns, ref.name};
  const auto& from = secrets_kept_ ? *secrets_kept_ : by_key_;
  const auto object = from.find(key);
  const std::string word = to_lower(kind);
  if (object == from.end())
    return invalid(rejected_at_.contains(key)
                       ? fmt::format("{} {}.{} {}", word, ref.ns, ref.name, why_rejected(kind, ref.ns, ref.name))
                       : fmt::format("list did not find {} {}.{}", word, ref.ns, ref.name));
  if (secrets_used_) secrets_used_->emplace(key, object->second);
  return object->second;
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
